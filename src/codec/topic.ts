import type { KindId, StreetId, ThingId } from "../domain/thing.ts";

/** Where a device's message says that it belongs: `meizhen/{street}/{kind}/{thing}/{last}` (SURFACE section 4). */
export type ThingTopic = {
  readonly street: StreetId;
  readonly kind: KindId;
  readonly thing: ThingId;
  /** `readings`, `heartbeat`, `status`, or anything else of the grammar, which the engine rejects as `topic`. */
  readonly last: string;
};

/** Bytes of a topic at most; with four levels of 64 there is room to spare. */
export const topicBytesMax = 256;

// An allow-list, not a list of what is bad: NUL, `..`, wildcards, `$`, blanks and everything beyond ASCII fall out by
// themselves. Five to eight levels; a level has 1 to 64 characters.
const level = "[A-Za-z0-9_-]{1,64}";
const grammar = new RegExp(`^meizhen/(${level})/(${level})/(${level})/(${level}(?:/${level}){0,3})$`);

/** Topics that were read before, so that the hot ones cost one look-up; all are forgotten at the bound. */
const read = new Map<string, ThingTopic>();
const readMax = 20_000;

/** The parts of a topic, or null when its grammar is wrong: then the connection is closed and nothing is journaled. */
export const parseTopic = (topic: string): ThingTopic | null => {
  const known = read.get(topic);
  if (known !== undefined) return known;
  if (topic.length > topicBytesMax) return null;
  const parts = grammar.exec(topic);
  if (parts === null) return null;
  const [, street, kind, thing, last] = parts as unknown as [string, StreetId, KindId, ThingId, string];
  const parsed = { street, kind, thing, last };
  if (read.size >= readMax) read.clear();
  read.set(topic, parsed);
  return parsed;
};
