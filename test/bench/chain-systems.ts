import { type ChildProcess, execFileSync, spawn, spawnSync } from "node:child_process";
import { once } from "node:events";
import { cpSync, existsSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { createServer } from "node:net";
import { homedir, tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as delay } from "node:timers/promises";
import { type InfluxServer, startInflux2 } from "../e2e/influx.ts";
import { root, startService } from "../e2e/service.ts";

/** Something that takes readings over MQTT and has them in an InfluxDB of its own in the end. */
export type System = {
  readonly name: string;
  readonly mqtt: number;
  /** Of the processes between the socket and InfluxDB. */
  readonly pids: readonly number[];
  readonly influx: InfluxServer;
  stop(): Promise<void>;
};

const temporary = (name: string): string => mkdtempSync(join(tmpdir(), `meizhen-chain-${name}-`));

/** The devices as shipped, but the fleet is that of `load.ts`: twenty drinking-water probes of one street. */
const devicesOf = (folder: string, things: number): string => {
  const devices = join(folder, "devices");
  cpSync(join(root, "devices"), devices, { recursive: true });
  for (const file of readdirSync(join(devices, "fleet"))) {
    if (file !== "water.csv") rmSync(join(devices, "fleet", file));
  }
  const file = join(devices, "fleet", "water.csv");
  const [header = "", first = ""] = readFileSync(file, "utf8").split("\n");
  const rest = first.split(",").slice(1).join(",");
  const rows = Array.from({ length: things }, (_, at) => `xh-water-${String(at + 1).padStart(2, "0")},${rest}`);
  writeFileSync(file, `${[header, ...rows].join("\n")}\n`);
  return devices;
};

export const startOurs = async (things: number): Promise<System> => {
  const influx = await startInflux2();
  const folder = temporary("ours");
  const service = await startService({
    dataDir: join(folder, "data"),
    env: {
      MEIZHEN_DEVICES_DIR: devicesOf(folder, things),
      // the generator's clients are busier than any device may be
      MEIZHEN_MQTT_RATE: "1000000",
      ...{ INFLUX_URL: influx.url, INFLUX_TOKEN: influx.token, INFLUX_ORG: influx.org, INFLUX_BUCKET: influx.bucket },
    },
  });
  return {
    name: "meizhen",
    mqtt: service.mqtt,
    ...{ pids: [service.pid], influx },
    async stop() {
      await service.stop();
      await influx.stop();
      rmSync(folder, { recursive: true, force: true });
    },
  };
};

const builder = join(root, "../shared/tools/telegraf");

/** Telegraf on the path, or as `../shared/tools/telegraf` builds it; null: neither. */
const findTelegraf = (): string | null => {
  const cache = process.env.XDG_CACHE_HOME ?? join(homedir(), ".cache");
  const built = join(cache, "meizhen-tools", "telegraf-1.39.3");
  if (existsSync(built)) return built;
  if (!spawnSync("telegraf", ["--version"]).error) return "telegraf";
  return process.env.CI !== undefined && existsSync(builder)
    ? execFileSync(builder, { encoding: "utf8" }).trim()
    : null;
};

const freePort = async (): Promise<number> => {
  const server = createServer().listen(0, "127.0.0.1");
  await once(server, "listening");
  const address = server.address();
  await new Promise((resolve) => server.close(resolve));
  return typeof address === "object" && address !== null ? address.port : 0;
};

// nothing is dropped between the two: by default the broker keeps 1,000 messages of a slow subscriber and 20 in flight
const mosquittoConfig = (port: number) => `listener ${port} 127.0.0.1
allow_anonymous true
set_tcp_nodelay true
log_type none
max_queued_messages 0
max_inflight_messages 0
`;

const telegrafConfig = (port: number, influx: InfluxServer) => `[agent]
  interval = "1s"
  flush_interval = "1s"
  metric_batch_size = 5000
  metric_buffer_limit = 2000000
  omit_hostname = true
  quiet = true

[[inputs.mqtt_consumer]]
  servers = ["tcp://127.0.0.1:${port}"]
  topics = ["meizhen/+/+/+/readings"]
  topic_tag = ""
  qos = 1
  persistent_session = true
  client_id = "telegraf"
  max_undelivered_messages = 20000
  data_format = "json_v2"
  [[inputs.mqtt_consumer.topic_parsing]]
    topic = "meizhen/+/+/+/readings"
    measurement = "_/_/measurement/_/_"
    tags = "_/street/_/thing/_"
  [[inputs.mqtt_consumer.json_v2]]
    timestamp_path = "ts"
    timestamp_format = "unix_ms"
    [[inputs.mqtt_consumer.json_v2.object]]
      path = "values"

[[outputs.influxdb_v2]]
  urls = ["${influx.url}"]
  token = "${influx.token}"
  organization = "${influx.org}"
  bucket = "${influx.bucket}"
`;

/** What a user would pick instead: mosquitto, Telegraf, InfluxDB. Null, with a line that says so, where one is absent. */
export const startPeer = async (): Promise<System | null> => {
  const telegraf = findTelegraf();
  if (telegraf === null || spawnSync("mosquitto", ["-h"]).error) {
    console.log("no mosquitto or Telegraf here (../shared/tools/telegraf builds it): nothing to compare with");
    return null;
  }
  const influx = await startInflux2();
  const folder = temporary("peer");
  const port = await freePort();
  const write = (name: string, text: string): string => {
    writeFileSync(join(folder, name), text);
    return join(folder, name);
  };
  const children: ChildProcess[] = [];
  const start = (command: string, args: readonly string[]): number => {
    const child = spawn(command, args, { stdio: ["ignore", "ignore", "inherit"] });
    children.push(child);
    return child.pid as number;
  };
  start("mosquitto", ["-c", write("mosquitto.conf", mosquittoConfig(port))]);
  await delay(500);
  start(telegraf, ["--strict-env-handling", "--config", write("telegraf.conf", telegrafConfig(port, influx))]);
  await delay(2_000);
  return {
    name: "mosquitto + Telegraf",
    mqtt: port,
    ...{ pids: children.map(({ pid }) => pid as number), influx },
    async stop() {
      for (const child of children) child.kill("SIGTERM");
      await influx.stop();
      rmSync(folder, { recursive: true, force: true });
    },
  };
};
