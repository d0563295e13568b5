import { mkdtempSync, rmSync, statSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, expect, test } from "vitest";
import type { Entry, EntryOf } from "../../src/domain/entry.ts";
import { day, hour, minute } from "../../src/domain/time.ts";
import { createJanitor, type JanitorPolicy } from "../../src/loops/janitor.ts";
import { createTelemetry } from "../../src/platform/telemetry.ts";
import { openWatermark } from "../../src/platform/watermark.ts";
import type { Clock } from "../../src/ports.ts";
import { openStore } from "../../src/store/store.ts";
import { properties, start, things } from "./happening.ts";
import { conditionAlarm, nothing, registry } from "./world.ts";

const closing: (() => void)[] = [];
afterEach(() => {
  for (const close of closing.splice(0)) close();
});

const signal = new AbortController().signal;

/** A house of store and janitor alone: the journal is what it appended and how far it was trimmed. */
const house = (policy: Partial<JanitorPolicy> = {}) => {
  const folder = mkdtempSync(join(tmpdir(), "meizhen-janitor-"));
  const path = join(folder, "store.db");
  const store = openStore({ path, watermark: openWatermark() });
  closing.push(() => {
    store.close();
    rmSync(folder, { recursive: true, force: true });
  });
  const time = { now: start };
  const clock: Clock = {
    now: () => time.now,
    monotonic: () => time.now,
    sleep: async () => {},
  };
  const journal = { entries: [] as Entry[], trimmed: 0 };
  const port = {
    append: async (entries: readonly Entry[]) => journal.entries.push(...entries),
    trim: async (through: number) => {
      journal.trimmed = Math.max(journal.trimmed, through);
    },
  };
  const telemetry = createTelemetry({ level: "silent", thread: "test" });
  const ports = { clock, store, journal: port, telemetry };
  const settings = { storeBytesMax: 2 ** 40, journalKeep: 48 * hour, ...policy };
  let seq = 0;
  const datastreams = things.map((thing, index) => ({ id: index + 1, thing, property: properties[0]! }));
  store.commit(
    { ...nothing, datastreams, events: [{ kind: "registry", seq: 1, n: 0, at: start, registry }] },
    ++seq,
    start,
  );
  return {
    store,
    path,
    time,
    journal,
    conditions: () =>
      journal.entries.map((entry) => entry as EntryOf<"condition">).map(({ limit, active }) => [limit, active]),
    janitor: () => createJanitor(ports, settings),
    /** A reading of each thing at `at`; every `batch` of them a commit. */
    read(at: number, rows = 1) {
      time.now = at;
      const observations = Array.from({ length: rows }, (_, row) =>
        datastreams.map(({ id }) => ({
          datastream: id,
          time: at + row * 100,
          value: row / 8,
          quality: 1 as const,
          seq: seq + 1,
          receivedAt: at,
        })),
      ).flat();
      const received = things.map((thing) => ({ thing, hour: Math.floor(at / hour) * hour, readings: rows }));
      store.commit({ ...nothing, observations, received }, ++seq, at);
    },
    commit(changes: object, at: number) {
      store.commit({ ...nothing, ...changes }, ++seq, at);
      return seq;
    },
    nextSeq: () => seq + 1,
  };
};

test("observations go after the registry's retention, the feed after 48 h, roll-ups and ledger never", async () => {
  const { store, time, read, janitor, conditions } = house();
  for (let at = start; at <= start + 33 * day; at += 8 * hour) read(at);
  const readings = store.ledger({}).reduce((sum, { stored }) => sum + stored, 0);
  await janitor().sweep(signal);
  expect(store.oldestObservation()).toBe(time.now - 30 * day);
  const oldest = store.oldestChange();
  const [first] = store.changesAfter({ seq: (oldest?.seq ?? 0) - 1, n: 0 }, 1);
  expect(first?.kind === "observations" && first.observations[0]?.receivedAt).toBe(time.now - 48 * hour);
  expect(store.ledger({}).reduce((sum, { stored }) => sum + stored, 0)).toBe(readings);
  expect(store.buckets(1, 0, time.now + day, "day", { limit: 100, cursor: null }).items).toHaveLength(34);
  expect(conditions()).toEqual([]);
});

