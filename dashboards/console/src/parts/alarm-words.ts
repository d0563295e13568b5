import { limitOf, propertyOf, things } from "../district.ts";
import { measured, useFormat } from "../format.ts";
import type { Alarm } from "../shapes.ts";

/** How an alarm is spoken of, wherever it shows. */
export const useAlarmWords = () => {
  const { t, text, word, moment, shown } = useFormat();

  /** The limit's own name: where and how much stand beside it. The alarm's sentence says all of it at once. */
  const title = (alarm: Alarm): string => {
    const limit = limitOf(alarm.kind, alarm.limit);
    if (limit !== undefined) return text(limit.name, alarm.limit);
    const [first = ""] = alarm.limit.split("-");
    if (alarm.thing !== "house" && word("limit", first) !== first) return word("limit", first);
    return text(alarm.text, alarm.limit);
  };
  const thing = (alarm: Alarm): string => text(things.get(alarm.thing)?.name, word("kind", alarm.thing));
  const basis = (alarm: Alarm): string => [alarm.standard, alarm.clause].filter((part) => part !== "").join(" ");
  /** `thing.limit` of the alarm that it is suppressed by, or a state's own word. */
  const cause = (suppressedBy: string): string => {
    const [id = "", limit = ""] = suppressedBy.split(".");
    const by = things.get(id);
    if (by === undefined) return suppressedBy;
    return `${text(by.name, id)} ${text(limitOf(by.kind, limit)?.name, word("limit", limit))}`;
  };
  const marks = (alarm: Alarm): string[] => [
    ...(alarm.shelvedUntil === null ? [] : [t("alarms.shelvedUntil", { time: moment(alarm.shelvedUntil) })]),
    ...(alarm.suppressedBy === null ? [] : [t("alarms.suppressed", { cause: cause(alarm.suppressedBy) })]),
    ...(alarm.outOfService ? [t("alarms.outOfService")] : []),
    ...(alarm.late ? [t("alarms.late")] : []),
    ...(alarm.count > 1 ? [t("alarms.times", { count: alarm.count })] : []),
  ];
  const isBoolean = (alarm: Alarm): boolean => propertyOf(alarm.kind, alarm.property)?.type === "boolean";
  const value = (alarm: Alarm): string =>
    isBoolean(alarm) ? shown(alarm.value, propertyOf(alarm.kind, alarm.property)) : measured(alarm.value, alarm.unit);
  const isBelow = (alarm: Alarm): boolean => limitOf(alarm.kind, alarm.limit)?.below !== undefined;
  /** What it is beyond; null where there is no number to be beyond. */
  const setpoint = (alarm: Alarm): string | null =>
    alarm.setpoint === null || isBoolean(alarm) ? null : measured(alarm.setpoint, alarm.unit);

  return { title, thing, basis, marks, value, setpoint, isBelow };
};
