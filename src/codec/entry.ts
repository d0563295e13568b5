import type { Entry, EntryKind, EntryOf, Journaled, Seq } from "../domain/entry.ts";
import type { Instant } from "../domain/time.ts";
import { formJson, formMessage, frameLength, headBytes } from "./frame.ts";

const messageHeadBytes = 4;
const principalGiven = 4;
/** A buffer that has grown beyond this is not kept for the next group. */
const bufferKeptBytesMax = 4 * 2 ** 20;

const isKind: Readonly<Record<EntryKind, true>> = {
  message: true,
  tick: true,
  registry: true,
  credential: true,
  account: true,
  session: true,
  command: true,
  condition: true,
  delivered: true,
};

/** Frames of entries in one growing buffer, which `take` hands over. */
export type Frames = {
  /** Adds all of them or, throwing what JSON threw, none. */
  add(entries: readonly Entry[]): void;
  bytes(): number;
  entries(): number;
  take(): Group;
  /** Gives a buffer back that the next group may be written into. */
  reuse(buffer: ArrayBuffer): void;
};

/** Encoded entries: the first `bytes` bytes of `buffer`. */
export type Group = {
  readonly buffer: ArrayBuffer;
  readonly bytes: number;
  readonly entries: number;
  /** Whether any of them is a message, that is, whether a device waits for it. */
  readonly messages: boolean;
};

export const openFrames = (initialBytes = 64 * 2 ** 10): Frames => {
  let spare: ArrayBuffer | null = null;
  let writer = createWriter(new ArrayBuffer(initialBytes));
  return {
    add(entries) {
      const { length, count, messages } = writer;
      try {
        for (const entry of entries) encode(writer, entry);
      } catch (error) {
        Object.assign(writer, { length, count, messages });
        throw error;
      }
    },
    bytes: () => writer.length,
    entries: () => writer.count,
    take() {
      const { bytes, length, count, messages } = writer;
      writer = createWriter(spare ?? new ArrayBuffer(initialBytes));
      spare = null;
      return { buffer: bytes.buffer, bytes: length, entries: count, messages };
    },
    reuse(buffer) {
      if (buffer.byteLength <= bufferKeptBytesMax) spare = buffer;
    },
  };
};

type Writer = {
  bytes: Buffer<ArrayBuffer>;
  view: DataView;
  length: number;
  count: number;
  messages: boolean;
};

const createWriter = (buffer: ArrayBuffer): Writer => ({
  bytes: Buffer.from(buffer),
  view: new DataView(buffer),
  length: 0,
  count: 0,
  messages: false,
});

const reserve = (writer: Writer, bytes: number): void => {
  if (writer.length + bytes <= writer.bytes.byteLength) return;
  const larger = new ArrayBuffer(Math.max(writer.bytes.byteLength * 2, writer.length + bytes));
  const grown = Buffer.from(larger);
  grown.set(writer.bytes.subarray(0, writer.length));
  writer.bytes = grown;
  writer.view = new DataView(larger);
};

const encode = (writer: Writer, entry: Entry): void => {
  if (entry.kind === "message") {
    if (!encodeMessage(writer, entry)) encodeJson(writer, entry);
    writer.messages = true;
  } else {
    encodeJson(writer, entry);
  }
  writer.count += 1;
};

/** False, with nothing written, when the message does not fit form 0. */
const encodeMessage = (writer: Writer, entry: EntryOf<"message">): boolean => {
  const { principal, topic, payload } = entry;
  const principalBytes = principal === null ? 0 : principal.length;
  const topicBytes = topic.length;
  if (principalBytes > 0xff || topicBytes > 0xffff) return false;
  const bodyBytes = messageHeadBytes + principalBytes + topicBytes + payload.byteLength;
  reserve(writer, headBytes + bodyBytes + 3 * (principalBytes + topicBytes));
  const { bytes, view, length } = writer;
  let offset = length + headBytes;
  bytes[offset] = entry.qos | (principal === null ? 0 : principalGiven);
  bytes[offset + 1] = principalBytes;
  view.setUint16(offset + 2, topicBytes, true);
  offset += messageHeadBytes;
  if (principal !== null && !writeAscii(bytes, offset, principal)) return false;
  if (!writeAscii(bytes, offset + principalBytes, topic)) return false;
  bytes.set(payload, offset + principalBytes + topicBytes);
  seal(writer, formMessage, entry.at, bodyBytes);
  return true;
};

/** False when the text is not ASCII alone. There must be room for three bytes a character, or a cut text may pass. */
const writeAscii = (bytes: Buffer, offset: number, text: string): boolean =>
  // as many bytes as characters: each was one byte. 38 ns at 47 characters, a loop over charCodeAt takes 72 ns
  text.length === 0 || bytes.write(text, offset, "utf8") === text.length;

const utf8 = new TextEncoder();

const encodeJson = (writer: Writer, entry: Entry): void => {
  const text = JSON.stringify({ ...plain(entry), at: undefined });
  // UTF-8 takes at most three bytes for one UTF-16 unit
  reserve(writer, headBytes + text.length * 3);
  const { written } = utf8.encodeInto(text, writer.bytes.subarray(writer.length + headBytes));
  seal(writer, formJson, entry.at, written);
};

