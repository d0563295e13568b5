import { readFileSync, rmSync, statSync } from "node:fs";
import { setTimeout as delay } from "node:timers/promises";
import type { Changes, Datastream, Observation } from "../../src/domain/change.ts";
import type { ThingId } from "../../src/domain/thing.ts";
import { day, hour, hourOf, minute } from "../../src/domain/time.ts";
import { openWatermark } from "../../src/platform/watermark.ts";
import type { Store } from "../../src/ports.ts";
import { openStore, storePath } from "../../src/store/store.ts";
import { type Service, startService, temporaryFolder, until } from "../e2e/service.ts";
import { topicOf, waterOf, widerDistrict } from "./district.ts";
import { openPublisher, paced } from "./paced.ts";

// How long the whole service takes from the call to the line that says it is ready: with nothing, with a little, after
// SIGKILL under load, and with a store of many observations; and what it weighs with those.
//
//   node test/bench/start.bench.ts [--quick]

const quick = process.argv.includes("--quick");
const rowsHeld = quick ? 1_000_000 : 10_000_000;
const waters = 200;
const properties = ["turbidity", "ph", "freeChlorine", "temperature", "conductivity"];
const perCommit = 20_000;
const feedKept = 48 * hour;

let missed = 0;
const told = (what: string, value: number, unit: string, max: number | null): void => {
  const verdict = max === null ? "" : `<= ${max} ${unit}${value <= max ? "" : "  MISSED"}`;
  if (max !== null && !(value <= max)) missed += 1;
  process.stdout.write(`${what.padEnd(52)} ${value.toFixed(0).padStart(8)} ${unit.padEnd(3)} ${verdict}\n`);
};
const residentMb = ({ pid }: Service): number =>
  Number(/VmRSS:\s+(\d+)/.exec(readFileSync(`/proc/${pid}/status`, "utf8"))?.[1]) / 1024;

const folder = temporaryFolder("start");
const env = { MEIZHEN_DEVICES_DIR: widerDistrict(folder, waters, 0) };
const started = async (what: string, dataDir: string, max: number): Promise<Service> => {
  const service = await startService({ dataDir, env });
  told(what, service.readyAfter, "ms", max);
  return service;
};

/** One reading of each property of each thing: the house knows their datastreams. */
const reportOnce = async ({ mqtt }: Service): Promise<void> => {
  const publisher = await openPublisher(mqtt, "once");
  const values = JSON.stringify(Object.fromEntries(properties.map((name) => [name, 1])));
  for (let at = 0; at < waters; at++)
    publisher.publish(topicOf("water", waterOf(at)), `{"ts":${Date.now() - 20 * day},"values":${values}}`);
  await until(
    async () => publisher.waiting(),
    (waiting) => waiting === 0,
  );
  publisher.close();
};

const nothing: Changes = {
  ...{ datastreams: [], observations: [], duplicates: [], received: [], rejections: [], events: [], things: [] },
  district: null,
};

/** What a week of the fleet leaves behind, through the store's own door, with its ledger in balance. */
const fill = (store: Store, now: number): void => {
  const datastreams = store.datastreams(-1).filter(({ thing }) => thing.startsWith("bench-water"));
  const every = Math.floor((6 * day) / (rowsHeld / datastreams.length));
  const things = new Map(datastreams.map(({ id, thing }) => [id, thing]));
  let seq = store.cursor();
  for (let first = 0; first < rowsHeld; first += perCommit) {
    const observations = week(datastreams, first, now - 6 * day, every, seq);
    const counts = new Map<string, { thing: ThingId; hour: number; readings: number }>();
    for (const { datastream, receivedAt } of observations) {
      const thing = things.get(datastream) as ThingId;
      const key = `${thing} ${hourOf(receivedAt)}`;
      const count = counts.get(key) ?? { thing, hour: hourOf(receivedAt), readings: 0 };
      count.readings += 1;
      counts.set(key, count);
    }
    seq += perCommit;
    store.commit({ ...nothing, observations, received: [...counts.values()] }, seq, observations.at(-1)?.receivedAt);
  }
  // as the janitor would have done by now
  while (store.forgetChanges(now - feedKept, 1_000) > 0);
  store.checkpoint();
};

const week = (streams: readonly Datastream[], first: number, from: number, every: number, seq: number): Observation[] =>
  Array.from({ length: perCommit }, (_, index) => {
    const number = first + index;
    const time = from + Math.floor(number / streams.length) * every;
    const { id } = streams[number % streams.length] as Datastream;
    const value = Math.round(Math.sin(number) * 400 + 500) / 1000;
    return { datastream: id, time, value, quality: 1, seq: seq + 1 + index, receivedAt: time + 40 };
  });

/** SIGKILL in the middle of 2,000 readings a second. */
const killUnderLoad = async (service: Service): Promise<void> => {
  const publishers = await Promise.all(
    Array.from({ length: 50 }, (_, at) => openPublisher(service.mqtt, `load-${at}`)),
  );
  const running = paced(2_000, 6, (number) => {
    const payload = `{"ts":${Date.now()},"values":{"turbidity":0.${300 + (number % 90)}}}`;
    publishers[number % 50]?.publish(topicOf("water", waterOf(number % waters)), payload);
  });
  await delay(5_000);
  await service.kill();
  await running;
  for (const publisher of publishers) publisher.close();
};

const dataDir = temporaryFolder("start-data");
try {
  let service = await started("first start, nothing there", dataDir, 2_000);
  await reportOnce(service);
  await killUnderLoad(service);
  service = await started("after SIGKILL at 2,000/s", dataDir, 2_000);
  await service.stop();
  service = await started("after an orderly stop", dataDir, 2_000);
  await service.stop();

  const store = openStore({ path: storePath(dataDir), watermark: openWatermark() });
  const begun = performance.now();
  fill(store, Math.floor(Date.now() / minute) * minute);
  store.close();
  told(`filling a store with ${rowsHeld} observations`, (performance.now() - begun) / 1_000, "s", null);
  told("its size", statSync(storePath(dataDir)).size / 2 ** 20, "MB", null);

  service = await started(`with ${rowsHeld} observations`, dataDir, 5_000);
  await delay(5_000);
  told("its memory after 5 s", residentMb(service), "MB", 400);
  const asked = performance.now();
  const { status, body } = await service.call("GET", `/api/v1/things/${waterOf(7)}`);
  if (status !== 200 || body.latest?.turbidity === undefined) missed += 1;
  told("sign-in and one thing with its newest readings", performance.now() - asked, "ms", null);
  await killUnderLoad(service);
  service = await started("the same after SIGKILL at 2,000/s", dataDir, 5_000);
  await service.stop();
} finally {
  for (const path of [folder, dataDir]) rmSync(path, { recursive: true, force: true });
}
process.exitCode = missed === 0 ? 0 : 1;
