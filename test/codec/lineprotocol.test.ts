import { existsSync, readFileSync } from "node:fs";
import { join } from "node:path";
import fc from "fast-check";
import { expect, test } from "vitest";
import { createObservationEncoder, emptyBatch } from "../../src/codec/line-batch.ts";
import {
  encodePoint,
  encodeTransition,
  type FieldValue,
  type LinePoint,
  LineProtocolError,
  seriesKey,
  thingOfLine,
} from "../../src/codec/lineprotocol.ts";
import type { Datastream, Observation } from "../../src/domain/change.ts";
import type { Registry } from "../../src/domain/registry.ts";
import { free, name, parseLines } from "./lineprotocol-model.ts";

const corpus = join(import.meta.dirname, "../../../shared/data/line_protocol/encode.json");
const absent = !existsSync(corpus) && process.env.CI === undefined;
if (absent) console.warn("skipped: the line protocol corpus is not at ../shared/data/line_protocol");

type Case = {
  readonly input: {
    readonly point: {
      readonly time: number;
      readonly name: string;
      readonly tags: { key: string; value: string }[];
      readonly fields: { key: string; value: Record<string, number | string | boolean> }[];
    };
  };
  readonly output: { readonly result: string };
};

const corpusValue = (value: Record<string, number | string | boolean>): FieldValue => {
  if (typeof value.string === "string") return { text: value.string };
  if (typeof value.bool === "boolean") return { boolean: value.bool };
  return typeof value.int === "number" ? { integer: value.int } : { float: value.float as number };
};

/** What JSON.parse and a time in milliseconds cannot hold. */
const beyondUs = (text: string): boolean => /\d{17,}|9223372036854775807/.test(text);

test.skipIf(absent)("the corpus of InfluxDB's own encoder is met, time and 64-bit integers apart", () => {
  const cases = Object.values(JSON.parse(readFileSync(corpus, "utf8")) as Record<string, Case>);
  expect(cases).toHaveLength(20);
  for (const { input, output } of cases) {
    const { name, tags, fields } = input.point;
    const kept = fields.filter(({ value }) => typeof value.int !== "number" || Number.isSafeInteger(value.int));
    const line = encodePoint({
      measurement: name,
      tags: tags.map(({ key, value }) => [key, value] as const),
      fields: kept.map(({ key, value }) => [key, corpusValue(value)] as const),
      time: 7,
    });
    const expected = output.result.replace(/,int64=9223372036854775807i/, "").replace(/ -?\d+$/, " 7");
    expect(line).toBe(expected);
  }
  expect(cases.filter(({ output }) => beyondUs(output.result)).length).toBeGreaterThan(0);
});

const value: fc.Arbitrary<FieldValue> = fc.oneof(
  fc.double({ noNaN: true, noDefaultInfinity: true }).map((float) => ({ float })),
  fc.integer().map((integer) => ({ integer })),
  fc.boolean().map((boolean) => ({ boolean })),
  free.map((text) => ({ text })),
);
const point: fc.Arbitrary<LinePoint> = fc.record({
  measurement: name,
  tags: fc.array(fc.tuple(name, free), { maxLength: 3 }),
  fields: fc.array(fc.tuple(name, value), { minLength: 1, maxLength: 3 }),
  time: fc.integer({ min: 0, max: 9_223_372_036_854 }),
});

const encodedOrCode = (one: LinePoint): string | null => {
  try {
    return encodePoint(one);
  } catch (error) {
    if (error instanceof LineProtocolError) return null;
    throw error;
  }
};

/** Newline, return and tab as two characters: what the encoder says it does to text. */
const shown = (text: string): string => text.replace(/\n/g, "\\n").replace(/\r/g, "\\r").replace(/\t/g, "\\t");
const shownValue = (one: FieldValue): FieldValue => {
  if ("text" in one) return { text: shown(one.text) };
  return "float" in one ? { float: one.float === 0 ? 0 : one.float } : one;
};
const expected = ({ measurement, tags, fields, time }: LinePoint) => ({
  measurement: shown(measurement),
  tags: new Map(tags.filter(([, text]) => text !== "").map(([key, text]) => [shown(key), shown(text)])),
  fields: new Map(fields.map(([key, one]) => [shown(key), shownValue(one)])),
  time,
});

