import fc from "fast-check";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { csv } from "../../src/api/csv.ts";
import { parseEvery } from "../../src/api/observation.ts";
import { parseInstant } from "../../src/api/shape.ts";
import { day, hour, instantMax, minute, toIso } from "../../src/domain/time.ts";
import { extraThing, streets } from "./district.ts";
import { type House, openHouse, start } from "./house.ts";

let house: House;
const raisedAt = start + minute / 2;
const many = Array.from({ length: 30 }, (_, at) =>
  extraThing(`probe-${String(at).padStart(2, "0")}`, "water", streets[at % 4]!),
);
beforeAll(async () => {
  house = await openHouse({ things: many });
  for (let at = 0; at < 130; at += 1)
    await house.publish(
      "water-tianhe",
      { turbidity: at / 200, ph: at === 7 ? null : 7 - at / 100 },
      start - 2 * hour + at * minute,
    );
  for (const street of streets) await house.publish(`water-${street}`, { turbidity: 2 }, raisedAt);
  await house.publish("camera-tianhe", "offline", undefined, "status");
});
afterAll(() => house.close());

const get = async (path: string, username = "viewer") =>
  await house.call("GET", path, { token: await house.as(username) });

/** All items of a list, page by page. */
const all = async (path: string, limit: number, username = "viewer", field = "items") => {
  const items: Record<string, unknown>[] = [];
  const sizes: number[] = [];
  let cursor: string | null = null;
  do {
    const separator = path.includes("?") ? "&" : "?";
    const next: string = cursor === null ? "" : `&cursor=${encodeURIComponent(cursor)}`;
    const { body } = await get(`${path}${separator}limit=${limit}${next}`, username);
    items.push(...body[field]);
    sizes.push(body[field].length);
    cursor = body.next;
  } while (cursor !== null);
  return { items, sizes };
};

describe("paging", () => {
  const lists: readonly [path: string, field?: string][] = [
    ["/api/v1/things"],
    ["/api/v1/things?presence=never"],
    ["/api/v1/things?kind=water&street=tianhe"],
    ["/api/v1/things?q=probe-1"],
    ["/api/v1/kinds"],
    ["/api/v1/alarms?state=all"],
    ["/api/v1/things/water-tianhe/observations?property=ph", "points"],
    ["/api/v1/things/water-tianhe/observations?property=ph&every=PT15M", "points"],
  ];
  for (const [path, field = "items"] of lists) {
    test(`pages of any size of ${path} make up the same list, without gap or repetition`, async () => {
      const whole = (await get(`${path}${path.includes("?") ? "&" : "?"}limit=1000`)).body;
      expect(whole.next).toBeNull();
      expect(whole[field].length).toBeGreaterThan(0);
      for (const limit of [1, 3, 7, whole[field].length, 1000]) {
        const { items, sizes } = await all(path, limit, "viewer", field);
        expect(items).toEqual(whole[field]);
        expect(sizes.slice(0, -1).every((size) => size === limit)).toBe(true);
      }
    });
  }
  test("a page has 50 items unless it is asked for others", async () => {
    expect((await get("/api/v1/things/water-tianhe/observations?property=ph")).body.points).toHaveLength(50);
    expect((await get("/api/v1/things")).body.items).toHaveLength(42);
  });
});

