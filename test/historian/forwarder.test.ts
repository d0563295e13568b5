import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from "vitest";
import { createInfluxHistorian } from "../../src/historian/influx.ts";
import { backfill } from "../../src/loops/backfill.ts";
import { createForwarder, type Forwarder, type ForwarderParts } from "../../src/loops/forwarder.ts";
import { systemClock } from "../../src/platform/clock.ts";
import type { Clock, Historian } from "../../src/ports.ts";
import { type InfluxServer, influx1Absent, influx2Absent, startInflux1, startInflux2 } from "../e2e/influx.ts";
import {
  hastyClock,
  openProxy,
  openWorld,
  quiet,
  type Reading,
  scriptedHistorian,
  t0,
  until,
  type World,
} from "./world.ts";

const things = [
  { id: "water-1", street: "xinghai" },
  { id: "water-2", street: "haicheng" },
  { id: "toilet-1", street: "xinghai" },
];
const minute = 60_000;

let world: World;
beforeEach(() => {
  world = openWorld(things);
});
afterEach(() => world.close());

/** Runs a forwarder until `what` holds, and stops it in order. */
const running = async (
  parts: Partial<ForwarderParts> & { historian: Historian },
  what: (forwarder: Forwarder) => boolean | Promise<boolean>,
) => {
  const forwarder = createForwarder({
    knowledge: world.knowledge,
    journal: world.journal,
    clock: systemClock,
    random: () => 0.5,
    telemetry: quiet(),
    ...parts,
  });
  const stop = new AbortController();
  const run = forwarder.run(stop.signal);
  run.catch(() => {});
  try {
    await Promise.race([until(() => what(forwarder)), run]);
  } finally {
    stop.abort(new Error("the house stops"));
    await expect(run).rejects.toThrow("the house stops");
  }
  return forwarder;
};

/** Everything in the store now is recorded as delivered. */
const caughtUp = () => {
  const head = world.entries.findLast((entry) => entry.kind === "delivered")?.through ?? -1;
  return (
    world.knowledge.changesAfter({ seq: head, n: Number.MAX_SAFE_INTEGER }, 1, ["observations", "alarm"]).length === 0
  );
};

const readings = (count: number, more: Partial<Reading> = {}): Reading[] =>
  Array.from({ length: count }, (_, index) => ({
    thing: `water-${1 + (index % 2)}`,
    property: index % 4 < 2 ? "ph" : "turbidity",
    time: t0 + Math.floor(index / 4) * minute,
    value: 7 + index / 1_000,
    ...more,
  }));
const addInCommits = (list: readonly Reading[], size: number) => {
  for (let at = 0; at < list.length; at += size) world.add(list.slice(at, at + size));
};

const accepting = () => scriptedHistorian(() => ({ kind: "accepted" }));
/** Points as the historian would hold them: the newest line of a series and time wins. */
const distinct = (lines: readonly string[]) => new Set(lines.flatMap((line) => {
  const [series, fields, time] = line.split(" ") as [string, string, string];
  return fields.split(",").filter((field) => !field.includes("_qc=")).map((field) => `${series} ${field} ${time}`);
})); // biome-ignore format: short

describe("the cursor", () => {
  test("after a stop at any moment and a start, every reading has been written and none is another point", async () => {
    const list = readings(2_000);
    addInCommits(list, 7);
    const all: string[] = [];
    for (let stopAt = 1; !(stopAt > 1 && caughtUp()); stopAt += 3) {
      const { historian, accepted } = accepting();
      await running({ historian }, () => accepted.length > stopAt * 20 || caughtUp());
      all.push(...accepted);
    }
    expect(distinct(all).size).toBe(list.length);
  });

  test("a historian that says accepted and keeps nothing is found out by the same count", async () => {
    addInCommits(readings(200), 7);
    const { historian, accepted } = accepting();
    const liar: Historian = { ...historian, write: (lines, signal) => historian.write(lines.slice(1), signal) };
    await running({ historian: liar }, caughtUp);
    expect(distinct(accepted).size).toBeLessThan(200);
  });

  test("a commit of which a part was written is no place to go on from: a rebuilt store may have cut it elsewhere", async () => {
    const { historian, accepted } = accepting();
    await running({ historian }, caughtUp);
    const before = world.knowledge.consumed("historian");
    world.add(readings(12_000));
    let writes = 0;
    const oneBatch: Historian = {
      ...historian,
      write: async (lines, signal) =>
        ++writes === 1
          ? historian.write(lines, signal)
          : { kind: "hold", reason: "busy", status: 503, retryAfter: null },
    };
    await running({ historian: oneBatch }, () => writes > 1);
    expect(accepted.length).toBeGreaterThan(0);
    const recorded = world.entries.findLast((entry) => entry.kind === "delivered")?.through ?? before ?? 0;
    expect(
      world.knowledge.changesAfter({ seq: recorded, n: Number.MAX_SAFE_INTEGER }, 1, ["observations"]),
    ).toHaveLength(1);
  });

  test("at rest the forwarder journals nothing, though ticks go by", async () => {
    world.add(readings(10));
    await running({ historian: accepting().historian }, caughtUp);
    const before = world.entries.length;
    const { historian } = accepting();
    let ticks = 0;
    await running({ historian }, async () => {
      world.add([]);
      await new Promise((resolve) => setTimeout(resolve, 20));
      return ++ticks > 50;
    });
    expect(world.entries.length - before).toBeLessThanOrEqual(1);
  });

  test("each registry tags the lines from its place in the feed on, also after a restart", async () => {
    world.add([{ thing: "water-1", property: "ph", time: t0, value: 7 }]);
    await running({ historian: accepting().historian }, caughtUp);
    const at = (time: number) => ({ thing: "water-1", property: "ph", time, value: 7 });
    world.add([at(t0 + 1)]);
    world.register([{ id: "water-1", street: "tianhe" }]);
    world.add([at(t0 + 2)]);
    const { historian, accepted } = accepting();
    await running({ historian }, caughtUp);
    expect(accepted.map((line) => /street=(\w+)/.exec(line)?.[1])).toEqual(["xinghai", "tianhe"]);
  });
});

