import { closeSync, fdatasyncSync, fstatSync, openSync, readSync, writeSync } from "node:fs";
import { crc32 } from "node:zlib";
import type { Seq } from "../domain/entry.ts";
import type { Instant } from "../domain/time.ts";
import { FsyncError } from "./error.ts";
import { newer, schemaVersion } from "./segment.ts";

/**
 * What was acknowledged, said outside the database. One flipped bit in a WAL makes SQLite drop every later commit
 * without a word, and `integrity_check` says ok: only a mark of our own can tell that acknowledged entries are gone.
 */
export type Mark = {
  /** The newest acknowledged entry. */
  readonly seq: Seq;
  /** The oldest entry that was not trimmed; seq + 1 when all were. */
  readonly oldest: Seq;
  /** Time of the newest entry, behind which no later one may go. */
  readonly at: Instant;
};

/**
 * Delivery guarantee: written after each commit and before its acknowledgements, so it survives the process; on disk
 * with `sync`, about once a second, so that after a power cut it may be one second behind, and never ahead.
 */
export type MarkFile = {
  /** As found at the start; null: there was none, or both slots were damaged. */
  readonly found: Mark | null;
  /** Whether there were bytes that made no sense. */
  readonly damaged: boolean;
  write(mark: Mark): void;
  sync(): void;
  close(): void;
};

// Two slots, written in turn, each in a block of its own: a write torn by a power cut costs one of them.
const slotBytes = 4096;
/** "MZJ" and the version of the journal's format. */
const magic = 0x4d5a4a00;
const recordBytes = 40;

type Slot = Mark & { readonly generation: number };

/** Throws a JournalError `journal_newer`. */
export const openMark = (path: string): MarkFile => {
  const file = openSync(path, "a+");
  closeSync(file);
  const descriptor = openSync(path, "r+");
  if (fstatSync(descriptor).size < 2 * slotBytes) grow(descriptor);
  const slots = [readSlot(descriptor, 0), readSlot(descriptor, 1)];
  const found = slots.reduce<Slot | null>((best, slot) => {
    if (slot === null || slot === "damaged") return best;
    return best === null || slot.generation > best.generation ? slot : best;
  }, null);
  let generation = found?.generation ?? 0;
  const record = Buffer.alloc(recordBytes);
  return {
    found: found && { seq: found.seq, oldest: found.oldest, at: found.at },
    damaged: slots.includes("damaged"),
    write(mark) {
      generation += 1;
      fill(record, generation, mark);
      writeSync(descriptor, record, 0, recordBytes, (generation & 1) * slotBytes);
    },
    sync: () => sync(descriptor),
    close: () => closeSync(descriptor),
  };
};

const grow = (descriptor: number): void => {
  const { size } = fstatSync(descriptor);
  // the room is taken now, so that a full disk cannot refuse the mark later
  writeSync(descriptor, Buffer.alloc(2 * slotBytes - size), 0, 2 * slotBytes - size, size);
  sync(descriptor);
};

const sync = (descriptor: number): void => {
  try {
    fdatasyncSync(descriptor);
  } catch (cause) {
    throw new FsyncError("the journal's mark could not be put on disk", { cause });
  }
};

const fill = (record: Buffer, generation: number, mark: Mark): void => {
  record.writeUInt32LE(magic | schemaVersion, 0);
  record.writeDoubleLE(generation, 4);
  record.writeDoubleLE(mark.seq, 12);
  record.writeDoubleLE(mark.oldest, 20);
  record.writeDoubleLE(mark.at, 28);
  record.writeUInt32LE(crc32(record.subarray(0, recordBytes - 4)), recordBytes - 4);
};

/** Null: never written. */
const readSlot = (descriptor: number, slot: number): Slot | "damaged" | null => {
  const record = Buffer.alloc(recordBytes);
  readSync(descriptor, record, 0, recordBytes, slot * slotBytes);
  if (record.every((byte) => byte === 0)) return null;
  const version = (record.readUInt32LE(0) ^ magic) >>> 0;
  if (version > 0xff || record.readUInt32LE(recordBytes - 4) !== crc32(record.subarray(0, recordBytes - 4)))
    return "damaged";
  if (version > schemaVersion) throw newer(version);
  return {
    generation: record.readDoubleLE(4),
    seq: record.readDoubleLE(12),
    oldest: record.readDoubleLE(20),
    at: record.readDoubleLE(28),
  };
};
