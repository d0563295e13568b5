import { packObservations } from "../codec/observations.ts";
import type { Changes, Observation } from "../domain/change.ts";
import type { Seq } from "../domain/entry.ts";
import type { Rejection } from "../domain/rejection.ts";
import { type Instant, minute } from "../domain/time.ts";
import { checkChanges, isEmpty } from "./check.ts";
import type { Database } from "./database.ts";
import { projectEvent } from "./events.ts";
import { commitLarge, freshCalmMax } from "./fresh.ts";
import { createLedgerTally, type LedgerTally } from "./ledger.ts";
import { createMemory } from "./memory.ts";
import { mergeFresh } from "./merge.ts";
import { progressOf, type Source } from "./source.ts";

/** Place of a commit's packed observations among the changes of its last entry: behind every event. */
const observationsPlace = 2 ** 31 - 1;
/** One pair of wall time and seq is kept for each of these. */
const clockStep = minute;

export type Projection = {
  /** All of it and the cursor in one transaction, or nothing and a StoreError. */
  commit(changes: Changes, through: Seq, at: Instant | undefined): void;
  /** Puts what is fresh into the tables now. */
  merge(): void;
};

/** Changes to tables: the one writer of knowledge. Merges when `freshMax` observations are fresh, sooner while commits are small. */
export const createProjection = (source: Source, freshMax: number): Projection => {
  const { db, calendar } = source;
  const fresh = source.fresh();
  const memory = createMemory(db, fresh);

  const write = (changes: Changes, through: Seq, at: Instant): void => {
    const ledger = createLedgerTally();
    mergeIfDaysChange(changes);
    for (const datastream of changes.datastreams) {
      db.run(sql.datastream, datastream.id, datastream.thing, datastream.property);
      memory.announce(datastream);
    }
    for (const { thing, hour, readings } of changes.received) ledger.add(thing, hour, "received", readings);
    // rejections before events: a replay finds the rejection that it replays
    writeRejections(db, changes.rejections, ledger);
    for (const event of changes.events) {
      db.run(sql.change, event.seq, event.n, through, event.at, event.kind, JSON.stringify(event));
      projectEvent(db, event, ledger);
    }
    const inserted = writeObservations(changes, ledger);
    if (inserted.length > 0)
      db.run(sql.change, through, observationsPlace, through, at, "observations", packObservations(inserted));
    for (const state of changes.things) db.run(sql.thingState, state.thing, state.presence, state.lastSeen, state.body);
    if (changes.district !== null) db.run(sql.districtState, changes.district);
    ledger.write(db);
  };

  const writeObservations = (changes: Changes, ledger: LedgerTally): readonly Observation[] => {
    const inserted: Observation[] = [];
    for (const observation of changes.observations) {
      const thing = memory.thingOf(observation.datastream);
      // one that is there already is not stored and not counted: the remainder tells of it
      if (!memory.isNew(observation)) continue;
      fresh.add(observation);
      inserted.push(observation);
      ledger.add(thing, observation.receivedAt, "stored", 1);
    }
    for (const { datastream, time, value, seq, receivedAt, conflict } of changes.duplicates) {
      ledger.add(memory.thingOf(datastream), receivedAt, "duplicate", 1);
      if (conflict) db.run(sql.conflict, datastream, time, seq, value, receivedAt);
    }
    return inserted;
  };

  /** Readings before a change of zone are rolled up by the days of their time. */
  const mergeIfDaysChange = (changes: Changes): void => {
    const { zone } = calendar();
    if (!changes.events.some((event) => event.kind === "registry" && event.registry.district.zone !== zone)) return;
    mergeNow(progressOf(db).seq);
  };
  const mergeNow = (through: Seq): void => {
    mergeFresh(db, fresh, calendar());
    db.run("UPDATE progress SET merged = ?", through);
    fresh.clear();
  };

  return {
    commit(changes, through, at) {
      const before = progressOf(db);
      if (through === before.seq && isEmpty(changes)) return;
      checkChanges(changes, before.seq, through);
      const now = Math.max(at ?? newestInstant(changes), before.at ?? 0);
      memory.atomically(`commit through ${through}`, () => {
        if (!isEmpty(changes)) write(changes, through, now);
        db.run("UPDATE progress SET seq = ?, at = ?", through, now);
        rememberClock(db, now, through);
        const calm = changes.observations.length < commitLarge;
        if (fresh.count() >= (calm ? Math.min(freshCalmMax, freshMax) : freshMax)) mergeNow(through);
      });
    },
    merge() {
      if (fresh.count() > 0) memory.atomically("merge", () => mergeNow(progressOf(db).seq));
    },
  };
};

const writeRejections = (db: Database, rejections: readonly Rejection[], ledger: LedgerTally): void => {
  let message = -1;
  for (const { seq, n, receivedAt, topic, thing, reason, path, detail, raw } of rejections) {
    // a thousand bad elements of one message share its bytes
    if (seq !== message) db.run("INSERT OR IGNORE INTO rejected_message (seq, raw) VALUES (?, ?)", seq, raw);
    message = seq;
    db.run(sql.rejection, seq, n, receivedAt, topic, thing, thing, reason, path, detail);
    ledger.add(thing, receivedAt, "rejected", 1);
  }
};

const rememberClock = (db: Database, at: Instant, through: Seq): void => {
  const last = db.first<{ at: Instant | null }>("SELECT max(at) AS at FROM clock")?.at ?? null;
  if (last === null || at >= last + clockStep) db.run("INSERT INTO clock (at, seq) VALUES (?, ?)", at, through);
};

/** Where nobody told the time of the last entry: the newest that its changes speak of. */
const newestInstant = (changes: Changes): Instant => {
  let newest = 0;
  for (const { receivedAt } of changes.observations) newest = Math.max(newest, receivedAt);
  for (const { receivedAt } of changes.rejections) newest = Math.max(newest, receivedAt);
  for (const { at } of changes.events) newest = Math.max(newest, at);
  return newest;
};

const sql = {
  datastream: "INSERT INTO datastream (id, thing, property) VALUES (?, ?, ?)",
  conflict: "INSERT OR IGNORE INTO conflict (datastream, time, seq, value, received_at) VALUES (?, ?, ?, ?, ?)",
  change: "INSERT INTO change (seq, n, through, at, kind, body) VALUES (?, ?, ?, ?, ?, ?)",
  thingState: `INSERT INTO thing_state (thing, presence, last_seen, body) VALUES (?, ?, ?, ?) ON CONFLICT (thing)
    DO UPDATE SET presence = excluded.presence, last_seen = excluded.last_seen, body = excluded.body`,
  districtState: "INSERT OR REPLACE INTO district_state (id, body) VALUES (0, ?)",
  rejection: `INSERT INTO rejection (seq, n, received_at, topic, thing, street, reason, path, detail)
    VALUES (?, ?, ?, ?, ?, ifnull((SELECT street FROM registered_thing WHERE id = ?), ''), ?, ?, ?)`,
} as const;
