/** Place in the sequence of frames: `need` bytes of a body, or `header` bytes of a fixed header already seen. */
export type Place = { type: number; header: number; length: number; need: number };

const pingreqHeader = 0xc0;

/** `bytes`, which go on from `place`, without their PINGREQ frames, and how many those were. */
export const withoutPings = (bytes: Buffer, place: Readonly<Place>): { rest: Buffer; pings: number } => {
  const kept: Buffer[] = [];
  let pings = 0;
  // a header that has begun cannot be a PINGREQ worth the trouble: nothing is taken out before its end is known
  let at = place.header === 0 ? place.need : bytes.length;
  let from = 0;
  while (at < bytes.length) {
    if (bytes[at] === pingreqHeader && bytes[at + 1] === 0) {
      kept.push(bytes.subarray(from, at));
      pings++;
      at += 2;
      from = at;
      continue;
    }
    const end = frameEnd(bytes, at);
    if (end === null) break;
    at = end;
  }
  kept.push(bytes.subarray(from));
  return { rest: pings === 0 ? bytes : Buffer.concat(kept), pings };
};

/** Where the frame that begins at `at` ends; null when its header is not all there. */
const frameEnd = (bytes: Buffer, at: number): number | null => {
  let length = 0;
  for (let digit = 0; digit < 4; digit++) {
    const byte = bytes[at + 1 + digit];
    if (byte === undefined) return null;
    length += (byte & 0x7f) * 128 ** digit;
    if (byte <= 0x7f) return at + 2 + digit + length;
  }
  return null;
};
