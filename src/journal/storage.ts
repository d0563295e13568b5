import { existsSync, mkdirSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import type { DatabaseSync } from "node:sqlite";
import { settleTimes } from "../codec/frame.ts";
import type { Seq } from "../domain/entry.ts";
import type { DurationMs, Instant } from "../domain/time.ts";
import type { Clock } from "../ports.ts";
import { lockFolder } from "./lock.ts";
import { type MarkFile, openMark } from "./mark.ts";
import { type Recovery, recover, suspectName } from "./recovery.ts";
import { crcOf, scalar } from "./segment.ts";

/** The folder of one journal, owned: what the journal's thread does to it, one call at a time. */
export type Storage = {
  readonly recovery: Recovery;
  /** Puts the groups on disk in one transaction, in order; answers the seq of each one's first entry. All, or a throw. */
  commit(groups: readonly Frames[]): readonly Seq[];
  /** Says outside the database what is about to be acknowledged. */
  vouch(): void;
  /** Before entries up to `through` (whole groups) go: answers through which they may. */
  allowTrim(through: Seq): Seq;
  /** Lets a slice of them go; false: there are more. */
  trimSlice(through: Seq): boolean;
  /** Checkpoint and mark, when they are due. */
  tend(): void;
  /** Bytes of the pages in use. */
  bytesUsed(): number;
  head(): Seq;
  /** Whether there is nothing left that a trim could free. */
  isEmpty(): boolean;
  /** How far the clock stands behind the newest entry, which was given that one's time instead. */
  behind(): DurationMs;
  /** Says to the next start that the database is damaged. */
  suspect(): void;
  close(): void;
};

/** A group's frames; `entries` is how many they are. */
type Frames = { readonly bytes: Uint8Array; readonly entries: number };

const markName = "journal.mark";
/**
 * WAL written since the last checkpoint that makes the next one due; about SQLite's own default of 1,000 pages. A
 * checkpoint delays the acknowledgements behind it, so it is to be short. 2 to 32 MiB were tried in three rounds on a
 * machine that was busy with other things: the rounds differed more than the sizes, so nothing better is known.
 */
const checkpointBytes = 4 * 2 ** 20;
const markSyncEvery: DurationMs = 1_000;
/** A slice of a trim, so that no acknowledgement waits longer for it than for a commit. */
const trimBytesMax = 2 * 2 ** 20;
const trimRowsMax = 256;

type State = {
  readonly database: DatabaseSync;
  readonly mark: MarkFile;
  readonly clock: Clock;
  head: Seq;
  oldest: Seq;
  at: Instant;
  behind: DurationMs;
  walBytes: number;
  markSyncedAt: number;
  markDirty: boolean;
};

/** Throws a JournalError `journal_owned`, `journal_newer` or `journal_unsafe`. */
export const openStorage = (directory: string, clock: Clock, above: Seq = 0): Storage => {
  mkdirSync(directory, { recursive: true });
  const unlock = lockFolder(directory);
  const suspect = join(directory, suspectName);
  const mark = openMark(join(directory, markName));
  const { database, recovery, at } = recover(directory, mark, { rebuild: existsSync(suspect), above });
  rmSync(suspect, { force: true });
  const { head, oldest } = recovery;
  const state = { database, mark, clock, head, oldest, at, behind: 0, walBytes: 0, markSyncedAt: 0, markDirty: false };
  vouch(state);
  mark.sync();
  return {
    recovery,
    ...writing(state),
    ...trimming(state),
    tend: () => tend(state),
    head: () => state.head,
    isEmpty: () => state.oldest > state.head,
    behind: () => state.behind,
    suspect: () => writeFileSync(suspect, ""),
    close() {
      mark.sync();
      database.close();
      mark.close();
      unlock();
    },
  };
};

const pageBytes = 4096;

const writing = (state: State): Pick<Storage, "commit" | "vouch" | "bytesUsed"> => {
  const { database } = state;
  const insert = database.prepare("INSERT INTO segment (last, first, crc, bytes) VALUES (?, ?, ?, ?)");
  const pages = database.prepare("PRAGMA page_count");
  const free = database.prepare("PRAGMA freelist_count");
  return {
    commit(groups) {
      let { head, at } = state;
      let behind = 0;
      const firsts: Seq[] = [];
      transact(database, () => {
        for (const { bytes, entries } of groups) {
          const settled = settleTimes(bytes, at);
          if (settled.entries !== entries) throw new Error(`a group of ${entries} has ${settled.entries} frames`);
          const first = head + 1;
          firsts.push(first);
          if (entries === 0) continue;
          head += entries;
          at = settled.at;
          behind = settled.behind;
          insert.run(head, first, crcOf(first, head, bytes), bytes);
          state.walBytes += bytes.byteLength + 3 * pageBytes;
        }
      });
      Object.assign(state, { head, at, behind });
      return firsts;
    },
    vouch: () => vouch(state),
    bytesUsed: () => (Number(scalar(pages)) - Number(scalar(free))) * pageBytes,
  };
};

const transact = (database: DatabaseSync, body: () => void): void => {
  database.exec("BEGIN IMMEDIATE");
  try {
    body();
    database.exec("COMMIT");
  } catch (error) {
    if (database.isTransaction) database.exec("ROLLBACK");
    throw error;
  }
};

const vouch = (state: State): void => {
  state.mark.write({ seq: state.head, oldest: state.oldest, at: state.at });
  state.markDirty = true;
};

const trimming = (state: State): Pick<Storage, "allowTrim" | "trimSlice"> => {
  const { database } = state;
  const whole = database.prepare("SELECT last FROM segment WHERE last <= ? ORDER BY last DESC LIMIT 1");
  const slice = database.prepare(
    "SELECT last, length(bytes) AS bytes FROM segment WHERE last <= ? ORDER BY last LIMIT ?",
  );
  const forget = database.prepare("DELETE FROM segment WHERE last <= ?");
  return {
    allowTrim(through) {
      const last = Number(scalar(whole, through) ?? 0);
      if (last < state.oldest) return state.oldest - 1;
      // first the mark, and on disk: rows below it are trimmed, a missing row above it is a loss
      state.oldest = last + 1;
      vouch(state);
      state.mark.sync();
      return last;
    },
    trimSlice(through) {
      const rows = slice.all(through, trimRowsMax) as { last: Seq; bytes: number }[];
      let bytes = 0;
      const end = rows.findIndex((row) => {
        bytes += row.bytes;
        return bytes > trimBytesMax;
      });
      const last = rows[end < 0 ? rows.length - 1 : end]?.last;
      if (last === undefined) return true;
      transact(database, () => forget.run(last));
      state.walBytes += rows.length * pageBytes;
      return end < 0 && rows.length < trimRowsMax;
    },
  };
};

const tend = (state: State): void => {
  const now = state.clock.monotonic();
  if (state.markDirty && now - state.markSyncedAt >= markSyncEvery) {
    state.mark.sync();
    state.markSyncedAt = now;
    state.markDirty = false;
  }
  if (state.walBytes < checkpointBytes) return;
  state.walBytes = 0;
  state.database.exec("PRAGMA wal_checkpoint(PASSIVE)");
};
