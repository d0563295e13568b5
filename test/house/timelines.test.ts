import { describe, expect, test } from "vitest";
import type { AlarmId } from "../../src/domain/alarm.ts";
import type { KindId, PropertyId } from "../../src/domain/thing.ts";
import { day, hour, minute } from "../../src/domain/time.ts";
import { kind, limit, property, registry, thing } from "./district.ts";
import { type House, openHouse } from "./house.ts";

// SEMANTICS section 8, row by row, each through three cuts of the journal into batches (see house.ts).

/** Readings of turbidity, `10:02 1.1`, each received when it was measured. */
const reads = (house: House, readings: string): void => {
  for (const reading of readings.split(", ")) {
    const [time, value] = reading.split(" ") as [string, string];
    house.at(time).reads("turbidity", Number(value));
  }
};
/** One a minute, both ends included. */
const everyMinute = (from: string, to: string, value: number): string => {
  const minutes = (text: string) => Number(text.slice(0, 2)) * 60 + Number(text.slice(3));
  const two = (number: number) => String(number).padStart(2, "0");
  return Array.from({ length: minutes(to) - minutes(from) + 1 }, (_, index) => {
    const at = minutes(from) + index;
    return `${two(Math.floor(at / 60))}:${two(at % 60)} ${value}`;
  }).join(", ");
};
const alarmId = (house: House, name = "L"): AlarmId => house.alarm(name)?.id as AlarmId;

test("1: raised after the delay, held inside the deadband, cleared after the other delay", () => {
  const house = openHouse();
  reads(house, "10:00 0.90, 10:01 1.00, 10:02 1.10, 10:03 1.20");
  expect(house.alarm("L")).toBeUndefined();
  reads(house, "10:04 1.05");
  expect(house.alarm("L")).toMatchObject({
    state: "unacknowledged",
    since: "10:02",
    raised: "10:04",
    received: "10:04",
  });
  reads(house, "10:05 0.95");
  expect(house.alarm("L")).toMatchObject({ state: "unacknowledged" });
  reads(house, everyMinute("10:06", "10:10", 0.9));
  expect(house.alarm("L")).toMatchObject({ state: "unacknowledged", cleared: null });
  reads(house, "10:11 0.90");
  expect(house.alarm("L")).toMatchObject({ state: "returned-unacknowledged", cleared: "10:11" });
  expect(house.story("L")).toEqual(["10:04 raise w1.L, paged", "10:11 clear w1.L, paged"]);
});

describe("2: with slow reporters ticks decide", () => {
  const slow = () => openHouse(registry({ kinds: [kind("water", { every: 5 * minute })] }));
  test("raised by a tick between two readings, cleared by a tick", () => {
    const house = slow();
    reads(house, "10:00 1.5");
    house.at("10:01:59");
    expect(house.alarm("L")).toBeUndefined();
    house.at("10:02:01");
    expect(house.alarm("L")).toMatchObject({ since: "10:00", raised: "10:02", received: "10:02" });
    reads(house, "10:05 0.5");
    house.at("10:09:59");
    expect(house.alarm("L")).toMatchObject({ state: "unacknowledged" });
    house.at("10:10:01");
    expect(house.alarm("L")).toMatchObject({ state: "returned-unacknowledged", cleared: "10:10" });
  });
  test("or by the reading that comes in the same second", () => {
    const house = slow();
    reads(house, "10:00 1.5, 10:05 0.5, 10:10 0.5");
    expect(house.alarm("L")).toMatchObject({ raised: "10:02", cleared: "10:10" });
  });
});

test("3: a thing that falls silent keeps its alarm for ever and raises one more", () => {
  const house = openHouse();
  reads(house, "10:00 1.5, 10:01 1.5, 10:02 1.5");
  expect(house.alarm("L")).toMatchObject({ raised: "10:02" });
  house.at("10:04:59");
  expect(house.alarm("silent")).toBeUndefined();
  house.at("12:00");
  expect(house.alarm("silent")).toMatchObject({
    state: "unacknowledged",
    since: "10:02",
    raised: "10:05",
    received: "10:05",
  });
  expect(house.alarm("L")).toMatchObject({ state: "unacknowledged", cleared: null, notes: ["not_seen"] });
  expect(house.presence()).toBe("silent");
  house.at("12:01").reads("turbidity", 1.5);
  expect(house.alarm("silent")).toMatchObject({ state: "returned-unacknowledged", cleared: "12:01" });
  expect(house.alarm("L")).toMatchObject({ state: "unacknowledged", notes: [] });
  expect(house.presence()).toBe("online");
});

