import fc from "fast-check";
import { describe, expect, test } from "vitest";
import {
  type Decoded,
  decodeHeartbeat,
  decodeReadings,
  depthMax,
  elementsMax,
  pathOf,
  payloadBytesMax,
} from "../../src/codec/payload.ts";
import { parseTimestamp } from "../../src/codec/timestamp.ts";
import { reasons } from "../../src/domain/rejection.ts";

const number = { type: "number" } as const;
const boolean = { type: "boolean" } as const;
type Declared = typeof number | typeof boolean;
const properties = new Map<string, Declared>([
  ["turbidity", number],
  ["ph", number],
  ["sos", boolean],
]);
const receivedAt = Date.parse("2026-11-23T00:00:00Z");
const bytes = (text: string): Uint8Array => new TextEncoder().encode(text);
const readings = (payload: string | Uint8Array | object): Decoded<Declared> =>
  decodeReadings(
    payload instanceof Uint8Array ? payload : bytes(typeof payload === "string" ? payload : JSON.stringify(payload)),
    properties,
    receivedAt,
  );
const heartbeat = (payload: string): Decoded<Declared> =>
  decodeHeartbeat(bytes(payload), number, properties, receivedAt);
/** Values by property, and reasons by path. */
const told = ({ readings, faults }: Decoded<Declared>) => ({
  values: readings.map(({ element, name, value }) => [pathOf(element, name), value]),
  faults: faults.map(({ path, reason }) => [path, reason]),
});

test("an object is taken apart into one reading for each of its values", () => {
  const decoded = readings({ ts: "2026-11-23T08:00:00+08:00", values: { turbidity: 0.31, ph: 7.2 } });
  expect(decoded.readings).toEqual([
    { property: number, name: "turbidity", element: -1, time: receivedAt, dated: true, value: 0.31 },
    { property: number, name: "ph", element: -1, time: receivedAt, dated: true, value: 7.2 },
  ]);
  expect(decoded.faults).toEqual([]);
});

test("an array is taken apart element by element, and one bad value spares its neighbours", () => {
  const element = { ts: receivedAt, values: { turbidity: 1, ph: 7 } };
  const decoded = readings([element, element, 7, { ...element, values: { turbidity: "0.3", ph: 7.1, iron: 3 } }]);
  expect(told(decoded)).toEqual({
    values: [
      ["[0].values.turbidity", 1],
      ["[0].values.ph", 7],
      ["[1].values.turbidity", 1],
      ["[1].values.ph", 7],
      ["[3].values.ph", 7.1],
    ],
    faults: [
      ["[2]", "shape"],
      ["[3].values.turbidity", "value_type"],
      ["[3].values.iron", "property_unknown"],
    ],
  });
});

describe("a message that cannot be taken apart counts as one", () => {
  test.each([
    ["", "not_json"],
    ["turbidity=1", "not_json"],
    ['{"values":{"ph":7}', "not_json"],
    ['{"values":{"ph":NaN}}', "not_json"],
    ['\ufeff{"values":{"ph":7}}', "not_json"],
    ["null", "shape"],
    ["17", "shape"],
    ['"text"', "shape"],
    ["[]", "shape"],
    ["{}", "shape"],
    ['{"values":[1,2]}', "shape"],
    ['{"values":{}}', "shape"],
    ['{"values":null}', "shape"],
    ["[".repeat(depthMax + 1) + "]".repeat(depthMax + 1), "too_deep"],
    [`{"values":{"ph":${"[".repeat(100_000)}`.slice(0, payloadBytesMax), "too_deep"],
    [JSON.stringify(Array.from({ length: elementsMax + 1 }, () => ({ values: { ph: 7 } }))), "too_many"],
    [`{"values":{"ph":7}}${" ".repeat(payloadBytesMax)}`, "too_large"],
  ])("%#: %.40s", (payload, reason) => {
    const { readings: taken, faults } = readings(payload);
    expect(taken).toEqual([]);
    expect(faults.map((fault) => fault.reason)).toEqual([reason]);
  });

  test.each([
    ["a byte that is no UTF-8", [0x7b, 0x22, 0xff, 0x22, 0x7d]],
    ["a surrogate in UTF-8", [0x22, 0xed, 0xa0, 0x80, 0x22]],
    ["an overlong slash", [0x22, 0xc0, 0xaf, 0x22]],
    ["NUL", [0]],
  ])("%s", (_, raw) => {
    expect(told(readings(Uint8Array.from(raw)))).toEqual({ values: [], faults: [["", "not_json"]] });
  });
});