describe("things", () => {
  test("come by id, with place, presence and latest values with their units", async () => {
    const { items } = (await get("/api/v1/things?limit=1000")).body;
    const ids = items.map(({ id }: { id: string }) => id);
    expect(ids).toEqual([...ids].sort());
    const { body } = await get("/api/v1/things/water-tianhe");
    expect(body).toMatchObject({
      id: "water-tianhe",
      kind: "water",
      street: "tianhe",
      name: { zh: expect.any(String), en: expect.any(String) },
      location: { longitude: 120.8, latitude: 27.9 },
      presence: "online",
      lastSeen: toIso(start),
      activeAlarms: 1,
    });
    expect(body.latest.turbidity).toEqual({
      value: expect.any(Number),
      unit: "NTU",
      quality: 1,
      time: toIso(start + 9 * minute),
    });
  });
  test("are filtered by kind, street, presence and text", async () => {
    const idsOf = async (query: string) =>
      (await get(`/api/v1/things?limit=1000&${query}`)).body.items.map(({ id }: { id: string }) => id);
    expect(await idsOf("kind=camera")).toEqual(streets.map((street) => `camera-${street}`).sort());
    expect(await idsOf("presence=offline")).toEqual(["camera-tianhe"]);
    expect(await idsOf("street=tianhe&kind=toilet")).toEqual(["toilet-tianhe"]);
    expect(await idsOf("q=PROBE-2")).toHaveLength(10);
    expect(await idsOf(`q=${encodeURIComponent("中文")}&kind=camera`)).toHaveLength(4);
    expect(await idsOf("street=atlantis")).toEqual([]);
  });
});

describe("an account of one street", () => {
  test("sees its things and alarms in lists, and no others", async () => {
    for (const path of ["/api/v1/things", "/api/v1/alarms"]) {
      const { items } = await all(path, 10, "tianhe");
      expect(items.length).toBeGreaterThan(0);
      expect(new Set(items.map(({ street }) => street))).toEqual(new Set(["tianhe"]));
    }
    expect((await get("/api/v1/things?street=xinghai", "tianhe")).body.items).toEqual([]);
    expect((await get("/api/v1/alarms?street=xinghai", "tianhe")).body.items).toEqual([]);
    expect((await get("/api/v1/alarms", "nowhere")).body.items).toEqual([]);
    expect((await get("/api/v1/things", "nowhere")).body.items).toEqual([]);
  });
  test("is told of another street's things what it is told of those that do not exist", async () => {
    const pairs = [
      ["/api/v1/things/water-xinghai", "/api/v1/things/water-atlantis"],
      [
        "/api/v1/things/water-xinghai/observations?property=ph",
        "/api/v1/things/water-atlantis/observations?property=ph",
      ],
      [`/api/v1/alarms/water-xinghai.turbidity-high.${raisedAt}`, "/api/v1/alarms/none.none.1"],
      ["/api/v1/ledger?thing=water-xinghai", "/api/v1/ledger?thing=water-atlantis"],
      ["/api/v1/reports?street=xinghai", "/api/v1/reports?street=atlantis"],
    ];
    for (const [foreign = "", absent = ""] of pairs) {
      const [one, other] = [await get(foreign, "tianhe"), await get(absent, "tianhe")];
      expect(one.status, foreign).toBe(404);
      expect(one.body).toEqual(other.body);
      expect((await get(foreign)).status).toBe(200);
    }
    const live = await get("/api/v1/live?things=water-xinghai", "tianhe");
    expect(live.status).toBe(404);
  });
  test("has the targets of its street alone", async () => {
    const { items } = (await get("/api/v1/targets", "tianhe")).body;
    expect(items[0].streets.map(({ street }: { street: string }) => street)).toEqual(["tianhe"]);
  });
});