test("4: an interruption begins the delay anew", () => {
  const house = openHouse();
  reads(house, "10:00 1.5, 10:01 0.5, 10:02 1.5, 10:03 1.5");
  house.at("10:03:59");
  expect(house.alarm("L")).toBeUndefined();
  reads(house, "10:04 1.5");
  expect(house.alarm("L")).toMatchObject({ since: "10:02", raised: "10:04" });
});

describe("a device that empties its buffer", () => {
  const values = (text: string) =>
    text.split(", ").map((reading) => [reading.slice(0, 5), { turbidity: Number(reading.slice(6)) }] as const);
  const night = [
    ...values(everyMinute("02:00", "02:09", 0.3)),
    ...values(everyMinute("02:10", "02:40", 1.5)),
    ...values(everyMinute("02:41", "07:29", 0.3)),
  ];
  const woken = () => {
    const house = openHouse(registry(), "01:59");
    house.at("02:00");
    house.at("08:00");
    return house;
  };
  test("5: what was raised and cleared within it is one late alarm, and nobody is paged", () => {
    const house = woken();
    house.at("08:00").dumps([...night, ...values(everyMinute("07:30", "08:00", 0.3))]);
    expect(house.alarms("L")).toMatchObject([
      {
        late: true,
        state: "returned-unacknowledged",
        since: "02:10",
        raised: "02:12",
        cleared: "02:46",
        received: "08:00",
      },
    ]);
    expect(house.story()).toEqual(["02:12 late w1.L"]);
  });
  test("6: what still holds at the newest reading is live, and paged", () => {
    const house = woken();
    house.at("08:00").dumps([...night, ...values(everyMinute("07:30", "08:00", 1.5))]);
    expect(house.alarms("L")).toMatchObject([
      { late: true, state: "returned-unacknowledged", since: "02:10", cleared: "02:46" },
      { late: false, state: "unacknowledged", since: "07:30", raised: "07:32", received: "08:00" },
    ]);
    expect(house.story()).toEqual(["02:12 late w1.L", "07:32 raise w1.L, paged"]);
  });
  test("what holds by old data alone is live, marked late and paged once", () => {
    const house = woken();
    house.at("08:00").dumps(values(everyMinute("07:00", "07:30", 1.5)));
    expect(house.alarm("L")).toMatchObject({
      late: true,
      state: "unacknowledged",
      since: "07:00",
      notes: ["old_data"],
    });
    expect(house.story("L")).toEqual(["07:02 raise w1.L, paged"]);
    house.at("08:01").reads("turbidity", 1.5);
    expect(house.alarm("L")).toMatchObject({ late: false, notes: [] });
    expect(house.story("L")).toEqual(["07:02 raise w1.L, paged", "08:01 note w1.L"]);
  });
  test("an alarm that stood before is cleared by it, live", () => {
    const house = openHouse(registry(), "01:59");
    reads(house, everyMinute("02:00", "02:03", 1.5));
    house.at("08:00").dumps(values(everyMinute("02:04", "08:00", 0.3)));
    expect(house.alarms("L")).toMatchObject([
      { late: false, state: "returned-unacknowledged", since: "02:00", cleared: "02:09" },
    ]);
  });
});

test("7: a late reading is stored and flagged, and moves no live alarm", () => {
  const house = openHouse(registry({ things: [thing("w1", { every: 10 * minute })] }));
  reads(house, "10:00 0.3, 10:10 0.3");
  house.at("10:11").says({ turbidity: 5 }, { measured: "10:05" });
  house.at("10:20");
  expect(house.alarms("L")).toEqual([]);
  expect(house.store().observations).toMatchObject([{ value: 0.3 }, { value: 0.3 }, { value: 5, quality: 1 }]);
});

test("a run of late readings that breached a limit is one late alarm", () => {
  const house = openHouse(registry({ things: [thing("w1", { every: 10 * minute })] }));
  reads(house, "10:00 0.3, 10:30 0.3");
  for (const [at, measured, value] of [
    ["10:31", "10:05", 5],
    ["10:32", "10:10", 6],
    ["10:33", "10:15", 0.2],
    ["10:34", "10:25", 0.2],
  ] as const) {
    house.at(at).says({ turbidity: value }, { measured });
  }
  expect(house.alarms("L")).toMatchObject([
    {
      late: true,
      state: "returned-unacknowledged",
      since: "10:05",
      raised: "10:07",
      cleared: "10:20",
      received: "10:32",
    },
  ]);
  expect(house.story("L").every((line) => !line.includes("paged"))).toBe(true);
  const seq = house.at("10:35").asks({ kind: "acknowledge", alarm: alarmId(house), note: "" });
  expect(house.outcome(seq).status).toBe("done");
  expect(house.alarm("L")).toMatchObject({ state: "normal" });
});

