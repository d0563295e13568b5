import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, test } from "vitest";
import type { Alarm, AlarmId } from "../../src/domain/alarm.ts";
import type { DatastreamId } from "../../src/domain/change.ts";
import type { Registry } from "../../src/domain/registry.ts";
import { createEngine } from "../../src/engine/engine.ts";
import { devicesFolder, shippedFiles } from "./folder.ts";
import {
  type Expected,
  type ExpectedAlarm,
  entriesOf,
  expectationsSchema,
  registriesOf,
  type Scene,
  scenesSchema,
  start,
  thingId,
} from "./scene.ts";

// Every case of every kind, through the real codec and the real engine.

const files = await shippedFiles();
const folder = join(devicesFolder, "kinds");
const json = (...path: string[]): unknown => JSON.parse(readFileSync(join(folder, ...path), "utf8"));

type Outcome = {
  readonly flags: Readonly<Record<string, readonly number[]>>;
  readonly alarms: readonly Alarm[];
  readonly rejected: readonly { readonly reason: string; readonly path: string }[];
};

/** What becomes of the scene's thing. */
const play = (registry: Registry, scene: Scene): Outcome => {
  const engine = createEngine({ known: nothingKnown, state: null, registry });
  const alarms = new Map<AlarmId, Alarm>();
  const streams = new Map<DatastreamId, string>();
  const flags = new Map<string, Map<number, number>>();
  const rejected: { reason: string; path: string }[] = [];
  let seq = 0;
  for (const entry of entriesOf(registry, scene)) engine.apply({ seq: ++seq, entry });
  const changes = engine.take();
  for (const { id, thing, property } of changes.datastreams) if (thing === thingId) streams.set(id, property);
  for (const { datastream, time, quality } of changes.observations) {
    const property = streams.get(datastream);
    if (property === undefined) continue;
    const own = flags.get(property) ?? new Map<number, number>();
    flags.set(property, own.set(time, quality));
  }
  for (const event of changes.events) {
    if (event.kind === "alarm" && event.transition.alarm.thing === thingId)
      alarms.set(event.transition.alarm.id, event.transition.alarm);
  }
  for (const { thing, reason, path } of changes.rejections) if (thing === thingId) rejected.push({ reason, path });
  const ordered = [...flags].map(([property, own]) => [
    property,
    [...own].sort(([a], [b]) => a - b).map(([, flag]) => flag),
  ]);
  return { flags: Object.fromEntries(ordered), alarms: [...alarms.values()], rejected };
};

const nothingKnown = {
  observationAt: () => undefined,
  alarm: () => null,
  rejection: () => null,
  commandByKey: () => null,
};

const matching = ({ since, raisedAt, clearedAt, ...rest }: ExpectedAlarm) =>
  expect.objectContaining({
    ...rest,
    ...(since === undefined ? {} : { since: start + since }),
    ...(raisedAt === undefined ? {} : { raisedAt: start + raisedAt }),
    ...(clearedAt === undefined ? {} : { clearedAt: start + clearedAt }),
    ...(rest.notes === undefined ? {} : { notes: expect.arrayContaining(rest.notes) }),
  });

const compare = (outcome: Outcome, expected: Expected): void => {
  for (const [property, flags] of Object.entries(expected.flags ?? {}))
    expect(outcome.flags[property], property).toEqual(flags);
  if (expected.alarms !== undefined) {
    expect(outcome.alarms).toHaveLength(expected.alarms.length);
    expect(outcome.alarms).toEqual(expect.arrayContaining(expected.alarms.map(matching)));
  }
  for (const alarm of expected.raises ?? []) expect(outcome.alarms).toContainEqual(matching(alarm));
  const raised = outcome.alarms.map(({ limit }) => limit as string);
  expect(raised.filter((limit) => expected.quiet?.includes(limit))).toEqual([]);
  if (expected.rejected === undefined) return;
  expect(outcome.rejected).toHaveLength(expected.rejected.length);
  expect(outcome.rejected).toMatchObject(expected.rejected);
};

for (const kind of readdirSync(folder)) {
  for (const name of readdirSync(join(folder, kind, "cases"))) {
    describe(`${kind}, ${name}`, () => {
      const scenes = scenesSchema.parse(json(kind, "cases", name, "messages.json"));
      const expectations = expectationsSchema.parse(json(kind, "cases", name, "expected.json"));
      const registries = registriesOf(files, kind, scenes);
      test("every scene has what is expected of it, and nothing more is expected", () => {
        expect(Object.keys(expectations).sort()).toEqual(scenes.map(({ scene }) => scene).sort());
      });
      test.each(scenes.map((scene, index) => [scene.scene, index] as const))("%s", (sentence, index) => {
        const outcome = play(registries[index] as Registry, scenes[index] as Scene);
        compare(outcome, expectations[sentence] as Expected);
      });
    });
  }
}

test("a scene that expects something else turns red", () => {
  const scenes = scenesSchema.parse(json("water", "cases", "limits", "messages.json"));
  const [registry] = registriesOf(files, "water", scenes.slice(0, 1));
  const outcome = play(registry as Registry, scenes[0] as Scene);
  expect(() => compare(outcome, { alarms: [] })).toThrow();
  expect(() => compare(outcome, { quiet: ["turbidity-high"] })).toThrow();
  expect(() => compare(outcome, { raises: [{ limit: "ph-low" }] })).toThrow();
  expect(() => compare(outcome, { flags: { turbidity: [4] } })).toThrow();
  expect(() => compare(outcome, { rejected: [{ reason: "shape" }] })).toThrow();
});
