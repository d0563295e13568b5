import { type Alarm, type AlarmId, type AlarmNote, nextState } from "../domain/alarm.ts";
import type { Limit } from "../domain/limit.ts";
import type { Instant } from "../domain/time.ts";
import { alarmId, clear, type Raise, raise, remark, suppress, type Template, tell } from "./alarming.ts";
import { findAlarm, type Scene } from "./district.ts";
import type { Judgement } from "./judgement.ts";
import { type Stream, stands } from "./memory.ts";
import type { LimitTable, ThingTable } from "./registry.ts";
import { breachText } from "./wording.ts";

// From what a limit's judgement finds to the alarm of it: live, suppressed by an outer setpoint, or of the past.

/** What one look at a judgement has found, to be told at the end of the message. */
export type Finding = {
  readonly stream: Stream;
  readonly judgement: Judgement;
  readonly kind: "raise" | "clear" | "cease";
  /** When it fell due: since + onDelay, leaving + offDelay, or the reading at which a condition ceased. */
  readonly at: Instant;
  readonly raise: Omit<Raise, "late">;
  /** The deciding reading came long after it was measured (SEMANTICS 1.4). */
  readonly backlog: boolean;
};

export const findingOf = (
  scene: Scene,
  stream: Stream,
  judgement: Judgement,
  kind: Finding["kind"],
  decided: { readonly at: Instant; readonly backlog: boolean },
): Finding => {
  const { limit } = judgement.table;
  const raisedAt = judgement.since + limit.onDelay;
  const at = kind === "raise" ? raisedAt : kind === "clear" ? judgement.left + limit.offDelay : decided.at;
  return { stream, judgement, kind, at, backlog: decided.backlog, raise: raiseOf(scene.table, judgement, raisedAt) };
};

const raiseOf = (table: ThingTable, judgement: Judgement, raisedAt: Instant): Omit<Raise, "late"> => ({
  since: judgement.since,
  raisedAt,
  value: judgement.value,
  quality: judgement.quality,
  text: breachText(table, judgement.table, judgement.value, judgement.beyond),
  notes: notesOf(judgement.table.limit, judgement),
});

const notesOf = (limit: Limit, { beyond, unknown }: Judgement): AlarmNote[] => [
  ...(beyond ? (["beyond_range"] as const) : []),
  ...(unknown ? (["condition_unknown"] as const) : []),
  ...(limit.labels.includes("provisional") || limit.grade === "K" ? (["provisional"] as const) : []),
  ...(limit.labels.includes("indicative") ? (["indicative"] as const) : []),
  ...(limit.grade === "superseded-unchecked" || limit.labels.includes("superseded-unchecked")
    ? (["superseded_unchecked"] as const)
    : []),
];

export const templateOf = ({ thing, responsible }: ThingTable, { limit, property }: LimitTable): Template => ({
  kind: thing.kind,
  street: thing.street,
  limit: limit.id,
  property: limit.property,
  priority: limit.priority,
  setpoint: limit.setpoint,
  unit: property.unit,
  standard: limit.standard,
  clause: limit.clause,
  grade: limit.grade,
  advice: limit.advice,
  responsible,
});

/**
 * Tells what a message, or a tick, has found, in order. A raise that has ended within the same message and was decided
 * by backlog is an alarm of the past; one that holds by backlog alone is live and marked as old data.
 */
export const settle = (scene: Scene, findings: readonly Finding[]): void => {
  for (let place = 0; place < findings.length; place++) {
    const finding = findings[place] as Finding;
    if (finding.kind === "raise") {
      const end = findings.findIndex((later, at) => at > place && later.judgement === finding.judgement);
      const ended = findings[end];
      if (ended !== undefined && finding.backlog) {
        recordPast(scene, finding.judgement.table, finding.raise, ended.at);
        // what ended has been told; a second raise of the same limit stands alone again
        settle(scene, [...findings.slice(place + 1, end), ...findings.slice(end + 1)]);
        return;
      }
      goLive(scene, finding);
    } else {
      const { table } = finding.judgement;
      const ceased = finding.kind === "cease" ? ({ note: "no_longer_applies" } as const) : {};
      clear(scene.district, scene.thing, table.limit.id, { at: finding.at, value: finding.judgement.value, ...ceased });
      arrange(scene, finding.stream, table.side);
    }
  }
};

const goLive = (scene: Scene, { judgement, stream, raise: found }: Finding): void => {
  const { table } = judgement;
  const outer = outermost(scene, stream, table.side);
  const late = judgement.arrival - judgement.last > scene.table.backlog;
  const notes = late ? [...found.notes, "old_data" as const] : found.notes;
  const cause = outer === undefined || outer.limit === table.limit.id ? null : outer.id;
  raise(scene.district, scene.thing, templateOf(scene.table, table), {
    ...found,
    notes,
    late,
    suppressedBy: cause,
  });
  arrange(scene, stream, table.side);
};

/** The alarm of the outermost setpoint of a side that stands now. */
const outermost = ({ thing }: Scene, { judgements }: Stream, side: string): Alarm | undefined => {
  for (const { table } of judgements) {
    const alarm = table.side === side ? thing.alarms.get(table.limit.id) : undefined;
    if (stands(alarm)) return alarm;
  }
  return undefined;
};

/** SEMANTICS 2.6: while an outer setpoint stands those within are suppressed by it, and show again without a page. */
const arrange = (scene: Scene, stream: Stream, side: string): void => {
  const outer = outermost(scene, stream, side);
  for (const { table } of stream.judgements) {
    if (table.side !== side) continue;
    const alarm = scene.thing.alarms.get(table.limit.id);
    const cause = outer !== undefined && alarm !== outer && stands(alarm) ? outer.id : null;
    suppress(scene.district, scene.thing, table.limit.id, cause);
  }
};

/** A reading that is not old confirms what stood by old data alone. */
export const confirm = ({ district, thing }: Scene, { limit }: LimitTable): void => {
  const alarm = thing.alarms.get(limit.id);
  if (!stands(alarm) || !alarm.late) return;
  thing.alarms.set(limit.id, { ...alarm, late: false });
  remark(district, thing, limit.id, "old_data", false);
};

/** An alarm of the past (SEMANTICS 1.3, 1.4): listed, nobody is paged. Told again when more of the run has come. */
export const recordPast = (scene: Scene, table: LimitTable, found: Omit<Raise, "late">, clearedAt: Instant): void => {
  const { district, thing } = scene;
  const id: AlarmId = alarmId(thing, table.limit.id, found.since);
  const before = findAlarm(district, id);
  const state = before?.state ?? (nextState("unacknowledged", "clear") as Alarm["state"]);
  const alarm: Alarm = {
    acknowledgedAt: null,
    acknowledgedBy: null,
    shelvedUntil: null,
    ...before,
    id,
    thing: thing.id,
    ...templateOf(scene.table, table),
    ...found,
    state,
    receivedAt: before?.receivedAt ?? district.draft.at,
    clearedAt,
    count: 1,
    outOfService: false,
    suppressedBy: null,
    late: true,
  };
  tell(district, alarm, { action: "late", at: found.raisedAt });
};
