import type { Calendar } from "../domain/calendar.ts";
import { type Condition, rounded } from "../domain/limit.ts";
import type { Instant } from "../domain/time.ts";
import type { Scene } from "./district.ts";
import { type LimitTable, rainProperty } from "./registry.ts";

/** Whether a limit applies; `unknown` counts as yes, and is noted (SEMANTICS 2.5). */
export type Applies = "yes" | "no" | "unknown";

/** Whether all conditions of the limit hold at `time`. Of two brackets that cannot be told apart the stricter applies. */
export const applies = (scene: Scene, limit: LimitTable, time: Instant): Applies => {
  const verdict = allOf(scene, limit, time);
  if (verdict !== "unknown") return verdict;
  return strictersOf(scene, limit).some((stricter) => allOf(scene, stricter, time) !== "no") ? "no" : "unknown";
};

const allOf = (scene: Scene, { conditions }: LimitTable, time: Instant): Applies => {
  let verdict: Applies = "yes";
  for (const condition of conditions) {
    const one = holds(scene, condition, time);
    if (one === "no") return "no";
    if (one === "unknown") verdict = "unknown";
  }
  return verdict;
};

const holds = (scene: Scene, condition: Condition, time: Instant): Applies => {
  switch (condition.kind) {
    // one that is told was settled when the tables were made
    case "attribute":
      return "unknown";
    case "property": {
      const window = scene.thing.streams.get(condition.property)?.window;
      const value = window?.at(time, scene.table.silence);
      if (value === undefined) return "unknown";
      const { above, atMost } = condition;
      const over = above === undefined || rounded(value - above) > 0;
      return over && (atMost === undefined || rounded(value - atMost) <= 0) ? "yes" : "no";
    }
    case "dry":
      return dry(scene, time, condition.duration);
    case "season":
      return inSeason(scene.district.tables.calendar, time, condition.from, condition.to) ? "yes" : "no";
  }
};

/** Rain at any gauge of the street says no; one gauge without a gap is enough for yes. */
const dry = ({ district, table }: Scene, time: Instant, duration: number): Applies => {
  let verdict: Applies = "unknown";
  for (const id of table.gauges) {
    const gauge = district.things.get(id);
    const silence = gauge?.table?.silence;
    if (silence === undefined) continue;
    const said = gauge?.streams.get(rainProperty)?.rainfall?.dry(time, duration, silence);
    if (said === false) return "no";
    if (said === true) verdict = "yes";
  }
  return verdict;
};

const inSeason = (calendar: Calendar, time: Instant, from: string, to: string): boolean => {
  const day = new Date(time + calendar.offsetAt(time)).toISOString().slice(5, 10);
  // a season over New Year begins after it ends
  return from <= to ? from <= day && day <= to : day >= from || day <= to;
};

/** Brackets of one rule: the same side of the same property, told apart by the same other property or attribute. */
const strictersOf = ({ table }: Scene, limit: LimitTable): readonly LimitTable[] => {
  const subjects = limit.conditions.flatMap(subjectOf);
  if (subjects.length === 0) return [];
  return table.limits.filter(
    (other) =>
      other.side === limit.side &&
      (limit.high ? other.setpoint < limit.setpoint : other.setpoint > limit.setpoint) &&
      other.conditions.flatMap(subjectOf).some((subject) => subjects.includes(subject)),
  );
};

const subjectOf = (condition: Condition): string[] => {
  if (condition.kind === "property") return [`property ${condition.property}`];
  return condition.kind === "attribute" ? [`attribute ${condition.attribute}`] : [];
};
