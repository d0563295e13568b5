import type { Limit } from "./limit.ts";
import type { Span } from "./quality.ts";
import type { KindId, PropertyId, Text } from "./thing.ts";
import type { DurationMs } from "./time.ts";

export type Property = {
  readonly id: PropertyId;
  readonly name: Text;
  /** UCUM code. */
  readonly unit: string;
  /** What a payload may carry: `number`, or `boolean` (true and false count as 1 and 0 beside numbers). */
  readonly type: "number" | "boolean";
  /** The sensor's measuring span: outside it the value fails. */
  readonly span: Span;
  /** What the operator expects: outside it the value is suspect; null: no such test. */
  readonly operatorSpan: Span | null;
  /** What is physically possible: outside it a value never enters a limit. */
  readonly possible: Span;
};

/** A column of the fleet file that limits, figures or pages of this kind speak of. */
export type Attribute = {
  readonly id: string;
  readonly name: Text;
  /** What it may say, with its words for people; empty: anything. */
  readonly values: readonly { readonly id: string; readonly name: Text }[];
};

/** A kind of device: a folder under `devices/kinds`. */
export type Kind = {
  readonly id: KindId;
  readonly name: Text;
  /** bronze, silver, gold: see devices/README.md. */
  readonly level: "bronze" | "silver" | "gold";
  /** Reporting interval unless the fleet says otherwise; silent after three of them. */
  readonly every: DurationMs;
  /** How long a run of flag 4 lasts before the maintenance alarm `fault`. */
  readonly failAfter: DurationMs;
  readonly silence: { readonly priority: Limit["priority"]; readonly advice: Text };
  /** Which of the four platforms (plan §22) works its alarms: the `queue` of a department. */
  readonly queue: string;
  readonly attributes?: readonly Attribute[];
  readonly properties: readonly Property[];
  readonly limits: readonly Limit[];
};

/** The property that every kind has. */
export const heartbeatId = "heartbeat" as PropertyId;