describe("observations", () => {
  const path = "/api/v1/things/water-tianhe/observations?property=ph";
  test("from is included, to is not", async () => {
    const [from, to] = [toIso(start - 2 * hour), toIso(start - 2 * hour + 3 * minute)];
    const { points } = (await get(`${path}&from=${from}&to=${to}`)).body;
    expect(points.map(({ time }: { time: string }) => time)).toEqual(
      [0, 1, 2].map((at) => toIso(start - 2 * hour + at * minute)),
    );
  });
  test("any offset is understood, its + escaped or not", async () => {
    const answers = await Promise.all(
      [
        "2026-11-24T06:00:00%2B08:00",
        "2026-11-24T06:00:00+08:00",
        "2026-11-23T22:00Z",
        "2026-11-23T17:00:00.000-0500",
      ].map(async (from) => (await get(`${path}&limit=1&from=${from}`)).body.points),
    );
    for (const points of answers) expect(points).toEqual(answers[0]);
    expect(answers[0][0].time).toBe(toIso(start - 2 * hour));
  });
  test("a missing value is shown as missing", async () => {
    const { points } = (await get(`${path}&limit=8`)).body;
    expect(points[7]).toEqual({ time: toIso(start - 2 * hour + 7 * minute), value: null, quality: 9 });
  });
  test("with an interval they are means, extremes and counts, or those of them that are asked for", async () => {
    const { points, unit } = (await get(`${path}&every=PT1H`)).body;
    expect(unit).toBe("[pH]");
    expect(points[0]).toEqual({
      time: expect.any(String),
      mean: expect.any(Number),
      min: 6.41,
      max: 7,
      count: 60,
      good: 59,
    });
    const asked = (await get(`${path}&every=PT1H&agg=mean,count`)).body.points[0];
    expect(Object.keys(asked)).toEqual(["time", "mean", "count"]);
  });
  test("a property that was never reported has no points; one that the kind does not have is a fault", async () => {
    expect((await get("/api/v1/things/water-haicheng/observations?property=ph")).body).toEqual({
      thing: "water-haicheng",
      property: "ph",
      unit: "[pH]",
      points: [],
      next: null,
    });
    expect((await get("/api/v1/things/water-haicheng/observations?property=heartbeat")).body.points).toEqual([]);
    expect((await get("/api/v1/things/water-haicheng/observations?property=noise")).status).toBe(400);
  });
  test("as CSV they are the same points, and the next page is named", async () => {
    const answer = await get(`${path}&limit=9&format=csv`);
    expect(answer.headers.get("content-type")).toBe("text/csv; charset=utf-8");
    const rows = answer.text.trimEnd().split("\r\n");
    expect(rows[0]).toBe("time,thing,property,unit,value,quality");
    expect(rows[1]).toBe(`${toIso(start - 2 * hour)},water-tianhe,ph,[pH],7,1`);
    expect(rows[8]).toBe(`${toIso(start - 2 * hour + 7 * minute)},water-tianhe,ph,[pH],,9`);
    const next = /<([^>]+)>; rel="next"/.exec(answer.headers.get("link") ?? "")?.[1] ?? "";
    expect(next).toContain(`cursor=${answer.headers.get("x-next-cursor")}`);
    const second = await get(next);
    expect(second.text.split("\r\n")[1]).toContain(toIso(start - 2 * hour + 9 * minute));
  });
});

test("durations are read as ISO 8601 has them, from a minute to a leap year", () => {
  expect([parseEvery("PT1H"), parseEvery("PT60M"), parseEvery("P1D"), parseEvery("PT15M")]).toEqual([
    "hour",
    "hour",
    "day",
    15 * minute,
  ]);
  expect([parseEvery("P1W"), parseEvery("PT24H"), parseEvery("P1DT12H"), parseEvery("PT90S")]).toEqual([
    7 * day,
    day,
    1.5 * day,
    90_000,
  ]);
  for (const wrong of ["", "P", "PT", "P1DT", "PT59S", "PT0M", "P1M", "P1Y", "P367D", "1H", "PT-5M", "pt5m", "PT1.5H"])
    expect(parseEvery(wrong), wrong).toBeUndefined();
});

test("every instant is read back as it was written, with any offset", () => {
  fc.assert(
    fc.property(
      fc.integer({ min: 0, max: 4_102_444_800_000 }),
      fc.integer({ min: -12 * 60, max: 14 * 60 }),
      (instant, offset) => {
        const local = new Date(instant + offset * minute).toISOString().slice(0, -1);
        const pad = (number: number) => String(Math.abs(number)).padStart(2, "0");
        const zone = `${offset < 0 ? "-" : "+"}${pad(Math.trunc(offset / 60))}:${pad(offset % 60)}`;
        expect(parseInstant(local + zone)).toBe(instant);
        expect(parseInstant(toIso(instant))).toBe(instant);
      },
    ),
  );
});