test("whatever the words, a server reads the measurements, tags and fields that were meant and no others", () => {
  let written = 0;
  fc.assert(
    fc.property(fc.array(point, { minLength: 1, maxLength: 3 }), (points) => {
      const lines = points.map(encodedOrCode);
      const kept = points.filter((_, index) => lines[index] !== null);
      written += kept.length;
      const body = lines.filter((line) => line !== null).join("\n");
      expect(parseLines(body)).toEqual(kept.map(expected));
    }),
    { numRuns: 10_000 },
  );
  expect(written).toBeGreaterThan(5_000);
});

test.each<[string, (line: string) => string]>([
  ["a comma", (line) => line.replaceAll("\\,", ",")],
  ["an equals sign", (line) => line.replaceAll("\\=", "=")],
  ["a newline", (line) => line.replaceAll("\\n", "\n")],
])("an encoder that forgets to escape %s is caught by the same property", (_, careless) => {
  const found = fc.check(
    fc.property(point, (one) => {
      const line = encodedOrCode(one);
      if (line !== null) expect(parseLines(careless(line))).toEqual([expected(one)]);
    }),
    { numRuns: 10_000 },
  );
  expect(found.failed).toBe(true);
});

const plain = { measurement: "water", tags: [], fields: [["ph", { float: 7 }]], time: 1 } as const;
test.each([
  ["empty", { ...plain, measurement: "" }],
  ["comment", { ...plain, measurement: "#water" }],
  ["backslash", { ...plain, tags: [["grid", "a\\"]] }],
  ["backslash", { ...plain, fields: [["a\\b", { float: 1 }]] }],
  ["backslash", { ...plain, tags: [["a\\ ", "b"]] }],
  ["backslash", { ...plain, measurement: "a\\b" }],
  ["backslash", { ...plain, tags: [["grid", "a\\,b"]] }],
  ["quote", { ...plain, fields: [['a"', { float: 1 }]] }],
  ["control_character", { ...plain, tags: [["grid", "a\0"]] }],
  ["lone_surrogate", { ...plain, tags: [["grid", "\ud800"]] }],
  ["reserved_key", { ...plain, tags: [["time", "a"]] }],
  ["reserved_key", { ...plain, fields: [["time", { float: 1 }]] }],
  ["repeated_key", { ...plain, tags: [["a", "1"], ["a", "2"]] }], // biome-ignore format: one case, one line
  ["no_fields", { ...plain, fields: [] }],
  ["not_finite", { ...plain, fields: [["ph", { float: Number.NaN }]] }],
  ["not_finite", { ...plain, fields: [["ph", { float: Number.POSITIVE_INFINITY }]] }],
  ["time_range", { ...plain, time: 9_223_372_036_855 }],
  ["time_range", { ...plain, time: 0.5 }],
] as const)("what the protocol cannot say is refused: %s", (code, one) => {
  expect(() => encodePoint(one as LinePoint)).toThrow(expect.objectContaining({ code }));
});

// the hot path

const registry = (things: { id: string; kind: string; street: string; grid: string }[]) =>
  ({ things }) as unknown as Registry;
const probe = { id: "water-1", kind: "water", street: "xinghai", grid: "xinghai-1" };
const streams = [
  { id: 1, thing: "water-1", property: "turbidity" },
  { id: 2, thing: "water-1", property: "ph" },
  { id: 3, thing: "gone-1", property: "ph" },
] as unknown as Datastream[];
const known = (after: number) => streams.filter(({ id }) => id > after);
const observation = (datastream: number, time: number, reading: number | null, quality = 1) =>
  ({ datastream, time, value: reading, quality, seq: 1, receivedAt: time }) as Observation;
const linesOf = (observations: Observation[]) => {
  const encoder = createObservationEncoder("historian", known);
  encoder.learn(registry([probe]));
  const batch = emptyBatch();
  expect(encoder.encode(observations, 0, batch)).toBe(observations.length);
  return batch;
};
const start = "water,grid=xinghai-1,street=xinghai,thing=water-1";

