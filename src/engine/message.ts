import { type Decoded, decodeHeartbeat, decodeReadings } from "../codec/payload.ts";
import { parseTopic } from "../codec/topic.ts";
import type { EntryOf } from "../domain/entry.ts";
import { heartbeatId } from "../domain/kind.ts";
import type { Reason } from "../domain/rejection.ts";
import type { ThingId } from "../domain/thing.ts";
import { type District, memoryOf, type Scene, touch } from "./district.ts";
import { type Delivery, takeReadings } from "./intake.ts";
import type { Stream } from "./memory.ts";
import { born, heardFrom, setPresence } from "./presence.ts";
import { watchProperties } from "./silence.ts";
import { noteLag } from "./skew.ts";

type Message = EntryOf<"message">;

/** Where a topic leads: to a thing and what it says there, or to a refusal of the whole message. */
export type Route =
  | { readonly kind: "readings" | "heartbeat" | "status"; readonly scene: Scene }
  | { readonly kind: "refused"; readonly thing: ThingId | ""; readonly reason: Reason; readonly detail: string };

/** Topics whose way is known; forgotten when the registry changes, and all at the bound. */
const routesMax = 50_000;

export const createMessages = (district: District) => {
  const routes = new Map<string, Route>();
  const routeOf = (topic: string): Route => {
    const known = routes.get(topic);
    if (known !== undefined) return known;
    const route = findRoute(district, topic);
    if (routes.size >= routesMax) routes.clear();
    routes.set(topic, route);
    return route;
  };
  return {
    forgetRoutes: (): void => routes.clear(),
    apply(message: Message): void {
      const route = routeOf(message.topic);
      if (route.kind === "refused") refuseMessage(district, message, route);
      else if (route.kind === "status") applyStatus(route.scene, message);
      else applyReadings(route.kind, route.scene, message);
    },
  };
};

/** What is wrong with a topic is found in the order of its levels' weight: the last one, the thing, its place. */
export const findRoute = (district: District, topic: string): Route => {
  const parsed = parseTopic(topic);
  const refused = (thing: ThingId | "", reason: Reason, detail: string): Route => ({
    kind: "refused",
    thing,
    reason,
    detail,
  });
  if (parsed === null) return refused("", "topic", "not a topic of ours");
  const { street, kind, thing: id, last } = parsed;
  const table = district.tables.things.get(id);
  if (last !== "readings" && last !== "heartbeat" && last !== "status") {
    return refused(table === undefined ? "" : id, "topic", `nothing is taken on …/${last}`);
  }
  if (table === undefined) return refused("", "thing_unknown", `${id} is not registered`);
  const { thing } = table;
  if (thing.street !== street || thing.kind !== kind) {
    return refused(id, "thing_mismatch", `${id} is a ${thing.kind} of ${thing.street}`);
  }
  return { kind: last, scene: { district, thing: memoryOf(district, id), table } };
};

/** As the readings of a thing that are named in `payload`. */
export const decode = (
  kind: "readings" | "heartbeat",
  { thing }: Scene,
  payload: Uint8Array,
  receivedAt: number,
): Decoded<Stream> =>
  kind === "readings"
    ? decodeReadings(payload, thing.streams, receivedAt)
    : decodeHeartbeat(payload, thing.streams.get(heartbeatId) as Stream, thing.streams, receivedAt);

const applyReadings = (kind: "readings" | "heartbeat", scene: Scene, { at, topic, payload }: Message): void => {
  const { district, thing } = scene;
  const { readings, faults } = decode(kind, scene, payload, at);
  district.draft.received(thing.id, at, readings.length + faults.length);
  const delivery: Delivery = { topic, raw: payload, receivedAt: at };
  for (const fault of faults) district.draft.reject({ thing: thing.id, ...delivery, ...fault });
  if (readings.length === 0) return;
  const lag = lagOf(readings, at);
  const stored = takeReadings(scene, readings, delivery);
  if (stored > 0) {
    heardFrom(scene);
    watchProperties(scene);
  }
  if (lag !== undefined) noteLag(scene, lag);
  // a duplicate may have moved the time given to what has none
  touch(district, thing);
};

/** a - t of the newest element that told a time. */
const lagOf = (readings: Decoded<Stream>["readings"], arrival: number): number | undefined => {
  let newest: number | undefined;
  for (const { dated, time } of readings) if (dated && (newest === undefined || time > newest)) newest = time;
  return newest === undefined ? undefined : arrival - newest;
};

const decoder = new TextDecoder();
const statusBytesMax = 16;

/** Birth and will (SEMANTICS 4.1): no reading, and no sign of life to the clock of silence, except for the very first. */
const applyStatus = (scene: Scene, message: Message): void => {
  const { district, thing } = scene;
  const said = message.payload.byteLength > statusBytesMax ? "" : decoder.decode(message.payload);
  if (said === "offline") setPresence(scene, "offline");
  else if (said !== "online") {
    refuseMessage(district, message, { thing: thing.id, reason: "shape", detail: "expected online or offline" });
  } else {
    if (thing.presence === "never" || thing.presence === "offline")
      setPresence(scene, thing.silent ? "silent" : "online");
    born(scene);
  }
};

/** The whole message counts as one reading. */
const refuseMessage = (
  district: District,
  { at, topic, payload }: Message,
  { thing, reason, detail }: Pick<Extract<Route, { kind: "refused" }>, "thing" | "reason" | "detail">,
): void => {
  district.draft.received(thing, at, 1);
  district.draft.reject({ receivedAt: at, topic, thing, reason, path: "", detail, raw: payload });
};