test("an instant beyond what can be is the first or the last one that can, and a day that never was is none", () => {
  expect(parseInstant("0284-12-30T05:24:22.254159-23:55")).toBe(0);
  expect(parseInstant("9999-12-31T23:59:59Z")).toBe(instantMax);
  for (const wrong of [
    "2026-02-30T00:00:00Z",
    "2026-11-24T08:00:00",
    "2026-11-24",
    "1795478400000",
    "2026-11-24T24:00:00Z",
    "",
  ])
    expect(parseInstant(wrong), wrong).toBeUndefined();
});

test("no text of a CSV begins like a formula, and every number stays one", () => {
  fc.assert(
    fc.property(
      fc.array(fc.oneof(fc.string(), fc.constantFrom("=1+1", "@SUM(A1)", "-2+3", "+1", "\t=1", "\r=1")), {
        minLength: 1,
      }),
      (texts) => {
        const [line = ""] = [csv([texts])];
        const cells = parseCsvLine(line.slice(0, -2));
        expect(cells).toHaveLength(texts.length);
        for (const [at, cell] of cells.entries()) {
          expect(cell).not.toMatch(/^[=+\-@\t\r\n]/);
          expect([texts[at], `'${texts[at]}`]).toContain(cell);
        }
      },
    ),
  );
  expect(csv([[-1.5, 0, null, "a,b"]])).toBe('-1.5,0,,"a,b"\r\n');
});

/** RFC 4180, one row that may hold line breaks inside quotes. */
const parseCsvLine = (row: string): string[] => {
  const cells: string[] = [];
  let rest = row;
  for (;;) {
    const quoted = /^"((?:[^"]|"")*)"/.exec(rest);
    const cell = quoted === null ? (/^[^,]*/.exec(rest)?.[0] ?? "") : quoted[0];
    cells.push(quoted === null ? cell : (quoted[1] ?? "").replaceAll('""', '"'));
    if (cell.length === rest.length) return cells;
    rest = rest.slice(cell.length + 1);
  }
};

test("kinds show their properties, and their limits with standard and clause", async () => {
  const { body } = await get("/api/v1/kinds/water");
  expect(body.properties[0]).toMatchObject({ id: "turbidity", unit: "NTU", span: [0, 100] });
  expect(body.limits[0]).toMatchObject({
    id: "turbidity-high",
    above: 1,
    deadband: 0.1,
    onDelayMs: 2 * minute,
    offDelayMs: 5 * minute,
    priority: "high",
    standard: "GB 5749-2022",
    clause: "表1",
    grade: "V1",
  });
  expect(body.limits[0]).not.toHaveProperty("below");
  expect((await get("/api/v1/kinds/submarine")).status).toBe(404);
});

test("the site names streets, grids and people, only those in sight, and no way to reach anybody", async () => {
  const whole = (await get("/api/v1/site")).body;
  expect(whole.streets.map((one: { id: string }) => one.id).sort()).toEqual([...streets].sort());
  expect(whole.people[0]).toEqual({ id: expect.any(String), name: { zh: expect.any(String), en: expect.any(String) } });
  const own = (await get("/api/v1/site", "tianhe")).body;
  expect(own.streets).toHaveLength(1);
  expect(own.grids.every((one: { street: string }) => one.street === own.streets[0].id)).toBe(true);
});

test("a target that nobody has computed is unknown, never met", async () => {
  const { items } = (await get("/api/v1/targets?month=2026-11")).body;
  expect(items).toHaveLength(2);
  for (const target of items) {
    expect(target).toMatchObject({
      unit: "%",
      value: null,
      capture: 0,
      state: "unknown",
      expected: 0,
      received: 0,
      valid: 0,
    });
    expect(target.streets).toHaveLength(4);
  }
  const report = (await get("/api/v1/reports?street=tianhe")).body;
  expect(report).toMatchObject({ month: "2026-11", street: "tianhe" });
  expect(report.targets[0].streets).toHaveLength(1);
});