test("8: suspect values give no all-clear", () => {
  const suspicious = property("turbidity", { operatorSpan: [0.6, 100] });
  const house = openHouse(registry({ kinds: [kind("water", { properties: [suspicious] })] }));
  reads(house, "10:00 1.5, 10:01 1.5, 10:02 1.5");
  reads(house, everyMinute("10:03", "10:13", 0.5));
  expect(house.store().observations.at(-1)).toMatchObject({ quality: 3 });
  expect(house.alarm("L")).toMatchObject({ state: "unacknowledged", cleared: null });
  reads(house, everyMinute("10:14", "10:19", 0.7));
  expect(house.alarm("L")).toMatchObject({ state: "returned-unacknowledged", cleared: "10:19" });
});

test("9: beyond the measuring span the value fails and the limit is entered all the same", () => {
  const house = openHouse();
  reads(house, "10:00 120, 10:01 120, 10:02 120");
  expect(house.store().observations.map(({ quality }) => quality)).toEqual([4, 4, 4]);
  expect(house.alarm("L")).toMatchObject({ raised: "10:02", notes: ["beyond_range"] });
});
test("9: beyond what is possible it is not", () => {
  const house = openHouse();
  reads(house, "10:00 4001, 10:01 4001, 10:02 4001, 10:03 4001");
  expect(house.alarm("L")).toBeUndefined();
});

test("10: acknowledged, then cleared: normal", () => {
  const house = openHouse();
  reads(house, everyMinute("09:59", "10:01", 1.5));
  const seq = house.at("10:01:30").asks({ kind: "acknowledge", alarm: alarmId(house), note: "on my way" }, "li");
  expect(house.outcome(seq)).toMatchObject({ status: "done" });
  expect(house.alarm("L")).toMatchObject({ state: "acknowledged" });
  reads(house, everyMinute("10:02", "10:10", 0.5));
  expect(house.alarm("L")).toMatchObject({ state: "normal", cleared: "10:07" });
});

test("11: raised again before anybody acknowledged it: one occurrence, counted", () => {
  const house = openHouse();
  reads(
    house,
    `${everyMinute("09:58", "10:04", 1.5).replace("09:58 1.5, ", "")}, ${everyMinute("10:05", "10:17", 0.5)}, ${everyMinute("10:18", "10:20", 1.5)}`,
  );
  expect(house.alarms("L")).toMatchObject([
    { count: 2, state: "unacknowledged", since: "09:59", raised: "10:01", cleared: null },
  ]);
  house
    .at("10:21")
    .reads("turbidity", 1.5)
    .asks({ kind: "acknowledge", alarm: alarmId(house), note: "" });
  expect(house.alarms("L")).toMatchObject([{ count: 2, state: "acknowledged" }]);
  reads(house, everyMinute("10:22", "10:27", 0.5));
  expect(house.alarms("L")).toMatchObject([{ count: 2, state: "normal", cleared: "10:27" }]);
  expect(house.story("L")).toEqual([
    "10:01 raise w1.L, paged",
    "10:10 clear w1.L, paged",
    "10:20 raise w1.L, paged",
    "10:21 acknowledge w1.L",
    "10:27 clear w1.L, paged",
  ]);
});

describe("12: shelved until 12:00", () => {
  const shelved = () => {
    const house = openHouse(registry({ things: [thing("w1", { every: 30 * minute })] }));
    reads(house, "10:00 1.5, 10:02 1.5");
    house
      .at("10:03")
      .asks({ kind: "shelve", alarm: alarmId(house), until: Date.parse("2026-11-23T12:00:00+08:00"), reason: "works" });
    return house;
  };
  test("what holds then is unacknowledged, and paged anew", () => {
    const house = shelved();
    house.at("10:05").asks({ kind: "acknowledge", alarm: alarmId(house), note: "" });
    reads(house, "10:30 1.5, 11:00 1.5, 11:30 1.5");
    house.at("11:59:59");
    expect(house.alarm("L")).toMatchObject({ state: "acknowledged", shelved: "12:00" });
    house.at("12:00:01");
    expect(house.alarm("L")).toMatchObject({ state: "unacknowledged", shelved: null });
    expect(house.story("L").at(-1)).toBe("12:00 unshelve w1.L, paged");
  });
  test("what has cleared ends quietly", () => {
    const house = shelved();
    reads(house, "10:30 0.5, 10:40 0.5");
    expect(house.alarm("L")).toMatchObject({ state: "returned-unacknowledged" });
    reads(house, "11:10 0.5, 11:40 0.5");
    house.at("12:00:01");
    expect(house.alarm("L")).toMatchObject({ state: "normal", shelved: null });
    expect(
      house
        .story("L")
        .slice(1)
        .some((line) => line.includes("paged")),
    ).toBe(false);
  });
  test("what is raised meanwhile is unheard", () => {
    const house = shelved();
    house.at("10:05").asks({ kind: "acknowledge", alarm: alarmId(house), note: "" });
    reads(house, "10:30 0.5, 10:40 0.5, 11:00 1.5, 11:10 1.5");
    expect(house.alarm("L")).toMatchObject({ state: "unacknowledged", since: "11:00", shelved: "12:00" });
    expect(
      house
        .story("L")
        .slice(1)
        .some((line) => line.includes("paged")),
    ).toBe(false);
  });
});

