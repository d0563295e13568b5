import type { Brand } from "./brand.ts";
import type { Seq } from "./entry.ts";
import type { Grade, Priority } from "./limit.ts";
import type { Quality } from "./quality.ts";
import type { KindId, LimitId, PersonId, PropertyId, StreetId, Text, ThingId } from "./thing.ts";
import type { Instant } from "./time.ts";

/** `{thing}.{limit}.{since}`: derived, so that replaying the journal gives it again. */
export type AlarmId = Brand<string, "AlarmId">;

/** ISA-18.2 states of one occurrence. */
export const alarmStates = ["unacknowledged", "acknowledged", "returned-unacknowledged", "normal"] as const;
export type AlarmState = (typeof alarmStates)[number];

/** Codes of remarks on an alarm. */
export type AlarmNote =
  | "beyond_range"
  | "condition_unknown"
  | "not_seen"
  | "no_longer_applies"
  | "old_data"
  | "provisional"
  | "indicative"
  | "superseded_unchecked"
  | "raised_on_faulty";

/** One occurrence of a limit on a thing, from raise to normal. */
export type Alarm = {
  readonly id: AlarmId;
  readonly thing: ThingId;
  readonly kind: KindId;
  readonly street: StreetId | "";
  readonly limit: LimitId;
  readonly property: PropertyId | "";
  readonly priority: Priority;
  readonly state: AlarmState;
  /** The value that raised it, and later the newest while it is breached; null: none, as for `silent`. */
  readonly value: number | null;
  readonly setpoint: number | null;
  readonly unit: string;
  readonly quality: Quality | null;
  /** Phenomenon time of the entering reading. */
  readonly since: Instant;
  /** since + onDelay. */
  readonly raisedAt: Instant;
  /** Arrival of the deciding entry. */
  readonly receivedAt: Instant;
  /** Leaving phenomenon time + offDelay. */
  readonly clearedAt: Instant | null;
  /** How often it was raised within the occurrence. */
  readonly count: number;
  readonly acknowledgedAt: Instant | null;
  readonly acknowledgedBy: string | null;
  readonly shelvedUntil: Instant | null;
  readonly outOfService: boolean;
  /** The alarm, gateway or state that makes it unheard by design. */
  readonly suppressedBy: string | null;
  readonly late: boolean;
  readonly notes: readonly AlarmNote[];
  readonly standard: string;
  readonly clause: string;
  readonly grade: Grade;
  readonly text: Text;
  readonly advice: Text;
  readonly responsible: readonly { readonly person: PersonId; readonly role: string }[];
};

export type AlarmAction =
  | "raise"
  | "clear"
  | "acknowledge"
  | "shelve"
  | "unshelve"
  | "suppress"
  | "unsuppress"
  | "comment"
  | "note"
  /** People are told now of an alarm whose page waited for another cause to show. */
  | "page"
  | "late";

/** One line of an alarm's history, and what the dispatcher reads: every transition is one. */
export type AlarmTransition = {
  readonly seq: Seq;
  /** Its place among the changes of that entry. */
  readonly n: number;
  readonly at: Instant;
  readonly action: AlarmAction;
  readonly by: string | null;
  readonly text: string;
  /** Whether people are to hear of it (not shelved, not suppressed, not late). */
  readonly page: boolean;
  /** The alarm as it is after it. */
  readonly alarm: Alarm;
};

/**
 * The next state of one occurrence, or undefined where the state forbids the action (SEMANTICS 3.2).
 * A raise of a normal one begins a new occurrence.
 */
export const nextState = (state: AlarmState, action: "raise" | "clear" | "acknowledge"): AlarmState | undefined =>
  transitions[state][action];

const transitions: Readonly<Record<AlarmState, Partial<Record<"raise" | "clear" | "acknowledge", AlarmState>>>> = {
  normal: { raise: "unacknowledged" },
  unacknowledged: { acknowledge: "acknowledged", clear: "returned-unacknowledged" },
  acknowledged: { clear: "normal" },
  "returned-unacknowledged": { acknowledge: "normal", raise: "unacknowledged" },
};
