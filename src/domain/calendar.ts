import { type DurationMs, day, hour, type Instant } from "./time.ts";

/** The local days of one IANA zone. Days of 23 or 25 hours, and days that begin at 01:00, are days. */
export type Calendar = {
  readonly zone: string;
  /** The first instant of the local day of `instant`. */
  dayOf(instant: Instant): Instant;
  /** The first instant of the local day after that of `instant`. */
  nextDay(instant: Instant): Instant;
  /** Local time minus UTC, whole seconds. */
  offsetAt(instant: Instant): DurationMs;
};

/** Pure and cached by zone; RangeError for a zone that this Node does not know. */
export const calendarOf = (zone: string): Calendar => {
  const known = calendars.get(zone);
  if (known !== undefined) return known;
  const calendar = createCalendar(zone);
  calendars.set(zone, calendar);
  return calendar;
};

const calendars = new Map<string, Calendar>();

/** Zones lie between -12:00 and +14:00 of UTC, so a local midnight lies within this of the same date's UTC midnight. */
const offsetMax: DurationMs = 15 * hour;
/** A local day, the end not included. */
type Day = { readonly start: Instant; readonly end: Instant };
/** Days kept, by the UTC day that they touch: eleven years. */
const daysKeptMax = 4096;

const createCalendar = (zone: string): Calendar => {
  const localTime = localClock(zone);
  const days = new Map<number, Day[]>();
  let latest: Day = { start: 0, end: 0 };

  const find = (instant: Instant): Day => {
    if (instant >= latest.start && instant < latest.end) return latest;
    const key = Math.floor(instant / day);
    const near = days.get(key) ?? [];
    latest = near.find(({ start, end }) => instant >= start && instant < end) ?? measured(instant);
    if (!near.includes(latest)) {
      if (days.size >= daysKeptMax) days.clear();
      days.set(key, [...near, latest]);
    }
    return latest;
  };
  const measured = (instant: Instant): Day => {
    const date = Math.floor(localTime(instant) / day);
    return { start: firstOf(date, localTime), end: firstOf(date + 1, localTime) };
  };
  return {
    zone,
    dayOf: (instant) => find(instant).start,
    nextDay: (instant) => find(instant).end,
    offsetAt: (instant) => localTime(instant) - Math.floor(instant / 1000) * 1000,
  };
};

/** The first instant whose local date, counted in days, is `date` or later (a zone may leave a date out: Apia 2011-12-30). */
const firstOf = (date: number, localTime: (instant: Instant) => number): Instant => {
  let before = date * day - offsetMax;
  let after = date * day + offsetMax;
  while (after - before > 1) {
    const middle = Math.floor((before + after) / 2);
    if (Math.floor(localTime(middle) / day) >= date) after = middle;
    else before = middle;
  }
  return after;
};

/** Instant -> the local wall time to the second, as if it were UTC. */
const localClock = (zone: string): ((instant: Instant) => number) => {
  const format = new Intl.DateTimeFormat("en-US", {
    timeZone: zone,
    calendar: "gregory",
    numberingSystem: "latn",
    hourCycle: "h23",
    year: "numeric",
    month: "numeric",
    day: "numeric",
    hour: "numeric",
    minute: "numeric",
    second: "numeric",
  });
  return (instant) => {
    const part: Record<string, number> = {};
    for (const { type, value } of format.formatToParts(instant)) part[type] = Number(value);
    const { year = 0, month = 0, day: date = 0, hour: hours = 0, minute = 0, second = 0 } = part;
    return Date.UTC(year, month - 1, date, hours, minute, second);
  };
};
