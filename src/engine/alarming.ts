import { type Alarm, type AlarmAction, type AlarmId, type AlarmNote, nextState } from "../domain/alarm.ts";
import type { LimitId } from "../domain/thing.ts";
import type { Instant } from "../domain/time.ts";
import { type District, touch } from "./district.ts";
import { stands, type ThingMemory } from "./memory.ts";

// Occurrences of alarms (SEMANTICS 3): every way in which one changes goes through here, as one transition each.

/** What does not depend on the moment: who has it, how it reads. */
export type Template = Pick<
  Alarm,
  | "kind"
  | "street"
  | "limit"
  | "property"
  | "priority"
  | "setpoint"
  | "unit"
  | "standard"
  | "clause"
  | "grade"
  | "advice"
  | "responsible"
>;

/** One raise: what was found, and when it fell due. */
export type Raise = Pick<Alarm, "since" | "raisedAt" | "value" | "quality" | "text" | "notes"> & {
  /** It holds by old data alone (SEMANTICS 1.4). */
  readonly late?: boolean;
  readonly suppressedBy?: string | null;
  /** When people hear of it, unless something suppresses it by then; absent: now. */
  readonly pageAt?: Instant;
};

type Step = {
  readonly action: AlarmAction;
  /** When it fell due. */
  readonly at: Instant;
  readonly by?: string | null;
  readonly text?: string;
  readonly page?: boolean;
};

/** Makes `alarm` the state of its occurrence, and tells it. */
export const turn = (district: District, thing: ThingMemory, alarm: Alarm, step: Step): Alarm => {
  if (alarm.state === "normal") thing.alarms.delete(alarm.limit);
  else thing.alarms.set(alarm.limit, alarm);
  touch(district, thing);
  return tell(district, alarm, step);
};

/** As `turn`, for an occurrence that is over and not kept in memory. */
export const tell = (district: District, alarm: Alarm, { action, at, by, text, page }: Step): Alarm => {
  district.draft.alarm({ at, action, by: by ?? null, text: text ?? "", page: page ?? false, alarm });
  return alarm;
};

/** Whether people are to hear of what happens to it. */
export const heard = (alarm: Alarm): boolean =>
  alarm.suppressedBy === null && alarm.shelvedUntil === null && !alarm.outOfService;

export const alarmId = (thing: ThingMemory, limit: LimitId, since: Instant): AlarmId =>
  `${thing.id}.${limit}.${since}` as AlarmId;

/** A raise: a new occurrence, or the one that had returned and was not acknowledged yet, counted. */
export const raise = (district: District, thing: ThingMemory, template: Template, found: Raise): Alarm => {
  const before = thing.alarms.get(template.limit);
  if (stands(before)) return before;
  const alarm = before === undefined ? firstOf(district, thing, template, found) : again(before, found);
  const waits = found.pageAt !== undefined && heard(alarm);
  if (waits) thing.waiting.set(alarm.limit, found.pageAt as Instant);
  return turn(district, thing, alarm, { action: "raise", at: found.raisedAt, page: heard(alarm) && !waits });
};

const firstOf = (district: District, thing: ThingMemory, template: Template, found: Raise): Alarm => ({
  id: alarmId(thing, template.limit, found.since),
  thing: thing.id,
  ...template,
  state: "unacknowledged",
  value: found.value,
  quality: found.quality,
  since: found.since,
  raisedAt: found.raisedAt,
  receivedAt: district.draft.at,
  clearedAt: null,
  count: 1,
  acknowledgedAt: null,
  acknowledgedBy: null,
  // shelving is of the limit: what comes back meanwhile stays unheard
  shelvedUntil: thing.shelves.get(template.limit) ?? null,
  outOfService: false,
  suppressedBy: found.suppressedBy ?? null,
  late: found.late ?? false,
  notes: found.notes,
  text: found.text,
});

