import { useI18n } from "vue-i18n";
import { day, hour, minute, now, zone } from "./clock.ts";
import type { Quality, Text } from "./shapes.ts";

/** UCUM codes as people write them. */
const unitNames: Readonly<Record<string, string>> = {
  "1": "",
  "[pH]": "",
  Cel: "°C",
  "uS/cm": "µS/cm",
  "mg/m3": "mg/m³",
  m3: "m³",
  "m3/s": "m³/s",
  "[NTU]": "NTU",
  "{NTU}": "NTU",
};
export const unitName = (unit: string | null | undefined): string =>
  unit === null || unit === undefined ? "" : (unitNames[unit] ?? unit.replace(/^\{.*\}$/, ""));

/** As many digits as a reader can use: three or four figures, no trailing noise. */
export const figure = (value: number | null | undefined): string => {
  if (value === null || value === undefined || !Number.isFinite(value)) return "—";
  const size = Math.abs(value);
  const digits = size >= 1000 ? 0 : size >= 100 ? 1 : size >= 1 ? 2 : 3;
  return String(Number(value.toFixed(digits)));
};
export const measured = (value: number | null | undefined, unit: string | null | undefined): string =>
  value === null || value === undefined ? "—" : `${figure(value)}${unitName(unit) === "" ? "" : ` ${unitName(unit)}`}`;

/** Percent with one digit; never rounded up to 100. */
export const percent = (value: number | null): string => {
  if (value === null) return "—";
  if (value < 100 && value > 99.9) return "99.9%";
  return `${Number(value.toFixed(1))}%`;
};

const formats = new Map<string, Intl.DateTimeFormat>();
const format = (language: string, shape: string, options: Intl.DateTimeFormatOptions): Intl.DateTimeFormat => {
  const key = `${language} ${shape}`;
  let found = formats.get(key);
  if (found === undefined) {
    found = new Intl.DateTimeFormat(language === "zh" ? "zh-CN" : "en-GB", {
      timeZone: zone,
      hour12: false,
      ...options,
    });
    formats.set(key, found);
  }
  return found;
};
const clockShape = { hour: "2-digit", minute: "2-digit" } as const;

export type Time = string | number | null | undefined;
const toMs = (time: Time): number => (typeof time === "number" ? time : Date.parse(time ?? ""));

/** Texts, times and durations in the reader's language and the district's zone. */
export const useFormat = () => {
  const { t, te, locale } = useI18n();

  const clock = (time: Time): string => format(locale.value, "clock", clockShape).format(toMs(time));
  const isToday = (ms: number): boolean => {
    const date = format(locale.value, "date", { year: "numeric", month: "numeric", day: "numeric" });
    return date.format(ms) === date.format(now.value);
  };
  /** `14:05` today, `11-23 14:05` else. */
  const moment = (time: Time): string => {
    const ms = toMs(time);
    if (Number.isNaN(ms)) return "—";
    if (isToday(ms)) return clock(ms);
    return format(locale.value, "moment", { month: "short", day: "numeric", ...clockShape }).format(ms);
  };
  const exact = (time: Time): string => {
    const ms = toMs(time);
    if (Number.isNaN(ms)) return "—";
    const shape = { year: "numeric", month: "2-digit", day: "2-digit", second: "2-digit", ...clockShape } as const;
    return format(locale.value, "exact", shape).format(ms);
  };
  const duration = (ms: number): string => {
    const span = Math.max(0, ms);
    if (span < minute) return t("time.seconds", { n: Math.floor(span / 1_000) });
    if (span < hour) return t("time.minutes", { n: Math.floor(span / minute) });
    const hours = Math.floor(span / hour);
    const minutes = Math.floor((span % hour) / minute);
    if (span < 10 * hour && minutes > 0) return t("time.hoursMinutes", { h: hours, m: minutes });
    if (span < 2 * day) return t("time.hours", { n: hours });
    const rest = Math.floor((span % day) / hour);
    if (span < 7 * day && rest > 0) return t("time.daysHours", { d: Math.floor(span / day), h: rest });
    return t("time.days", { n: Math.floor(span / day) });
  };
  const ago = (time: Time): string => {
    const ms = toMs(time);
    if (Number.isNaN(ms)) return "—";
    const span = now.value - ms;
    return span < 5_000 ? t("time.now") : t("time.ago", { duration: duration(span) });
  };
  const since = (time: Time): string => {
    const ms = toMs(time);
    return Number.isNaN(ms) ? "—" : duration(now.value - ms);
  };

  const text = (both: Text | undefined, otherwise = ""): string => {
    const chosen = both?.[locale.value === "en" ? "en" : "zh"];
    return chosen || both?.zh || otherwise;
  };
  /** The catalog's word for a code, else the code itself: a new kind or reason needs no new console. */
  const word = (group: string, code: string): string => (te(`${group}.${code}`) ? t(`${group}.${code}`) : code);
  const qualityName = (quality: Quality | null): string => (quality === null ? "" : word("quality", `q${quality}`));

  /** A value as its property has it: a yes or no where that is what is measured. */
  const shown = (
    value: number | null | undefined,
    property: { readonly type: string; readonly unit: string } | undefined,
  ): string => {
    if (property?.type !== "boolean" || value === null || value === undefined) return measured(value, property?.unit);
    return t(value === 0 ? "bool.no" : "bool.yes");
  };

  return { t, locale, shown, clock, moment, exact, duration, ago, since, text, word, qualityName };
};
