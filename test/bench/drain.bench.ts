import { Agent, request } from "node:http";
import { createInfluxHistorian } from "../../src/historian/influx.ts";
import { createForwarder } from "../../src/loops/forwarder.ts";
import { systemClock } from "../../src/platform/clock.ts";
import { startInflux2 } from "../e2e/influx.ts";
import { openWorld, quiet, t0, until } from "../historian/world.ts";

/**
 * How fast a backlog drains into a real InfluxDB 2, against the same lines encoded beforehand and sent by plain HTTP:
 * `node test/bench/drain.bench.ts [readings] [values a message] [messages a commit]`. Target: 80 %, memory flat.
 * Each way runs into an empty server of its own, and in both orders, because a server that has just been filled is slower.
 */
const [total = 1_000_000, values = 1, commit = 200] = process.argv.slice(2).map(Number);
const properties = ["turbidity", "ph", "freeChlorine", "temperature", "conductivity"].slice(0, values);
const things = Array.from({ length: 300 }, (_, index) => ({ id: `water-${index}`, street: "xinghai" }));
const world = openWorld(things);

const fill = () => {
  const messages = total / values;
  for (let at = 0; at < messages; at += commit) {
    const readings = Array.from({ length: Math.min(commit, messages - at) }, (_, index) => at + index).flatMap(
      (message) =>
        properties.map((property, place) => ({
          thing: `water-${message % things.length}`,
          property,
          time: t0 + Math.floor(message / things.length) * 1_000,
          value: ((message * 7919 + place * 104729) % 100_000) / 1_000,
        })),
    );
    world.add(readings);
  }
};

const peakOf = () => {
  let peak = 0;
  const timer = setInterval(() => {
    peak = Math.max(peak, process.memoryUsage.rss());
  }, 50);
  return () => {
    clearInterval(timer);
    return peak;
  };
};

type Drained = { readonly seconds: number; readonly cpu: number; readonly grown: number };
const measured = async (work: () => Promise<void>): Promise<Drained> => {
  globalThis.gc?.();
  const rss = process.memoryUsage.rss();
  const peak = peakOf();
  const cpu = process.cpuUsage();
  const began = performance.now();
  await work();
  const seconds = (performance.now() - began) / 1_000;
  const { user, system } = process.cpuUsage(cpu);
  return { seconds, cpu: (user + system) / 1e6, grown: (peak() - rss) / 2 ** 20 };
};

/** The lines as the forwarder batches them, which plain HTTP then sends. */
const batches: Buffer[] = [];
const kept = (lines: readonly string[]): readonly string[] => {
  batches.push(Buffer.from(lines.join("\n")));
  return lines;
};
const ours = async (): Promise<Drained> => {
  const server = await startInflux2();
  const influx = createInfluxHistorian({
    url: server.url,
    token: server.token,
    org: server.org,
    bucket: server.bucket,
    version: "2",
  });
  const end = world.knowledge.cursor();
  let drained = 0;
  const forwarder = createForwarder({
    // from the beginning of the feed each time, and not by the window
    knowledge: { ...world.knowledge, consumed: () => 0, oldestChange: () => ({ seq: 0, n: 0 }) },
    journal: { append: async () => 0 },
    historian: { ...influx, write: (lines, signal) => influx.write(keep ? kept(lines) : lines, signal) },
    clock: systemClock,
    random: () => 0,
    telemetry: quiet(),
  });
  const result = await measured(async () => {
    const stopping = new AbortController();
    const run = forwarder.run(stopping.signal).catch(() => {});
    await until(() => (forwarder.status().through ?? 0) >= end);
    stopping.abort();
    await run;
  });
  const [row] = await server.query("SELECT count(turbidity) FROM water");
  drained = Number(row?.count);
  if (drained !== total / values) throw new Error(`${drained} of ${total / values} in InfluxDB`);
  await server.stop();
  return result;
};

const plain = async (): Promise<Drained> => {
  const server = await startInflux2();
  const agent = new Agent({ keepAlive: true, maxSockets: 1 });
  const path = `/api/v2/write?org=${server.org}&bucket=${server.bucket}&precision=ms`;
  const send = (body: Buffer) =>
    new Promise<void>((resolve, reject) => {
      const headers = { authorization: `Token ${server.token}`, "content-length": body.length };
      const sent = request({ host: "127.0.0.1", port: server.port, path, method: "POST", agent, headers }, (answer) => {
        if (answer.statusCode !== 204) reject(new Error(`${answer.statusCode}`));
        answer.resume().on("end", resolve);
      });
      sent.on("error", reject).end(body);
    });
  const result = await measured(async () => {
    for (const body of batches) await send(body);
  });
  agent.destroy();
  await server.stop();
  return result;
};

const say = (what: string, { seconds, cpu, grown }: Drained) =>
  console.log(
    `${what.padEnd(12)} ${Math.round(total / seconds)} readings/s, ${((cpu * 1e6) / total).toFixed(2)} us CPU a reading, +${grown.toFixed(0)} MB`,
  );

fill();
let keep = true;
await ours();
keep = false;
const ratios: number[] = [];
for (let round = 0; round < 3; round++) {
  const first = round % 2 === 0 ? [await ours(), await plain()] : [await plain(), await ours()].reverse();
  const [forwarded, sent] = first as [Drained, Drained];
  say("forwarder", forwarded);
  say("plain HTTP", sent);
  ratios.push(sent.seconds / forwarded.seconds);
}
console.log(
  `${batches.length} writes; ratio ${ratios.map((ratio) => ratio.toFixed(2)).join(" ")}, median ${ratios.toSorted((a, b) => a - b)[1]?.toFixed(2)}; target 0.80`,
);
world.close();
