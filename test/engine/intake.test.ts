import { describe, expect, test } from "vitest";
import { minute } from "../../src/domain/time.ts";
import { kind, property, registry, thing } from "../house/district.ts";
import { clock, openHouse } from "../house/house.ts";

// What becomes of each reading (SURFACE 4, SEMANTICS 1 and 6): stored, duplicate or rejected, and nothing else.

const stored = (house: ReturnType<typeof openHouse>) => {
  const names = new Map(house.store().datastreams.map(({ id, property }) => [id, property]));
  return house
    .store()
    .observations.map(({ datastream, time, value, quality }) => [
      names.get(datastream),
      time - clock("10:00"),
      value,
      quality,
    ]);
};
const topic = "meizhen/xinghai/water/w1/readings";

describe("duplicates", () => {
  test("same thing, property and time again is one, whatever its value; another value is a conflict, and the first stands", () => {
    const house = openHouse();
    house.at("10:00").reads("turbidity", 0.3);
    house.at("10:01").says({ turbidity: 0.3 }, { measured: "10:00" }).says({ turbidity: 0.4 }, { measured: "10:00" });
    house.at("10:02").says({ turbidity: null }, { measured: "10:00" });
    expect(stored(house)).toEqual([["turbidity", 0, 0.3, 1]]);
    expect(house.store().duplicates.map(({ conflict, value }) => [conflict, value])).toEqual([
      [false, 0.3],
      [true, 0.4],
      [true, null],
    ]);
  });
  test("it is one whenever it comes: within the array, after others, after hours", () => {
    const house = openHouse();
    house.at("10:00").dumps([
      ["10:00", { turbidity: 1 }],
      ["09:58", { turbidity: 2 }],
      ["10:00", { turbidity: 1 }],
    ]);
    house.at("10:05").reads("turbidity", 0.3);
    house.at("15:00").says({ turbidity: 2 }, { measured: "09:58" });
    expect(house.store().duplicates).toHaveLength(2);
    expect(house.store().observations).toHaveLength(3);
  });
  test("a missing value is stored as missing, and is a reading like others", () => {
    const house = openHouse();
    house.at("10:00").says({ turbidity: null }).says({ turbidity: null });
    expect(stored(house)).toEqual([["turbidity", 0, null, 9]]);
    expect(house.store().duplicates.map(({ conflict }) => conflict)).toEqual([false]);
  });
  test("the same time of two properties, or of two things, is none", () => {
    const house = openHouse(registry({ things: [thing("w1"), thing("w2")] }));
    house.at("10:00").says({ turbidity: 1, ph: 7 }).says({ turbidity: 1 }, { thing: "w2" });
    expect(house.store().duplicates).toEqual([]);
  });
});

describe("without ts", () => {
  test("a message sent again is a new reading, and equal milliseconds become successive ones", () => {
    const house = openHouse();
    for (let again = 0; again < 3; again++) house.at("10:00").says({ turbidity: 0.3, ph: 7 }, { measured: null });
    house.at("10:00").sends(topic, '[{"values":{"turbidity":1}},{"values":{"turbidity":2}}]');
    expect(stored(house).filter(([name]) => name === "turbidity")).toEqual(
      [0, 1, 2, 3, 4].map((time, at) => ["turbidity", time, [0.3, 0.3, 0.3, 1, 2][at], 1]),
    );
    expect(
      stored(house)
        .filter(([name]) => name === "ph")
        .map(([, time]) => time),
    ).toEqual([0, 1, 2]);
    house.at("10:00:01").says({ turbidity: 0.3 }, { measured: null });
    expect(stored(house).at(-1)?.[1]).toBe(1_000);
  });
  test("it steps aside for a reading that has told the same time", () => {
    const house = openHouse();
    house.at("10:00").reads("turbidity", 0.3).says({ turbidity: 0.4 }, { measured: null });
    expect(stored(house).map(([, time, value]) => [time, value])).toEqual([
      [0, 0.3],
      [1, 0.4],
    ]);
  });
});

describe("refused as a whole, and counted as one", () => {
  test.each([
    ["meizhen/xinghai/water/w1/firmware", "{}", "topic", "w1"],
    ["meizhen/xinghai/water/w9/firmware", "{}", "topic", ""],
    ["meizhen/xinghai/water/w9/readings", '{"values":{"turbidity":1,"ph":7}}', "thing_unknown", ""],
    ["meizhen/haicheng/water/w1/readings", '{"values":{"turbidity":1}}', "thing_mismatch", "w1"],
    ["meizhen/xinghai/toilet/w1/readings", '{"values":{"turbidity":1}}', "thing_mismatch", "w1"],
    [topic, "turbidity=1", "not_json", "w1"],
    ["meizhen/xinghai/water/w1/status", "alive", "shape", "w1"],
  ])("%s %s: %s", (where, payload, reason, owner) => {
    const house = openHouse();
    house.at("10:00").sends(where, payload);
    const raw = new TextEncoder().encode(payload);
    expect(house.store().rejections).toMatchObject([{ id: "63-0", reason, thing: owner, path: "", topic: where, raw }]);
    expect([...house.store().ledger().values()]).toEqual([{ received: 1, stored: 0, duplicate: 0, rejected: 1 }]);
  });
  test("births and wills are no readings", () => {
    const house = openHouse();
    house.at("10:00").status("online").status("offline");
    expect(house.store().ledger().size).toBe(0);
  });
});

