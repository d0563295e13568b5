import { closeSync, fdatasyncSync, openSync, readFileSync, rmSync, writeSync } from "node:fs";
import { join } from "node:path";
import { setTimeout as delay } from "node:timers/promises";
import { adminPassword, type Service, signIn, startService, temporaryFolder } from "../e2e/service.ts";
import { toiletOf, topicOf, waterOf, widerDistrict } from "./district.ts";
import { createSample, listenLive, openPublisher, type Publisher, paced, type Sample } from "./paced.ts";

// How long a device waits for its acknowledgement and a person for an alarm, on the whole service as `npm start` runs it,
// under a steady load and in a burst; and what the service weighs. The generator shares the machine, and says how late
// it was itself: what it could not send in time is no fault of the service.
//
//   node test/bench/latency.bench.ts [--quick]

const quick = process.argv.includes("--quick");
const clients = 200;
const steady = { rate: 2_000, seconds: quick ? 10 : 30 };
const burst = { rate: 10_000, seconds: quick ? 5 : 20 };
const alarms = { rate: 20, seconds: quick ? 10 : 30 };
const idleClients = 1_000;

type Row = { readonly what: string; readonly figure: string; readonly goal: string; readonly met: boolean };
const rows: Row[] = [];
const ms = (value: number): string => `${value.toFixed(1)} ms`;
const latency = (what: string, sample: Sample, p99Max: number): void => {
  rows.push({ what: `${what}, p50`, figure: ms(sample.percentile(0.5)), goal: "", met: true });
  const p99 = sample.percentile(0.99);
  // a sample that is empty meets nothing
  rows.push({ what: `${what}, p99`, figure: ms(p99), goal: `<= ${p99Max} ms`, met: p99 <= p99Max });
  rows.push({ what: `${what}, longest of ${sample.count()}`, figure: ms(sample.percentile(1)), goal: "", met: true });
};
const residentMb = ({ pid }: Service): number =>
  Number(/VmRSS:\s+(\d+)/.exec(readFileSync(`/proc/${pid}/status`, "utf8"))?.[1]) / 1024;

/** How long the disk itself takes for what an acknowledgement waits for, with nobody of ours at work. */
const disk = async (folder: string): Promise<void> => {
  const sample = createSample();
  const file = openSync(join(folder, "disk"), "w");
  const page = Buffer.alloc(4_096);
  for (let at = 0; at < 400; at++) {
    await delay(5);
    const before = performance.now();
    writeSync(file, page);
    fdatasyncSync(file);
    sample.add(performance.now() - before);
  }
  closeSync(file);
  rows.push({ what: "the disk alone, a synced page, p50", figure: ms(sample.percentile(0.5)), goal: "", met: true });
  rows.push({ what: "the disk alone, a synced page, p99", figure: ms(sample.percentile(0.99)), goal: "", met: true });
};

/** Microseconds of CPU so far: of this machine, and of the service with this generator. */
const cpuUs = ({ pid }: Service) => {
  const fieldsOf = (path: string, from: string) =>
    (readFileSync(path, "utf8").split(from)[1] ?? "").split(" ").map(Number);
  const [user = 0, nice = 0, system = 0, , , irq = 0, softirq = 0] = fieldsOf("/proc/stat", "cpu  ");
  const service = fieldsOf(`/proc/${pid}/stat`, ") ");
  const own = process.cpuUsage();
  // ticks are hundredths of a second on every Linux that Node runs on
  const ours = ((service[11] ?? 0) + (service[12] ?? 0)) * 1e4 + own.user + own.system;
  return { at: performance.now(), all: (user + nice + system + irq + softirq) * 1e4, ours };
};

/** Readings of one value, each client for a station of its own, no time twice. */
const createLoad = async ({ mqtt }: Service, sample: () => Sample) => {
  const publishers = await Promise.all(
    Array.from({ length: clients }, (_, at) => openPublisher(mqtt, `load-${at}`, (waited) => sample().add(waited))),
  );
  const topics = publishers.map((_, at) => topicOf("water", waterOf(at)));
  const newest = new Float64Array(clients);
  const act = (number: number): void => {
    const at = number % clients;
    const ts = Math.max(Date.now(), (newest[at] as number) + 1);
    newest[at] = ts;
    (publishers[at] as Publisher).publish(
      topics[at] as string,
      `{"ts":${ts},"values":{"turbidity":0.${300 + (number % 90)}}}`,
    );
  };
  /** Until everything is acknowledged; how many never were. */
  const settled = async (): Promise<number> => {
    const waiting = () => publishers.reduce((sum, publisher) => sum + publisher.waiting(), 0);
    for (let tries = 0; tries < 500 && waiting() > 0; tries++) await delay(20);
    return waiting();
  };
  const close = (): void => {
    for (const publisher of publishers) publisher.close();
  };
  return { act, settled, close };
};
type Load = Awaited<ReturnType<typeof createLoad>>;