/** `since`, `raisedAt` and the id stay those of the first raise; the transition has the times of this one. */
const again = (before: Alarm, found: Raise): Alarm => ({
  ...before,
  state: nextState(before.state, "raise") ?? before.state,
  count: before.count + 1,
  clearedAt: null,
  value: found.value,
  quality: found.quality,
  text: found.text,
  suppressedBy: found.suppressedBy ?? null,
  late: found.late ?? false,
  notes: [...new Set([...before.notes.filter((note) => note !== "no_longer_applies"), ...found.notes])],
});

type Clearing = { readonly at: Instant; readonly value?: number; readonly note?: AlarmNote };

/** The all-clear; nothing if the alarm of the limit does not stand. */
export const clear = (district: District, thing: ThingMemory, limit: LimitId, clearing: Clearing): void => {
  const before = thing.alarms.get(limit);
  if (!stands(before)) return;
  const { at, note } = clearing;
  const page = heard(before) && !before.late && !thing.waiting.has(limit);
  thing.waiting.delete(limit);
  const notes = before.notes.filter((one) => one !== "not_seen" && one !== note);
  const alarm: Alarm = {
    ...before,
    state: nextState(before.state, "clear") ?? before.state,
    clearedAt: at,
    suppressedBy: null,
    value: clearing.value ?? before.value,
    notes: note === undefined ? notes : [...notes, note],
  };
  turn(district, thing, alarm, { action: "clear", at, page, text: note ?? "" });
};

/** Names the cause that makes it unheard by design, or lifts it; `page`: people hear of it now, for the first time. */
export const suppress = (
  district: District,
  thing: ThingMemory,
  limit: LimitId,
  cause: string | null,
  page = false,
): void => {
  const before = thing.alarms.get(limit);
  if (before === undefined || before.suppressedBy === cause) return;
  if (cause !== null) thing.waiting.delete(limit);
  const alarm = { ...before, suppressedBy: cause };
  const tells = page && alarm.state === "unacknowledged" && heard(alarm);
  turn(district, thing, alarm, {
    action: cause === null ? "unsuppress" : "suppress",
    at: district.draft.at,
    text: cause ?? before.suppressedBy ?? "",
    page: tells,
  });
};

/** Adds or takes away a remark. */
export const remark = (
  district: District,
  thing: ThingMemory,
  limit: LimitId,
  note: AlarmNote,
  present: boolean,
): void => {
  const before = thing.alarms.get(limit);
  if (before === undefined || before.notes.includes(note) === present) return;
  const notes = present ? [...before.notes, note] : before.notes.filter((one) => one !== note);
  turn(district, thing, { ...before, notes }, { action: "note", at: district.draft.at, text: note });
};

/** Pages that waited and are due now. */
export const pageWaiting = (district: District, thing: ThingMemory, now: Instant): void => {
  for (const [limit, at] of thing.waiting) {
    if (at > now) continue;
    thing.waiting.delete(limit);
    touch(district, thing);
    const alarm = thing.alarms.get(limit);
    if (alarm?.state === "unacknowledged" && heard(alarm)) {
      turn(district, thing, alarm, { action: "page", at: now, page: true });
    }
  }
};

/**
 * The end of shelving, by its time or by hand (SEMANTICS 3.3): what holds is unacknowledged and paged anew, what has
 * cleared ends quietly.
 */
export const unshelve = (district: District, thing: ThingMemory, limit: LimitId, by: string | null): void => {
  thing.shelves.delete(limit);
  touch(district, thing);
  const before = thing.alarms.get(limit);
  if (before === undefined || before.shelvedUntil === null) return;
  const holds = stands(before);
  const alarm: Alarm = {
    ...before,
    shelvedUntil: null,
    state: holds ? "unacknowledged" : "normal",
    ...(holds ? { acknowledgedAt: null, acknowledgedBy: null } : {}),
  };
  turn(district, thing, alarm, { action: "unshelve", at: district.draft.at, by, page: holds && heard(alarm) });
};
