import type { Calendar } from "../domain/calendar.ts";
import type { Property } from "../domain/kind.ts";
import type { LimitId, Text } from "../domain/thing.ts";
import { type DurationMs, hour, type Instant, minute, second } from "../domain/time.ts";
import type { LimitTable, ThingTable } from "./registry.ts";

// What an alarm says: where, what, the value against the limit with its unit. The same words in the API, on consoles
// and in messages.

/** UCUM codes as people write them; what is not here is written as it is. */
const written: Readonly<Record<string, string>> = { "1": "", "[pH]": "", Cel: "°C", "uS/cm": "μS/cm" };

const amount = (value: number, { unit }: Property): string => {
  const known = Object.hasOwn(written, unit) ? (written[unit] as string) : unit;
  // nine digits are more than any probe has
  const figure = String(Number(value.toPrecision(9)));
  return known === "" ? figure : `${figure}${known === "%" ? "" : " "}${known}`;
};

/** `星海街道 星海水厂出厂水`, `Xinghai waterworks, outlet (Xinghai Subdistrict)`. */
const place = ({ thing, street }: ThingTable): Text => ({
  zh: street === undefined ? thing.name.zh : `${street.name.zh} ${thing.name.zh}`,
  en: street === undefined ? thing.name.en : `${thing.name.en} (${street.name.en})`,
});

/** `beyond`: the value is only the end of the measuring span, or past it. */
export const breachText = (
  table: ThingTable,
  { limit, property, high }: LimitTable,
  value: number,
  beyond: boolean,
): Text => {
  const { zh, en } = place(table);
  const [is, setpoint] = [amount(value, property), amount(limit.setpoint, property)];
  const source = [limit.standard, limit.clause].filter((part) => part !== "").join(" ");
  const named = limit.name;
  return {
    zh: `${zh}：${named.zh}，${property.name.zh} ${is}${beyond ? "（超出量程）" : ""}，${high ? "高于" : "低于"}限值 ${setpoint}（${source}）`,
    en: `${en}: ${named.en}, ${property.name.en} ${is}${beyond ? " (beyond the measuring range)" : ""}, ${high ? "above" : "below"} the limit of ${setpoint} (${source})`,
  };
};

export const silenceText = (table: ThingTable, calendar: Calendar, since: Instant): Text => {
  const { zh, en } = place(table);
  const { zh: forZh, en: forEn } = duration(table.silence);
  return {
    zh: `${zh}：${forZh}无数据，最后一次 ${clockTime(calendar, since)}`,
    en: `${en}: nothing for ${forEn}, last seen ${clockTime(calendar, since)}`,
  };
};

export const propertySilenceText = (
  table: ThingTable,
  property: Property,
  calendar: Calendar,
  since: Instant,
): Text => {
  const { zh, en } = place(table);
  const { zh: forZh, en: forEn } = duration(table.silence);
  return {
    zh: `${zh}：${property.name.zh} ${forZh}未上报，最后一次 ${clockTime(calendar, since)}`,
    en: `${en}: ${property.name.en} left out for ${forEn}, last at ${clockTime(calendar, since)}`,
  };
};

export const cutOffText = (table: ThingTable, silent: number, behind: number): Text => {
  const { zh, en } = place(table);
  return {
    zh: `${zh}：网关之后 ${behind} 台设备中 ${silent} 台失联`,
    en: `${en}: ${silent} of the ${behind} things behind it are silent`,
  };
};

export const faultText = (table: ThingTable, property: Property, value: number): Text => {
  const { zh, en } = place(table);
  const { zh: forZh, en: forEn } = duration(table.kind.failAfter);
  return {
    zh: `${zh}：${property.name.zh}持续 ${forZh}不合格（最近 ${amount(value, property)}），探头疑似故障`,
    en: `${en}: ${property.name.en} has failed its quality tests for ${forEn} (now ${amount(value, property)}); the probe may be broken`,
  };
};

export const clockText = (table: ThingTable, lag: DurationMs): Text => {
  const { zh, en } = place(table);
  const off = duration(Math.abs(lag));
  return {
    zh: `${zh}：设备时钟${lag > 0 ? "慢" : "快"} ${off.zh}`,
    en: `${en}: its clock is ${off.en} ${lag > 0 ? "behind" : "ahead"}`,
  };
};

export const flappingText = (table: ThingTable, turns: number): Text => {
  const { zh, en } = place(table);
  return { zh: `${zh}：一小时内上下线 ${turns} 次`, en: `${en}: came and went ${turns} times within an hour` };
};

/** Of the service itself; `detail` is the sentence of who found it. */
export const houseText = (limit: LimitId, name: Text | undefined, detail: string): Text => ({
  zh: `系统：${name?.zh ?? limit}${detail === "" ? "" : `（${detail}）`}`,
  en: `System: ${name?.en ?? limit}${detail === "" ? "" : ` (${detail})`}`,
});

/** The two largest parts of a duration that are not zero. */
const duration = (span: DurationMs): Text => {
  const parts: { zh: string; en: string }[] = [];
  let rest = span;
  const units: readonly (readonly [DurationMs, string, string])[] = [
    [hour, "小时", "h"],
    [minute, "分钟", "min"],
    [second, "秒", "s"],
  ];
  for (const [unit, zh, en] of units) {
    const count = Math.floor(rest / unit);
    rest -= count * unit;
    if (count > 0 && parts.length < 2) parts.push({ zh: `${count} ${zh}`, en: `${count} ${en}` });
  }
  if (parts.length === 0) return { zh: "0 秒", en: "0 s" };
  return { zh: parts.map(({ zh }) => zh).join(" "), en: parts.map(({ en }) => en).join(" ") };
};

/** `2026-11-23 10:02` in the district. */
const clockTime = (calendar: Calendar, instant: Instant): string =>
  new Date(instant + calendar.offsetAt(instant)).toISOString().slice(0, 16).replace("T", " ");