test("bad readings of a message are refused with their paths, the others are kept", () => {
  const house = openHouse();
  house
    .at("10:00")
    .sends(
      topic,
      '[{"values":{"turbidity":"1","ph":7}},5,{"ts":3,"values":{"turbidity":1,"ph":7}},{"values":{"iron":1}}]',
    );
  expect(stored(house)).toEqual([["ph", 0, 7, 1]]);
  expect(house.store().rejections.map(({ id, reason, path }) => [id, reason, path])).toEqual([
    ["63-0", "value_type", "[0].values.turbidity"],
    ["63-1", "shape", "[1]"],
    ["63-2", "time_shape", "[2].values.turbidity"],
    ["63-3", "time_shape", "[2].values.ph"],
    ["63-4", "property_unknown", "[3].values.iron"],
  ]);
  expect([...house.store().ledger()]).toEqual([
    [`w1 ${clock("10:00")}`, { received: 6, stored: 1, duplicate: 0, rejected: 5 }],
  ]);
});

test("a heartbeat is a reading of its own, which every kind has", () => {
  const house = openHouse();
  house.at("10:00").beats();
  house.at("10:01").sends("meizhen/xinghai/water/w1/heartbeat", `{"ts":${clock("10:01")},"values":{"ph":7}}`);
  expect(stored(house)).toEqual([
    ["heartbeat", 0, 1, 1],
    ["heartbeat", minute, 1, 1],
    ["ph", minute, 7, 1],
  ]);
});

test("the flag is the gross range: spans of the sensor and of the operator, bounds included", () => {
  const house = openHouse(
    registry({
      kinds: [
        kind("water", {
          limits: [],
          properties: [property("ph", { span: [0, 14], operatorSpan: [4, 11], possible: [0, 14] })],
        }),
      ],
    }),
  );
  for (const [at, value] of [0, 4, 7, 11, 11.5, 14, 14.1, -1].entries()) house.at(`10:0${at}`).reads("ph", value);
  expect(stored(house).map(([, , , quality]) => quality)).toEqual([3, 1, 1, 1, 3, 3, 4, 4]);
});

describe("a rejection is replayed", () => {
  const replay = (house: ReturnType<typeof openHouse>, time: string, place = 0) => {
    const { id, receivedAt, topic, path, raw } = house.store().rejections[place] as NonNullable<
      ReturnType<typeof house.store>["rejections"][number]
    >;
    const seq = house.at(time).asks({ kind: "replay", rejection: id, receivedAt, topic, path, raw });
    return house.outcome(seq);
  };
  const balanced = (house: ReturnType<typeof openHouse>) =>
    [...house.store().ledger()].filter(([, line]) => Object.values(line).some((count) => count !== 0));

  test("and moves to stored in its own hour, under the replay's seq", () => {
    const house = openHouse();
    house.at("10:00").says({ turbidity: 0.3, iron: 3 });
    house
      .at("11:59")
      .registers(
        registry({ version: "2", kinds: [kind("water", { properties: [property("turbidity"), property("iron")] })] }),
      );
    expect(replay(house, "12:00")).toEqual({ status: "done", detail: "" });
    const observation = house.store().observations.at(-1);
    expect(observation).toMatchObject({
      value: 3,
      time: clock("10:00"),
      receivedAt: clock("10:00"),
      seq: house.entries().length,
    });
    expect(balanced(house)).toEqual([[`w1 ${clock("10:00")}`, { received: 2, stored: 2, duplicate: 0, rejected: 0 }]]);
    expect(replay(house, "12:01")).toMatchObject({ status: "conflict", detail: "it has been replayed" });
  });
  test("of a thing that was registered later: the whole message, under the thing's own id", () => {
    const house = openHouse();
    house
      .at("10:00")
      .sends("meizhen/xinghai/water/w2/readings", `{"ts":${clock("10:00")},"values":{"turbidity":1,"ph":7}}`);
    house.at("11:59").registers(registry({ things: [thing("w1"), thing("w2")] }));
    expect(replay(house, "12:00").status).toBe("done");
    expect(balanced(house)).toEqual([[`w2 ${clock("10:00")}`, { received: 2, stored: 2, duplicate: 0, rejected: 0 }]]);
    expect(house.presence("w2")).toBe("never");
  });
  test("or to duplicate", () => {
    const house = openHouse(registry({ retention: 60 * minute }));
    house.at("10:00").reads("turbidity", 0.3);
    house.at("11:30").says({ turbidity: 0.3 }, { measured: "10:00" });
    house.at("11:40").registers(registry({ version: "2" }));
    expect(replay(house, "12:00").status).toBe("done");
    expect(house.store().duplicates).toHaveLength(1);
    expect(balanced(house).map(([, line]) => line)).toEqual([
      { received: 1, stored: 1, duplicate: 0, rejected: 0 },
      { received: 1, stored: 0, duplicate: 1, rejected: 0 },
    ]);
  });
  test("and stays as it was while nothing has changed", () => {
    const house = openHouse();
    house.at("10:00").says({ turbidity: "1" as never });
    expect(replay(house, "10:01")).toMatchObject({ status: "conflict", detail: "expected a number, got a string" });
    expect(balanced(house)).toEqual([[`w1 ${clock("10:00")}`, { received: 1, stored: 0, duplicate: 0, rejected: 1 }]]);
  });
});
