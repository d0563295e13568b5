import type { Alarm, AlarmTransition } from "../domain/alarm.ts";
import { type Instant, instantMax } from "../domain/time.ts";

/**
 * InfluxDB line protocol, our own encoder (SURFACE section 6).
 *
 * Escaping is a security boundary: an unescaped newline in a tag made InfluxDB 1.6.7 create a measurement although it
 * answered 400. So a line is always one physical line: newline, carriage return and tab become `\n`, `\r` and `\t` as
 * two characters (as the official client and Telegraf write them). What the protocol has no way to say is refused:
 * other control characters (1.x stores NUL); a backslash at the end, which would escape the separator (the official
 * client lets it pass); a backslash in a name or before a comma or equals sign, and a quote in a field key, because
 * InfluxDB's `scanLine` skips whatever follows a backslash, so that it takes an escaped space for the end of the tags
 * or miscounts the fields, and then a quote swallows the next line (found by the property of the tests); lone surrogates, which become U+FFFD, and two names one; empty names, a measurement that reads as a comment,
 * keys that InfluxDB keeps for itself, numbers that are not finite.
 */

export type LineProtocolCode =
  | "empty"
  | "control_character"
  | "backslash"
  | "quote"
  | "lone_surrogate"
  | "comment"
  | "reserved_key"
  | "repeated_key"
  | "no_fields"
  | "not_finite"
  | "time_range";

/** A point that line protocol cannot carry. */
export class LineProtocolError extends Error {
  readonly code: LineProtocolCode;
  constructor(code: LineProtocolCode, what: string) {
    super(`${what}: ${code}`);
    this.name = "LineProtocolError";
    this.code = code;
  }
}

export type FieldValue =
  | { readonly float: number }
  | { readonly integer: number }
  | { readonly text: string }
  | { readonly boolean: boolean };

export type LinePoint = {
  readonly measurement: string;
  /** An empty value leaves the tag out: InfluxDB has no empty tags. */
  readonly tags: readonly (readonly [key: string, value: string])[];
  readonly fields: readonly (readonly [key: string, value: FieldValue])[];
  /** Written as it is: the request says `precision=ms`. */
  readonly time: Instant;
};

/** One line without its newline; throws LineProtocolError. */
export const encodePoint = (point: LinePoint): string => {
  if (point.fields.length === 0) throw new LineProtocolError("no_fields", point.measurement);
  unrepeated(point.fields);
  const fields = point.fields.map(([key, value]) => `${fieldKey(key)}=${fieldValue(key, value)}`).join(",");
  return `${seriesKey(point.measurement, point.tags)} ${fields} ${timestamp(point.time)}`;
};

/** Measurement and tags, escaped, tags in order of their keys (which spares InfluxDB the sorting). */
export const seriesKey = (measurement: string, tags: LinePoint["tags"]): string => {
  if (measurement.startsWith("#")) throw new LineProtocolError("comment", measurement);
  unrepeated(tags);
  const name = named("measurement", measurement, measurementSpecial);
  const sorted = tags.filter(([, value]) => value !== "").toSorted(([a], [b]) => (a < b ? -1 : 1));
  return sorted.reduce((line, [key, value]) => `${line},${tagKey(key)}=${escaped(key, value, keySpecial)}`, name);
};

export const fieldKey = (key: string): string => {
  if (key === "time") throw new LineProtocolError("reserved_key", key);
  if (key.includes('"')) throw new LineProtocolError("quote", key);
  return named("field key", key, keySpecial);
};

/** Milliseconds within what InfluxDB can hold in nanoseconds. */
const timestamp = (time: Instant): string => {
  if (!Number.isInteger(time) || Math.abs(time) > instantMax) throw new LineProtocolError("time_range", String(time));
  return String(time);
};

/** The thing that a line of ours is about; empty: none. */
export const thingOfLine = (line: string): string => /^[^ ]*,thing=([a-z0-9-]{1,64})[, ]/.exec(line)?.[1] ?? "";

/** A transition of an alarm: the state is a tag, so that two at one millisecond stay two points. */
export const encodeTransition = ({ at, alarm }: Pick<AlarmTransition, "at" | "alarm">): string =>
  encodePoint({
    measurement: "alarm",
    tags: [
      ["thing", alarm.thing],
      ["street", alarm.street],
      ["limit", alarm.limit],
      ["priority", alarm.priority],
      ["state", alarm.state],
    ],
    fields: [["id", { text: alarm.id }], ...measured(alarm)],
    time: at,
  });

const measured = ({ value, setpoint }: Alarm): LinePoint["fields"] => [
  ...(value === null ? [] : [["value", { float: value }] as const]),
  ...(setpoint === null ? [] : [["setpoint", { float: setpoint }] as const]),
];

/** Keys that InfluxDB 1.x and 2.x refuse or overwrite as tags. */
const reservedTags: ReadonlySet<string> = new Set(["time", "_field", "_measurement"]);

const tagKey = (key: string): string => {
  if (reservedTags.has(key)) throw new LineProtocolError("reserved_key", key);
  return named("tag key", key, keySpecial);
};

const fieldValue = (key: string, value: FieldValue): string => {
  if ("float" in value) return finite(key, value.float);
  if ("integer" in value) return `${integer(key, value.integer)}i`;
  if ("boolean" in value) return String(value.boolean);
  return `"${guarded(key, value.text).replace(/["\\]/g, "\\$&").replace(whitespace, escapeTwice)}"`;
};

/** `-0` is written `0`; exponents as JavaScript writes them, which InfluxDB reads. */
const finite = (key: string, value: number): string => {
  if (!Number.isFinite(value)) throw new LineProtocolError("not_finite", key);
  return String(value);
};

const integer = (key: string, value: number): string => {
  if (!Number.isSafeInteger(value)) throw new LineProtocolError("not_finite", key);
  return String(value);
};

const measurementSpecial = /[, ]/g;
const keySpecial = /[, =]/g;
const whitespace = /[\n\r\t]/g;
const whitespaceNames: Readonly<Record<string, string>> = { "\n": "\\n", "\r": "\\r", "\t": "\\t" };
const escapeWhitespace = (character: string): string => whitespaceNames[character] as string;
/** Within quotes a backslash is escaped itself. */
const escapeTwice = (character: string): string => `\\${whitespaceNames[character]}`;

/** A measurement or key: no backslashes. */
const named = (what: string, text: string, special: RegExp): string => {
  if (text.includes("\\")) throw new LineProtocolError("backslash", what);
  return escaped(what, text, special);
};

const escaped = (what: string, text: string, special: RegExp): string => {
  if (text === "") throw new LineProtocolError("empty", what);
  if (/\\(?:[,=]|$)/.test(text)) throw new LineProtocolError("backslash", what);
  return guarded(what, text).replace(special, "\\$&").replace(whitespace, escapeWhitespace);
};

const guarded = (what: string, text: string): string => {
  if (/(?![\n\r\t])\p{Cc}/u.test(text)) throw new LineProtocolError("control_character", what);
  if (!text.isWellFormed()) throw new LineProtocolError("lone_surrogate", what);
  return text;
};

const unrepeated = (pairs: readonly (readonly [string, unknown])[]): void => {
  if (new Set(pairs.map(([key]) => key)).size !== pairs.length)
    throw new LineProtocolError("repeated_key", pairs.map(([key]) => key).join(","));
};
