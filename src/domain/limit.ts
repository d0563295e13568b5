import type { Quality } from "./quality.ts";
import type { LimitId, PropertyId, Text } from "./thing.ts";
import type { DurationMs } from "./time.ts";

/** ISA-18.2 priority, most urgent first. */
export type Priority = "critical" | "high" | "medium" | "low";

/** Grade of evidence of a number (see devices/README.md); `superseded-unchecked` rows ship enabled under that label. */
export type Grade = "V1" | "V2" | "K" | "ours" | "superseded-unchecked";

/** What must hold for a limit to apply, judged at the reading's phenomenon time; all of a limit's conditions must hold. */
export type Condition =
  /** An attribute of the thing has one of these values. */
  | { readonly kind: "attribute"; readonly attribute: string; readonly oneOf: readonly string[] }
  /** Another property of the same thing lies above and/or at or below a value. */
  | { readonly kind: "property"; readonly property: PropertyId; readonly above?: number; readonly atMost?: number }
  /** No rain for this long at the rain gauge of the thing's street. */
  | { readonly kind: "dry"; readonly duration: DurationMs }
  /** Local calendar, `MM-DD` to `MM-DD`, both included; may run over New Year. */
  | { readonly kind: "season"; readonly from: string; readonly to: string };

/** One alarm setpoint on one property of a kind (ISA-18.2 terms). A value at the setpoint is compliant. */
export type Limit = {
  readonly id: LimitId;
  readonly name: Text;
  readonly property: PropertyId;
  readonly direction: "high" | "low";
  /** In the property's unit. */
  readonly setpoint: number;
  /** How far the value must come back before the condition clears, in the property's unit, not negative. */
  readonly deadband: number;
  readonly onDelay: DurationMs;
  readonly offDelay: DurationMs;
  readonly priority: Priority;
  readonly statistic: "instant" | "hourlyMean" | "dailyMean";
  readonly when: readonly Condition[];
  /** Qualities that may enter the limit. */
  readonly accepts: readonly Quality[];
  /** False: a maintenance or advisory limit that no compliance figure counts. */
  readonly compliance: boolean;
  /** Provisional, indicative…: shown wherever the limit shows. */
  readonly labels: readonly string[];
  /** With edition, as `GB 5749-2022`. */
  readonly standard: string;
  readonly clause: string;
  readonly grade: Grade;
  readonly advice: Text;
};

/** Rounded to 1e-9, as values and setpoints are compared (SEMANTICS 2.1). */
export const rounded = (value: number): number => Math.round(value * 1e9) / 1e9;

/**
 * Whether the condition holds, given whether it held before: the deadband is the only memory.
 * High: entered when value > setpoint, left when value <= setpoint - deadband; low is its mirror.
 */
export const breached = (
  limit: Pick<Limit, "direction" | "setpoint" | "deadband">,
  value: number,
  wasBreached: boolean,
): boolean => {
  const back = wasBreached ? limit.deadband : 0;
  const sign = limit.direction === "high" ? 1 : -1;
  const excess = rounded(sign * (value - limit.setpoint));
  return wasBreached ? excess > -rounded(back) : excess > 0;
};