test("the values of one message are one line, with a flag beside each", () => {
  const { lines } = linesOf([observation(1, 5, 0.3), observation(2, 5, 7.25, 3), observation(1, 6, 1e-7)]);
  expect(lines).toEqual([
    `${start} turbidity=0.3,turbidity_qc=1i,ph=7.25,ph_qc=3i 5`,
    `${start} turbidity=1e-7,turbidity_qc=1i 6`,
  ]);
});

test("a missing value is written as its flag alone", () => {
  expect(linesOf([observation(1, 5, null, 9)]).lines).toEqual([`${start} turbidity_qc=9i 5`]);
});

test("a value flagged anew in the same commit is a line of its own, later than the first", () => {
  const { lines } = linesOf([observation(1, 5, 0.3, 2), observation(1, 5, 0.3, 4)]);
  expect(lines).toEqual([`${start} turbidity=0.3,turbidity_qc=2i 5`, `${start} turbidity=0.3,turbidity_qc=4i 5`]);
});

test("a thing that no registry knows is put aside once, and its neighbours are written", () => {
  const { lines, dead } = linesOf([observation(3, 5, 1), observation(1, 5, 0.3), observation(3, 6, 1)]);
  expect(lines).toHaveLength(1);
  expect(dead).toEqual([
    expect.objectContaining({ thing: "gone-1", reason: "thing_unknown: this and all later ones" }),
  ]);
});

test("a value that is not finite, a time out of range and an unknown datastream never become a line", () => {
  const { lines, dead } = linesOf([
    observation(1, 5, Number.NaN),
    observation(1, 1e14, 1),
    observation(9, 5, 1),
    observation(2, 5, 7),
  ]);
  expect(lines).toEqual([`${start} ph=7,ph_qc=1i 5`]);
  expect(dead.map(({ reason }) => reason)).toEqual(["not_finite", "time_range", "datastream_unknown"]);
});

test("a thing that left the registry keeps the tags it had", () => {
  const encoder = createObservationEncoder("historian", known);
  encoder.learn(registry([probe]));
  encoder.learn(registry([]));
  const batch = emptyBatch();
  encoder.encode([observation(1, 5, 1)], 0, batch);
  expect(batch.lines[0]).toMatch(start);
});

test("a batch is bounded, and taken up again where it was full no value is lost or repeated", () => {
  fc.assert(
    fc.property(fc.integer({ min: 4_990, max: 5_010 }), fc.integer({ min: 1, max: 3 }), (groups, perGroup) => {
      const observations = Array.from({ length: groups * perGroup }, (_, index) =>
        observation((index % perGroup) % 2 === 0 ? 1 : 2, Math.floor(index / perGroup), index),
      );
      const encoder = createObservationEncoder("historian", known);
      encoder.learn(registry([probe]));
      const values: number[] = [];
      for (let at = 0; at < observations.length; ) {
        const batch = emptyBatch();
        at = encoder.encode(observations, at, batch);
        expect(batch.lines.length).toBeLessThanOrEqual(5_001);
        for (const line of batch.lines) {
          for (const [, found] of line.matchAll(/(?:turbidity|ph)=([\d.e-]+)/g)) values.push(Number(found));
        }
      }
      expect(values).toEqual(observations.map(({ value: reading }) => reading));
    }),
    { numRuns: 10 },
  );
});

test("two transitions of an alarm at one millisecond are two points", () => {
  const alarm = {
    id: 'a."\\1',
    thing: "water-1",
    street: "",
    limit: "turbidityHigh",
    priority: "high",
    value: 1.2,
    setpoint: null,
  };
  const line = (state: string) =>
    encodeTransition({ at: 9, alarm: { ...alarm, state } } as Parameters<typeof encodeTransition>[0]);
  expect(line("normal")).toBe(
    'alarm,limit=turbidityHigh,priority=high,state=normal,thing=water-1 id="a.\\"\\\\1",value=1.2 9',
  );
  expect(line("acknowledged")).not.toBe(line("normal"));
});

test("the thing of a line is found for the dead letter", () => {
  expect(thingOfLine(`${start} ph=7 1`)).toBe("water-1");
  expect(
    thingOfLine(
      `${seriesKey("alarm", [
        ["thing", "house"],
        ["state", "normal"],
      ])} v=1 1`,
    ),
  ).toBe("house");
  expect(thingOfLine("target,street=a value=1 1")).toBe("");
});