test("13: after an outage of ours nothing is silent until its interval has passed anew", () => {
  const house = openHouse(registry({ things: [thing("w1"), thing("w2")] }), "08:55");
  for (const time of ["08:58", "08:59", "09:00"]) house.at(time).reads("turbidity", 0.3).reads("turbidity", 0.3, "w2");
  house.down("10:00");
  for (const time of ["10:01", "10:02", "10:03"]) house.at(time).reads("turbidity", 0.3);
  house.at("10:03");
  expect(house.story()).toEqual([]);
  // the other one never comes back
  house.at("10:03:02");
  expect(house.alarm("silent", "w2")).toMatchObject({ since: "10:00:01", raised: "10:03:01" });
  expect(house.alarm("silent")).toBeUndefined();
});

describe("14: an outfall flows, and nobody knows whether it rained", () => {
  const flow = property("flow", { unit: "L/s", span: [0, 500], possible: [0, 100_000] });
  const dry = limit({
    id: "discharge",
    property: "flow",
    setpoint: 0.5,
    deadband: 0.2,
    onDelay: 10 * minute,
    offDelay: 30 * minute,
    when: [{ kind: "dry", duration: 2 * hour }],
  });
  const outfalls = registry({
    kinds: [
      kind("outfall", { every: 5 * minute, properties: [flow], limits: [dry] }),
      kind("rain", { every: 5 * minute, properties: [property("rainfall", { unit: "mm" })], limits: [] }),
    ],
    things: [thing("o1", { kind: "outfall" }), thing("rain-1", { kind: "rain" })],
  });
  const flowing = (house: House, from: string, to: string, each?: (time: string) => void): void => {
    for (const reading of everyMinute(from, to, 0)
      .split(", ")
      .filter((_, index) => index % 5 === 0)) {
      const time = reading.slice(0, 5);
      house.at(time).reads("flow", 3);
      each?.(time);
    }
  };
  test("the gauge is silent: dry weather is assumed, and noted", () => {
    const house = openHouse(outfalls);
    house.at("09:59").reads("rainfall", 0, "rain-1");
    flowing(house, "10:00", "10:20");
    expect(house.alarm("discharge")).toMatchObject({ since: "10:00", raised: "10:10", notes: ["condition_unknown"] });
  });
  test("the gauge has said 0 without a gap: no note", () => {
    const house = openHouse(outfalls, "07:00");
    flowing(house, "07:00", "10:20", (time) => house.at(time).reads("rainfall", 0, "rain-1"));
    expect(house.alarms("discharge")[0]).toMatchObject({ since: "07:00", notes: ["condition_unknown"] });
    const known = openHouse(outfalls, "07:00");
    for (const reading of everyMinute("07:00", "09:55", 0)
      .split(", ")
      .filter((_, index) => index % 5 === 0)) {
      known.at(reading.slice(0, 5)).reads("rainfall", 0, "rain-1").reads("flow", 0);
    }
    flowing(known, "10:00", "10:20", (time) => known.at(time).reads("rainfall", 0, "rain-1"));
    expect(known.alarm("discharge")).toMatchObject({ since: "10:00", raised: "10:10", notes: [] });
  });
  test("it rained: no alarm; and one that stands returns when rain falls", () => {
    const house = openHouse(outfalls);
    house.at("09:59").reads("rainfall", 1.2, "rain-1");
    flowing(house, "10:00", "10:30");
    expect(house.alarm("discharge")).toBeUndefined();
    const other = openHouse(outfalls);
    flowing(other, "10:00", "10:15");
    other.at("10:16").reads("rainfall", 1.2, "rain-1");
    flowing(other, "10:20", "10:20");
    expect(other.alarm("discharge")).toMatchObject({
      state: "returned-unacknowledged",
      cleared: "10:20",
      notes: ["condition_unknown", "no_longer_applies"],
    });
  });
});