test("bounds belong to what is taken: 64 KiB, 1,000 elements, 8 levels", () => {
  const padded = `{"values":{"ph":7}}`;
  expect(readings(padded + " ".repeat(payloadBytesMax - padded.length)).readings).toHaveLength(1);
  expect(readings(JSON.stringify(Array(elementsMax).fill({ values: { ph: 7 } }))).readings).toHaveLength(elementsMax);
  const nested = `{"x":${"[".repeat(depthMax - 1)}${"]".repeat(depthMax - 1)},"values":{"ph":7}}`;
  expect(readings(nested).readings).toHaveLength(1);
});

test("brackets within strings are no levels", () => {
  expect(readings(`{"note":"${"[".repeat(50)}\\"${"{".repeat(50)}","values":{"ph":7}}`).readings).toHaveLength(1);
});

describe("values", () => {
  test.each([
    ['{"sos":true}', 1],
    ['{"sos":false}', 0],
    ['{"sos":1}', 1],
    ['{"ph":null}', null],
    ['{"ph":-0}', 0],
    ['{"ph":1e-400}', 0],
    ['{"ph":9007199254740993}', 9007199254740992],
  ])("%s is %s", (values, value) => {
    const decoded = readings(`{"values":${values}}`);
    expect(decoded.faults).toEqual([]);
    expect(decoded.readings.map((reading) => reading.value)).toEqual([value]);
    expect(Object.is(decoded.readings[0]?.value, -0)).toBe(false);
  });
  test.each([
    ['{"ph":true}', "value_type"],
    ['{"ph":"7.2"}', "value_type"],
    ['{"ph":{}}', "value_type"],
    ['{"ph":[7]}', "value_type"],
    ['{"ph":1e400}', "value_not_finite"],
    ['{"ph":-1e400}', "value_not_finite"],
    ['{"pH":7}', "property_unknown"],
    ['{"__proto__":7}', "property_unknown"],
    ['{"constructor":7}', "property_unknown"],
    ['{"toString":7}', "property_unknown"],
    ['{"":7}', "property_unknown"],
  ])("%s is refused as %s", (values, reason) => {
    const { faults, readings: taken } = readings(`{"values":${values}}`);
    expect(taken).toEqual([]);
    expect(faults.map((fault) => fault.reason)).toEqual([reason]);
  });
});

test("names from outside are quoted, cut and made fit to be stored", () => {
  const [fault] = readings(`{"values":{"a\\u0000\\ud800${"x".repeat(1000)}":1}}`).faults;
  expect(fault?.path).toMatch(/^values\["a\\u0000\ufffdx{61}"\]$/);
  expect(fault?.detail.length).toBeLessThan(200);
  expect(readings('{"values":{"a.b\\nc":1}}').faults[0]?.path).toBe('values["a.b\\nc"]');
});

test("keys of Object.prototype change nothing in this process", () => {
  readings(
    '{"__proto__":{"values":{"ph":1}},"constructor":{"prototype":{"polluted":1}},"values":{"__proto__":{"x":1}}}',
  );
  expect(({} as { polluted?: number; values?: unknown }).polluted).toBeUndefined();
  expect(({} as { values?: unknown }).values).toBeUndefined();
});

