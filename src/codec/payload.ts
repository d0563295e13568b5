import { isUtf8 } from "node:buffer";
import type { Property } from "../domain/kind.ts";
import type { Reason } from "../domain/rejection.ts";
import type { Instant } from "../domain/time.ts";
import { parseTimestamp } from "./timestamp.ts";

// What a device said, taken apart (SURFACE section 4). The count law: a message counts as one reading when it cannot be
// taken apart, else as the sum of its elements; every reading it counts as is answered as exactly one of `readings`
// and `faults`. Nothing here throws, whatever the bytes are.
//
// By hand, because this runs for every message: 0.8 us for one value, 1.4 us for five, a third more with an ISO time.

/** Of one payload. */
export const payloadBytesMax = 65_536;
/** Levels of nesting. Checked before JSON.parse, which goes on to millions and then breaks what comes after it. */
export const depthMax = 8;
/** Elements of one array: what a device may send at once when it empties its buffer. */
export const elementsMax = 1_000;
/** Milliseconds are 13 digits since 2001: below this it is a number of seconds, or of something else. */
export const millisecondsMin = 1e12;
/** Characters of a property's name that are repeated in a path or a sentence. */
const nameCharactersMax = 64;

/** What the decoder needs to know of a property; more of it is handed back as it came. */
export type Declared = Pick<Property, "type">;

export type Reading<P extends Declared> = {
  readonly property: P;
  readonly name: string;
  /** Place in the array; -1: the message was no array. */
  readonly element: number;
  /** Phenomenon time; that of receipt where the device told none. */
  readonly time: Instant;
  /** Whether the device told the time. */
  readonly dated: boolean;
  /** null: it says that it has none. */
  readonly value: number | null;
};

/** One reading that cannot be taken. */
export type Fault = { readonly reason: Reason; readonly path: string; readonly detail: string };

export type Decoded<P extends Declared> = { readonly readings: Reading<P>[]; readonly faults: Fault[] };

/** `values.ph`, `[3].values.ph`: where a reading stands in its message. */
export const pathOf = (element: number, name: string): string => `${placeOf(element)}values${keyOf(name)}`;

/** A message on `…/readings`: an object, or an array of at most 1,000. */
export const decodeReadings = <P extends Declared>(
  payload: Uint8Array,
  properties: ReadonlyMap<string, P>,
  receivedAt: Instant,
): Decoded<P> => {
  const decoded: Decoded<P> = { readings: [], faults: [] };
  const json = parse(payload, decoded.faults);
  if (json === undefined) return decoded;
  if (!Array.isArray(json)) {
    element(json, -1, properties, receivedAt, decoded);
    return decoded;
  }
  if (json.length > elementsMax) fault(decoded, "too_many", "", `${json.length} elements; ${elementsMax} at most`);
  else if (json.length === 0) fault(decoded, "shape", "", "an array without an element");
  else for (let at = 0; at < json.length; at++) element(json[at], at, properties, receivedAt, decoded);
  return decoded;
};

/** A message on `…/heartbeat`: nothing, or an object; it is a reading of `heartbeat` beside the values in it. */
export const decodeHeartbeat = <P extends Declared>(
  payload: Uint8Array,
  heartbeat: P,
  properties: ReadonlyMap<string, P>,
  receivedAt: Instant,
): Decoded<P> => {
  const decoded: Decoded<P> = { readings: [], faults: [] };
  const beat = (time: Instant, dated: boolean) =>
    decoded.readings.push({ property: heartbeat, name: "heartbeat", element: -1, time, dated, value: 1 });
  if (payload.byteLength === 0) {
    beat(receivedAt, false);
    return decoded;
  }
  const json = parse(payload, decoded.faults);
  if (json === undefined) return decoded;
  if (!isObject(json)) {
    fault(decoded, "shape", "", "a heartbeat is empty or an object");
    return decoded;
  }
  const time = timeOf(json.ts, receivedAt);
  if (typeof time === "string") fault(decoded, "time_shape", pathOf(-1, "heartbeat"), time);
  else beat(time, json.ts !== undefined);
  const { values } = json;
  if (values !== undefined && !isEmpty(values)) valuesOf(json, -1, properties, receivedAt, decoded);
  return decoded;
};

type Json = Record<string, unknown>;
const isObject = (json: unknown): json is Json => typeof json === "object" && json !== null && !Array.isArray(json);

const isEmpty = (json: unknown): boolean => isObject(json) && Object.keys(json).length === 0;

const element = <P extends Declared>(
  json: unknown,
  at: number,
  properties: ReadonlyMap<string, P>,
  receivedAt: Instant,
  decoded: Decoded<P>,
): void => {
  if (isObject(json)) valuesOf(json, at, properties, receivedAt, decoded);
  else fault(decoded, "shape", placeOf(at, ""), "expected an object with values");
};

const valuesOf = <P extends Declared>(
  json: Json,
  at: number,
  properties: ReadonlyMap<string, P>,
  receivedAt: Instant,
  decoded: Decoded<P>,
): void => {
  const { values, ts } = json;
  if (!isObject(values)) {
    fault(decoded, "shape", `${placeOf(at)}values`, "expected an object of values by property");
    return;
  }
  const time = timeOf(ts, receivedAt);
  const before = decoded.readings.length + decoded.faults.length;
  for (const name in values) {
    if (typeof time === "string") fault(decoded, "time_shape", pathOf(at, name), time);
    else oneValue(values[name], name, at, time, ts !== undefined, properties, decoded);
  }
  if (decoded.readings.length + decoded.faults.length === before) {
    fault(decoded, "shape", `${placeOf(at)}values`, "no value in it");
  }
};

