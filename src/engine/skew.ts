import { type DurationMs, minute } from "../domain/time.ts";
import { clear, raise } from "./alarming.ts";
import { type Scene, touch } from "./district.ts";
import { clockId, maintenance } from "./maintenance.ts";
import { stands } from "./memory.ts";
import { clockText } from "./wording.ts";

// SEMANTICS 1.5. A message without `ts` says nothing about the thing's clock.

const lagsMax = 20;
/** A clock is off beyond this on either side. */
const lagAllowed: DurationMs = 2 * minute;

/** With each message that told a time: `lag` is a - t of its newest element, also of one that was refused for it. */
export const noteLag = (scene: Scene, lag: DurationMs): void => {
  const { district, thing, table } = scene;
  thing.lags.push(lag);
  if (thing.lags.length > lagsMax) thing.lags.shift();
  touch(district, thing);
  if (thing.lags.length < lagsMax) return;
  const standing = stands(thing.alarms.get(clockId));
  if (!standing && mostAreAllowed(thing.lags)) return;
  const median = medianOf(thing.lags);
  const at = district.draft.at;
  if (standing === Math.abs(median) > lagAllowed) return;
  if (standing) clear(district, thing, clockId, { at });
  else {
    const text = clockText(table, median);
    const found = { since: at, raisedAt: at, value: median / 1000, quality: null, text, notes: [] };
    raise(district, thing, { ...maintenance(table, { limit: clockId, priority: "low" }), unit: "s" }, found);
  }
};

/** More than half of them: then the median is, without sorting. */
const mostAreAllowed = (lags: readonly DurationMs[]): boolean => {
  let allowed = 0;
  for (const lag of lags) if (lag <= lagAllowed && lag >= -lagAllowed) allowed++;
  return allowed > lags.length / 2;
};

/** Of an even number of them the mean of the two in the middle. */
const medianOf = (lags: readonly DurationMs[]): DurationMs => {
  const sorted = lags.toSorted((one, other) => one - other);
  const middle = sorted.length / 2;
  return ((sorted[Math.floor(middle - 0.5)] as number) + (sorted[Math.floor(middle)] as number)) / 2;
};