describe("15: things behind a gateway", () => {
  const cameras = Array.from({ length: 10 }, (_, index) => `camera-${index}`);
  const behind = registry({
    kinds: [kind("camera", { limits: [], properties: [] }), kind("gateway", { limits: [], properties: [] })],
    things: [thing("g", { kind: "gateway" }), ...cameras.map((id) => thing(id, { kind: "camera", gateway: "g" }))],
  });
  const beat = (house: House, time: string, ids: readonly string[]): void => {
    const moment = house.at(time);
    for (const id of ids) moment.beats(id);
  };
  test("all ten stop: one alarm for the gateway; five return: the gateway's clears, five show", () => {
    const house = openHouse(behind);
    for (const time of ["09:59", "10:00"]) beat(house, time, cameras);
    house.at("10:03:01");
    expect(house.alarm("silent", "g")).toMatchObject({
      state: "unacknowledged",
      since: "10:00",
      raised: "10:03",
      suppressedBy: null,
    });
    const gateway = house.alarm("silent", "g")?.id;
    for (const id of cameras)
      expect(house.alarm("silent", id)).toMatchObject({ raised: "10:03", suppressedBy: gateway });
    house.at("10:10");
    expect(house.story().filter((line) => line.includes("paged"))).toEqual(["10:03 raise g.silent, paged"]);
    beat(house, "10:10", cameras.slice(0, 5));
    expect(house.alarm("silent", "g")).toMatchObject({ state: "returned-unacknowledged", cleared: "10:10" });
    for (const id of cameras.slice(5))
      expect(house.alarm("silent", id)).toMatchObject({ state: "unacknowledged", suppressedBy: null });
    for (const id of cameras.slice(0, 5))
      expect(house.alarm("silent", id)).toMatchObject({ state: "returned-unacknowledged" });
  });
  test("they stop one after the other: their pages wait an interval for the gateway's", () => {
    const house = openHouse(behind);
    beat(house, "10:00", cameras);
    for (const [index, id] of cameras.entries()) house.at(`10:00:${String(index * 5 + 5).padStart(2, "0")}`).beats(id);
    house.at("10:10");
    expect(house.story().filter((line) => line.includes("paged"))).toHaveLength(1);
    expect(house.alarm("silent", "g")).toMatchObject({ raised: "10:03:40" });
  });
  test("two stop: each pages by itself, an interval later", () => {
    const house = openHouse(behind);
    beat(house, "10:00", cameras);
    for (const time of ["10:01", "10:02", "10:03", "10:04", "10:05"]) beat(house, time, cameras.slice(2));
    expect(house.alarm("silent", "g")).toBeUndefined();
    expect(house.story()).toEqual([
      "10:03 raise camera-0.silent",
      "10:03 raise camera-1.silent",
      "10:04 page camera-0.silent, paged",
      "10:04 page camera-1.silent, paged",
    ]);
  });
});

describe("several setpoints on one side (2.6)", () => {
  const two = registry({
    kinds: [kind("water", { limits: [limit(), limit({ id: "H", setpoint: 5, priority: "critical" })] })],
  });
  test("the outer one suppresses the inner, which shows again without a page", () => {
    const house = openHouse(two);
    reads(house, everyMinute("10:00", "10:02", 2));
    expect(house.alarm("L")).toMatchObject({ suppressedBy: null });
    reads(house, everyMinute("10:03", "10:05", 6));
    expect(house.alarm("H")).toMatchObject({ state: "unacknowledged", raised: "10:05" });
    expect(house.alarm("L")).toMatchObject({ state: "unacknowledged", suppressedBy: house.alarm("H")?.id });
    reads(house, everyMinute("10:06", "10:11", 2));
    expect(house.alarm("H")).toMatchObject({ state: "returned-unacknowledged" });
    expect(house.alarm("L")).toMatchObject({ state: "unacknowledged", suppressedBy: null });
    expect(house.story("L")).toEqual(["10:02 raise w1.L, paged", "10:05 suppress w1.L", "10:11 unsuppress w1.L"]);
  });
  test("raised together only the outer one is heard", () => {
    const house = openHouse(two);
    reads(house, everyMinute("10:00", "10:02", 6));
    expect(house.story().filter((line) => line.includes("paged"))).toEqual(["10:02 raise w1.H, paged"]);
  });
});

