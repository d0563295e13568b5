import type { Calendar } from "../domain/calendar.ts";
import type { DatastreamId, Observation } from "../domain/change.ts";
import { hourOf, type Instant } from "../domain/time.ts";
import type { Database } from "./database.ts";
import type { Fresh } from "./fresh.ts";
import { count, emptyTally, type Tally } from "./tally.ts";

/** The tables that observations are rolled up into. */
export type RollupTable = "rollup_hour" | "rollup_day";

/**
 * Puts all of `fresh` into `observation` and the roll-ups, in the order of the tables, so that each page is written
 * once. In the caller's transaction, which also moves `progress.merged`; the caller clears `fresh` after the commit.
 */
export const mergeFresh = (db: Database, fresh: Fresh, calendar: Calendar): void => {
  const insert = db.statement(mergeSql.insert);
  const hours: Rolled[] = [];
  const days: Rolled[] = [];
  for (const datastream of fresh.datastreams()) {
    for (const { time, value, quality, seq, receivedAt } of fresh.between(datastream, -Infinity, Infinity))
      insert.run(datastream, time, value, quality, seq, receivedAt - time);
    const arrived = fresh.arrived(datastream);
    rollUp(db, "rollup_hour", hourOf, datastream, arrived, hours);
    rollUp(db, "rollup_day", calendar.dayOf, datastream, arrived, days);
  }
  write(db, "rollup_hour", hours);
  write(db, "rollup_day", days);
};

type Rolled = { readonly time: Instant; readonly datastream: DatastreamId; readonly tally: Tally };

/** Goes on from the stored tallies, one reading after the other (see Tally.sum). */
const rollUp = (
  db: Database,
  table: RollupTable,
  spanOf: (time: Instant) => Instant,
  datastream: DatastreamId,
  arrived: readonly Observation[],
  rolled: Rolled[],
): void => {
  const tallies = new Map<Instant, Tally>();
  for (const observation of arrived) {
    const time = spanOf(observation.time);
    let tally = tallies.get(time);
    if (tally === undefined) {
      tally = { ...(db.first<Tally>(mergeSql.stored[table], time, datastream) ?? emptyTally()) };
      tallies.set(time, tally);
      rolled.push({ time, datastream, tally });
    }
    count(tally, observation);
  }
};

const write = (db: Database, table: RollupTable, rolled: Rolled[]): void => {
  const upsert = db.statement(mergeSql.roll[table]);
  rolled.sort((one, other) => one.time - other.time || one.datastream - other.datastream);
  for (const { time, datastream, tally } of rolled)
    upsert.run(time, datastream, tally.count, tally.good, tally.used, tally.sum, tally.min, tally.max);
};

const stored = (table: RollupTable) =>
  `SELECT count, good, used, sum, min, max FROM ${table} WHERE time = ? AND datastream = ?`;
const roll = (table: RollupTable) =>
  `INSERT INTO ${table} (time, datastream, count, good, used, sum, min, max) VALUES (?, ?, ?, ?, ?, ?, ?, ?)
  ON CONFLICT (time, datastream) DO UPDATE SET count = excluded.count, good = excluded.good, used = excluded.used,
  sum = excluded.sum, min = excluded.min, max = excluded.max`;

export const mergeSql = {
  insert: "INSERT INTO observation (datastream, time, value, quality, seq, delay) VALUES (?, ?, ?, ?, ?, ?)",
  stored: { rollup_hour: stored("rollup_hour"), rollup_day: stored("rollup_day") },
  roll: { rollup_hour: roll("rollup_hour"), rollup_day: roll("rollup_day") },
} as const;
