import { breached } from "../domain/limit.ts";
import type { Quality } from "../domain/quality.ts";
import type { DurationMs, Instant } from "../domain/time.ts";
import type { LimitTable } from "./registry.ts";

// One limit on one datastream (SEMANTICS 2.1 to 2.4), as a machine of four phases:
//
//   idle --enter--> entering --onDelay--> active --leave--> leaving --offDelay--> idle
//                      |                     ^                 |
//                      +--leave--> idle      +-----enter-------+
//
// It is looked at with each reading in order and with each tick. A reading that may neither enter nor leave (suspect
// and compliant, failed, missing) is as none at all: it moves nothing, and the time to the next usable one is a gap.

export type Judgement = {
  readonly table: LimitTable;
  phase: "idle" | "entering" | "active" | "leaving";
  /** Phenomenon time of the entering reading. */
  since: Instant;
  /** Phenomenon time of the leaving reading. */
  left: Instant;
  /** The last usable reading: when it was measured, when it came. */
  last: Instant;
  arrival: Instant;
  /** The newest value beyond the setpoint, with its flag. */
  value: number;
  quality: Quality;
  /** Some reading of the run lay beyond the measuring span. */
  beyond: boolean;
  /** A condition of the run could not be told. */
  unknown: boolean;
  /** The span of the last occurrence: what is late and lies in it is not told twice. */
  pastSince: Instant;
  pastCleared: Instant;
};

export const idleJudgement = (table: LimitTable): Judgement => ({
  table,
  phase: "idle",
  since: 0,
  left: 0,
  last: 0,
  arrival: 0,
  value: 0,
  quality: 1,
  beyond: false,
  unknown: false,
  pastSince: 0,
  pastCleared: 0,
});

/** A reading as the limit sees it. */
export type Judged = {
  readonly time: Instant;
  readonly arrival: Instant;
  readonly value: number;
  readonly quality: Quality;
  /** Beyond the measuring span on this limit's own side, and possible. */
  readonly beyond: boolean;
};

export type Verdict = "none" | "raise" | "clear";

/** Whether a reading could move the limit at all; what lets most of them pass without another look. */
export const concerns = ({ phase, table }: Judgement, value: number): boolean =>
  phase !== "idle" || (table.high ? value > table.setpoint : value < table.setpoint);

/** What one reading in order makes of it; `silence` is the gap that gives no all-clear. */
export const judge = (judgement: Judgement, reading: Judged, silence: DurationMs): Verdict => {
  const { limit } = judgement.table;
  const held = judgement.phase === "entering" || judgement.phase === "active";
  const holds = breached(limit, reading.value, held);
  const over = holds && breached(limit, reading.value, false);
  const mayEnter = reading.beyond || limit.accepts.includes(reading.quality);
  const mayLeave = reading.quality === 1 || reading.quality === 2;
  if (over ? !mayEnter || reading.quality === 9 : !mayLeave) return "none";
  const gap = reading.time - judgement.last;
  if (judgement.phase !== "idle") seen(judgement, reading);
  if (over) remember(judgement, reading);
  switch (judgement.phase) {
    case "idle":
      if (!over) return "none";
      enter(judgement, reading);
      return raisedIf(judgement, limit.onDelay <= 0);
    case "entering":
      // 2.3: breached before a gap and after it, it went on
      if (holds) return raisedIf(judgement, reading.time - judgement.since >= limit.onDelay);
      judgement.phase = "idle";
      return "none";
    case "active":
      if (holds) return "none";
      judgement.phase = "leaving";
      judgement.left = reading.time;
      return clearedIf(judgement, limit.offDelay <= 0);
    case "leaving":
      if (over) {
        judgement.phase = "active";
        return "none";
      }
      // 2.3: nobody knows what happened in the gap, so the all-clear begins again
      if (gap > silence) judgement.left = reading.time;
      return clearedIf(judgement, reading.time - judgement.left >= limit.offDelay);
  }
};

/** What a tick makes of it: time passes only while the last reading is not older than the silence interval (2.2). */
export const judgeTick = (judgement: Judgement, tick: Instant, silence: DurationMs): Verdict => {
  if (tick - judgement.arrival > silence) return "none";
  const { limit } = judgement.table;
  const elapsed = judgement.last + tick - judgement.arrival;
  if (judgement.phase === "entering") return raisedIf(judgement, elapsed - judgement.since >= limit.onDelay);
  if (judgement.phase === "leaving") return clearedIf(judgement, elapsed - judgement.left >= limit.offDelay);
  return "none";
};

/** The tick that will move it if nothing else does; undefined: none will. */
export const dueAt = (judgement: Judgement, silence: DurationMs): Instant | undefined => {
  const { phase, table, last, arrival, since, left } = judgement;
  if (phase !== "entering" && phase !== "leaving") return undefined;
  const [begun, delay] = phase === "entering" ? [since, table.limit.onDelay] : [left, table.limit.offDelay];
  const wait = delay - (last - begun);
  return wait <= silence ? arrival + wait : undefined;
};

/** It ends without an all-clear: a condition ceased, or the limit is no more. Answers whether it was raised. */
export const cease = (judgement: Judgement): boolean => {
  const raised = judgement.phase === "active" || judgement.phase === "leaving";
  judgement.phase = "idle";
  return raised;
};

const seen = (judgement: Judgement, { time, arrival }: Judged): void => {
  judgement.last = time;
  judgement.arrival = arrival;
};

const remember = (judgement: Judgement, { value, quality, beyond }: Judged): void => {
  judgement.value = value;
  judgement.quality = quality;
  if (judgement.phase === "idle") judgement.beyond = beyond;
  else judgement.beyond ||= beyond;
};

const enter = (judgement: Judgement, reading: Judged): void => {
  judgement.phase = "entering";
  judgement.since = reading.time;
  judgement.left = 0;
  seen(judgement, reading);
};

const raisedIf = (judgement: Judgement, fallen: boolean): Verdict => {
  if (!fallen) return "none";
  judgement.phase = "active";
  return "raise";
};

const clearedIf = (judgement: Judgement, fallen: boolean): Verdict => {
  if (!fallen) return "none";
  judgement.phase = "idle";
  judgement.pastSince = judgement.since;
  judgement.pastCleared = judgement.left + judgement.table.limit.offDelay;
  return "clear";
};
