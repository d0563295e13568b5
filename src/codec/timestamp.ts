import type { Instant } from "../domain/time.ts";

// ISO 8601 with an offset, as devices write it: 2026-11-23T08:00:00+08:00, …:00.123456Z, 08:00+0800. By hand, because
// Date.parse takes local times without an offset, a dozen other forms, and three times as long.

const zero = 48;
const nine = 57;

/** A date, a time and an offset, to the millisecond; digits below are cut. Undefined: not that. */
export const parseTimestamp = (text: string): Instant | undefined => {
  if (text.length < 17 || text.length > 40) return undefined;
  const year = digits(text, 0, 4);
  const month = digits(text, 5, 2);
  const day = digits(text, 8, 2);
  const hour = digits(text, 11, 2);
  const minute = digits(text, 14, 2);
  if (year < 0 || month < 1 || month > 12 || day < 1 || hour < 0 || hour > 23 || minute < 0 || minute > 59) {
    return undefined;
  }
  if (text[4] !== "-" || text[7] !== "-" || text[13] !== ":" || !isT(text.charCodeAt(10))) return undefined;
  if (day > 28 && day > daysOf(year, month)) return undefined;
  const minutes = (daysSince1970(year, month, day) * 24 + hour) * 60 + minute;
  return withSeconds(text, minutes);
};

/** The rest, behind the minutes: seconds and their fraction, which may be missing, and the offset, which may not. */
const withSeconds = (text: string, minutes: number): Instant | undefined => {
  let at = 16;
  let milliseconds = 0;
  if (text.charCodeAt(at) === 58) {
    const second = digits(text, 17, 2);
    // a leap second is no instant of ours
    if (second < 0 || second > 59) return undefined;
    milliseconds = second * 1000;
    at = 19;
    const mark = text.charCodeAt(at);
    if (mark === 46 || mark === 44) {
      let weight = 100;
      const first = ++at;
      for (; isDigit(text.charCodeAt(at)); at++) {
        // 100, 10, 1, then nothing: cut, not rounded
        milliseconds += (text.charCodeAt(at) - zero) * weight;
        weight = weight === 1 ? 0 : weight / 10;
      }
      if (at === first) return undefined;
    }
  }
  const offset = offsetMinutes(text, at);
  return offset === undefined ? undefined : (minutes - offset) * 60_000 + milliseconds;
};

/** `Z`, `+08:00`, `+0800` or `+08`, up to the end of the text. */
const offsetMinutes = (text: string, at: number): number | undefined => {
  const mark = text.charCodeAt(at);
  const rest = text.length - at;
  if (mark === 90 || mark === 122) return rest === 1 ? 0 : undefined;
  if (mark !== 43 && mark !== 45) return undefined;
  const hours = digits(text, at + 1, 2);
  let minutes = 0;
  if (rest === 6 && text[at + 3] === ":") minutes = digits(text, at + 4, 2);
  else if (rest === 5) minutes = digits(text, at + 3, 2);
  else if (rest !== 3) return undefined;
  if (hours < 0 || hours > 23 || minutes < 0 || minutes > 59) return undefined;
  return (mark === 43 ? 1 : -1) * (hours * 60 + minutes);
};

/** The number of `count` digits at `from`; -1: they are not all digits. */
const digits = (text: string, from: number, count: number): number => {
  let number = 0;
  for (let at = from; at < from + count; at++) {
    const code = text.charCodeAt(at);
    if (!isDigit(code)) return -1;
    number = number * 10 + code - zero;
  }
  return number;
};

const isDigit = (code: number): boolean => code >= zero && code <= nine;
const isT = (code: number): boolean => code === 84 || code === 116;

const isLeap = (year: number): boolean => year % 4 === 0 && (year % 100 !== 0 || year % 400 === 0);
const daysOf = (year: number, month: number): number => {
  if (month === 2) return isLeap(year) ? 29 : 28;
  return month === 4 || month === 6 || month === 9 || month === 11 ? 30 : 31;
};

/** Days of the Gregorian calendar by eras of 400 years (H. Hinnant, "chrono-Compatible Low-Level Date Algorithms"). */
const daysSince1970 = (year: number, month: number, day: number): number => {
  const shifted = month <= 2 ? year - 1 : year;
  const era = Math.floor(shifted / 400);
  const ofEra = shifted - era * 400;
  const ofYear = Math.floor((153 * (month > 2 ? month - 3 : month + 9) + 2) / 5) + day - 1;
  return era * 146_097 + ofEra * 365 + Math.floor(ofEra / 4) - Math.floor(ofEra / 100) + ofYear - 719_468;
};