describe("conditions (2.5)", () => {
  const ammonia = (setpoint: number, id: string, bound: { above: number } | { atMost: number }) =>
    limit({
      id,
      property: "ammonia",
      setpoint,
      when: [{ kind: "property", property: "temperature" as PropertyId, ...bound }],
    });
  const works = registry({
    kinds: [
      kind("water", {
        properties: [property("ammonia"), property("temperature", { unit: "Cel" })],
        limits: [ammonia(5, "warm", { above: 12 }), ammonia(8, "cold", { atMost: 12 })],
      }),
    ],
  });
  const says = (house: House, from: string, to: string, values: Record<string, number>): void => {
    for (const reading of everyMinute(from, to, 0).split(", ")) house.at(reading.slice(0, 5)).says(values);
  };
  test.each([
    ["warm water: the stricter bracket", { temperature: 20, ammonia: 6 }, ["warm"]],
    ["cold water: the other one, not breached", { temperature: 12, ammonia: 6 }, []],
    ["cold water: the other one, breached", { temperature: 12, ammonia: 9 }, ["cold"]],
    ["nobody knows: the stricter one", { ammonia: 9 }, ["warm"]],
  ] as const)("%s", (_, values, raised) => {
    const house = openHouse(works);
    says(house, "10:00", "10:03", values);
    expect(
      house
        .store()
        .alarms()
        .map((alarm) => alarm.limit),
    ).toEqual(raised);
    if (!("temperature" in values)) expect(house.alarm("warm")?.notes).toEqual(["condition_unknown"]);
  });
  test("it is judged with the value at the reading's own time, wherever it stands in the message", () => {
    const house = openHouse(works);
    says(house, "10:00", "10:00", { ammonia: 6, temperature: 20 });
    says(house, "10:01", "10:02", { ammonia: 6, temperature: 20 });
    expect(house.alarm("warm")).toMatchObject({ raised: "10:02", notes: [] });
  });
  test("when it ceases, the alarm returns with that cause", () => {
    const house = openHouse(works);
    says(house, "10:00", "10:02", { ammonia: 6, temperature: 20 });
    says(house, "10:03", "10:03", { ammonia: 6, temperature: 10 });
    expect(house.alarm("warm")).toMatchObject({
      state: "returned-unacknowledged",
      cleared: "10:03",
      notes: ["no_longer_applies"],
    });
  });
  test("a season is a span of local days, also over New Year", () => {
    const winter = limit({ when: [{ kind: "season", from: "11-01", to: "03-31" }] });
    const summer = limit({ id: "S", when: [{ kind: "season", from: "04-01", to: "10-31" }] });
    const house = openHouse(registry({ kinds: [kind("water", { limits: [winter, summer] })] }));
    reads(house, everyMinute("10:00", "10:02", 2));
    expect(
      house
        .store()
        .alarms()
        .map((alarm) => alarm.limit),
    ).toEqual(["L"]);
  });
  test("an attribute decides whether a limit is the thing's at all", () => {
    const tap = limit({ when: [{ kind: "attribute", attribute: "station", oneOf: ["tap"] }] });
    const things = [thing("w1", { attributes: { station: "tap" } }), thing("w2", { attributes: { station: "works" } })];
    const house = openHouse(registry({ kinds: [kind("water", { limits: [tap] })], things }));
    for (const time of ["10:00", "10:01", "10:02"]) house.at(time).reads("turbidity", 2).reads("turbidity", 2, "w2");
    expect(
      house
        .store()
        .alarms()
        .map((alarm) => alarm.thing),
    ).toEqual(["w1"]);
  });
  test("an attribute that a thing does not have is unknown: the strictest of the limits that it decides applies, noted", () => {
    const of = (id: string, setpoint: number, value: string) =>
      limit({ id, setpoint, when: [{ kind: "attribute", attribute: "class", oneOf: [value] }] });
    const house = openHouse(
      registry({ kinds: [kind("water", { limits: [of("first", 1, "1"), of("second", 3, "2")] })] }),
    );
    reads(house, everyMinute("10:00", "10:02", 5));
    expect(house.store().alarms()).toMatchObject([{ limit: "first", notes: ["condition_unknown"] }]);
  });
});

test("a gap longer than the silence interval counts for a breach, and never for the all-clear (2.3)", () => {
  const house = openHouse(registry(), "09:00");
  reads(house, "10:00 1.5, 10:04 1.5");
  expect(house.alarm("L")).toMatchObject({ since: "10:00", raised: "10:02" });
  reads(house, "10:05 0.5, 10:11 0.5");
  house.at("10:11:30");
  expect(house.alarm("L")).toMatchObject({ state: "unacknowledged" });
  reads(house, everyMinute("10:12", "10:16", 0.5));
  expect(house.alarm("L")).toMatchObject({ state: "returned-unacknowledged", cleared: "10:16" });
});

test("a low limit is the mirror of a high one", () => {
  const low = limit({ id: "low", direction: "low", setpoint: 6.5, deadband: 0.2, property: "ph" });
  const house = openHouse(registry({ kinds: [kind("water", { limits: [low] })] }));
  const ph = (time: string, value: number) => house.at(time).reads("ph", value);
  for (const [time, value] of [
    ["10:00", 6.5],
    ["10:01", 6.4],
    ["10:02", 6.6],
    ["10:03", 6.69],
  ] as const)
    ph(time, value);
  expect(house.alarm("low")).toMatchObject({ since: "10:01", raised: "10:03" });
  for (const time of ["10:04", "10:05", "10:06", "10:07", "10:08", "10:09"]) ph(time, 6.7);
  expect(house.alarm("low")).toMatchObject({ cleared: "10:09" });
});

