import { type DurationMs, hour, type Instant } from "../domain/time.ts";

/** The newest values of a property that some condition asks for, by phenomenon time. */
export type Window = {
  add(time: Instant, value: number): void;
  /** The newest value at or before `time`, if it is not older than `fresh`. */
  at(time: Instant, fresh: DurationMs): number | undefined;
  /** `[time, value]`, oldest first. */
  save(): readonly (readonly [Instant, number])[];
  load(saved: readonly (readonly [Instant, number])[]): void;
};

/** Values kept: five hours at five minutes. What a late reading asks for beyond them is unknown. */
const windowMax = 64;

export const createWindow = (): Window => {
  let values: (readonly [Instant, number])[] = [];
  return {
    add(time, value) {
      let place = values.length;
      while (place > 0 && (values[place - 1] as readonly [Instant, number])[0] > time) place--;
      values.splice(place, 0, [time, value]);
      if (values.length > windowMax) values.shift();
    },
    at(time, fresh) {
      for (let place = values.length - 1; place >= 0; place--) {
        const [measured, value] = values[place] as readonly [Instant, number];
        if (measured <= time) return time - measured <= fresh ? value : undefined;
      }
      return undefined;
    },
    save: () => values,
    load(saved) {
      values = [...saved];
    },
  };
};

/** What a rain gauge has said: when it rained, and since when it has spoken without a gap. */
export type Rainfall = {
  /** `amount`: since the reading before. A gap longer than `silence` breaks what is known. */
  add(time: Instant, amount: number, silence: DurationMs): void;
  /** Whether no rain fell in the `duration` up to `time`; undefined: the gauge cannot tell. */
  dry(time: Instant, duration: DurationMs, silence: DurationMs): boolean | undefined;
  save(): SavedRainfall;
  load(saved: SavedRainfall): void;
};
export type SavedRainfall = {
  readonly since: Instant | null;
  readonly last: Instant | null;
  readonly wet: readonly (readonly [from: Instant, to: Instant])[];
};

/** Showers kept: spans of rain without a dry reading in between. */
const wetMax = 64;
/** Longer than any `dry` condition asks for, with room for late readings. */
const wetKept: DurationMs = 15 * 24 * hour;

export const createRainfall = (): Rainfall => {
  /** First reading after the last gap. */
  let since: Instant | null = null;
  let last: Instant | null = null;
  /** Rain fell after the one and up to the other. */
  let wet: (readonly [Instant, Instant])[] = [];

  const rained = (from: Instant, to: Instant): void => {
    const newest = wet.at(-1);
    if (newest !== undefined && newest[1] === from) wet[wet.length - 1] = [newest[0], to];
    else wet.push([from, to]);
    if (wet.length > wetMax || (wet[0] as readonly [Instant, Instant])[1] < to - wetKept) wet.shift();
  };
  return {
    add(time, amount, silence) {
      const gap = last === null ? Number.POSITIVE_INFINITY : time - last;
      // a late reading may tell of rain; it mends no gap
      const inOrder = gap > 0;
      if (inOrder && gap > silence) since = time;
      if (amount > 0) rained(inOrder && gap <= silence ? (last as Instant) : time - 1, time);
      if (inOrder) last = time;
    },
    dry(time, duration, silence) {
      const from = time - duration;
      if (wet.some(([begun, ended]) => ended > from && begun < time)) return false;
      if (since === null || last === null || since > from || time - last > silence) return undefined;
      return true;
    },
    save: () => ({ since, last, wet }),
    load(saved) {
      since = saved.since;
      last = saved.last;
      wet = [...saved.wet];
    },
  };
};
