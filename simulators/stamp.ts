import { z } from "zod";
import { calendarOf } from "../src/domain/calendar.ts";
import { type DurationMs, day, type Instant, parseDuration } from "../src/domain/time.ts";

/** What a column of times says, as an instant; null: it is no time. Called in the order of the file. */
export type Stamp = (text: string) => Instant | null;

/** `2016-08-03 11:49:00`, `2016-08-03T11:49:00.250+02:00`, `7/2/2021 0:15`; offset or Z as group 8. */
const patterns: readonly {
  readonly pattern: RegExp;
  readonly order: readonly [year: number, month: number, day: number];
}[] = [
  {
    pattern: /^(\d{4})-(\d\d?)-(\d\d?)(?:[T ](\d\d?):(\d\d)(?::(\d\d)(?:[.,](\d{1,9}))?)?)?\s*(Z|[+-]\d\d:?\d\d)?$/,
    order: [1, 2, 3],
  },
  {
    pattern: /^(\d\d?)\/(\d\d?)\/(\d{4})(?: (\d\d?):(\d\d)(?::(\d\d)(?:[.,](\d{1,9}))?)?)?\s*(Z|[+-]\d\d:?\d\d)?$/,
    order: [3, 1, 2],
  },
];
/** Milliseconds since 1970 from here on (1973); smaller numbers are more likely seconds, or something else. */
const millisecondsMin = 1e11;

/**
 * Reads times of a zone. Where summer time ends an hour stands twice, and local stamps do not tell which of the two is
 * meant: a stamp in it is the first of the two instants while that is later than the stamp before, else the second. So
 * the hour that stands twice in order is told apart. A local time that the zone leaves out (the beginning of summer
 * time) counts as if the clock had not been put forward yet. Numbers are milliseconds since 1970.
 */
export const createStamp = (zone: string): Stamp => {
  let before = Number.NEGATIVE_INFINITY;
  const offsetAt = cachedOffset(zone);
  return (text) => {
    const given = parse(text);
    if (given === null) return null;
    const instant = given.offset === null ? placed(given.local, before, offsetAt) : given.local - given.offset;
    before = instant;
    return instant;
  };
};

const placed = (local: number, before: Instant, offsetAt: (at: Instant) => DurationMs): Instant => {
  const offsets = [offsetAt(local - day), offsetAt(local + day)];
  const instants = [...new Set(offsets.map((offset) => local - offset))]
    .filter((instant) => instant + offsetAt(instant) === local)
    .sort((a, b) => a - b);
  return instants.find((instant) => instant > before) ?? instants.at(-1) ?? local - (offsets[0] as DurationMs);
};

/** Zones change at whole quarters of an hour at most. */
const quarter = 900_000;
const cachedOffset = (zone: string): ((at: Instant) => DurationMs) => {
  const { offsetAt } = calendarOf(zone);
  const known = new Map<number, DurationMs>();
  return (at) => {
    const key = Math.floor(at / quarter);
    const offset = known.get(key) ?? offsetAt(key * quarter);
    known.set(key, offset);
    return offset;
  };
};

type Parsed = { readonly local: number; readonly offset: DurationMs | null };

const parse = (given: string): Parsed | null => {
  const text = given.trim();
  if (/^\d+(\.\d+)?$/.test(text)) {
    const value = Math.floor(Number(text));
    return value >= millisecondsMin ? { local: value, offset: 0 } : null;
  }
  for (const { pattern, order } of patterns) {
    const match = pattern.exec(text);
    if (match !== null) return fields(match, order);
  }
  return null;
};

const fields = (match: RegExpExecArray, order: readonly [number, number, number]): Parsed | null => {
  const [year, month, date] = order.map((group) => Number(match[group])) as [number, number, number];
  const [hours, minutes, seconds] = [4, 5, 6].map((group) => Number(match[group] ?? 0)) as [number, number, number];
  const thousandths = Number((match[7] ?? "").padEnd(3, "0").slice(0, 3));
  const local = Date.UTC(year, month - 1, date, hours, minutes, seconds, thousandths);
  const back = new Date(local);
  // 2021-02-30 and 24:30 would be taken for another day.
  if (back.getUTCMonth() !== month - 1 || back.getUTCDate() !== date || hours > 23 || minutes > 59 || seconds > 59)
    return null;
  return { local, offset: offsetOf(match[8]) };
};

const offsetOf = (text: string | undefined): DurationMs | null => {
  if (text === undefined) return null;
  if (text === "Z") return 0;
  const sign = text.startsWith("-") ? -1 : 1;
  return sign * (Number(text.slice(1, 3)) * 60 + Number(text.slice(-2))) * 60_000;
};

/** An ISO 8601 duration as an argument. */
export const durationText = z.string().transform((text, context): DurationMs => {
  const duration = parseDuration(text);
  if (duration !== undefined) return duration;
  context.addIssue({ code: "custom", message: `expected an ISO 8601 duration as PT2H, not ${text}` });
  return z.NEVER;
});