describe("the window", () => {
  const transition = (state: string, at: number) => ({
    kind: "alarm" as const,
    at,
    transition: {
      seq: 0,
      n: 0,
      at,
      action: state === "unacknowledged" ? "raise" : "clear",
      by: null,
      text: "",
      page: true,
      alarm: {
        id: "water-1.turbidityHigh.1",
        thing: "water-1",
        kind: "water",
        street: "xinghai",
        limit: "turbidityHigh",
        property: "turbidity",
        priority: "high",
        state,
        value: 1.5,
        setpoint: 1,
        since: t0,
        raisedAt: t0,
        receivedAt: at,
        clearedAt: null,
        late: false,
      },
    },
  });

  test("a historian that never began is filled with observations and alarms of the store, then follows", async () => {
    world.add(readings(500));
    world.add([], [transition("unacknowledged", t0 + 5)] as never);
    while (world.store.forgetChanges(Number.MAX_SAFE_INTEGER, 1_000) > 0);
    const { historian, accepted } = accepting();
    await running({ historian }, async () => {
      if (accepted.length >= 501) world.add([{ thing: "toilet-1", property: "ammonia", time: t0, value: 0.2 }]);
      return accepted.some((line) => line.startsWith("toilet"));
    });
    expect(distinct(accepted.filter((line) => line.startsWith("water"))).size).toBe(500);
    expect(accepted.filter((line) => line.startsWith("alarm"))).toHaveLength(1);
  });

  test("a cursor that the feed no longer reaches back to is filled from the window without an alarm when nothing is lost", async () => {
    world.add(readings(4));
    await running({ historian: accepting().historian }, caughtUp);
    world.add(readings(400, { property: "orp" }));
    while (world.store.forgetChanges(Number.MAX_SAFE_INTEGER, 1_000) > 0);
    const { historian, accepted } = accepting();
    await running({ historian }, () => accepted.length >= 100 && world.entries.at(-1)?.kind === "delivered");
    expect([...distinct(accepted)].filter((point) => point.includes("orp=")).length).toBe(200);
    expect(world.conditions()).toEqual([]);
  });

  test("what the window no longer holds is an alarm with its range, and the forwarder goes on", async () => {
    const clock: Clock = { ...systemClock, now: () => t0 };
    world.add(readings(4));
    await running({ historian: accepting().historian, clock }, caughtUp);
    const later = t0 + 5 * 3_600_000;
    world.add([{ thing: "water-1", property: "ph", time: later, value: 7 }]);
    world.add([{ thing: "water-1", property: "ph", time: later + 10 * 3_600_000, value: 7.5 }]);
    while (world.store.forgetChanges(Number.MAX_SAFE_INTEGER, 1_000) > 0);
    while (world.store.forgetObservations(later + 1, 1_000) > 0);
    const { historian, accepted } = accepting();
    await running({ historian, clock }, () => accepted.length > 0);
    expect(world.conditions()).toMatchObject([
      { limit: "historian-gap", active: true, value: 1, detail: expect.stringContaining("2026-11-23T09:00:00.000Z") },
      { limit: "historian-gap", active: false },
    ]);
  });

  test("backfill writes a range again and says how far it is", async () => {
    world.add(readings(400));
    const { historian, accepted } = accepting();
    const told: number[] = [];
    const range = { from: t0 + 10 * minute, to: t0 + 20 * minute };
    const parts = { knowledge: world.knowledge, historian, clock: systemClock, random: () => 0, telemetry: quiet() };
    const result = await backfill(parts, range, ({ lines }) => told.push(lines), new AbortController().signal);
    expect(distinct(accepted).size).toBe(40);
    expect(result).toEqual({ lines: 40, dead: 0, letters: [] });
    expect(told).toEqual([40]);
  });
});

