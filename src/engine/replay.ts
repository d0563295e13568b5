import { type Decoded, pathOf } from "../codec/payload.ts";
import type { Command } from "../domain/entry.ts";
import type { Rejection } from "../domain/rejection.ts";
import type { Ending } from "./command.ts";
import { type District, type Scene, touch } from "./district.ts";
import { aheadMax, takeReadings } from "./intake.ts";
import type { Stream } from "./memory.ts";
import { decode, findRoute } from "./message.ts";

type Replay = Extract<Command, { kind: "replay" }>;

/**
 * Takes a rejected reading (or message, if it was rejected as a whole) apart again, with the registry of now. What was
 * rejected moves to what it becomes in the hour in which it had come (SEMANTICS 6), or the rejection stays as it was.
 */
export const replay = (district: District, command: Replay): Ending => {
  const conflict = (detail: string): Ending => ({ status: "conflict", alarm: null, detail });
  const { rejection: id } = command;
  if (district.draft.replayed.has(id)) return conflict("it has been replayed");
  const before = district.draft.rejections.get(id) ?? district.known.rejection(id);
  if (before !== null && "replayedAt" in before && before.replayedAt !== null) return conflict("it has been replayed");
  const route = findRoute(district, command.topic);
  if (route.kind === "refused") return conflict(route.detail);
  if (route.kind === "status") return conflict("a status is no reading");
  const { scene } = route;
  const { readings, faults } = partsAt(decode(route.kind, scene, command.raw, command.receivedAt), command.path);
  const refused = faults[0]?.detail ?? timeFault(scene, readings);
  if (refused !== undefined) return conflict(refused);
  if (readings.length === 0) return conflict(`nothing stands at ${command.path}`);
  moveInLedger(scene, command, before?.thing ?? scene.thing.id, readings.length);
  takeReadings(scene, readings, command);
  touch(district, scene.thing);
  return { status: "done", alarm: null, detail: "" };
};

/** Only what stands at the path of the rejection; an empty path is the whole message. */
const partsAt = ({ readings, faults }: Decoded<Stream>, path: string): Decoded<Stream> => {
  if (path === "") return { readings, faults };
  return {
    readings: readings.filter(({ element, name }) => pathOf(element, name) === path),
    faults: faults.filter((fault) => fault.path === path),
  };
};

/** Taken half it could not be replayed again: all of it must be acceptable. */
const timeFault = ({ district }: Scene, readings: Decoded<Stream>["readings"]): string | undefined => {
  const { at } = district.draft;
  const oldest = at - district.tables.registry.retention;
  if (readings.some(({ time }) => time < oldest)) return "older than what is kept";
  return readings.some(({ time }) => time > at + aheadMax) ? "still ahead of the time of receipt" : undefined;
};

/** `thing`: whose rejection it was; none is known where the thing was registered later. */
const moveInLedger = (scene: Scene, command: Replay, thing: Rejection["thing"], readings: number): void => {
  const { draft } = scene.district;
  const { rejection, receivedAt: rejectedAt } = command;
  draft.event({ kind: "replayed", rejection, rejectedAt, thing });
  draft.received(thing, rejectedAt, -1);
  draft.received(scene.thing.id, rejectedAt, readings);
};
