import type { Datastream, DatastreamId, Observation } from "../domain/change.ts";
import type { Seq } from "../domain/entry.ts";
import type { Quality } from "../domain/quality.ts";
import type { ThingId } from "../domain/thing.ts";
import type { Instant } from "../domain/time.ts";
import type { Knowledge, Page, PageRequest, Point } from "../ports.ts";
import type { Database } from "./database.ts";
import type { Fresh } from "./fresh.ts";
import { pageOf, placeIn, rowsFor } from "./page.ts";
import type { Source } from "./source.ts";

type ObservationQueries =
  | "observationAt"
  | "datastream"
  | "datastreams"
  | "oldestObservation"
  | "observations"
  | "conflicts"
  | "scan";

type ObservationRow = Omit<Observation, "receivedAt" | "datastream"> & { readonly delay: number };
type ConflictRow = { readonly time: Instant; readonly seq: Seq; readonly value: number | null };

export const observationQueries = ({ db, fresh, view }: Source): Pick<Knowledge, ObservationQueries> => ({
  observationAt: (datastream, time) =>
    view(() => {
      const row =
        fresh().find(datastream, time) ?? db.first<{ value: number | null }>(observationSql.at, datastream, time);
      return row === undefined ? undefined : { value: row.value };
    }),
  datastream: (thing, property) => view(() => db.first<{ id: DatastreamId }>(observationSql.id, thing, property)?.id),
  datastreams: (after) => view(() => db.all<Datastream>(observationSql.datastreams, after).map((row) => ({ ...row }))),
  oldestObservation: () => view(() => oldest(db, fresh())),
  observations: (datastream, from, to, page) => view(() => range(db, fresh(), datastream, from, to, page)),
  conflicts: (datastream, page) =>
    view(() => {
      const [time, seq] = placeIn(page, ["number", "number"]) ?? [Number.MAX_SAFE_INTEGER, 0];
      const rows = db.all<ConflictRow>(observationSql.conflicts, datastream, time, seq, rowsFor(page));
      // a conflicting value is not judged: the first one stood
      return pageOf(
        rows,
        page,
        (row) => ({ ...row, quality: 2 as Quality }),
        (row) => [row.time, row.seq],
      );
    }),
  scan: (from, to, after, limit) => view(() => scan(db, fresh(), from, to, after, limit)),
});

const oldest = (db: Database, fresh: Fresh): Instant | null => {
  const merged = db.first<{ time: Instant | null }>(observationSql.oldest)?.time ?? null;
  const pending = fresh.oldest();
  if (merged === null || pending === null) return merged ?? pending;
  return Math.min(merged, pending);
};

const range = (
  db: Database,
  fresh: Fresh,
  datastream: DatastreamId,
  from: Instant,
  to: Instant,
  page: PageRequest,
): Page<Point> => {
  const [after] = placeIn(page, ["number"]) ?? [from - 1];
  const start = Math.max(from, after + 1);
  const rows = between(db, fresh, datastream, start, to, rowsFor(page));
  return pageOf(
    rows,
    page,
    ({ time, value, quality }) => ({ time, value, quality }),
    ({ time }) => [time],
  );
};

/** The first `limit` observations of a datastream in the order of time, from both places. */
const between = (
  db: Database,
  fresh: Fresh,
  datastream: DatastreamId,
  from: Instant,
  to: Instant,
  limit: number,
): readonly Observation[] => {
  const merged = db
    .all<ObservationRow>(observationSql.range, datastream, from, to, limit)
    .map(({ time, value, quality, seq, delay }) => ({
      datastream,
      time,
      value,
      quality,
      seq,
      receivedAt: time + delay,
    }));
  const pending = fresh.between(datastream, from, to);
  if (pending.length === 0) return merged;
  // both are in order, which a sort of runs takes advantage of
  return [...merged, ...pending].sort((one, other) => one.time - other.time).slice(0, limit);
};

/** Datastream by datastream, so that a narrow window costs a seek each and not the whole table. */
const scan = (
  db: Database,
  fresh: Fresh,
  from: Instant,
  to: Instant,
  after: { datastream: DatastreamId; time: Instant } | null,
  limit: number,
): readonly Observation[] => {
  const found: Observation[] = [];
  for (const { id } of db.all<Datastream>(observationSql.datastreams, after === null ? -1 : after.datastream - 1)) {
    const start = id === after?.datastream ? Math.max(from, after.time + 1) : from;
    for (const observation of between(db, fresh, id, start, to, limit - found.length)) found.push(observation);
    if (found.length >= limit) break;
  }
  return found;
};

/** The newest observation by phenomenon time; undefined: none is kept. */
export const latestOf = (db: Database, fresh: Fresh, datastream: DatastreamId): Point | undefined => {
  const merged = db.first<Point>(observationSql.latest, datastream);
  const pending = fresh.newest(datastream);
  const latest = pending !== undefined && (merged === undefined || pending.time > merged.time) ? pending : merged;
  return latest === undefined ? undefined : { time: latest.time, value: latest.value, quality: latest.quality };
};

/** Every property of a thing. */
export const datastreamsOf = (db: Database, thing: ThingId): readonly Datastream[] =>
  db.all<Datastream>("SELECT id, thing, property FROM datastream WHERE thing = ? ORDER BY property", thing);

export const observationSql = {
  at: "SELECT value FROM observation WHERE datastream = ? AND time = ?",
  id: "SELECT id FROM datastream WHERE thing = ? AND property = ?",
  datastreams: "SELECT id, thing, property FROM datastream WHERE id > ? ORDER BY id",
  // a seek for each datastream; min(time) over the table would read all of it
  oldest: `SELECT min((SELECT time FROM observation WHERE datastream = datastream.id ORDER BY time LIMIT 1)) AS time
    FROM datastream`,
  range: `SELECT time, value, quality, seq, delay FROM observation
    WHERE datastream = ? AND time >= ? AND time < ? ORDER BY time LIMIT ?`,
  latest: "SELECT time, value, quality FROM observation WHERE datastream = ? ORDER BY time DESC LIMIT 1",
  conflicts: `SELECT time, seq, value FROM conflict WHERE datastream = ? AND (time, seq) < (?, ?)
    ORDER BY time DESC, seq DESC LIMIT ?`,
} as const;