const oneValue = <P extends Declared>(
  given: unknown,
  name: string,
  at: number,
  time: Instant,
  dated: boolean,
  properties: ReadonlyMap<string, P>,
  { readings, faults }: Decoded<P>,
): void => {
  const property = properties.get(name);
  if (property === undefined) {
    faults.push({ reason: "property_unknown", path: pathOf(at, name), detail: `this kind has no ${shown(name)}` });
  } else if (typeof given === "number") {
    // JSON.parse makes Infinity of 1e400; adding 0 makes 0 of -0
    if (Number.isFinite(given)) readings.push({ property, name, element: at, time, dated, value: given + 0 });
    else faults.push({ reason: "value_not_finite", path: pathOf(at, name), detail: "beyond what a number can say" });
  } else if (given === null) {
    readings.push({ property, name, element: at, time, dated, value: null });
  } else if (typeof given === "boolean" && property.type === "boolean") {
    readings.push({ property, name, element: at, time, dated, value: given ? 1 : 0 });
  } else {
    const expected = property.type === "boolean" ? "a number, true or false" : "a number";
    faults.push({ reason: "value_type", path: pathOf(at, name), detail: `expected ${expected}, got ${typeOf(given)}` });
  }
};

/** The phenomenon time, or what is wrong with it. */
const timeOf = (ts: unknown, receivedAt: Instant): Instant | string => {
  if (ts === undefined) return receivedAt;
  if (typeof ts === "number") {
    if (ts < millisecondsMin) return "ts is too small for milliseconds since 1970; seconds are not taken";
    // past 8.64e15 there is no date; what lies in the future is judged by who knows the time of receipt
    return ts <= 8.64e15 ? Math.trunc(ts) : "ts is no instant";
  }
  if (typeof ts !== "string") return `ts is ${typeOf(ts)}; expected ISO 8601 with an offset, or milliseconds`;
  return parseTimestamp(ts) ?? "ts is not ISO 8601 with an offset, as 2026-11-23T08:00:00+08:00";
};

const fault = (decoded: Decoded<Declared>, reason: Reason, path: string, detail: string): void => {
  decoded.faults.push({ reason, path, detail });
};

const { latin1Slice, utf8Slice } = Buffer.prototype as unknown as Record<
  "latin1Slice" | "utf8Slice",
  (this: Uint8Array, start: number, end: number) => string
>;

/** The JSON in the bytes; undefined, with a fault told: there is none that we would take apart. */
const parse = (payload: Uint8Array, faults: Fault[]): unknown => {
  const refuse = (reason: Reason, detail: string): undefined => {
    faults.push({ reason, path: "", detail });
  };
  if (payload.byteLength > payloadBytesMax) {
    return refuse("too_large", `${payload.byteLength} bytes; ${payloadBytesMax} at most`);
  }
  const scanned = scan(payload);
  if (scanned % beyondAscii > depthMax) {
    return refuse("too_deep", `nested deeper than ${depthMax} levels`);
  }
  if (scanned >= beyondAscii && !isUtf8(payload)) return refuse("not_json", "the bytes are no UTF-8");
  try {
    // bytes below 128 are the same in Latin 1, which needs no decoding
    const slice = scanned >= beyondAscii ? utf8Slice : latin1Slice;
    return JSON.parse(slice.call(payload, 0, payload.byteLength));
  } catch (error) {
    return refuse("not_json", error instanceof Error ? error.message.slice(0, 200).toWellFormed() : "no JSON");
  }
};

/** Added to the depth when a byte above 127 was met. */
const beyondAscii = 1_024;

/** The deepest nesting of brackets outside strings, at most one more than the bound. */
const scan = (bytes: Uint8Array): number => {
  let depth = 0;
  let deepest = 0;
  let high = 0;
  let quoted = false;
  for (let at = 0; at < bytes.length; at++) {
    const byte = bytes[at] as number;
    high |= byte;
    if (byte === 34) quoted = !quoted;
    else if (quoted) {
      // the escaped byte cannot end the string; should it be beyond ASCII, the bytes after it are too
      if (byte === 92) at++;
    } else if (byte === 123 || byte === 91) {
      if (++depth > deepest) deepest = depth;
      if (depth > depthMax) break;
    } else if (byte === 125 || byte === 93) depth--;
  }
  return high > 127 ? deepest + beyondAscii : deepest;
};

const placeOf = (element: number, separator = "."): string => (element < 0 ? "" : `[${element}]${separator}`);
const plain = /^[A-Za-z_$][\w$]{0,63}$/;
const keyOf = (name: string): string => (plain.test(name) ? `.${name}` : `[${shown(name)}]`);
/** A name from outside, in quotes, cut, and fit to be stored and shown. */
const shown = (name: string): string => JSON.stringify(name.slice(0, nameCharactersMax).toWellFormed());
const typeOf = (given: unknown): string => {
  if (given === null) return "null";
  if (Array.isArray(given)) return "an array";
  return typeof given === "object" ? "an object" : `a ${typeof given}`;
};
