import fc from "fast-check";
import type { FieldValue } from "../../src/codec/lineprotocol.ts";

/** A point as a server reads it. */
export type Read = {
  measurement: string;
  tags: Map<string, string>;
  fields: Map<string, FieldValue>;
  time: number;
};

/**
 * A model of how InfluxDB 1.x and 2.x read line protocol (`models/points.go`), written from its scanners and from no
 * line of the encoder. Their oddities are kept, because they are what an attacker would use: where a line ends and in
 * field keys a backslash takes any next character with it; in measurements and tags only the character before a
 * separator counts; quotes mean something only after the equals sign of a field.
 */
export const parseLines = (body: string): Read[] =>
  physicalLines(body)
    .filter((line) => line !== "" && !line.startsWith("#"))
    .map(parseLine);

/** `scanLine` */
const physicalLines = (body: string): string[] => {
  const lines: string[] = [];
  let from = 0;
  let state = { fields: false, quoted: false, equals: 0, commas: 0 };
  for (let at = 0; at < body.length; at++) {
    const character = body[at];
    if (character === "\\" && at + 2 < body.length) {
      at++;
      continue;
    }
    if (!state.fields && character === " ") state.fields = true;
    else if (state.fields && !state.quoted && character === "=") state.equals++;
    else if (state.fields && !state.quoted && character === ",") state.commas++;
    else if (state.fields && character === '"' && state.equals > state.commas) state.quoted = !state.quoted;
    if (character === "\n" && !state.quoted) {
      lines.push(body.slice(from, at));
      from = at + 1;
      state = { fields: false, quoted: false, equals: 0, commas: 0 };
    }
  }
  return [...lines, body.slice(from)];
};

const parseLine = (line: string): Read => {
  const keyEnd = unescapedAt(line, 0, " ");
  const fieldsEnd = scanFields(line, keyEnd + 1);
  const [measurement, ...tags] = splitUnescaped(line.slice(0, keyEnd), ",") as [string, ...string[]];
  const time = line.slice(fieldsEnd + 1);
  if (!/^-?\d+$/.test(time)) throw new Error(`no time: ${JSON.stringify(line)}`);
  return {
    measurement: plain(measurement, /\\([, ])/g),
    tags: new Map(tags.map(tagPair)),
    fields: new Map(walkFields(line.slice(keyEnd + 1, fieldsEnd))),
    time: Number(time),
  };
};

/** The first `stop` from `from` on that no backslash stands before (`scanTo`); the end if there is none. */
const unescapedAt = (text: string, from: number, stop: string): number => {
  for (let at = from; at < text.length; at++) {
    if (text[at] === stop && text[at - 1] !== "\\") return at;
  }
  return text.length;
};

const splitUnescaped = (text: string, stop: string): string[] => {
  const parts: string[] = [];
  for (let from = 0; from <= text.length; ) {
    const at = unescapedAt(text, from, stop);
    parts.push(text.slice(from, at));
    from = at + 1;
  }
  return parts;
};

const tagPair = (tag: string): [string, string] => {
  const [key, value, more] = splitUnescaped(tag, "=");
  if (key === undefined || value === undefined || more !== undefined || key === "" || value === "")
    throw new Error(`no tag: ${JSON.stringify(tag)}`);
  return [plain(key, /\\([, =])/g), plain(value, /\\([, =])/g)];
};

/** `scanFields`: where the fields end. */
const scanFields = (line: string, from: number): number => {
  let quoted = false;
  let equals = 0;
  let commas = 0;
  let at = from;
  for (; at < line.length; at++) {
    const character = line[at];
    if (character === "\\" && at + 1 < line.length) at++;
    else if (character === '"' && equals > commas) quoted = !quoted;
    else if (character === "=" && !quoted) equals++;
    else if (character === "," && !quoted) commas++;
    else if (character === " " && !quoted) break;
  }
  if (quoted || equals === 0 || commas !== equals - 1) throw new Error(`fields: ${JSON.stringify(line)}`);
  return at;
};

const walkFields = (fields: string): [string, FieldValue][] => {
  const pairs: [string, FieldValue][] = [];
  for (let from = 0; from < fields.length; ) {
    const equals = unescapedAt(fields, from, "=");
    const end = valueEnd(fields, equals + 1);
    pairs.push([plain(fields.slice(from, equals), /\\([, =])/g), parseValue(fields.slice(equals + 1, end))]);
    from = end + 1;
  }
  return pairs;
};

/** `scanFieldValue` */
const valueEnd = (fields: string, from: number): number => {
  let quoted = false;
  for (let at = from; at < fields.length; at++) {
    const character = fields[at];
    if (character === "\\" && (fields[at + 1] === '"' || fields[at + 1] === "\\")) at++;
    else if (character === '"') quoted = !quoted;
    else if (character === "," && !quoted) return at;
  }
  return fields.length;
};

const plain = (text: string, escapes: RegExp): string => text.replace(escapes, "$1");

const parseValue = (text: string): FieldValue => {
  if (text.startsWith('"')) {
    if (text.length < 2 || !text.endsWith('"')) throw new Error(`unbalanced quotes: ${JSON.stringify(text)}`);
    return { text: text.slice(1, -1).replace(/\\(["\\])/g, "$1") };
  }
  if (text === "true" || text === "false") return { boolean: text === "true" };
  if (/^-?\d+i$/.test(text)) return { integer: Number(text.slice(0, -1)) };
  if (!/^-?\d+(\.\d+)?(e[+-]?\d+)?$/.test(text)) throw new Error(`no value: ${JSON.stringify(text)}`);
  return { float: Number(text) };
};

// every character that means something to the protocol, and some that mean harm
const words = (meaning: string[], harm: string[]) =>
  fc.string({
    unit: fc.oneof(
      { weight: 60, arbitrary: fc.constantFrom(...meaning) },
      { weight: 1, arbitrary: fc.constantFrom(...harm) },
    ),
    minLength: 1,
    maxLength: 8,
  });
const harmless = [..."abcé中🌧,= #\n\r\t\u2028", "time"];
const controls = ["\0", "\u0001", "\u007f", "\u0085", "\ud800"];
export const name = words(harmless, ['"', "\\", "\\ ", ...controls]);
export const free = words([...harmless, '"', "\\ ", "\\n", ' evil v="1 1\n'], ["\\", "\\,", ...controls]);