describe("maintenance", () => {
  test("a run of flag 4 for failAfter is a fault, which the first good value ends", () => {
    const house = openHouse();
    reads(house, everyMinute("10:00", "10:14", -5));
    expect(house.alarm("fault")).toBeUndefined();
    reads(house, "10:15 -5");
    expect(house.alarm("fault")).toMatchObject({ since: "10:00", raised: "10:15" });
    reads(house, "10:16 0.3");
    expect(house.alarm("fault")).toMatchObject({ state: "returned-unacknowledged", cleared: "10:16" });
  });
  test("a clock that is off by more than two minutes in the median of twenty messages", () => {
    const house = openHouse(registry(), "09:00");
    const late = (from: number, to: number, minutes: number) => {
      for (let at = from; at <= to; at++) {
        house
          .at(`10:${String(at).padStart(2, "0")}`)
          .says({ turbidity: 0.3 }, { measured: `10:${String(at + minutes).padStart(2, "0")}` });
      }
    };
    late(0, 18, 3);
    expect(house.alarm("clock")).toBeUndefined();
    late(19, 19, 3);
    expect(house.alarm("clock")).toMatchObject({ since: "10:19", value: -180 });
    late(23, 31, 0);
    expect(house.alarm("clock")).toMatchObject({ state: "unacknowledged" });
    late(32, 34, 0);
    expect(house.alarm("clock")).toMatchObject({ state: "returned-unacknowledged" });
  });
  test("messages refused for the future tell of the clock all the same", () => {
    const house = openHouse(registry(), "09:00");
    for (let at = 0; at < 20; at++)
      house
        .at(`10:${String(at).padStart(2, "0")}`)
        .says({ turbidity: 0.3 }, { measured: `11:${String(at).padStart(2, "0")}` });
    expect(house.store().rejections.map(({ reason }) => reason)).toEqual(Array(20).fill("time_future"));
    expect(house.alarm("clock")).toMatchObject({ value: -3600 });
  });
  test("a property that a thing leaves out for three intervals while it reports", () => {
    const house = openHouse();
    house.at("10:00").says({ turbidity: 0.3, ph: 7 });
    reads(house, "10:01 0.3, 10:02 0.3");
    expect(house.alarm("silent-ph")).toBeUndefined();
    reads(house, "10:03 0.3");
    expect(house.alarm("silent-ph")).toMatchObject({ since: "10:00", raised: "10:03" });
    house.at("10:04").says({ turbidity: 0.3, ph: null });
    expect(house.alarm("silent-ph")).toMatchObject({ state: "returned-unacknowledged", cleared: "10:04" });
  });
  test("fifteen changes of presence in an hour are one alarm instead of one each", () => {
    const house = openHouse();
    const often = (fromHour: number, times: number) => {
      for (let turn = 0; turn < times; turn++) {
        const at = turn * 5;
        house
          .at(`${String(fromHour + Math.floor(at / 60)).padStart(2, "0")}:${String(at % 60).padStart(2, "0")}`)
          .reads("turbidity", 0.3);
      }
    };
    often(10, 24);
    expect(house.alarms("flapping")).toMatchObject([{ state: "unacknowledged", count: 1 }]);
    const raised = house.story("silent").filter((line) => line.includes("raise")).length;
    expect(raised).toBeLessThan(9);
    house.at("13:30");
    expect(house.alarm("flapping")).toMatchObject({ state: "returned-unacknowledged" });
    expect(house.alarm("silent")).toMatchObject({ state: "unacknowledged", suppressedBy: null });
  });
});

describe("presence (4.1)", () => {
  test("never, online, silent; offline from a will until the next message", () => {
    const house = openHouse();
    house.at("10:00");
    expect(house.presence()).toBe("never");
    house.at("10:00").reads("turbidity", 0.3);
    expect(house.presence()).toBe("online");
    house.at("10:01").status("offline");
    expect(house.presence()).toBe("offline");
    expect(house.story()).toEqual([]);
    house.at("10:02").reads("turbidity", 0.3);
    expect(house.presence()).toBe("online");
    house.at("10:05");
    expect(house.presence()).toBe("silent");
  });
  test("a message of which nothing was stored is no sign of life", () => {
    const house = openHouse();
    house.at("10:00").reads("turbidity", 0.3);
    for (const time of ["10:01", "10:02", "10:03"])
      house.at(time).says({ iron: 3 }).says({ turbidity: 0.3 }, { measured: "10:00" });
    expect(house.alarm("silent")).toMatchObject({ since: "10:00", raised: "10:03" });
  });
  test("a thing that was born and never reports falls silent; one never heard of does not", () => {
    const house = openHouse(registry({ things: [thing("w1"), thing("w2")] }));
    house.at("10:00").status("online");
    house.at("10:04");
    expect(house.alarm("silent")).toMatchObject({ raised: "10:03" });
    expect(house.alarm("silent", "w2")).toBeUndefined();
  });
});