const seal = (writer: Writer, form: number, at: Instant, bodyBytes: number): void => {
  const { view, length } = writer;
  view.setUint32(length, headBytes - 4 + bodyBytes, true);
  view.setUint8(length + 4, form);
  view.setFloat64(length + 5, at, true);
  writer.length = length + headBytes + bodyBytes;
};

/** The entry with its bytes as base64. */
const plain = (entry: Entry): object => {
  if (entry.kind === "message") return { ...entry, payload: toBase64(entry.payload) };
  if (entry.kind === "command" && entry.command.kind === "replay") {
    return { ...entry, command: { ...entry.command, raw: toBase64(entry.command.raw) } };
  }
  return entry;
};

const toBase64 = (bytes: Uint8Array): string =>
  Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength).toString("base64");
const fromBase64 = (text: string): Uint8Array => new Uint8Array(Buffer.from(text, "base64"));

/** A frame that could not be read; `rest`: nor could those after it, for its length makes no sense. */
export type FrameFault = { readonly seq: Seq; readonly rest: boolean; readonly reason: string };

const noFaults: readonly FrameFault[] = [];

/**
 * Appends the entries of a group with seq > after to `into`; the first frame has seq `first`. Never throws: what cannot
 * be read is left out and answered as a fault. A payload is a view of `bytes`: copy what is to outlive the group.
 */
export const decodeGroup = (bytes: Uint8Array, first: Seq, after: Seq, into: Journaled[]): readonly FrameFault[] => {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  let faults = noFaults;
  let seq = first;
  for (let offset = 0; offset < bytes.byteLength; seq++) {
    const length = frameLength(view, offset);
    if (length < 0) return [...faults, { seq, rest: true, reason: "the length of a frame makes no sense" }];
    if (seq > after) {
      const entry = decode(bytes, view, offset, length);
      if (typeof entry === "string") faults = [...faults, { seq, rest: false, reason: entry }];
      else into.push({ seq, entry });
    }
    offset += length;
  }
  return faults;
};

const decode = (bytes: Uint8Array, view: DataView, offset: number, length: number): Entry | string => {
  const form = view.getUint8(offset + 4);
  const at = view.getFloat64(offset + 5, true);
  if (form === formMessage) return decodeMessage(bytes, view, offset + headBytes, offset + length, at);
  if (form === formJson) return decodeJson(bytes.subarray(offset + headBytes, offset + length), at);
  return `no frame has the form ${form}`;
};

const decodeMessage = (
  bytes: Uint8Array,
  view: DataView,
  offset: number,
  end: number,
  at: Instant,
): EntryOf<"message"> | string => {
  const body = offset + messageHeadBytes;
  if (body > end) return "a message is cut short";
  const flags = view.getUint8(offset);
  const qos = flags & 3;
  const topicFrom = body + view.getUint8(offset + 1);
  const payloadFrom = topicFrom + view.getUint16(offset + 2, true);
  if (qos === 3 || payloadFrom > end) return "a message is damaged";
  return {
    kind: "message",
    at,
    topic: textOf(bytes, topicFrom, payloadFrom),
    payload: bytes.subarray(payloadFrom, end),
    principal: (flags & principalGiven) === 0 ? null : textOf(bytes, body, topicFrom),
    qos: qos as 0 | 1 | 2,
  };
};

// Topics and principals come again and again: a direct-mapped cache gives the same string each time, so that nothing is
// allocated and whoever looks it up in a Map finds its hash ready. Bounded by its slots; a collision only costs the miss.
const slots = 2 ** 14;
const cache: string[] = new Array<string>(slots).fill("");

const textOf = (bytes: Uint8Array, from: number, to: number): string => {
  let hash = 0x811c9dc5;
  for (let index = from; index < to; index++) hash = Math.imul(hash ^ (bytes[index] as number), 0x01000193);
  const slot = (hash ^ (hash >>> 15)) & (slots - 1);
  const cached = cache[slot] as string;
  if (same(cached, bytes, from, to)) return cached;
  const text = Buffer.from(bytes.buffer, bytes.byteOffset + from, to - from).toString("latin1");
  cache[slot] = text;
  return text;
};

const same = (text: string, bytes: Uint8Array, from: number, to: number): boolean => {
  if (text.length !== to - from) return false;
  for (let index = 0; index < text.length; index++) {
    if (text.charCodeAt(index) !== bytes[from + index]) return false;
  }
  return true;
};

const decodeJson = (body: Uint8Array, at: Instant): Entry | string => {
  try {
    const entry = JSON.parse(Buffer.from(body.buffer, body.byteOffset, body.byteLength).toString());
    if (!Object.hasOwn(isKind, entry.kind)) return `no entry is of the kind ${entry.kind}`;
    entry.at = at;
    if (entry.kind === "message") entry.payload = fromBase64(entry.payload);
    if (entry.kind === "command" && entry.command.kind === "replay") entry.command.raw = fromBase64(entry.command.raw);
    return entry;
  } catch (error) {
    return error instanceof Error ? error.message : String(error);
  }
};