const phase = async (service: Service, name: string, load: Load, { rate, seconds }: typeof steady): Promise<void> => {
  const before = cpuUs(service);
  const late = await paced(rate, seconds, load.act);
  const after = cpuUs(service);
  const cores = (us: number) => (us / 1e3 / (after.at - before.at)).toFixed(1);
  const ours = after.ours - before.ours;
  const others = after.all - before.all - ours;
  rows.push({
    what: `${name}: cores, with the generator; others'`,
    figure: `${cores(ours)}; ${cores(others)}`,
    goal: "",
    met: true,
  });
  const unanswered = await load.settled();
  const what = `${name}: not acknowledged of ${rate * seconds}; generator up to ${late.toFixed(0)} ms late`;
  rows.push({ what, figure: String(unanswered), goal: "0", met: unanswered === 0 });
};

/** Somebody presses the help button of another toilet each time, while everybody else goes on reporting. */
const alarmsUnderLoad = async (service: Service, load: Load): Promise<Sample> => {
  const sample = createSample();
  const pressed = new Map<string, number>();
  const token = await signIn(service.url, "admin", adminPassword);
  const stop = await listenLive(service.url, token, "alarm", (data) => {
    const { thing } = JSON.parse(data) as { thing: string };
    const at = pressed.get(thing);
    if (at !== undefined) sample.add(performance.now() - at);
    pressed.delete(thing);
  });
  const button = await openPublisher(service.mqtt, "button");
  const pressing = paced(alarms.rate, alarms.seconds, (number) => {
    const thing = toiletOf(number);
    pressed.set(thing, performance.now());
    button.publish(topicOf("toilet", thing), `{"ts":${Date.now()},"values":{"sos":true}}`);
  });
  await Promise.all([pressing, paced(steady.rate, alarms.seconds, load.act)]);
  await load.settled();
  await delay(1_000);
  stop();
  button.close();
  rows.push({ what: "alarms never told", figure: String(pressed.size), goal: "0", met: pressed.size === 0 });
  return sample;
};

const memory = async (env: Record<string, string>): Promise<void> => {
  const service = await startService({ env });
  await delay(3_000);
  const before = residentMb(service);
  const idle = await Promise.all(
    Array.from({ length: idleClients }, (_, at) => openPublisher(service.mqtt, `idle-${at}`)),
  );
  await delay(3_000);
  const added = residentMb(service) - before;
  rows.push({ what: "memory, nobody connected", figure: `${before.toFixed(0)} MB`, goal: "", met: true });
  const what = `memory, ${idleClients} idle clients`;
  rows.push({ what, figure: `+${added.toFixed(0)} MB`, goal: "<= +60 MB", met: added <= 60 });
  for (const publisher of idle) publisher.close();
  await service.stop();
  rmSync(service.dataDir, { recursive: true, force: true });
};

const folder = temporaryFolder("latency");
const env = { MEIZHEN_DEVICES_DIR: widerDistrict(folder, clients, alarms.rate * alarms.seconds) };
await disk(folder);
const service = await startService({ env });
try {
  let sample = createSample();
  const load = await createLoad(service, () => sample);
  // what is compiled and cached by then is so in a service that has run for a minute
  await paced(steady.rate, 3, load.act);
  await load.settled();
  sample = createSample();
  await phase(service, "2,000/s", load, steady);
  latency("PUBACK at 2,000/s", sample, 50);
  sample = createSample();
  await phase(service, "10,000/s", load, burst);
  latency("PUBACK at 10,000/s", sample, 500);
  await delay(2_000);
  latency("reading to alarm on /live at 2,000/s", await alarmsUnderLoad(service, load), 50);
  load.close();
  rows.push({ what: "memory after the load", figure: `${residentMb(service).toFixed(0)} MB`, goal: "", met: true });
} finally {
  await service.stop();
  for (const path of [folder, service.dataDir]) rmSync(path, { recursive: true, force: true });
}
await memory({});
for (const { what, figure, goal, met } of rows)
  process.stdout.write(`${what.padEnd(64)} ${figure.padStart(10)}  ${goal.padEnd(10)} ${met ? "" : "MISSED"}\n`);
process.exitCode = rows.every(({ met }) => met) ? 0 : 1;
