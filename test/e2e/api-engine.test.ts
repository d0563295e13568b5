import { randomBytes } from "node:crypto";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, expect, test } from "vitest";
import { alarmShape } from "../../src/api/alarm.ts";
import { createServer } from "../../src/api/server.ts";
import { thingShape } from "../../src/api/thing.ts";
import type { Entry } from "../../src/domain/entry.ts";
import type { Registry } from "../../src/domain/registry.ts";
import { hour, minute, toIso } from "../../src/domain/time.ts";
import { openJournal } from "../../src/journal/sqlite.ts";
import { createApplier } from "../../src/loops/applier.ts";
import { createTimekeeper } from "../../src/loops/timekeeper.ts";
import { systemClock as clock } from "../../src/platform/clock.ts";
import { createTelemetry } from "../../src/platform/telemetry.ts";
import { openWatermark } from "../../src/platform/watermark.ts";
import { openKnowledge, openStore } from "../../src/store/store.ts";
import { accounts, passwordOf, registry } from "../api/district.ts";
import { openStream, type Told } from "../api/stream.ts";

// The API over the real journal, engine, applier, timekeeper and store: nothing stands in for anything.

const startHouse = async () => {
  const directory = mkdtempSync(join(tmpdir(), "meizhen-api-engine-"));
  const telemetry = createTelemetry({ level: "silent", thread: "test" });
  const stop = new AbortController();
  const onFatal = (error: Error) => {
    throw error;
  };
  const journal = await openJournal({ directory, bytesMax: 2 ** 30, telemetry, onFatal });
  const watermark = openWatermark();
  const path = join(directory, "store.db");
  const store = openStore({ path, watermark });
  const knowledge = openKnowledge({ path, watermark });
  const loops = [createApplier({ journal, store, clock, telemetry }), createTimekeeper(journal, clock)];
  const running = loops.map((loop) =>
    loop.run(stop.signal).catch((error: unknown) => {
      if (!stop.signal.aborted) throw error;
    }),
  );
  const put = async (entries: readonly Entry[]) =>
    await store.waitPast((await journal.append(entries)) - 1, stop.signal);
  const at = clock.now();
  const people = accounts.map(
    (account): Entry => ({ kind: "account", at, by: "test", username: account.username, account }),
  );
  await put([{ kind: "registry", at, registry: always(registry()) }, ...people]);
  const server = createServer({
    ...{ knowledge, journal, clock, telemetry, randomBytes, consoleFolder: null },
    settings: { host: "127.0.0.1", port: 0, tls: null, publicUrl: null, trustedProxies: [] },
    health: () => ({ ready: true, causes: [] }),
    metrics: async () => [await telemetry.metrics()],
  });
  const { port } = await server.listen();
  const tokens = new Map<string, string>();
  const as = async (username: string): Promise<string> => {
    const known = tokens.get(username);
    if (known !== undefined) return known;
    const { body } = await send("POST", "/session", { username, password: passwordOf(username) });
    tokens.set(username, body.token);
    return body.token;
  };
  const send = async (method: string, path: string, body?: unknown, token?: string, key?: string) => {
    const response = await fetch(`http://127.0.0.1:${port}/api/v1${path}`, {
      method,
      headers: {
        ...(token === undefined ? {} : { authorization: `Bearer ${token}` }),
        ...(body === undefined ? {} : { "content-type": "application/json" }),
        ...(key === undefined ? {} : { "idempotency-key": key }),
      },
      ...(body === undefined ? {} : { body: JSON.stringify(body) }),
    });
    // biome-ignore lint/suspicious/noExplicitAny: what came is what the test is about
    return { status: response.status, body: (await response.json()) as any };
  };
  return {
    ...{ port, as, put },
    get: async (path: string, username = "admin") => await send("GET", path, undefined, await as(username)),
    post: async (path: string, body: unknown, username = "operator", key?: string) =>
      await send("POST", path, body, await as(username), key),
    publish: async (payload: unknown, thing = "water-tianhe", last = "readings") => {
      const bytes = Buffer.from(typeof payload === "string" ? payload : JSON.stringify(payload));
      const topic = `meizhen/tianhe/water/${thing}/${last}`;
      await put([{ kind: "message", at: clock.now(), topic, payload: bytes, principal: null, qos: 1 }]);
    },
    async close() {
      await server.close();
      stop.abort(new Error("the test is over"));
      await Promise.all(running);
      knowledge.close();
      await journal.close(AbortSignal.timeout(2_000));
      store.close();
      rmSync(directory, { recursive: true });
    },
  };
};

/** Its limits at any time of the year. */
const always = (district: Registry): Registry => ({
  ...district,
  kinds: district.kinds.map((kind) => ({ ...kind, limits: kind.limits.map((limit) => ({ ...limit, when: [] })) })),
});

