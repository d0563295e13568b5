import { z } from "zod";
import type { Entry } from "../../src/domain/entry.ts";
import type { Registry } from "../../src/domain/registry.ts";
import type { Thing, ThingId } from "../../src/domain/thing.ts";
import { type DurationMs, type Instant, parseDuration, second, toIsoDuration } from "../../src/domain/time.ts";
import { registryOf } from "./folder.ts";

// The cases of devices/kinds, as devices/README.md tells their form.

/** 2026-11-23 10:00 in the district. */
export const start: Instant = Date.parse("2026-11-23T10:00:00+08:00");

/** An ISO 8601 duration; a minus before it: before the start. */
const offset = z.string().transform((text, context): DurationMs => {
  const sign = text.startsWith("-") ? -1 : 1;
  const duration = parseDuration(sign < 0 ? text.slice(1) : text);
  if (duration !== undefined) return sign * duration;
  context.addIssue({ code: "custom", message: `expected an ISO 8601 duration, not ${text}` });
  return z.NEVER;
});
const what = {
  thing: z.string().default("thing"),
  last: z.enum(["readings", "heartbeat", "status"]).default("readings"),
  values: z.record(z.string(), z.unknown()).optional(),
  payload: z.unknown().optional(),
  raw: z.string().optional(),
};
const messageSchema = z.union([
  z.strictObject({ at: offset, ...what }),
  z.strictObject({ from: offset, to: offset, every: offset, ...what }),
]);
const sceneSchema = z.strictObject({
  scene: z.string(),
  attributes: z.record(z.string(), z.string()).default({}),
  every: offset.optional(),
  others: z
    .record(z.string(), z.strictObject({ kind: z.string(), attributes: z.record(z.string(), z.string()).default({}) }))
    .default({}),
  messages: z.array(messageSchema).min(1),
  until: offset,
});
export const scenesSchema = z.array(sceneSchema).min(1);
export type Scene = z.output<typeof sceneSchema>;
type Message = z.output<typeof messageSchema>;

const alarmSchema = z.strictObject({
  limit: z.string(),
  state: z.enum(["unacknowledged", "acknowledged", "returned-unacknowledged", "normal"]).optional(),
  priority: z.string().optional(),
  setpoint: z.number().nullable().optional(),
  since: offset.optional(),
  raisedAt: offset.optional(),
  clearedAt: offset.optional(),
  notes: z.array(z.string()).optional(),
  late: z.boolean().optional(),
});
const expectedSchema = z.strictObject({
  flags: z.record(z.string(), z.array(z.number())).optional(),
  alarms: z.array(alarmSchema).optional(),
  raises: z.array(alarmSchema).optional(),
  quiet: z.array(z.string()).optional(),
  rejected: z.array(z.strictObject({ reason: z.string(), path: z.string().optional() })).optional(),
});
export const expectationsSchema = z.record(z.string(), expectedSchema);
export type Expected = z.output<typeof expectedSchema>;
export type ExpectedAlarm = z.output<typeof alarmSchema>;

/** The thing that a scene is about. */
export const thingId = "thing" as ThingId;

/**
 * A registry for each scene, with the things of the scene and no other, in the first street and grid of the site. Read
 * by the real codec from a fleet file written here, so that defaults and checks are those of the folder.
 */
export const registriesOf = (
  files: ReadonlyMap<string, string>,
  kind: string,
  scenes: readonly Scene[],
): readonly Registry[] => {
  const { streets, grids } = registryOf(files);
  const street = streets[0]?.id as string;
  const grid = grids.find((one) => one.street === street)?.id as string;
  const things = scenes.flatMap(({ attributes, every, others }, index) => [
    { id: `${thingId}-${index}`, kind, attributes, every: every === undefined ? "" : toIsoDuration(every) },
    ...Object.entries(others).map(([id, other]) => ({ id: `${id}-${index}`, ...other, every: "" })),
  ]);
  const columns = [...new Set(things.flatMap(({ attributes }) => Object.keys(attributes)))];
  const rows = things.map(({ id, kind, attributes, every }) =>
    [id, kind, street, grid, id, id, "", "", "", every, ...columns.map((column) => attributes[column] ?? "")].join(","),
  );
  const header = `id,kind,street,grid,name_zh,name_en,longitude,latitude,gateway,every${columns.map((column) => `,${column}`).join("")}`;
  const alone = [...files].filter(([path]) => !path.startsWith("fleet/"));
  const registry = registryOf(new Map([...alone, ["fleet/case.csv", [header, ...rows].join("\n")]]));
  return scenes.map((_, index) => ({
    ...registry,
    things: registry.things
      .filter(({ id }) => id.endsWith(`-${index}`))
      .map((thing) => ({ ...thing, id: thing.id.slice(0, thing.id.lastIndexOf("-")) as ThingId })),
  }));
};

/** Everything that happens in a scene, in order: its messages, and a tick each second. */
export const entriesOf = (registry: Registry, scene: Scene): readonly Entry[] => {
  const messages = scene.messages.flatMap((message) => sent(registry, message));
  const ticks: Entry[] = [];
  for (let at = start - second; at <= start + scene.until; at += second) ticks.push({ kind: "tick", at });
  return [...messages, ...ticks].toSorted((a, b) => a.at - b.at);
};

const sent = (registry: Registry, message: Message): Entry[] => {
  if ("at" in message) return [entry(registry, message, message.at, bodyOf(message, message.at))];
  const before: unknown[] = [];
  const entries: Entry[] = [];
  for (let at = message.from; at <= message.to; at += message.every) {
    if (at < 0) before.push({ ts: start + at, values: message.values });
    else entries.push(entry(registry, message, at, bodyOf(message, at)));
  }
  if (before.length === 0) return entries;
  return [entry(registry, message, -second, JSON.stringify(before)), ...entries];
};

const bodyOf = ({ values, payload, raw }: Message, at: DurationMs): string => {
  if (raw !== undefined) return raw;
  return JSON.stringify(payload ?? { ts: start + at, values });
};

const entry = (registry: Registry, message: Message, at: DurationMs, body: string): Entry => {
  const thing = registry.things.find(({ id }) => id === message.thing) as Thing;
  const topic = `meizhen/${thing.street}/${thing.kind}/${thing.id}/${message.last}`;
  return { kind: "message", at: start + at, topic, payload: new TextEncoder().encode(body), principal: null, qos: 1 };
};