test("retention counts from what is applied: a clock that runs ahead forgets nothing early", async () => {
  const { store, time, read, janitor } = house();
  read(start);
  time.now = start + 40 * day;
  await janitor().sweep(signal);
  expect(store.oldestObservation()).toBe(start);
});

test("the journal is trimmed through the newest entry that is older than its keep hours, and no further", async () => {
  const { store, read, janitor, journal } = house();
  const hours = 60;
  const seqs = new Map<number, number>();
  for (let index = 0; index <= hours; index++) {
    read(start + index * hour);
    seqs.set(index, store.cursor());
  }
  await janitor().sweep(signal);
  // 48 h ago stays: older than that is trimmed
  expect(journal.trimmed).toBe(seqs.get(hours - 49));
  expect(journal.trimmed).toBeLessThanOrEqual(store.cursor());
});

test("a remainder raises the condition `ledger` of the house once, and its end clears it", async () => {
  const { store, read, janitor, conditions, commit, nextSeq, time } = house();
  read(start);
  const one = janitor();
  await one.sweep(signal);
  expect(conditions()).toEqual([]);
  const lost = { thing: things[0]!, hour: Math.floor(start / hour) * hour, readings: 2 };
  commit({ received: [lost] }, start + minute);
  await one.sweep(signal);
  await one.sweep(signal);
  expect(conditions()).toEqual([["ledger", true]]);
  // a janitor that begins anew finds the alarm in the store, and does not raise it again
  commit({ events: [conditionAlarm(nextSeq(), time.now, "ledger", null)] }, start + minute);
  const next = janitor();
  await next.sweep(signal);
  expect(conditions()).toEqual([["ledger", true]]);
  commit({ received: [{ ...lost, readings: -2 }] }, start + 2 * minute);
  await next.sweep(signal);
  await next.sweep(signal);
  expect(conditions()).toEqual([
    ["ledger", true],
    ["ledger", false],
  ]);
  expect(store.remainders(1)).toEqual([]);
});

test("above its bound the store raises the condition `storage` and gives up its oldest observations, and disk space returns", async () => {
  const storeBytesMax = 3 * 2 ** 20;
  const { store, path, read, janitor, conditions, time } = house({ storeBytesMax });
  const one = janitor();
  for (let at = start; store.size() < storeBytesMax * 1.6; at += 6 * hour) {
    read(at, 400);
    // what is in the file counts, not the write-ahead log
    store.checkpoint();
  }
  const [before, oldest] = [statSync(path).size, store.oldestObservation() ?? 0];
  const days = store.buckets(1, 0, time.now + day, "day", { limit: 1000, cursor: null }).items;
  await one.sweep(signal);
  expect(conditions()).toEqual([["storage", true]]);
  expect(store.size()).toBeLessThanOrEqual(storeBytesMax);
  expect(statSync(path).size).toBeLessThan(before);
  expect(store.oldestObservation()).toBeGreaterThan(oldest);
  // no more than was needed
  expect(store.size()).toBeGreaterThan(storeBytesMax * 0.7);
  expect(store.buckets(1, 0, time.now + day, "day", { limit: 1000, cursor: null }).items).toEqual(days);
  // at the bound the alarm stands; it does not come and go
  read(time.now + hour, 10);
  await one.sweep(signal);
  expect(conditions()).toEqual([["storage", true]]);
  time.now += 20 * day;
  read(time.now, 1);
  await one.sweep(signal);
  expect(conditions()).toEqual([
    ["storage", true],
    ["storage", false],
  ]);
});

test("a store within its bound forgets nothing before its time", async () => {
  const { store, read, janitor, conditions } = house({ storeBytesMax: 64 * 2 ** 20 });
  for (let at = start; at < start + 10 * day; at += 6 * hour) read(at, 50);
  await janitor().sweep(signal);
  expect(store.oldestObservation()).toBe(start);
  expect(conditions()).toEqual([]);
});
