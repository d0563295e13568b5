import type { Observation } from "../domain/change.ts";
import { applies } from "./condition.ts";
import { type Scene, touch, wakeAt } from "./district.ts";
import { cease, concerns, dueAt, type Judged, type Judgement, judge, judgeTick } from "./judgement.ts";
import { judgeLate } from "./late.ts";
import { confirm, type Finding, findingOf, settle } from "./limit-alarm.ts";
import type { Stream } from "./memory.ts";
import { beyondSpan } from "./screening.ts";

/** A stored reading with a value, whose property has limits. */
export type Taken = {
  readonly stream: Stream;
  readonly observation: Observation;
  readonly value: number;
  readonly inOrder: boolean;
};

/** Judges what a message has brought against the limits of the thing, after all of it has been remembered. */
export const judgeReadings = (scene: Scene, taken: readonly Taken[]): void => {
  const findings: Finding[] = [];
  for (const { stream, observation, value, inOrder } of taken) {
    const { judgements } = stream;
    if (!inOrder) {
      const reading = judgedOf(scene, observation, value);
      judgeLate(scene, stream, reading, beyondSpan(value, stream.property));
      continue;
    }
    for (let place = 0; place < judgements.length; place++) {
      const judgement = judgements[place] as Judgement;
      if (concerns(judgement, value)) judgeOne(scene, stream, judgement, judgedOf(scene, observation, value), findings);
    }
  }
  if (findings.length > 0) settle(scene, findings);
};

const judgedOf = ({ district }: Scene, { time, quality }: Observation, value: number): Judged => ({
  time,
  arrival: district.draft.at,
  value,
  quality,
  beyond: false,
});

const judgeOne = (scene: Scene, stream: Stream, judgement: Judgement, reading: Judged, findings: Finding[]): void => {
  const { table } = judgement;
  const { quality, value, time, arrival } = reading;
  const beyond = quality === 4 && beyondSpan(value, stream.property) === (table.high ? "high" : "low");
  // failed values say nothing, but for those beyond the span on the limit's own side (SEMANTICS 2.4)
  if (quality === 4 && !beyond) return;
  const backlog = arrival - time > scene.table.backlog;
  const told = (kind: Finding["kind"]) =>
    findings.push(findingOf(scene, stream, judgement, kind, { at: time, backlog }));
  const verdict = table.conditions.length === 0 ? "yes" : applies(scene, table, time);
  if (verdict === "no") {
    if (cease(judgement)) told("cease");
    return;
  }
  const before = judgement.phase;
  const outcome = judge(judgement, beyond ? { ...reading, beyond } : reading, scene.table.silence);
  if (before === "idle") judgement.unknown = verdict === "unknown";
  else if (before === "entering" && verdict === "unknown") judgement.unknown = true;
  if (outcome !== "none") told(outcome);
  if (judgement.phase === "active" && !backlog) confirm(scene, table);
  wakeFor(scene, judgement);
};

/** Has the thing looked at when a tick would move the judgement. */
const wakeFor = ({ district, thing, table }: Scene, judgement: Judgement): void => {
  if (judgement.phase !== "entering" && judgement.phase !== "leaving") return;
  thing.unsettled = true;
  const due = dueAt(judgement, table.silence);
  if (due !== undefined) wakeAt(district, thing, due);
};

/** What a tick makes of every limit of a thing that is between two states. */
export const judgeAtTick = (scene: Scene, now: number): void => {
  const { thing, table } = scene;
  if (!thing.unsettled) return;
  const findings: Finding[] = [];
  for (const stream of thing.streams.values()) {
    for (const judgement of stream.judgements) {
      const verdict = judgeTick(judgement, now, table.silence);
      if (verdict === "none") continue;
      const backlog = judgement.arrival - judgement.last > table.backlog;
      findings.push(findingOf(scene, stream, judgement, verdict, { at: now, backlog }));
    }
  }
  if (findings.length === 0) return;
  touch(scene.district, thing);
  settle(scene, findings);
};

/** The earliest tick that will move one of them. */
export const judgementsDue = ({ thing, table }: Scene): number => {
  let due = Number.POSITIVE_INFINITY;
  if (!thing.unsettled) return due;
  let unsettled = false;
  for (const stream of thing.streams.values()) {
    for (const judgement of stream.judgements) {
      unsettled ||= judgement.phase === "entering" || judgement.phase === "leaving";
      const at = dueAt(judgement, table.silence);
      if (at !== undefined && at < due) due = at;
    }
  }
  thing.unsettled = unsettled;
  return due;
};
