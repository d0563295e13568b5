import type { Observation } from "../domain/change.ts";
import type { Quality } from "../domain/quality.ts";

// The observations of one commit as one blob of the feed. Some ten bytes a reading, so that 48 hours of feed stay small:
//
//   u8 version | varint count | observation...
//   observation: u8 head | varint datastream | [seq] | [receivedAt] | [time] | [value]
//
// head: bits 0-2 the flag's place in `flags`; bits 3-4 the value's form (none, thousandths, float64); bits 5, 6 and 7 say
// that seq, receivedAt and time are those of the observation before, else each is its difference as zigzag varint.

const version = 1;
const flags: readonly Quality[] = [1, 2, 3, 4, 9];
const flagPlace: Readonly<Record<Quality, number>> = { 1: 0, 2: 1, 3: 2, 4: 3, 9: 4 };
const formNone = 0;
const formThousandths = 1 << 3;
const formFloat = 2 << 3;
const sameSeq = 1 << 5;
const sameReceivedAt = 1 << 6;
const sameTime = 1 << 7;

/** Head, five varints of at most 8 bytes (2^53), and no value longer than that. */
const observationBytesMax = 1 + 5 * 8;
const headBytesMax = 1 + 8;
/** Thousandths beyond this take as much room as the float. */
const thousandthsMax = 2 ** 30;

/** The bytes are not what `packObservations` gives. */
export class PackedError extends Error {
  readonly code = "observations_damaged";
}

export const packObservations = (observations: readonly Observation[]): Uint8Array => {
  const bytes = new Uint8Array(headBytesMax + observations.length * observationBytesMax);
  const view = new DataView(bytes.buffer);
  bytes[0] = version;
  let offset = putVarint(bytes, 1, observations.length);
  let seq = 0;
  let receivedAt = 0;
  let time = 0;
  for (const observation of observations) {
    const { value } = observation;
    const thousandths = value === null ? 0 : Math.round(value * 1000);
    const short =
      value !== null &&
      thousandths / 1000 === value &&
      thousandths < thousandthsMax &&
      thousandths > -thousandthsMax &&
      // a negative zero is a float of its own
      (thousandths !== 0 || !Object.is(value, -0));
    const form = value === null ? formNone : short ? formThousandths : formFloat;
    bytes[offset++] =
      flagPlace[observation.quality] |
      form |
      (observation.seq === seq ? sameSeq : 0) |
      (observation.receivedAt === receivedAt ? sameReceivedAt : 0) |
      (observation.time === time ? sameTime : 0);
    offset = putVarint(bytes, offset, observation.datastream);
    if (observation.seq !== seq) offset = putZigzag(bytes, offset, observation.seq - seq);
    if (observation.receivedAt !== receivedAt) offset = putZigzag(bytes, offset, observation.receivedAt - receivedAt);
    if (observation.time !== time) offset = putZigzag(bytes, offset, observation.time - time);
    if (form === formThousandths) offset = putZigzag(bytes, offset, thousandths);
    else if (form === formFloat) {
      view.setFloat64(offset, value as number, true);
      offset += 8;
    }
    ({ seq, receivedAt, time } = observation);
  }
  return bytes.slice(0, offset);
};

/** Throws PackedError for bytes that end early, go on too long or are of another version. */
export const unpackObservations = (bytes: Uint8Array): readonly Observation[] => {
  if (bytes[0] !== version) throw new PackedError(`packed observations of version ${bytes[0]}`);
  const reader: Reader = { bytes, offset: 1 };
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const count = takeVarint(reader);
  const observations: Observation[] = [];
  let seq = 0;
  let receivedAt = 0;
  let time = 0;
  for (let index = 0; index < count; index++) {
    const head = bytes[reader.offset++] ?? 0;
    const datastream = takeVarint(reader);
    if ((head & sameSeq) === 0) seq += takeZigzag(reader);
    if ((head & sameReceivedAt) === 0) receivedAt += takeZigzag(reader);
    if ((head & sameTime) === 0) time += takeZigzag(reader);
    const value = takeValue(reader, view, head);
    const quality = flags[head & 7];
    if (reader.offset > bytes.length || quality === undefined)
      throw new PackedError(`damaged at byte ${reader.offset}`);
    observations.push({ datastream, time, value, quality, seq, receivedAt });
  }
  if (reader.offset !== bytes.length) throw new PackedError(`${bytes.length - reader.offset} bytes too many`);
  return observations;
};

type Reader = { readonly bytes: Uint8Array; offset: number };

const takeValue = (reader: Reader, view: DataView, head: number): number | null => {
  const form = head & (3 << 3);
  if (form === formNone) return null;
  if (form === formThousandths) return takeZigzag(reader) / 1000;
  const offset = reader.offset;
  reader.offset += 8;
  if (form !== formFloat || reader.offset > view.byteLength) throw new PackedError(`damaged at byte ${offset}`);
  return view.getFloat64(offset, true);
};

/** Seven bits a byte, low ones first; `value` is an integer from 0 to 2^54. */
const putVarint = (bytes: Uint8Array, start: number, value: number): number => {
  let offset = start;
  let rest = value;
  while (rest >= 2 ** 31) {
    bytes[offset++] = (rest % 128) | 128;
    rest = Math.floor(rest / 128);
  }
  while (rest >= 128) {
    bytes[offset++] = (rest & 127) | 128;
    rest >>>= 7;
  }
  bytes[offset++] = rest;
  return offset;
};

const takeVarint = (reader: Reader): number => {
  let value = 0;
  let scale = 1;
  for (;;) {
    const byte = reader.bytes[reader.offset++];
    if (byte === undefined || scale > 2 ** 49) throw new PackedError(`damaged at byte ${reader.offset}`);
    value += (byte & 127) * scale;
    if (byte < 128) return value;
    scale *= 128;
  }
};

/** 0, -1, 1, -2… as 0, 1, 2, 3…; for |value| below 2^52. */
const putZigzag = (bytes: Uint8Array, offset: number, value: number): number =>
  putVarint(bytes, offset, value >= 0 ? value * 2 : -value * 2 - 1);

const takeZigzag = (reader: Reader): number => {
  const value = takeVarint(reader);
  return value % 2 === 0 ? value / 2 : -(value + 1) / 2;
};
