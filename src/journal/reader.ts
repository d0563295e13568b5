import { join } from "node:path";
import { DatabaseSync } from "node:sqlite";
import { decodeGroup } from "../codec/entry.ts";
import type { Journaled, Seq } from "../domain/entry.ts";
import type { Watermark } from "../platform/watermark.ts";
import type { Journal } from "../ports.ts";
import { isCorrupt, JournalError } from "./error.ts";
import { type Damage, isIntact, rowsAfter, type Segment, salvaged } from "./segment.ts";

/** A page ends when it has this many bytes, whatever was asked for. */
const pageBytesMax = 4 * 2 ** 20;

/** Damages that one reader tells; a file with more of them is told well enough. */
const toldMax = 10_000;

/** Reason of a damage that was found, and told, at an earlier start. */
export const lostBefore = "lost before";

type Place = {
  readonly directory: string;
  /** Newest durable and newest trimmed entry. */
  readonly head: Watermark;
  readonly floor: Watermark;
  /** Told of each damage once, when it is first met. */
  readonly onDamaged: (damage: Damage) => void;
};

export type Reader = Pick<Journal, "read" | "waitPast"> & { close(): void };

/**
 * Reads through a connection of its own, in this thread. Each number up to the head is answered, trimmed, or reported as
 * damaged: the rows tile, so that one which is missing shows, and a checksum covers each of them.
 */
export const openReader = (place: Place): Reader => {
  let database: DatabaseSync | null = null;
  let closed = false;
  /** The last empty answer though the head was further on: all that lies between is lost. */
  let barren = { after: -1, through: -1 };
  const told = new Set<string>();
  const tell = (damage: Damage) => {
    const range = `${damage.first}-${damage.last}`;
    if (told.has(range) || told.size >= toldMax) return;
    told.add(range);
    place.onDamaged(damage);
  };
  return {
    async read(after, limit) {
      if (closed) throw new JournalError("journal_closed", "the journal is closed");
      database ??= new DatabaseSync(join(place.directory, "journal.db"), { readOnly: true, timeout: 5_000 });
      const head = place.head.current();
      const page = readPage(database, place, { after, head, limit, tell });
      if (page.length === 0 && head > after) barren = { after, through: head };
      return page;
    },
    // waiting past entries that are lost would come back at once, for ever
    waitPast: (after, signal) => place.head.waitPast(after === barren.after ? barren.through : after, signal),
    close() {
      closed = true;
      database?.close();
      database = null;
    },
  };
};

type Wanted = {
  readonly after: Seq;
  readonly head: Seq;
  readonly limit: number;
  readonly tell: (damage: Damage) => void;
};

const readPage = (database: DatabaseSync, place: Place, wanted: Wanted): readonly Journaled[] => {
  const { after, head, limit, tell } = wanted;
  const entries: Journaled[] = [];
  let through = after;
  let bytes = 0;
  let ended = true;
  for (const segment of segmentsAfter(database, place, after, head)) {
    // read after the row: what was trimmed before it was read is below the floor by now
    const expected = Math.max(through, place.floor.current()) + 1;
    if (segment.first > expected) tell({ first: expected, last: segment.first - 1, reason: "a row is missing" });
    readSegment(segment, expected, { after, entries, tell });
    through = Math.max(through, segment.last);
    bytes += segment.bytes.byteLength;
    if (entries.length < limit && bytes < pageBytesMax) continue;
    // a page of nothing but damage is no answer: the caller would take it for the end
    if (entries.length === 0) continue;
    ended = false;
    break;
  }
  const expected = Math.max(through, place.floor.current()) + 1;
  if (ended && expected <= head) tell({ first: expected, last: head, reason: "rows are missing" });
  return entries;
};

type Page = {
  readonly after: Seq;
  readonly entries: Journaled[];
  readonly tell: (damage: Damage) => void;
};

const readSegment = (segment: Segment, expected: Seq, { after, entries, tell }: Page): void => {
  const { first, last, bytes } = segment;
  if (!isIntact(segment)) {
    // its own `first` may be what is hurt
    tell({ first: Math.min(Math.max(first, expected), last), last, reason: "the checksum does not match" });
    return;
  }
  if (bytes.byteLength === 0) tell({ first, last, reason: lostBefore });
  for (const fault of decodeGroup(bytes, first, after, entries)) {
    tell({ first: fault.seq, last: fault.rest ? last : fault.seq, reason: fault.reason });
  }
};

/** Rows in order; where SQLite finds a page damaged, or runs out of rows too soon, what can be had behind that. */
function* segmentsAfter(database: DatabaseSync, place: Place, after: Seq, head: Seq): Generator<Segment> {
  let through = after;
  try {
    for (const row of database.prepare(rowsAfter).iterate(after) as Iterable<Segment>) {
      yield row;
      through = Math.max(through, row.last);
    }
  } catch (error) {
    if (!isCorrupt(error)) throw new JournalError("journal_unreadable", "read the journal", { cause: error });
  }
  // never with an intact file: the last row is that of the head, or everything up to it is trimmed
  if (Math.max(through, place.floor.current()) < head) yield* salvaged(database, through, head);
}
