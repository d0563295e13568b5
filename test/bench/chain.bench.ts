import { execFile, spawnSync } from "node:child_process";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { setTimeout as delay } from "node:timers/promises";
import { promisify } from "node:util";
import { type System, startOurs, startPeer } from "./chain-systems.ts";

// From the socket to stored in a real InfluxDB 2 (QoS 1, 20 clients): the whole service, durable, with quality flags,
// alarms and its ledger, against mosquitto 2.0 + Telegraf 1.39 with nothing but memory between, each with an InfluxDB of
// its own, under the same generator in the same run. The rate is that of messages found in InfluxDB, from the first
// publish to the last one stored. CPU is that of the processes before InfluxDB, all threads, by /proc. Rounds alternate,
// medians are compared: read ratios. On 2 cores that others used too: 97,600 against 31,200 messages/s of one value at
// 0.26 of the CPU, 37,300 against 14,500 of five at 0.49.
//
//   node test/bench/chain.bench.ts [--quick]

const quick = process.argv.includes("--quick");
const messages = quick ? 100_000 : 300_000;
const rounds = quick ? 3 : 5;
const clients = 20;
/** Of the peer's. */
const goals = { rateMin: 1.5, cpuMax: 0.65 };
const aims = { rate: 2, cpu: 0.5 };

type Sample = { readonly rate: number; readonly cpuUs: number; readonly influxUs: number };

const run = promisify(execFile);
const load = join(import.meta.dirname, "load.ts");
const ticksPerSecond = Number(spawnSync("getconf", ["CLK_TCK"]).stdout.toString()) || 100;

/** User and system time of all threads of these processes, in microseconds. */
const cpuUsOf = (pids: readonly number[]): number =>
  pids.reduce((sum, pid) => {
    const fields = readFileSync(`/proc/${pid}/stat`, "utf8").split(") ")[1]?.split(" ") ?? [];
    return sum + ((Number(fields[11]) + Number(fields[12])) / ticksPerSecond) * 1e6;
  }, 0);

/** Resolves with the time at which so many messages of this round were first seen in InfluxDB. */
const stored = async ({ influx, name }: System, began: number, count: number): Promise<number> => {
  const deadline = Date.now() + 120_000;
  for (;;) {
    const at = Date.now();
    const [row] = await influx.query(`SELECT count(turbidity) AS n FROM water WHERE time >= ${began}ms`);
    if (row?.n === count) return at;
    if (at > deadline) throw new Error(`${name} has stored ${row?.n ?? 0} of ${count} messages`);
    await delay(50);
  }
};

/** The generator's times run ahead of the clock; where the last round's end, the next one's may begin. */
const free = new Map<System, number>();

const sample = async (system: System, values: number, count: number): Promise<Sample> => {
  await delay(Math.max(0, (free.get(system) ?? 0) - Date.now()));
  const [cpu, influx] = [cpuUsOf(system.pids), cpuUsOf([system.influx.pid()])];
  const sizes = ["--messages", String(count), "--clients", String(clients), "--values", String(values)];
  const { stdout } = await run(process.execPath, [load, "--port", String(system.mqtt), ...sizes]);
  const loaded = JSON.parse(stdout) as { messages: number; began: number };
  free.set(system, loaded.began + loaded.messages / clients + 1_000);
  const end = await stored(system, loaded.began, loaded.messages);
  const per = (now: number, before: number) => (now - before) / loaded.messages;
  return {
    rate: (loaded.messages * 1_000) / (end - loaded.began),
    cpuUs: per(cpuUsOf(system.pids), cpu),
    influxUs: per(cpuUsOf([system.influx.pid()]), influx),
  };
};

const median = (values: readonly number[]): number => values.toSorted((a, b) => a - b)[values.length >> 1] as number;
const medianOf = (samples: readonly Sample[]): Sample => ({
  rate: median(samples.map(({ rate }) => rate)),
  cpuUs: median(samples.map(({ cpuUs }) => cpuUs)),
  influxUs: median(samples.map(({ influxUs }) => influxUs)),
});

const row = (name: string, figures: readonly string[]) =>
  console.log([name.padEnd(22), ...figures.map((figure) => figure.padStart(16))].join(""));

/** Answers whether ours meets the goals, or null without a peer. */
const compare = async (ours: System, peer: System | null, values: number): Promise<boolean | null> => {
  const systems = peer === null ? [ours] : [peer, ours];
  const samples = new Map<System, Sample[]>(systems.map((system) => [system, []]));
  for (const system of systems) await sample(system, values, 60_000);
  for (let round = 0; round < rounds; round++) {
    for (const system of systems) samples.get(system)?.push(await sample(system, values, messages));
  }
  console.log(`\n${values} ${values === 1 ? "value" : "values"} a message, ${messages} messages, median of ${rounds}`);
  row("", ["messages/s", "CPU us/message", "InfluxDB us"]);
  const medians = new Map(systems.map((system) => [system, medianOf(samples.get(system) ?? [])]));
  for (const [system, { rate, cpuUs, influxUs }] of medians)
    row(system.name, [rate.toFixed(0), cpuUs.toFixed(1), influxUs.toFixed(1)]);
  const [mine, theirs] = [medians.get(ours), peer === null ? undefined : medians.get(peer)];
  if (mine === undefined || theirs === undefined) return null;
  const [rate, cpu] = [mine.rate / theirs.rate, mine.cpuUs / theirs.cpuUs];
  row("ours to theirs", [rate.toFixed(2), cpu.toFixed(2), (mine.influxUs / theirs.influxUs).toFixed(2)]);
  row(`goal (aim)`, [`>= ${goals.rateMin} (${aims.rate})`, `<= ${goals.cpuMax} (${aims.cpu})`]);
  return rate >= goals.rateMin && cpu <= goals.cpuMax;
};

const peer = await startPeer();
const ours = await startOurs(clients);
try {
  const met = [await compare(ours, peer, 1), await compare(ours, peer, 5)];
  process.exitCode = met.includes(false) ? 1 : 0;
} finally {
  await ours.stop();
  await peer?.stop();
}