let house: Awaited<ReturnType<typeof startHouse>>;
beforeAll(async () => {
  house = await startHouse();
});
afterAll(() => house.close());

/** Four minutes above the limit, ending now: raised two minutes ago. */
const breach = async (thing: string): Promise<void> => {
  const now = Math.floor(clock.now() / minute) * minute;
  await house.publish(
    [4, 3, 2, 1, 0].map((ago) => ({ ts: now - ago * minute, values: { turbidity: 1.5 } })),
    thing,
  );
};
const alarmOf = ({ data }: Told) => data as { id: string; thing: string; limit: string; state: string };

test("an alarm goes from a reading to the live view, is taken on, shelved and commented, and keeps its history", async () => {
  const live = await openStream(house, "viewer", { things: ["water-tianhe"] });
  await breach("water-tianhe");
  await live.until(
    () => live.of("alarm").length > 0 && live.of("observation").length > 0 && live.of("presence").length > 0,
  );
  const raised = alarmOf(live.of("alarm")[0]!);
  expect(raised).toMatchObject({ thing: "water-tianhe", limit: "turbidity-high", state: "unacknowledged" });
  for (const { data } of live.of("alarm")) alarmShape.parse(data);
  for (const { data } of live.of("presence")) thingShape.parse(data);
  expect((await house.get("/things/water-tianhe")).body).toMatchObject({ presence: "online", activeAlarms: 1 });

  const path = `/alarms/${raised.id}`;
  expect((await house.post(`${path}/acknowledge`, { note: "on my way" }, "operator", "k")).body.state).toBe(
    "acknowledged",
  );
  expect((await house.post(`${path}/acknowledge`, { note: "on my way" }, "operator", "k")).status).toBe(200);
  expect((await house.post(`${path}/acknowledge`, {})).body.code).toBe("alarm_state");
  expect((await house.post(`${path}/unshelve`, {})).body.code).toBe("alarm_state");
  const until = toIso(clock.now() + hour);
  expect((await house.post(`${path}/shelve`, { until, reason: "pump change" })).body.shelvedUntil).toBe(until);
  expect((await house.post(`${path}/unshelve`, {})).body.shelvedUntil).toBeNull();
  expect((await house.post(`${path}/comment`, { text: "flushed" })).status).toBe(200);
  const one = (await house.get(path)).body;
  alarmShape.loose().parse(one);
  const actions = one.history.map(({ action }: { action: string }) => action);
  for (const action of ["raise", "acknowledge", "shelve", "unshelve", "comment"]) expect(actions).toContain(action);
  // every step of the history was told, each once
  await live.until(
    () => live.of("alarm").filter((told) => alarmOf(told).id === raised.id).length >= one.history.length,
  );
  expect(live.of("alarm").filter((told) => alarmOf(told).id === raised.id)).toHaveLength(one.history.length);
  live.close();
});

test("a refused reading is listed with its reason, and a replay is answered and counted", async () => {
  await house.publish({ values: { turbidity: 0.3, noise: 7 } });
  const { items } = (await house.get("/rejections?reason=property_unknown")).body;
  expect(items[0]).toMatchObject({ thing: "water-tianhe", path: "values.noise", replayedAt: null });
  // the kind has learned the property since
  const district = always(registry());
  const [turbidity] = district.kinds[0]?.properties ?? [];
  const kinds = district.kinds.map((kind) =>
    kind.id === "water" ? { ...kind, properties: [...kind.properties, { ...turbidity!, id: "noise" as never }] } : kind,
  );
  await house.put([{ kind: "registry", at: clock.now(), registry: { ...district, version: "with noise", kinds } }]);
  const replayed = await house.post(`/rejections/${items[0].id}/replay`, {});
  expect([replayed.status, replayed.body.id]).toEqual([200, items[0].id]);
  expect(replayed.body.replayedAt).toEqual(expect.any(String));
  expect((await house.post(`/rejections/${items[0].id}/replay`, {})).body.code).toBe("already_replayed");
  const { points } = (await house.get("/things/water-tianhe/observations?property=noise")).body;
  expect(points).toEqual([expect.objectContaining({ value: 7 })]);
  const ledger = (await house.get("/ledger?thing=water-tianhe")).body;
  expect(ledger).toMatchObject({ rejected: 0, remainder: 0 });
});

test("the ledger balances while readings pour in", async () => {
  const pouring = (async () => {
    for (let at = 0; at < 60; at += 1) await house.publish({ values: { ph: 7, turbidity: 0.2 } });
  })();
  for (let at = 0; at < 40; at += 1) expect((await house.get("/ledger")).body.remainder).toBe(0);
  await pouring;
  const settled = (await house.get("/ledger")).body;
  expect([settled.pending, settled.remainder]).toEqual([0, 0]);
});
