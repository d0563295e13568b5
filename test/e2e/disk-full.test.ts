import { execFileSync } from "node:child_process";
import { rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { setTimeout as delay } from "node:timers/promises";
import { afterEach, beforeAll, expect, test } from "vitest";
import { canMount, failingDisk, smallDisk } from "../journal/mount.ts";
import { connectPublisher } from "./publisher.ts";
import { root, type Service, startService, until } from "./service.ts";

// The whole service on a disk that gets full or read-only under load: a file system in memory, of the test's own.

let able = false;
beforeAll(() => {
  able = canMount();
  if (!able) console.warn("skipped: a full disk under the service needs root, to mount a file system");
});
const cleanups: (() => unknown)[] = [];
afterEach(async () => {
  for (const cleanup of cleanups.splice(0).reverse()) await cleanup();
});

const things = ["water-xinghai-1", "water-haicheng-1", "water-shacheng-1", "water-tianhe-1"] as const;
type Thing = (typeof things)[number];
const topicOf = (thing: Thing): string => `meizhen/${thing.split("-")[1]}/water/${thing}/readings`;
/** Readings of one message; each has a time of its own, which is its id. */
const perMessage = 20;
const inFlight = 20;

/** Publishes until told to stop; `acknowledged` are the times that a PUBACK has vouched for. */
const startLoad = async (service: Service) => {
  const acknowledged = new Map<Thing, Set<number>>(things.map((thing) => [thing, new Set()]));
  let newest = Date.now() - 6 * 3_600_000;
  let pubacks = 0;
  let running = true;
  const publishers = await Promise.all(things.map(() => connectPublisher(service.mqtt)));
  const one = async (at: number): Promise<void> => {
    const thing = things[at % things.length] as Thing;
    while (running) {
      const times = Array.from({ length: perMessage }, () => ++newest);
      const payload = times.map((ts) => ({ ts, values: { turbidity: 0.3 + (ts % 100) / 1000 } }));
      await publishers[at % things.length]?.publish(topicOf(thing), payload);
      pubacks += 1;
      for (const ts of times) acknowledged.get(thing)?.add(ts);
    }
  };
  const all = Promise.allSettled(Array.from({ length: things.length * inFlight }, (_, at) => one(at)));
  return {
    acknowledged,
    pubacks: () => pubacks,
    async stop() {
      running = false;
      await Promise.race([all, delay(5_000)]);
      for (const publisher of publishers) await publisher.end();
    },
  };
};
type Load = Awaited<ReturnType<typeof startLoad>>;

const readiness = async ({ url }: Service) => {
  const response = await fetch(`${url}/readyz`);
  const body = (await response.json()) as { causes: { code: string }[] };
  return { status: response.status, causes: body.causes.map(({ code }) => code) };
};

const storedTimes = async (service: Service, thing: Thing): Promise<Set<number>> => {
  const times = new Set<number>();
  let cursor = "";
  for (;;) {
    const window = "from=2020-01-01T00:00:00Z&to=2100-01-01T00:00:00Z&limit=1000";
    const path = `/api/v1/things/${thing}/observations?property=turbidity&${window}${cursor}`;
    const { status, body } = await service.call("GET", path);
    expect(status).toBe(200);
    for (const { time } of body.points) times.add(Date.parse(time));
    if (body.next === null) return times;
    cursor = `&cursor=${encodeURIComponent(body.next)}`;
  }
};

/** How many acknowledged readings are not stored once everything is applied. */
const lost = async (service: Service, { acknowledged }: Load): Promise<number> => {
  const { body } = await until(
    () => service.call("GET", "/api/v1/ledger"),
    (answer) => answer.body.pending === 0,
  );
  expect(body).toMatchObject({ pending: 0, remainder: 0 });
  let missing = 0;
  for (const [thing, times] of acknowledged) {
    const stored = await storedTimes(service, thing);
    missing += [...times].filter((time) => !stored.has(time)).length;
  }
  return missing;
};

const startOn = async (disk: { readonly path: string }, main?: string): Promise<Service> => {
  const service = await startService({ dataDir: join(disk.path, "data"), ...(main === undefined ? {} : { main }) });
  cleanups.push(() => service.kill());
  // signed in while there is room: a session is an entry, too
  expect((await service.call("GET", "/api/v1/things")).status).toBe(200);
  return service;
};

/** Leaves this much room on the disk, however much the service has taken. */
const leave = (disk: { readonly path: string }, bytes: number): string => {
  const ballast = join(disk.path, "ballast");
  const free = Number(execFileSync("df", ["--output=avail", "-B1", disk.path]).toString().split("\n")[1]);
  try {
    writeFileSync(ballast, Buffer.alloc(Math.max(0, free - bytes)));
  } catch (error) {
    // the service was quicker
    if ((error as NodeJS.ErrnoException).code !== "ENOSPC") throw error;
  }
  return ballast;
};

/** Under way, with something in both databases. */
const enough = (pubacks: number): boolean => pubacks > 200;

/** PUBACKs that come in this time. */
const pubacksWithin = async (load: Load, ms: number): Promise<number> => {
  const before = load.pubacks();
  await delay(ms);
  return load.pubacks() - before;
};

test("on a full disk no PUBACK comes, /readyz says why, reads go on, and with room again nothing acknowledged is lost", async ({
  skip,
}) => {
  if (!able) skip();
  const disk = smallDisk("96m");
  cleanups.push(disk.remove);
  const service = await startOn(disk);
  const load = await startLoad(service);
  await until(async () => load.pubacks(), enough);
  const ballast = leave(disk, 2 ** 20);
  let last = load.pubacks();
  await until(
    async () => pubacksWithin(load, 100),
    (more) => more === 0,
  );
  const silentSince = performance.now();
  const told = await until(
    () => readiness(service),
    ({ status }) => status === 503,
    5_000,
  );
  expect(told).toMatchObject({ status: 503, causes: expect.arrayContaining(["disk_full"]) });
  expect(performance.now() - silentSince).toBeLessThan(2_000);
  last = load.pubacks();
  for (const path of ["/api/v1/things", "/api/v1/alarms", "/api/v1/things/water-tianhe-1", "/api/v1/ledger"])
    expect((await service.call("GET", path)).status).toBe(200);
  expect((await storedTimes(service, "water-tianhe-1")).size).toBeGreaterThan(0);
  expect(await pubacksWithin(load, 1_000)).toBe(0);
  expect(load.pubacks()).toBe(last);

  rmSync(ballast);
  const madeRoom = performance.now();
  await until(
    async () => load.pubacks(),
    (count) => count > last + 100,
  );
  expect(load.pubacks()).toBeGreaterThan(last + 100);
  expect(performance.now() - madeRoom).toBeLessThan(10_000);
  const back = await until(
    () => readiness(service),
    ({ status }) => status === 200,
  );
  expect(back).toEqual({ status: 200, causes: [] });
  await load.stop();
  expect(await lost(service, load)).toBe(0);
  expect(await service.stop()).toBe(0);
}, 90_000);

test("killed on a full disk and started with room again, it has all that it acknowledged", async ({ skip }) => {
  if (!able) skip();
  const disk = smallDisk("96m");
  cleanups.push(disk.remove);
  const service = await startOn(disk);
  const load = await startLoad(service);
  await until(async () => load.pubacks(), enough);
  leave(disk, 2 ** 20);
  await until(
    () => readiness(service),
    ({ status }) => status === 503,
  );
  await service.kill();
  await load.stop();
  disk.resize("256m");
  expect(await lost(await startOn(disk), load)).toBe(0);
}, 90_000);

test("the same disk turns red on a journal that answers before it commits", async ({ skip }) => {
  if (!able) skip();
  const disk = smallDisk("96m");
  cleanups.push(disk.remove);
  const service = await startOn(disk, join(root, "test/e2e/hasty-main.ts"));
  const load = await startLoad(service);
  await until(async () => load.pubacks(), enough);
  leave(disk, 2 ** 20);
  await Promise.race([service.exited, delay(2_000)]);
  await service.kill();
  await load.stop();
  disk.resize("256m");
  expect(await lost(await startOn(disk), load)).toBeGreaterThan(0);
}, 90_000);

test("a disk that turns read-only under load ends acknowledgements, and a start after its repair has all of them", async ({
  skip,
}) => {
  if (!able) skip();
  const disk = failingDisk();
  cleanups.push(disk.remove);
  const service = await startOn(disk);
  const load = await startLoad(service);
  await until(async () => load.pubacks(), enough);
  disk.fail();
  // a failed write is tried again, a failed fsync never: Linux has forgotten the pages (fsyncgate), so the process ends
  const blocked = until(
    () => readiness(service),
    ({ status }) => status === 503,
  ).catch(() => null);
  const code = await Promise.race([service.exited, blocked.then(() => "up" as const)]);
  const last = load.pubacks();
  await delay(500);
  expect(load.pubacks()).toBe(last);
  expect(code).not.toBe(0);
  await service.kill();
  await load.stop();
  disk.repair();
  const again = await startOn(disk);
  expect(again.readyAfter).toBeLessThan(5_000);
  expect(await lost(again, load)).toBe(0);
}, 90_000);
