import { type ChildProcess, execFile, spawn, spawnSync } from "node:child_process";
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { connect, type Socket } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as delay } from "node:timers/promises";
import { promisify } from "node:util";
import { generate } from "mqtt-packet";

// What it costs to accept a message (QoS 1, durable, 20 clients, one value): the broker of the house with guard,
// admission and its SQLite journal, against a bare mosquitto that keeps nothing, under the same generator in the same
// run. CPU is that of the server's process, all threads, by /proc. Rounds alternate, medians are compared: read ratios.
//
//   node test/bench/accept.bench.ts [--quick]

const quick = process.argv.includes("--quick");
const messages = quick ? 100_000 : 400_000;
const rounds = quick ? 2 : 5;
const clients = 20;
/** The goal: CPU per message against mosquitto's. */
const ratioMax = 1.5;

type Server = { readonly name: string; readonly port: number; readonly process: ChildProcess };
type Sample = { readonly rate: number; readonly cpuUs: number };

const run = promisify(execFile);
const here = (file: string) => join(import.meta.dirname, file);
const ticksPerSecond = Number(spawnSync("getconf", ["CLK_TCK"]).stdout.toString()) || 100;

/** User and system time of all threads, in microseconds. */
const cpuUsOf = ({ process: { pid } }: Server): number => {
  const fields = readFileSync(`/proc/${pid}/stat`, "utf8").split(") ")[1]?.split(" ") ?? [];
  return ((Number(fields[11]) + Number(fields[12])) / ticksPerSecond) * 1e6;
};
const residentKb = ({ process: { pid } }: Server): number =>
  Number(/VmRSS:\s+(\d+)/.exec(readFileSync(`/proc/${pid}/status`, "utf8"))?.[1]);

const startOurs = async (journal: "memory" | "sqlite"): Promise<Server> => {
  const child = spawn(process.execPath, [here("accept-server.ts"), journal], { stdio: ["ignore", "pipe", "inherit"] });
  const line = await new Promise<string>((resolve) => child.stdout.once("data", (chunk) => resolve(String(chunk))));
  return { name: `meizhen, ${journal}`, port: JSON.parse(line).mqtt, process: child };
};

/** Null where there is no mosquitto. */
const startMosquitto = async (folder: string): Promise<Server | null> => {
  if (spawnSync("mosquitto", ["-h"]).error) return null;
  const port = 20_000 + (process.pid % 20_000);
  const config = join(folder, "mosquitto.conf");
  // without nodelay its acknowledgements wait for Nagle's algorithm, which would flatter us at small windows
  writeFileSync(config, `listener ${port} 127.0.0.1\nallow_anonymous true\nset_tcp_nodelay true\nlog_type none\n`);
  const child = spawn("mosquitto", ["-c", config], { stdio: "ignore" });
  await delay(500);
  return { name: "mosquitto 2.0", port, process: child };
};

const load = async ({ port }: Server, count: number, window: number): Promise<{ rate: number; messages: number }> => {
  const sizes = ["--messages", String(count), "--window", String(window), "--clients", String(clients)];
  const { stdout } = await run(process.execPath, [here("load.ts"), "--port", String(port), ...sizes]);
  return JSON.parse(stdout);
};

const sample = async (server: Server, window: number): Promise<Sample> => {
  const before = cpuUsOf(server);
  const loaded = await load(server, messages, window);
  return { rate: loaded.rate, cpuUs: (cpuUsOf(server) - before) / loaded.messages };
};

const median = (values: readonly number[]): number => values.toSorted((a, b) => a - b)[values.length >> 1] as number;

/** Memory that 1,000 connected and silent clients add, in MB. */
const idleMb = async (server: Server): Promise<number> => {
  const before = residentKb(server);
  const sockets = await Promise.all(Array.from({ length: 1000 }, (_, at) => idle(server.port, at)));
  await delay(500);
  const after = residentKb(server);
  for (const socket of sockets) socket.destroy();
  return (after - before) / 1024;
};
const idle = (port: number, at: number): Promise<Socket> =>
  new Promise((resolve, reject) => {
    const socket = connect(port, "127.0.0.1");
    socket.once("error", reject).once("data", () => resolve(socket));
    socket.write(
      generate({
        cmd: "connect",
        protocolId: "MQTT",
        protocolVersion: 4,
        clean: true,
        clientId: `idle-${at}`,
        keepalive: 300,
      }),
    );
  });

const row = (name: string, figures: readonly string[]) =>
  console.log([name.padEnd(18), ...figures.map((figure) => figure.padStart(14))].join(""));

/** Answers ours against mosquitto's CPU per message, or null without mosquitto. */
const compare = async (servers: readonly Server[], window: number): Promise<number | null> => {
  const samples = new Map<Server, Sample[]>(servers.map((server) => [server, []]));
  for (const server of servers) await load(server, 50_000, window);
  for (let round = 0; round < rounds; round++) {
    for (const server of servers) samples.get(server)?.push(await sample(server, window));
  }
  console.log(`\n${clients} clients, ${window} unacknowledged each, ${messages} messages, median of ${rounds}`);
  row("", ["messages/s", "CPU us/message", "of mosquitto's"]);
  const cpu = (server: Server) => median((samples.get(server) ?? []).map(({ cpuUs }) => cpuUs));
  const peer = servers.find(({ name }) => name.startsWith("mosquitto"));
  const ratio = (server: Server) => (peer === undefined ? null : cpu(server) / cpu(peer));
  for (const server of servers) {
    const rate = median((samples.get(server) ?? []).map((one) => one.rate));
    row(server.name, [rate.toFixed(0), cpu(server).toFixed(1), ratio(server)?.toFixed(2) ?? "-"]);
  }
  const durable = servers.find(({ name }) => name.endsWith("sqlite"));
  return durable === undefined ? null : ratio(durable);
};

const folder = mkdtempSync(join(tmpdir(), "meizhen-bench-"));
const mosquitto = await startMosquitto(folder);
if (mosquitto === null) console.log("no mosquitto here: nothing to compare with");
const servers = [mosquitto, await startOurs("memory"), await startOurs("sqlite")].filter((one) => one !== null);
try {
  const ratios = [await compare(servers, 100), await compare(servers, 20)];
  // of a fresh process: memory that a load has left behind would hide it
  servers.push(await startOurs("sqlite"));
  console.log(`\n1,000 idle clients add ${(await idleMb(servers.at(-1) as Server)).toFixed(0)} MB (goal: 60)`);
  const worst = Math.max(...ratios.map((ratio) => ratio ?? 0));
  console.log(`CPU per message, durable: ${worst.toFixed(2)} of mosquitto's (goal: ${ratioMax}, aim: 1.2)`);
  process.exitCode = worst > ratioMax ? 1 : 0;
} finally {
  for (const server of servers) server.process.kill("SIGTERM");
  rmSync(folder, { recursive: true, force: true });
}
