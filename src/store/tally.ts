import type { Observation } from "../domain/change.ts";
import type { Instant } from "../domain/time.ts";
import type { Bucket } from "../ports.ts";

/** What is known of the readings of one datastream in one span of time: a row of a roll-up. */
export type Tally = {
  count: number;
  /** Flag 1. */
  good: number;
  /** Those of mean, min and max: flags 1, 2 and 3 with a value. */
  used: number;
  /**
   * Added up in the order of the journal, one after the other, so that a rebuilt store with other batches
   * has the same sum to the last bit.
   */
  sum: number;
  min: number | null;
  max: number | null;
};

export const emptyTally = (): Tally => ({ count: 0, good: 0, used: 0, sum: 0, min: null, max: null });

/** Counts one reading. */
export const count = (tally: Tally, { value, quality }: Pick<Observation, "value" | "quality">): void => {
  tally.count++;
  if (quality === 1) tally.good++;
  if (value === null || quality === 4 || quality === 9) return;
  tally.used++;
  tally.sum += value;
  if (tally.min === null || value < tally.min) tally.min = value;
  if (tally.max === null || value > tally.max) tally.max = value;
};

/** Adds a whole span to another. */
export const include = (tally: Tally, other: Tally): void => {
  tally.count += other.count;
  tally.good += other.good;
  tally.used += other.used;
  tally.sum += other.sum;
  if (other.min !== null && (tally.min === null || other.min < tally.min)) tally.min = other.min;
  if (other.max !== null && (tally.max === null || other.max > tally.max)) tally.max = other.max;
};

export const bucketOf = (time: Instant, { count, good, used, sum, min, max }: Tally): Bucket => ({
  time,
  mean: used === 0 ? null : sum / used,
  min,
  max,
  count,
  good,
});

/** The tally of `key`, made when there is none. */
export const tallyAt = <Key>(tallies: Map<Key, Tally>, key: Key): Tally => {
  const known = tallies.get(key);
  if (known !== undefined) return known;
  const made = emptyTally();
  tallies.set(key, made);
  return made;
};
