import type { DatastreamId } from "../domain/change.ts";
import { type DurationMs, hour, hourOf, type Instant } from "../domain/time.ts";
import type { Knowledge } from "../ports.ts";
import type { RollupTable } from "./merge.ts";
import { pageOf, placeIn, rowsFor } from "./page.ts";
import type { Source } from "./source.ts";
import { bucketOf, count, include, type Tally, tallyAt } from "./tally.ts";

// A bucket is whole: those that begin within the window are given, each with all of its readings, whatever window and
// page they are asked by. Hours and days are rows of the roll-ups; a multiple of an hour is made of those rows, and so
// outlives the single observations; every other width is counted from single observations.

type Span = { readonly datastream: DatastreamId; readonly from: Instant; readonly to: Instant; readonly limit: number };
type Tallied = { readonly time: Instant; readonly tally: Tally };

export const bucketQueries = (source: Source): Pick<Knowledge, "buckets"> => ({
  buckets: (datastream, from, to, every, page) =>
    source.view(() => {
      const [after] = placeIn(page, ["number"]) ?? [from - 1];
      const span = { datastream, from: Math.max(from, after + 1), to, limit: rowsFor(page) };
      const tallies = talliesOf(source, span, every);
      return pageOf(
        tallies,
        page,
        ({ time, tally }) => bucketOf(time, tally),
        ({ time }) => [time],
      );
    }),
});

const talliesOf = (source: Source, span: Span, every: "hour" | "day" | DurationMs): Tallied[] => {
  const calendar = source.calendar();
  if (every === "hour" || every === hour) return rolled(source, span, "rollup_hour", hourOf);
  if (every === "day") return rolled(source, span, "rollup_day", calendar.dayOf);
  const offset = calendar.offsetAt(span.from);
  const made = every % hour === 0 ? fromHours : fromSingles;
  return windows(span, made(source, span.datastream, every, offset));
};

/** Rows of a roll-up, gone on with what is not merged yet, in the same order of adding up. */
const rolled = (source: Source, span: Span, table: RollupTable, spanOf: (time: Instant) => Instant): Tallied[] => {
  const { db, fresh } = source;
  const { datastream, from, to, limit } = span;
  const tallies = new Map<Instant, Tally>();
  for (const { time, ...tally } of db.all<TallyRow>(bucketSql.rolled[table], datastream, from, to, limit))
    tallies.set(time, tally);
  // beyond the last row that was read there may be more: what is fresh there belongs to a later page
  const end = tallies.size < limit ? to : Math.max(...tallies.keys()) + 1;
  for (const observation of fresh().arrived(datastream)) {
    const time = spanOf(observation.time);
    if (time >= from && time < end) count(tallyAt(tallies, time), observation);
  }
  return inOrder(tallies).slice(0, limit);
};

type TallyRow = Tally & { readonly time: Instant };

/** Buckets of one width, and what they are made of. */
type Width = {
  readonly every: DurationMs;
  /** Start of the bucket: widths count from local midnight as it was at the window's start. */
  spanOf(time: Instant): Instant;
  /** Where, from `from` on, there is anything; undefined: nowhere before `to`. */
  next(from: Instant, to: Instant): Instant | undefined;
  tallies(from: Instant, to: Instant): ReadonlyMap<Instant, Tally>;
};

/** From one bucket with anything in it to the next, never more than a page's width at once: gaps are leapt over. */
const windows = ({ from, to, limit }: Span, { every, spanOf, next, tallies }: Width): Tallied[] => {
  const found: Tallied[] = [];
  // the first bucket that begins at or after `from`, the end of the last one that begins before `to`
  let start = spanOf(from - 1) + every;
  const end = spanOf(to - 1) + every;
  while (found.length < limit) {
    const time = next(start, end);
    if (time === undefined) break;
    const first = spanOf(time);
    start = Math.min(end, first + (limit - found.length) * every);
    found.push(...inOrder(tallies(first, start)));
  }
  return found;
};

type WidthOf = (source: Source, datastream: DatastreamId, every: DurationMs, offset: DurationMs) => Width;

/** Where the zone is not whole hours from UTC, the buckets begin with the hour of UTC in which the local one begins. */
const fromHours: WidthOf = (source, datastream, every, offset) => {
  const { db, fresh } = source;
  const shift = hourOf(offset);
  const spanOf = (time: Instant): Instant => Math.floor((time + shift) / every) * every - shift;
  return {
    every,
    spanOf,
    next(from, to) {
      const merged = db.first<{ time: Instant }>(bucketSql.nextHour, datastream, from, to)?.time;
      return earlier(merged, fresh().between(datastream, from, to)[0]?.time);
    },
    tallies(from, to) {
      const tallies = new Map<Instant, Tally>();
      const span = { datastream, from, to, limit: (to - from) / hour };
      for (const { time, tally } of rolled(source, span, "rollup_hour", hourOf))
        include(tallyAt(tallies, spanOf(time)), tally);
      return tallies;
    },
  };
};

const fromSingles: WidthOf = ({ db, fresh }, datastream, every, offset) => {
  const spanOf = (time: Instant): Instant => Math.floor((time + offset) / every) * every - offset;
  return {
    every,
    spanOf,
    next(from, to) {
      const merged = db.first<{ time: Instant }>(bucketSql.nextSingle, datastream, from, to)?.time;
      return earlier(merged, fresh().between(datastream, from, to)[0]?.time);
    },
    tallies(from, to) {
      const tallies = new Map<Instant, Tally>();
      for (const { place, ...tally } of db.all<Tally & { place: number }>(
        bucketSql.singles,
        offset,
        every,
        datastream,
        from,
        to,
      ))
        tallies.set(place * every - offset, tally);
      for (const observation of fresh().between(datastream, from, to))
        count(tallyAt(tallies, spanOf(observation.time)), observation);
      return tallies;
    },
  };
};

const earlier = (one: Instant | undefined, other: Instant | undefined): Instant | undefined =>
  one === undefined || other === undefined ? (one ?? other) : Math.min(one, other);

const inOrder = (tallies: ReadonlyMap<Instant, Tally>): Tallied[] =>
  [...tallies].map(([time, tally]) => ({ time, tally })).sort((one, other) => one.time - other.time);

const rolledSql = (table: RollupTable) => `SELECT time, count, good, used, sum, min, max FROM ${table}
  WHERE datastream = ? AND time >= ? AND time < ? ORDER BY time LIMIT ?`;
const used = "value IS NOT NULL AND quality NOT IN (4, 9)";

export const bucketSql = {
  rolled: { rollup_hour: rolledSql("rollup_hour"), rollup_day: rolledSql("rollup_day") },
  nextHour: "SELECT time FROM rollup_hour WHERE datastream = ? AND time >= ? AND time < ? ORDER BY time LIMIT 1",
  nextSingle: "SELECT time FROM observation WHERE datastream = ? AND time >= ? AND time < ? ORDER BY time LIMIT 1",
  // JavaScript's numbers are bound as floats, and a float divides as one
  singles: `SELECT (time + CAST(? AS INTEGER)) / CAST(? AS INTEGER) AS place, count(*) AS count,
    total(quality = 1) AS good, total(${used}) AS used, total(CASE WHEN ${used} THEN value END) AS sum,
    min(CASE WHEN ${used} THEN value END) AS min, max(CASE WHEN ${used} THEN value END) AS max
    FROM observation WHERE datastream = ? AND time >= ? AND time < ? GROUP BY place`,
} as const;