describe("ts", () => {
  test.each([
    ["2026-11-23T08:00:00+08:00", "2026-11-23T00:00:00.000Z"],
    ["2026-11-23T00:00:00Z", "2026-11-23T00:00:00.000Z"],
    ["2026-11-23t00:00:00.9999999z", "2026-11-23T00:00:00.999Z"],
    ["2026-11-23T00:00:00,5Z", "2026-11-23T00:00:00.500Z"],
    ["2026-11-22T18:30-0530", "2026-11-23T00:00:00.000Z"],
    ["2026-11-23T08:00:00+08", "2026-11-23T00:00:00.000Z"],
    ["2024-02-29T23:59:59.1-00:00", "2024-02-29T23:59:59.100Z"],
    ["0000-01-01T00:00:00Z", "0000-01-01T00:00:00.000Z"],
  ])("%s is %s", (text, iso) => {
    expect(new Date(parseTimestamp(text) as number).toISOString()).toBe(iso);
  });
  test.each([
    "2026-11-23T08:00:00",
    "2026-11-23",
    "2026-11-23 08:00:00Z",
    "2026-02-29T00:00:00Z",
    "2026-13-01T00:00:00Z",
    "2026-11-23T24:00:00Z",
    "2026-11-23T23:59:60Z",
    "2026-11-23T00:00:00.Z",
    "2026-11-23T00:00:00+8",
    "2026-11-23T00:00:00+08:0",
    "2026-11-23T00:00:00+24:00",
    "2026-11-23T00:00:00ZZ",
    "20261123T000000Z",
    "1795392000000",
    "",
  ])("%s is none", (text) => {
    expect(parseTimestamp(text)).toBeUndefined();
    expect(told(readings({ ts: text, values: { ph: 7 } }))).toEqual({
      values: [],
      faults: [["values.ph", "time_shape"]],
    });
  });
  test.each([1795392000, 999_999_999_999, -1, 0, 1e17, null, true, [1], { a: 1 }])("%j is none", (ts) => {
    expect(readings({ ts, values: { ph: 7, turbidity: 1 } }).faults.map((fault) => fault.reason)).toEqual([
      "time_shape",
      "time_shape",
    ]);
  });
  test("milliseconds are cut, not rounded", () => {
    expect(readings('{"ts":1795392000000.999,"values":{"ph":7}}').readings[0]?.time).toBe(1795392000000);
    expect(readings({ ts: 1e12, values: { ph: 7 } }).readings[0]?.time).toBe(1e12);
  });
  test("absent, it is the time of receipt, and the reading is known as undated", () => {
    expect(readings({ values: { ph: 7 } }).readings[0]).toMatchObject({ time: receivedAt, dated: false });
  });
  test("what Date.parse reads of the full form, we read the same", () => {
    const instants = fc.date({ min: new Date("0001-01-01"), max: new Date("9999-12-31"), noInvalidDate: true });
    fc.assert(
      fc.property(instants, fc.integer({ min: -1439, max: 1439 }), (date, offset) => {
        const minutes = Math.abs(offset);
        const two = (value: number) => String(value).padStart(2, "0");
        const zone = `${offset < 0 ? "-" : "+"}${two(Math.floor(minutes / 60))}:${two(minutes % 60)}`;
        const text = `${date.toISOString().slice(0, -1)}${zone}`;
        expect(parseTimestamp(text)).toBe(Date.parse(text));
      }),
    );
  });
});

describe("a heartbeat", () => {
  test("may be empty, and is one reading", () => {
    expect(told(heartbeat(""))).toEqual({ values: [["values.heartbeat", 1]], faults: [] });
  });
  test("may tell a time and values, and is a reading beside them", () => {
    const decoded = heartbeat('{"ts":"2026-11-23T07:59:00+08:00","values":{"ph":7,"iron":1}}');
    expect(told(decoded)).toEqual({
      values: [
        ["values.heartbeat", 1],
        ["values.ph", 7],
      ],
      faults: [["values.iron", "property_unknown"]],
    });
    expect(decoded.readings.map(({ time }) => receivedAt - time)).toEqual([60_000, 60_000]);
  });
  test.each(["{}", '{"values":{}}', '{"battery":97}'])("%s is one reading", (payload) => {
    expect(told(heartbeat(payload))).toEqual({ values: [["values.heartbeat", 1]], faults: [] });
  });
  test.each([
    ["[{}]", ["shape"]],
    ["1", ["shape"]],
    ["beat", ["not_json"]],
    ['{"ts":5}', ["time_shape"]],
    ['{"ts":5,"values":{"ph":7,"turbidity":1}}', ["time_shape", "time_shape", "time_shape"]],
  ])("%s is refused as %j", (payload, expected) => {
    const { faults, readings: taken } = heartbeat(payload);
    expect(taken).toEqual([]);
    expect(faults.map((fault) => fault.reason)).toEqual(expected);
  });
});

