import { unpackObservations } from "../codec/observations.ts";
import { type Calendar, calendarOf } from "../domain/calendar.ts";
import type { Seq } from "../domain/entry.ts";
import type { Registry } from "../domain/registry.ts";
import type { Instant } from "../domain/time.ts";
import type { Database } from "./database.ts";
import { storeError } from "./errors.ts";
import { createFresh, type Fresh } from "./fresh.ts";

/** What queries read: the merged observations in the database, the others in `fresh`. */
export type Source = {
  readonly db: Database;
  /** What is not merged; asked for within a view, because a reader unpacks the feed for it. */
  fresh(): Fresh;
  /** Runs `read` on one state of everything; what it throws comes out as a StoreError. */
  view<Result>(read: () => Result): Result;
  /** The registry in force, parsed once by version; null: none yet. */
  registry(): Registry | null;
  /** The district's local days. */
  calendar(): Calendar;
};

export type Progress = { readonly seq: Seq; readonly at: Instant | null; readonly merged: Seq };
export const progressOf = (db: Database): Progress =>
  db.first<Progress>("SELECT seq, at, merged FROM progress") ?? { seq: 0, at: null, merged: 0 };

/** Days before the first registry, which no observation can precede, are those of the district. */
const zoneUnknown = "Asia/Shanghai";

/** The writer's own view: it alone changes the database, and keeps `fresh` itself. */
export const writerSource = (db: Database, fresh: Fresh): Source => ({
  db,
  fresh: () => fresh,
  view: (read) => guarded(read),
  ...registryOf(db),
});

/** A reader's view: a read transaction, and `fresh` brought to the same state when it is asked for. */
export const readerSource = (db: Database): Source => {
  const fresh = createFresh();
  const follow = followFeed(db, fresh);
  return {
    db,
    fresh() {
      follow();
      return fresh;
    },
    view: (read) =>
      guarded(() => {
        db.exec("BEGIN");
        try {
          return read();
        } finally {
          db.exec("COMMIT");
        }
      }),
    ...registryOf(db),
  };
};

/** Answers a function that brings `fresh` to what the feed holds behind `progress.merged`. */
export const followFeed = (db: Database, fresh: Fresh): (() => void) => {
  let merged = -1;
  let place = 0;
  return () => {
    const progress = progressOf(db);
    if (progress.merged !== merged) {
      fresh.clear();
      merged = progress.merged;
      place = merged;
    }
    if (progress.seq === place) return;
    const sql = "SELECT body FROM change WHERE seq > ? AND kind = 'observations' ORDER BY seq, n";
    for (const { body } of db.all<{ body: Uint8Array }>(sql, place))
      for (const observation of unpackObservations(body)) fresh.add(observation);
    place = progress.seq;
  };
};

const guarded = <Result>(read: () => Result): Result => {
  try {
    return read();
  } catch (error) {
    throw storeError("read", error);
  }
};

const registryOf = (db: Database): Pick<Source, "registry" | "calendar"> => {
  let version: string | undefined;
  let registry: Registry | null = null;
  const current = (): Registry | null => {
    const now = db.first<{ version: string }>("SELECT version FROM registry")?.version;
    if (now === version) return registry;
    const row = db.first<{ version: string; body: string }>("SELECT version, body FROM registry");
    version = row?.version;
    registry = row === undefined ? null : (JSON.parse(row.body) as Registry);
    return registry;
  };
  return { registry: current, calendar: () => calendarOf(current()?.district.zone ?? zoneUnknown) };
};