describe("the registry changes", () => {
  test("things and limits that go on keep what is known of them", () => {
    const house = openHouse();
    reads(house, "10:00 1.5, 10:01 1.5");
    house
      .at("10:01:30")
      .registers(registry({ version: "2", kinds: [kind("water", { limits: [limit({ setpoint: 1.2 })] })] }));
    reads(house, "10:02 1.5");
    expect(house.alarm("L")).toMatchObject({ since: "10:00", raised: "10:02" });
  });
  test("the alarm of a limit that is no more returns, and begins anew when it is back", () => {
    const house = openHouse();
    reads(house, everyMinute("10:00", "10:02", 1.5));
    house.at("10:02:30").registers(registry({ version: "2", kinds: [kind("water", { limits: [] })] }));
    expect(house.alarm("L")).toMatchObject({
      state: "returned-unacknowledged",
      notes: ["no_longer_applies"],
      cleared: "10:02:30",
    });
    reads(house, "10:03 1.5");
    house.at("10:03:30").registers(registry());
    reads(house, everyMinute("10:04", "10:06", 1.5));
    expect(house.alarms("L")).toMatchObject([{ count: 2, state: "unacknowledged" }]);
  });
  test("a thing that is no more ends its alarms, a property that returns knows its frontier", () => {
    const house = openHouse(registry({ things: [thing("w1"), thing("w2")] }));
    reads(house, everyMinute("10:00", "10:02", 1.5));
    house.at("10:02:30").registers(registry({ things: [thing("w2")] }));
    expect(house.alarm("L")?.state ?? house.store().alarms()[0]?.state).toBe("returned-unacknowledged");
    house.at("10:03").sends("meizhen/xinghai/water/w1/readings", '{"values":{"turbidity":1}}');
    house.at("10:04").registers(registry({ things: [thing("w1"), thing("w2")] }));
    house.at("10:05").says({ turbidity: 1.5 }, { thing: "w1", measured: "10:01" });
    expect(house.store().rejections).toMatchObject([{ reason: "thing_unknown", thing: "" }]);
    expect(house.store().duplicates).toHaveLength(1);
  });
});

test("facts about the service itself are alarms of the house", () => {
  const house = openHouse();
  house.at("10:00").finds("historian", true, 3).finds("historian", true, 3).finds("historian", true, 4);
  expect(house.alarm("historian", "house")).toMatchObject({
    state: "unacknowledged",
    value: 4,
    since: "10:00",
    id: `house.historian.${Date.parse("2026-11-23T02:00:00Z")}`,
  });
  house.at("10:05").finds("historian", false);
  expect(house.alarm("historian", "house")).toMatchObject({ state: "returned-unacknowledged", cleared: "10:05" });
  expect(house.story("historian")).toEqual([
    "10:00 raise house.historian, paged",
    "10:00 note house.historian",
    "10:05 clear house.historian, paged",
  ]);
});

test("an alarm says where, what, how much, against what, and who is responsible, nearest first", () => {
  const house = openHouse();
  reads(house, everyMinute("10:00", "10:02", 1.5));
  const [alarm] = house.store().alarms();
  expect(alarm?.text).toEqual({
    zh: "Xinghai w1：Turbidity，turbidity 1.5 NTU，高于限值 1 NTU（GB 5749-2022 表1）",
    en: "w1 (Xinghai): Turbidity, turbidity 1.5 NTU, above the limit of 1 NTU (GB 5749-2022 表1)",
  });
  expect(alarm?.responsible.map(({ role }) => role)).toEqual([
    "gridChief",
    "streetChief",
    "taskForce",
    "liaison",
    "office",
    "leader",
  ]);
  expect(alarm).toMatchObject({
    kind: "water" as KindId,
    street: "xinghai",
    unit: "NTU",
    setpoint: 1,
    standard: "GB 5749-2022",
    clause: "表1",
    grade: "V1",
  });
});

test("readings older than the retention, and more than five minutes ahead, are refused; what is just within is taken", () => {
  const house = openHouse(registry({ retention: day }), "+1 09:59");
  house.at("+1 10:00").says({ turbidity: 1 }, { measured: "10:00" }).says({ turbidity: 1 }, { measured: "09:59:59" });
  house
    .at("+1 10:00")
    .says({ turbidity: 1 }, { measured: "+1 10:05" })
    .says({ turbidity: 1, ph: 7 }, { measured: "+1 10:05:01" });
  expect(house.store().observations).toHaveLength(2);
  expect(house.store().rejections).toMatchObject([
    { reason: "time_too_old", path: "values.turbidity" },
    { reason: "time_future", path: "values.turbidity" },
    { reason: "time_future", path: "values.ph" },
  ]);
});