const wellFormed = ({ readings: taken, faults }: Decoded<Declared>): void => {
  for (const { time, value } of taken) {
    expect(Number.isSafeInteger(time)).toBe(true);
    expect(value === null || Number.isFinite(value)).toBe(true);
  }
  for (const { reason, path, detail } of faults) {
    expect(reasons).toContain(reason);
    expect(path.isWellFormed() && detail.isWellFormed()).toBe(true);
    expect(path.length + detail.length).toBeLessThan(1_000);
  }
};

describe("for any bytes", () => {
  const json = fc.json({ maxDepth: 12 });
  const mutated = fc.tuple(json, fc.array(fc.tuple(fc.nat(), fc.nat(255)), { maxLength: 4 })).map(([text, edits]) => {
    const raw = bytes(text);
    for (const [at, byte] of edits) if (raw.length > 0) raw[at % raw.length] = byte;
    return raw;
  });
  const anything = fc.oneof(fc.uint8Array({ maxLength: 300 }), json.map(bytes), mutated);

  test("nothing is thrown, something is counted, and every text can be stored", () => {
    fc.assert(
      fc.property(anything, (raw) => {
        for (const decoded of [readings(raw), decodeHeartbeat(raw, number, properties, receivedAt)]) {
          wellFormed(decoded);
          expect(decoded.readings.length + decoded.faults.length).toBeGreaterThan(0);
        }
      }),
      { numRuns: 2_000 },
    );
  });
});

describe("the count law: readings and faults add up to what the message counts as", () => {
  const value = fc.oneof(fc.double(), fc.constant(null), fc.boolean(), fc.string(), fc.constant([1]));
  const values = fc.dictionary(fc.constantFrom("turbidity", "ph", "sos", "iron", "__proto__", "x y"), value, {
    noNullPrototype: true,
  });
  const ts = fc.oneof(fc.constant(undefined), fc.integer({ min: 0, max: 2e12 }), fc.string(), fc.constant(null));
  const element = fc.oneof(
    fc.record({ ts, values }, { noNullPrototype: true }),
    fc.record({ ts, values: fc.oneof(fc.integer(), fc.constant(undefined)) }, { noNullPrototype: true }),
    fc.integer(),
    fc.constant(null),
    fc.array(fc.integer()),
  );
  /** By the letter of SURFACE section 4, from the JSON as anybody reads it. */
  const counted = (item: unknown): number => {
    if (typeof item !== "object" || item === null || Array.isArray(item)) return 1;
    const { values } = item as { values?: unknown };
    if (typeof values !== "object" || values === null || Array.isArray(values)) return 1;
    return Math.max(1, Object.keys(values).length);
  };

  test("for one element and for arrays", () => {
    fc.assert(
      fc.property(fc.oneof(element, fc.array(element, { maxLength: 8 })), (message) => {
        const text = JSON.stringify(message);
        const seen: unknown = JSON.parse(text);
        const expected = Array.isArray(seen)
          ? Math.max(
              1,
              seen.reduce((sum: number, item) => sum + counted(item), 0),
            )
          : counted(seen);
        const decoded = readings(text);
        expect(decoded.readings.length + decoded.faults.length).toBe(expected);
        wellFormed(decoded);
      }),
      { numRuns: 1_000 },
    );
  });
});
