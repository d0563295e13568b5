import { createHash } from "node:crypto";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { DatabaseSync } from "node:sqlite";
import { setTimeout as delay } from "node:timers/promises";
import { Worker } from "node:worker_threads";
import { afterEach, expect, test } from "vitest";
import type { Changes } from "../../src/domain/change.ts";
import type { ThingId } from "../../src/domain/thing.ts";
import { openWatermark } from "../../src/platform/watermark.ts";
import { openForWriting } from "../../src/store/database.ts";
import { createFresh } from "../../src/store/fresh.ts";
import { migrations } from "../../src/store/migrations.ts";
import { outboxQueries } from "../../src/store/outbox.ts";
import { createProjection } from "../../src/store/projection.ts";
import { observationQueries } from "../../src/store/queries-observations.ts";
import { writerSource } from "../../src/store/source.ts";
import { openKnowledge, openStore } from "../../src/store/store.ts";
import { commitNext, readingsOf, readingsPerCommit } from "./committing.ts";
import { start } from "./happening.ts";

const folders: string[] = [];
afterEach(() => {
  for (const folder of folders.splice(0)) rmSync(folder, { recursive: true, force: true });
});
const place = (): string => {
  const folder = mkdtempSync(join(tmpdir(), "meizhen-database-"));
  folders.push(folder);
  return join(folder, "store.db");
};
const refused = (code: string) => expect.objectContaining({ name: "StoreError", code });
const at = (path: string) => ({ path, watermark: openWatermark() });

test("a migration that was released is never edited", () => {
  const digests = migrations.map((sql) => createHash("sha256").update(sql).digest("hex").slice(0, 16));
  expect(digests).toEqual(["93a355bef2ba56fa"]);
});

test("a store written by a newer program is refused with a code, and not touched", () => {
  const path = place();
  openStore(at(path)).close();
  const newer = new DatabaseSync(path);
  newer.exec("PRAGMA user_version = 99");
  newer.close();
  expect(() => openStore(at(path))).toThrow(refused("store_newer"));
  expect(() => openKnowledge(at(path))).toThrow(refused("store_newer"));
  const after = new DatabaseSync(path);
  expect(after.prepare("PRAGMA user_version").get()).toEqual({ user_version: 99 });
  after.close();
});

test("a reader waits for the writer to create the file", () => {
  expect(() => openKnowledge(at(place()))).toThrow(refused("store_absent"));
});

test("another program's database and a damaged file are refused with a code", () => {
  const foreign = place();
  const other = new DatabaseSync(foreign);
  other.exec("CREATE TABLE mine (id INTEGER)");
  other.close();
  expect(() => openStore(at(foreign))).toThrow(refused("store_foreign"));
  const damaged = place();
  writeFileSync(damaged, Buffer.alloc(8192, "not a database"));
  expect(() => openStore(at(damaged))).toThrow(refused("store_damaged"));
});

test("a full disk refuses the commit whole, with a code that says try again, and it goes in when there is room", () => {
  const path = place();
  const db = openForWriting(path);
  const source = writerSource(db, createFresh());
  const projection = createProjection(source, 40);
  const { cursor } = outboxQueries(source);
  const { scan, observationAt } = observationQueries(source);
  const store = {
    cursor,
    commit: (changes: Changes, through: number, at?: number) => projection.commit(changes, through, at),
  };
  const readings = () => scan(0, Number.MAX_SAFE_INTEGER, null, 100_000).length;
  for (let commits = 0; commits < 50; commits++) commitNext(store);
  // as many pages as there are now, and a few
  db.exec("PRAGMA max_page_count = 60");
  expect(() => {
    for (let commits = 0; commits < 2000; commits++) commitNext(store);
  }).toThrow(expect.objectContaining({ name: "StoreError", code: "store_full", retry: true }));
  const stopped = store.cursor();
  expect(readings()).toBe((stopped - 1) * readingsPerCommit);
  const next = readingsOf(stopped + 1)[0]!;
  expect(observationAt(next.datastream, next.time)).toBeUndefined();
  db.exec(`PRAGMA max_page_count = ${2 ** 30}`);
  commitNext(store);
  expect(store.cursor()).toBe(stopped + 1);
  expect(observationAt(next.datastream, next.time)).toEqual({ value: next.value });
  expect(readings()).toBe(stopped * readingsPerCommit);
  db.close();
});

test("a reader in another thread sees each commit whole, whatever is being merged meanwhile", async () => {
  const path = place();
  const watermark = openWatermark();
  const worker = new Worker(new URL("committing.ts", import.meta.url), { workerData: [path, watermark.buffer] });
  const stop = new AbortController();
  await watermark.waitPast(1, stop.signal);
  const reader = openKnowledge({ path, watermark });
  for (let look = 0; look < 50; look++) {
    await reader.waitPast(reader.cursor(), stop.signal);
    const cursor = reader.cursor();
    // what is committed meanwhile may be seen, too: a commit is there with all of its readings or not at all
    const seen = reader.scan(0, Number.MAX_SAFE_INTEGER, null, 1_000_000);
    expect(seen.length % readingsPerCommit).toBe(0);
    expect(seen.length).toBeGreaterThanOrEqual((cursor - 1) * readingsPerCommit);
    expect(new Set(seen.map(({ datastream, time }) => `${datastream} ${time}`)).size).toBe(seen.length);
    const hours = reader.buckets(1, start - 100_000_000, start + 1e9, "hour", { limit: 1000, cursor: null }).items;
    // two of each commit are of datastream 1
    const counted = hours.reduce((sum, { count }) => sum + count, 0);
    expect(counted % 2).toBe(0);
    expect(counted).toBeGreaterThanOrEqual((2 * seen.length) / readingsPerCommit);
    await delay(2);
  }
  reader.close();
  await worker.terminate();
}, 60_000);

test("a checkpoint that a reader is in the way of answers the cursor of the one before", () => {
  const path = place();
  const store = openStore(at(path));
  commitNext(store);
  expect(store.checkpoint()).toBe(1);
  const slow = new DatabaseSync(path, { readOnly: true });
  slow.exec("BEGIN");
  slow.prepare("SELECT seq FROM progress").get();
  commitNext(store);
  expect(store.checkpoint()).toBe(1);
  slow.exec("COMMIT");
  expect(store.checkpoint()).toBe(2);
  slow.close();
  store.close();
});

test("a damaged packed row is told as damage, and the file may be deleted", () => {
  const path = place();
  const store = openStore(at(path));
  commitNext(store);
  commitNext(store);
  const apart = new DatabaseSync(path);
  apart.exec("UPDATE change SET body = x'0105' WHERE kind = 'observations'");
  apart.close();
  const reader = openKnowledge(at(path));
  expect(() => reader.changesAfter({ seq: 0, n: 0 }, 10)).toThrow(refused("store_damaged"));
  expect(() => reader.statuses(["water-1" as ThingId])).toThrow(refused("store_damaged"));
  reader.close();
  store.close();
});
