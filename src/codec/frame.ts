import type { DurationMs, Instant } from "../domain/time.ts";

// Entries as bytes. A group is frames one after the other, little-endian:
//
//   u32 length of what follows | u8 form | f64 at | body
//
//   form 0, message: u8 flags (qos, bit 2: principal given) | u8 bytes of principal | u16 bytes of topic
//                    | principal | topic | payload
//   form 1, the rest: JSON of the entry without `at`, bytes as base64
//
// `at` stands at the same place in every frame, so that the journal's thread may correct it without looking inside.
// Form 0 is for ASCII topics and principals, which is what the topic grammar admits; anything else is form 1, whose
// `\ud800` escapes carry every JavaScript string, so that the form is an optimisation and never a restriction.

/** Bytes before the body. */
export const headBytes = 13;
export const formMessage = 0;
export const formJson = 1;

/** Bytes of the whole frame at `offset`, or -1. */
export const frameLength = (view: DataView, offset: number): number => {
  if (offset + headBytes > view.byteLength) return -1;
  const length = view.getUint32(offset, true) + 4;
  return length < headBytes || offset + length > view.byteLength ? -1 : length;
};

/** What `settleTimes` found. */
export type Settled = {
  /** Time of the last frame. */
  readonly at: Instant;
  /** How many frames there are; -1: they make no sense. */
  readonly entries: number;
  /** By how much the last frame was put forward. */
  readonly behind: DurationMs;
};

/** Makes `at` never go back: every frame earlier than `floor`, or than the frame before it, is put to that instant. */
export const settleTimes = (bytes: Uint8Array, floor: Instant): Settled => {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  let at = floor;
  let own = floor;
  let entries = 0;
  for (let offset = 0; offset < bytes.byteLength; entries++) {
    const length = frameLength(view, offset);
    if (length < 0) return { at: floor, entries: -1, behind: 0 };
    own = view.getFloat64(offset + 5, true);
    if (own >= at) at = own;
    else view.setFloat64(offset + 5, at, true);
    offset += length;
  }
  return { at, entries, behind: at - own };
};
