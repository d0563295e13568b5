import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { Entry } from "../../src/domain/entry.ts";
import { openJournal } from "../../src/journal/sqlite.ts";
import { createTelemetry } from "../../src/platform/telemetry.ts";

// node test/bench/journal.bench.ts [seconds] [folder]
// What one durable entry costs: 200-byte payloads, 20 appenders that each wait for their acknowledgement (or 512 of
// them, as with devices that send without waiting); CPU is the whole process with all its threads.

const seconds = Number(process.argv[2] ?? 4);
const payload = new Uint8Array(200).fill(97);
const topics = Array.from({ length: 1_000 }, (_, index) => `meizhen/xinghai/water/wt-xinghai-${index}/readings`);
const message = (index: number): Entry => ({
  ...{ kind: "message", at: Date.now(), topic: topics[index % topics.length] as string },
  ...{ payload, principal: null, qos: 1 },
});

const round = (value: number): number => Math.round(value * 100) / 100;

const measure = async (appenders: number, each: number) => {
  const directory = mkdtempSync(join(process.argv[3] ?? tmpdir(), "meizhen-bench-"));
  let commits = 0;
  const quiet = createTelemetry({ level: "error", thread: "bench" });
  const telemetry = { ...quiet, journalCommitted: () => commits++ };
  const fatal = (error: Error) => {
    throw error;
  };
  const journal = await openJournal({ directory, bytesMax: 20 * 2 ** 30, telemetry, onFatal: fatal });
  let entries = 0;
  let running = true;
  const latencies: number[] = [];
  const appender = async (number: number) => {
    while (running) {
      const before = performance.now();
      await journal.append(Array.from({ length: each }, () => message(number)));
      latencies.push(performance.now() - before);
      entries += each;
    }
  };
  const cpu = process.cpuUsage();
  const from = performance.now();
  setTimeout(() => {
    running = false;
  }, seconds * 1_000);
  await Promise.all(Array.from({ length: appenders }, (_, number) => appender(number)));
  const took = performance.now() - from;
  const used = process.cpuUsage(cpu);
  await new Promise((resolve) => setTimeout(resolve, 300));
  const bytes = journal.health().bytesUsed;
  const read = await drain(journal);
  await journal.close(AbortSignal.timeout(5_000));
  rmSync(directory, { recursive: true });
  latencies.sort((a, b) => a - b);
  return {
    "entries/s": Math.round((entries / took) * 1_000),
    "CPU us/entry": round((used.user + used.system) / entries),
    "entries/commit": round(entries / commits),
    "ack p50 ms": round(latencies[Math.floor(latencies.length / 2)] ?? 0),
    "ack p99 ms": round(latencies[Math.floor(latencies.length * 0.99)] ?? 0),
    "bytes/entry": Math.round(bytes / entries),
    "read us/entry": round(read),
  };
};

/** Microseconds of reading one entry back, decoded. */
const drain = async (journal: Awaited<ReturnType<typeof openJournal>>): Promise<number> => {
  const from = performance.now();
  let read = 0;
  for (let after = 0; after < journal.head.current(); ) {
    const page = await journal.read(after, 5_000);
    read += page.length;
    after = page.at(-1)?.seq ?? journal.head.current();
  }
  return ((performance.now() - from) * 1_000) / read;
};

const table: Record<string, object> = {};
table["20 appenders, 1 entry each"] = await measure(20, 1);
table["512 appenders, 1 entry each"] = await measure(512, 1);
table["5,000 appenders, 1 entry each"] = await measure(5_000, 1);
table["2 appenders, 500 entries each"] = await measure(2, 500);
console.table(table);