describe("the alarm of the house", () => {
  test("InfluxDB away for a minute raises `historian` once, and its return clears it", async () => {
    world.add(readings(10));
    const clock = hastyClock();
    const { historian, accepted } = scriptedHistorian((_, attempt) =>
      attempt < 12 ? { kind: "hold", reason: "ECONNREFUSED", status: null, retryAfter: null } : { kind: "accepted" },
    );
    await running({ historian, clock }, () => accepted.length > 0 && world.conditions().length > 1);
    expect(world.conditions()).toMatchObject([
      {
        limit: "historian",
        active: true,
        value: 60,
        detail: expect.stringMatching(/since 2026-11-23T08:00:00.000Z: ECONNREFUSED/),
      },
      { limit: "historian", active: false },
    ]);
  });
});

const servers: [string, boolean, () => Promise<InfluxServer>][] = [
  ["InfluxDB 2", influx2Absent(), startInflux2],
  ["InfluxDB 1.x", influx1Absent(), startInflux1],
];
describe.each(servers)("%s", (_, absent, start) => {
  let server: InfluxServer;
  let bucket = 0;
  beforeAll(async () => {
    if (!absent) server = await start();
  });
  afterAll(async () => await server?.stop());
  beforeEach(() => {
    bucket++;
  });
  const name = () => `b${bucket}`;
  const historianAt = (url = server.url, timeout = 30_000, token: string | null = server.token || null) =>
    createInfluxHistorian({ url, token, org: server.org, bucket: name(), version: null, timeout });
  const count = async (field: string, measurement = "water"): Promise<number> => {
    const answer = await server.request(
      `/query?${new URLSearchParams({ db: name(), q: `SELECT count("${field}") FROM ${measurement}` })}`,
    );
    const body = (await answer.json()) as { results: { series?: { values: number[][] }[] }[] };
    return body.results[0]?.series?.[0]?.values[0]?.[1] ?? 0;
  };
  const stored = async () => (await count("ph")) + (await count("turbidity"));

  test.skipIf(absent)("readings are stored as the schema says, and twice the same is one point", async () => {
    world.add([
      { thing: "water-1", property: "ph", time: t0, value: 7.25 },
      { thing: "water-1", property: "turbidity", time: t0, value: null, quality: 9 },
      { thing: "toilet-1", property: "sos", time: t0 + 1, value: 1, quality: 3 },
    ]);
    for (let twice = 0; twice < 2; twice++) {
      const signal = new AbortController().signal;
      const historian = historianAt();
      await historian.prepare(signal);
      const parts = { knowledge: world.knowledge, historian, clock: systemClock, random: () => 0, telemetry: quiet() };
      await backfill(parts, { from: 0, to: t0 + minute }, () => {}, signal);
    }
    const rows = await server.request(
      `/query?${new URLSearchParams({ db: name(), epoch: "ms", q: "SELECT * FROM water; SELECT * FROM toilet; SHOW FIELD KEYS" })}`,
    );
    expect(await rows.json()).toMatchObject({
      results: [
        {
          series: [
            {
              columns: ["time", "grid", "ph", "ph_qc", "street", "thing", "turbidity_qc"],
              values: [[t0, "xinghai-1", 7.25, 1, "xinghai", "water-1", 9]],
            },
          ],
        },
        {
          series: [
            {
              columns: ["time", "grid", "sos", "sos_qc", "street", "thing"],
              values: [[t0 + 1, "xinghai-1", 1, 3, "xinghai", "toilet-1"]],
            },
          ],
        },
        { series: [{ values: [["sos", "float"], ["sos_qc", "integer"]] }, { values: [["ph", "float"], ["ph_qc", "integer"], ["turbidity_qc", "integer"]] }] }, // biome-ignore format: short
      ],
    });
  });

  test.skipIf(absent)("one poisoned line in a thousand is put aside, and no neighbour is lost", async () => {
    const historian = historianAt();
    const signal = new AbortController().signal;
    await historian.prepare(signal);
    expect(await historian.write([`water,thing=other orp="text" ${t0}`], signal)).toEqual({ kind: "accepted" });
    const list = readings(1_000);
    world.add([
      ...list.slice(0, 500),
      { thing: "water-1", property: "orp", time: t0 + 7, value: 650 },
      ...list.slice(500),
    ]);
    await running({ historian }, () => world.deadLetters().length > 0 && caughtUp());
    expect(world.deadLetters()).toEqual([
      {
        consumer: "historian",
        thing: "water-1",
        reason: expect.stringContaining("type"),
        body: expect.stringContaining("orp=650"),
      },
    ]);
    expect(await stored()).toBe(1_000);
  });

  test.skipIf(absent)(
    "a server killed with SIGKILL again and again, and away in between, ends with every reading once",
    async () => {
      const list = readings(20_000);
      let added = 0;
      const feed = setInterval(() => {
        world.add(list.slice(added, added + 500));
        added += 500;
        if (added >= list.length) clearInterval(feed);
      }, 20);
      const brisk: Clock = {
        ...systemClock,
        sleep: (duration, signal) => systemClock.sleep(Math.min(duration, 50), signal),
      };
      let rounds = 0;
      const forwarding = running(
        { historian: historianAt(), clock: brisk },
        () => rounds >= 3 && added >= list.length && caughtUp(),
      );
      for (; rounds < 3; rounds++) {
        await new Promise((resolve) => setTimeout(resolve, 150));
        await server.kill();
        await new Promise((resolve) => setTimeout(resolve, 100));
        await server.restart();
      }
      await forwarding;
      expect(await stored()).toBe(list.length);
      expect(world.deadLetters()).toEqual([]);
    },
  );

  test.skipIf(absent)("a deleted bucket is made again, and what comes from then on is in it", async () => {
    world.add(readings(40));
    const historian = historianAt();
    let deleted = false;
    await running({ historian }, async () => {
      if (!deleted && caughtUp()) {
        deleted = true;
        await drop(server, name());
        world.add(readings(40, { property: "orp" }));
      }
      return deleted && (await count("orp")) === 20;
    });
    expect(world.deadLetters()).toEqual([]);
  });

  test.skipIf(absent)("resets within a request and black holes are held, and nothing is lost or doubled", async () => {
    const proxy = await openProxy(server.port);
    const list = readings(4_000);
    addInCommits(list, 500);
    const brisk: Clock = {
      ...systemClock,
      sleep: (duration, signal) => systemClock.sleep(Math.min(duration, 30), signal),
    };
    const seen: string[] = [];
    proxy.set({ resetAfter: 2_000 });
    await running({ historian: historianAt(proxy.url, 200), clock: brisk }, (forwarder) => {
      const { away } = forwarder.status();
      if (away !== null && seen.at(-1) !== away.reason) seen.push(away.reason);
      if (seen.length === 1) proxy.set("hole");
      if (seen.length === 2) proxy.set("clear");
      return caughtUp() && away === null;
    });
    proxy.close();
    expect(seen[0]).toMatch(/ECONNRESET|hang up|EPIPE/);
    expect(seen[1]).toBe("timed out");
    expect(await stored()).toBe(list.length);
  });

  test.skipIf(absent)("answers five seconds late hold up nothing but themselves: one write in flight", async () => {
    const proxy = await openProxy(server.port);
    world.add([{ thing: "water-1", property: "orp", time: t0, value: 650 }]);
    const forwarding = running(
      { historian: historianAt(proxy.url) },
      async () => (await stored()) === 40 && caughtUp(),
    );
    await until(caughtUp);
    proxy.set({ late: server.version === "2" ? 5_000 : 500 });
    const began = Date.now();
    world.add(readings(40));
    // the store commits on meanwhile
    expect(Date.now() - began).toBeLessThan(1_000);
    await forwarding;
    expect(proxy.connections()).toBe(1);
    proxy.close();
  });
});

describe.skipIf(influx2Absent())("a credential that is not taken", () => {
  test("401 holds everything, and a right token later delivers it", async () => {
    const server = await startInflux2();
    const at = (token: string) =>
      createInfluxHistorian({ url: server.url, token, org: server.org, bucket: server.bucket, version: null });
    world.add(readings(100));
    const stuck = await running({ historian: at("wrong") }, (forwarder) => forwarder.status().away !== null);
    expect(stuck.status()).toMatchObject({ state: "waiting", away: { reason: expect.stringContaining("401") } });
    expect(world.entries).toEqual([]);
    await running({ historian: at(server.token) }, caughtUp);
    expect(await server.query("SELECT count(ph) FROM water")).toMatchObject([{ count: 50 }]);
    await server.stop();
  });
});

const drop = async (server: InfluxServer, bucket: string) => {
  if (server.version === "1") {
    await server.request(`/query?q=${encodeURIComponent(`DROP DATABASE "${bucket}"`)}`, { method: "POST" });
    return;
  }
  const found = (await (await server.request(`/api/v2/buckets?name=${bucket}`)).json()) as {
    buckets: { id: string }[];
  };
  await server.request(`/api/v2/buckets/${found.buckets[0]?.id}`, { method: "DELETE" });
};
