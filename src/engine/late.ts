import { applies } from "./condition.ts";
import type { Scene } from "./district.ts";
import { concerns, idleJudgement, type Judged, type Judgement, judge } from "./judgement.ts";
import { findingOf, recordPast } from "./limit-alarm.ts";
import type { Stream } from "./memory.ts";
import type { LimitTable } from "./registry.ts";

// Readings behind their frontier (SEMANTICS 1.3): they move no live alarm. A run of them has a judgement of its own,
// and what it would have raised is recorded as an alarm of the past.

/** Judges one late reading against every limit of its stream; `beyond` as in `Judged`. */
export const judgeLate = (scene: Scene, stream: Stream, reading: Judged, beyond: "high" | "low" | null): void => {
  for (const live of stream.judgements) {
    const { table } = live;
    const run = runAt(stream, table, reading, scene.table.silence);
    if (run === undefined && !concerns(idleJudgement(table), reading.value)) continue;
    if (liesIn(live, reading.time)) continue;
    judgeRun(scene, stream, run ?? begun(stream, table), {
      ...reading,
      beyond: beyond === (table.high ? "high" : "low"),
    });
  }
};

const judgeRun = (scene: Scene, stream: Stream, run: Judgement, reading: Judged): void => {
  const id = run.table.limit.id;
  const verdict = applies(scene, run.table, reading.time);
  if (verdict === "no") {
    stream.late?.delete(id);
    return;
  }
  run.unknown = verdict === "unknown" || (run.phase !== "idle" && run.unknown);
  const outcome = judge(run, reading, scene.table.silence);
  if (run.phase === "active" || run.phase === "leaving" || outcome === "clear") {
    const found = findingOf(scene, stream, run, outcome === "clear" ? "clear" : "raise", { at: 0, backlog: true });
    // until it has been left it is known to have lasted to its newest reading
    recordPast(scene, run.table, found.raise, outcome === "clear" ? found.at : run.last);
  }
  if (run.phase === "idle") stream.late?.delete(id);
};

/** The run that the reading goes on with: in order within the run, and without a gap. */
const runAt = (stream: Stream, { limit }: LimitTable, { time }: Judged, silence: number): Judgement | undefined => {
  const run = stream.late?.get(limit.id);
  if (run === undefined) return undefined;
  if (time > run.last && time - run.last <= silence) return run;
  stream.late?.delete(limit.id);
  return undefined;
};

const begun = (stream: Stream, table: LimitTable): Judgement => {
  const run = idleJudgement(table);
  stream.late ??= new Map();
  stream.late.set(table.limit.id, run);
  return run;
};

/** Within an occurrence that has been told live. */
const liesIn = (live: Judgement, time: number): boolean =>
  ((live.phase === "active" || live.phase === "leaving") && time >= live.since) ||
  (time >= live.pastSince && time < live.pastCleared);
