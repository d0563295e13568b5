import type { Seq } from "../domain/entry.ts";
import type { Instant } from "../domain/time.ts";
import type { Store } from "../ports.ts";
import { type Database, walBytes } from "./database.ts";
import { storeError } from "./errors.ts";
import type { Projection } from "./projection.ts";
import { progressOf, type Source } from "./source.ts";

type Retention = Pick<
  Store,
  "forgetObservations" | "forgetChanges" | "forgetRejections" | "checkpoint" | "seqBefore" | "reclaim" | "size"
>;

/** How long a checkpoint waits for a reader's page to end; without that it is the next one's turn. */
const checkpointWaitMs = 200;
const busyTimeoutMs = 5_000;

/** Forgetting in slices, and what trimming the journal needs to know. */
export const createRetention = ({ db, fresh }: Source, { merge }: Projection): Retention => {
  /** Known to be on disk: nothing, until the first checkpoint of this process. */
  let safe: Seq = 0;
  return {
    forgetObservations(before, limit) {
      const oldest = fresh().oldest();
      if (oldest !== null && oldest < before) merge();
      return db.transaction("forget observations", () => forgetObservations(db, before, limit));
    },
    forgetChanges: (before, limit) => {
      // the packed rows behind `merged` are the only copy of what they hold
      if (db.first(retentionSql.unmerged, before) !== undefined) merge();
      return db.transaction("forget changes", () => {
        db.run("DELETE FROM session WHERE expires_at < ?", before);
        db.run("DELETE FROM command WHERE at < ?", before);
        return db.run(retentionSql.changes, limit, before);
      });
    },
    forgetRejections: (before, limit) =>
      db.transaction("forget rejections", () => {
        const letters = db.run(retentionSql.deadLetters, before, limit);
        const rejections = db.run(retentionSql.rejections, limit, before);
        // messages in the order of their rejections; the oldest rejection left says which are done with
        if (rejections > 0) db.run(retentionSql.messages);
        return letters + rejections;
      }),
    checkpoint() {
      const { seq } = progressOf(db);
      if (checkpointed(db)) safe = seq;
      return safe;
    },
    seqBefore: (at) =>
      db.first<{ seq: Seq }>("SELECT seq FROM clock WHERE at < ? ORDER BY at DESC LIMIT 1", at)?.seq ?? 0,
    reclaim(pages) {
      db.exec(`PRAGMA incremental_vacuum(${Math.max(1, Math.floor(pages))})`);
      return pragma(db, "freelist_count");
    },
    size: () => pragma(db, "page_count") * pragma(db, "page_size") + walBytes(db.path),
  };
};

const pragma = (db: Database, name: string): number =>
  Number(Object.values(db.first<Record<string, number>>(`PRAGMA ${name}`) ?? {})[0]);

/**
 * The whole WAL folded into the file and emptied. With synchronous=NORMAL SQLite syncs the WAL before and the file after
 * (sqlite.org/pragma.html#pragma_synchronous), so every commit before it survives a power cut; commits since the last
 * one may not, and are applied again from the journal. False: a reader was in the way.
 */
const checkpointed = (db: Database): boolean => {
  try {
    db.exec(`PRAGMA busy_timeout = ${checkpointWaitMs}`);
    return db.first<{ busy: number }>("PRAGMA wal_checkpoint(TRUNCATE)")?.busy === 0;
  } catch (error) {
    throw storeError("checkpoint", error);
  } finally {
    db.exec(`PRAGMA busy_timeout = ${busyTimeoutMs}`);
  }
};

/** Datastream by datastream: the oldest rows of each lie together. */
const forgetObservations = (db: Database, before: Instant, limit: number): number => {
  let gone = 0;
  for (const { id } of db.all<{ id: number }>("SELECT id FROM datastream ORDER BY id")) {
    if (gone >= limit) break;
    const cut = db.first<{ time: Instant }>(retentionSql.cut, id, before, limit - gone);
    if (cut === undefined) gone += db.run(retentionSql.observations, id, before);
    else gone += db.run(retentionSql.observations, id, cut.time);
  }
  if (gone < limit) db.run("DELETE FROM conflict WHERE received_at < ?", before);
  return gone;
};

export const retentionSql = {
  /** The time of the row that is one too many. */
  cut: "SELECT time FROM observation WHERE datastream = ? AND time < ? ORDER BY time LIMIT 1 OFFSET ?",
  observations: "DELETE FROM observation WHERE datastream = ? AND time < ?",
  unmerged: `SELECT 1 FROM change WHERE seq > (SELECT merged FROM progress) AND kind = 'observations' AND at < ?
    ORDER BY seq, n LIMIT 1`,
  // `at` grows along the feed, so the oldest rows are the first ones
  changes: `DELETE FROM change WHERE rowid IN (SELECT rowid FROM change ORDER BY seq, n LIMIT ?) AND at < ?`,
  deadLetters:
    "DELETE FROM dead_letter WHERE rowid IN (SELECT rowid FROM dead_letter WHERE at < ? ORDER BY at LIMIT ?)",
  rejections: `DELETE FROM rejection WHERE rowid IN (SELECT rowid FROM rejection ORDER BY seq, n LIMIT ?)
    AND received_at < ?`,
  messages: `DELETE FROM rejected_message WHERE seq < ifnull((SELECT min(seq) FROM rejection), 9007199254740991)`,
} as const;
