import type { Datastream, DatastreamId, Observation } from "../domain/change.ts";
import type { ThingId } from "../domain/thing.ts";
import type { Instant } from "../domain/time.ts";
import type { Database } from "./database.ts";
import { StoreError } from "./errors.ts";
import type { Fresh } from "./fresh.ts";
import { followFeed } from "./source.ts";

/** What the writer keeps beside the tables, so that an observation in order costs no look into them. */
export type Memory = {
  /** A transaction; when it fails, memory goes back with the tables. */
  atomically(doing: string, work: () => void): void;
  announce(datastream: Datastream): void;
  /** Whose datastream it is; a StoreError for one that was never announced. */
  thingOf(datastream: DatastreamId): ThingId;
  /** Whether nothing is stored at its time; an observation that is new is expected to be stored next. */
  isNew(observation: Observation): boolean;
};

export const createMemory = (db: Database, fresh: Fresh): Memory => {
  const things = new Map<DatastreamId, ThingId>();
  /** Not below the newest time stored: what is above it is new. */
  const newest = new Map<DatastreamId, Instant>();

  const newestStored = (datastream: DatastreamId): Instant => {
    const merged = db.first<{ time: Instant | null }>(memorySql.newest, datastream)?.time ?? Number.NEGATIVE_INFINITY;
    return Math.max(merged, fresh.newest(datastream)?.time ?? Number.NEGATIVE_INFINITY);
  };
  const isStored = (datastream: DatastreamId, time: Instant): boolean =>
    fresh.find(datastream, time) !== undefined || db.first(memorySql.stored, datastream, time) !== undefined;

  const recall = (): void => {
    followFeed(db, fresh)();
    things.clear();
    newest.clear();
    for (const { id, thing } of db.all<Datastream>(memorySql.datastreams)) things.set(id, thing);
  };
  recall();
  /** A disk that refused the commit may refuse to be read, too: the next transaction begins with it. */
  let stale = false;

  return {
    atomically(doing, work) {
      if (stale) recall();
      stale = true;
      try {
        db.transaction(doing, work);
        stale = false;
      } catch (error) {
        stale = !succeeds(recall);
        throw error;
      }
    },
    announce: ({ id, thing }) => things.set(id, thing),
    thingOf(datastream) {
      const thing = things.get(datastream);
      if (thing === undefined) throw new StoreError("store_invalid", `datastream ${datastream} was never announced`);
      return thing;
    },
    isNew({ datastream, time }) {
      const before = newest.get(datastream) ?? newestStored(datastream);
      if (time > before) {
        newest.set(datastream, time);
        return true;
      }
      newest.set(datastream, before);
      return !isStored(datastream, time);
    },
  };
};

const succeeds = (work: () => void): boolean => {
  try {
    work();
    return true;
  } catch {
    return false;
  }
};

export const memorySql = {
  datastreams: "SELECT id, thing, property FROM datastream",
  newest: "SELECT max(time) AS time FROM observation WHERE datastream = ?",
  stored: "SELECT 1 FROM observation WHERE datastream = ? AND time = ?",
} as const;
