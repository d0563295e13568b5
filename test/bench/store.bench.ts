import { mkdtempSync, rmSync, statSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { DatabaseSync } from "node:sqlite";
import type { Changes, Observation } from "../../src/domain/change.ts";
import type { PropertyId, ThingId } from "../../src/domain/thing.ts";
import { hourOf } from "../../src/domain/time.ts";
import { openWatermark } from "../../src/platform/watermark.ts";
import { openKnowledge, openStore } from "../../src/store/store.ts";

// What it costs to commit a reading: packed into the feed, merged, rolled up and entered into the ledger, with things'
// states of 300 characters and without, beside the same rows put straight into a table ordered by (datastream, time),
// with no feed, roll-up or ledger. Then a store of many rows: how long it takes to open, and what queries take.
//
//   node test/bench/store.bench.ts [--quick]

const quick = process.argv.includes("--quick");
const readings = quick ? 200_000 : 600_000;
const rowsHeld = quick ? 1_000_000 : 10_000_000;
const batch = 500;
const propertiesOfThing = 4;
const start = Date.parse("2026-11-23T00:00:00Z");
/** The goal, at batches of 500 over 20 to 1,000 datastreams. */
const commitUsMax = 4;

const nothing: Changes = {
  ...{ datastreams: [], observations: [], duplicates: [], received: [], rejections: [], events: [], things: [] },
  district: null,
};
const folder = mkdtempSync(join(tmpdir(), "meizhen-store-bench-"));
const thingOf = (datastream: number): ThingId => `thing-${Math.floor(datastream / propertiesOfThing)}` as ThingId;
const say = (line: string) => process.stdout.write(`${line}\n`);

/** `count` readings from number `first` on: each datastream in turn, one a second, as `rate` datastreams report. */
const readingsFrom = (first: number, count: number, datastreams: number, seq: number): Observation[] =>
  Array.from({ length: count }, (_, index) => {
    const number = first + index;
    const time = start + Math.floor(number / datastreams) * 1000 + (number % 7);
    const value = Math.round(Math.sin(number) * 4000) / 1000;
    const message = seq + Math.floor(index / propertiesOfThing);
    return { datastream: number % datastreams, time, value, quality: 1, seq: message, receivedAt: time + 40 };
  });

type Batch = { readonly changes: Changes; readonly through: number };

/** Made beforehand, so that the making is not measured. */
const batches = (datastreams: number, total: number, withStates: boolean): Batch[] => {
  const made: Batch[] = [];
  let seq = 2;
  for (let first = 0; first < total; first += batch) {
    const observations = readingsFrom(first, batch, datastreams, seq);
    const through = seq + Math.floor((batch - 1) / propertiesOfThing);
    const counts = new Map<ThingId, number>();
    for (const { datastream } of observations) {
      const thing = thingOf(datastream);
      counts.set(thing, (counts.get(thing) ?? 0) + 1);
    }
    const at = observations.at(-1)?.receivedAt ?? start;
    const received = [...counts].map(([thing, readings]) => ({ thing, hour: hourOf(at), readings }));
    const things = withStates
      ? [...counts.keys()].map((thing) => ({ thing, presence: "online" as const, lastSeen: at, body: "s".repeat(300) }))
      : [];
    made.push({ changes: { ...nothing, observations, received, things }, through });
    seq = through + 1;
  }
  return made;
};

const announced = (datastreams: number): Changes => ({
  ...nothing,
  datastreams: Array.from({ length: datastreams }, (_, id) => ({
    ...{ id, thing: thingOf(id) },
    property: `p${id % propertiesOfThing}` as PropertyId,
  })),
});

const measured = (name: string, work: Batch[], commit: (batch: Batch) => void): number => {
  const warm = Math.floor(work.length / 3);
  for (const one of work.slice(0, warm)) commit(one);
  const cpu = process.cpuUsage();
  const begun = performance.now();
  let longest = 0;
  for (const one of work.slice(warm)) {
    const before = performance.now();
    commit(one);
    longest = Math.max(longest, performance.now() - before);
  }
  const rows = (work.length - warm) * batch;
  const wallUs = ((performance.now() - begun) * 1000) / rows;
  const { user, system } = process.cpuUsage(cpu);
  const cpuUs = (user + system) / rows;
  say(
    `${name.padEnd(46)} ${cpuUs.toFixed(2)} us CPU, ${wallUs.toFixed(2)} us, longest commit ${longest.toFixed(0)} ms`,
  );
  return cpuUs;
};

const intoStore = (datastreams: number, withStates: boolean): number => {
  const path = join(folder, `store-${datastreams}-${withStates}.db`);
  const store = openStore({ path, watermark: openWatermark() });
  store.commit(announced(datastreams), 1, start);
  const name = `store, ${datastreams} datastreams${withStates ? ", with states" : ""}`;
  const cost = measured(name, batches(datastreams, readings, withStates), ({ changes, through }) =>
    store.commit(changes, through, changes.observations.at(-1)?.receivedAt),
  );
  store.close();
  return cost;
};

/** What the design is measured against. */
const intoTable = (datastreams: number): number => {
  const db = new DatabaseSync(join(folder, `table-${datastreams}.db`));
  db.exec("PRAGMA journal_mode = WAL; PRAGMA synchronous = NORMAL; PRAGMA cache_size = -65536");
  db.exec(`PRAGMA wal_autocheckpoint = 8192; CREATE TABLE observation (datastream INTEGER, time INTEGER, value REAL,
    quality INTEGER, seq INTEGER, delay INTEGER, PRIMARY KEY (datastream, time)) WITHOUT ROWID`);
  const insert = db.prepare("INSERT INTO observation VALUES (?, ?, ?, ?, ?, ?)");
  const cost = measured(
    `bare table, ${datastreams} datastreams`,
    batches(datastreams, readings, false),
    ({ changes }) => {
      db.exec("BEGIN");
      for (const { datastream, time, value, quality, seq, receivedAt } of changes.observations)
        insert.run(datastream, time, value, quality, seq, receivedAt - time);
      db.exec("COMMIT");
    },
  );
  db.close();
  return cost;
};

const timed = <Result>(name: string, work: () => Result): Result => {
  const begun = performance.now();
  const result = work();
  say(`${name.padEnd(46)} ${(performance.now() - begun).toFixed(1)} ms`);
  return result;
};

const manyRows = (): void => {
  const path = join(folder, "many.db");
  const options = { path, watermark: openWatermark() };
  const datastreams = 1000;
  const writing = openStore(options);
  writing.commit(announced(datastreams), 1, start);
  let seq = 1;
  const perCommit = 20_000;
  timed(`fill with ${rowsHeld} observations`, () => {
    for (let first = 0; first < rowsHeld; first += perCommit) {
      const observations = readingsFrom(first, perCommit, datastreams, seq + 1);
      seq = observations.at(-1)?.seq ?? seq;
      writing.commit({ ...nothing, observations }, seq, observations.at(-1)?.receivedAt);
    }
  });
  writing.close();
  say(`${"bytes an observation, feed included".padEnd(46)} ${(statSync(path).size / rowsHeld).toFixed(0)}`);
  const store = timed("open the writer", () => openStore(options));
  const reader = timed("open a reader", () => openKnowledge(options));
  timed("state for the engine", () => store.engineState());
  const end = start + (rowsHeld / datastreams) * 1000;
  const page = { limit: 1000, cursor: null };
  timed("1,000 observations of one datastream", () => reader.observations(500, start, end, page));
  timed("hours of one datastream", () => reader.buckets(500, start, end, "hour", page));
  timed("minutes of one datastream, 1,000 of them", () => reader.buckets(500, start, end, 60_000, page));
  timed("statuses of 250 things, 1,000 properties", () =>
    reader.statuses(Array.from({ length: 250 }, (_, index) => thingOf(index * propertiesOfThing))),
  );
  timed("a page of 10,000 for the historian", () => reader.scan(start, end, { datastream: 500, time: start }, 10_000));
  timed("forget 2,000 observations", () => store.forgetObservations(start + 60_000, 2_000));
  timed("checkpoint", () => store.checkpoint());
  reader.close();
  store.close();
};

try {
  const costs = [20, 200, 1000].map((datastreams) => {
    intoTable(datastreams);
    const cost = intoStore(datastreams, false);
    intoStore(datastreams, true);
    return cost;
  });
  manyRows();
  const worst = Math.max(...costs);
  say(`${worst <= commitUsMax ? "met" : "MISSED"}: ${worst.toFixed(2)} us CPU a reading; the goal is ${commitUsMax}`);
} finally {
  rmSync(folder, { recursive: true, force: true });
}
