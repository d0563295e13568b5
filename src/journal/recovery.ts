import { closeSync, existsSync, openSync, readSync, renameSync, rmSync } from "node:fs";
import { join } from "node:path";
import { DatabaseSync } from "node:sqlite";
import { settleTimes } from "../codec/frame.ts";
import type { Seq } from "../domain/entry.ts";
import type { Instant } from "../domain/time.ts";
import { isCorrupt, isUnusable } from "./error.ts";
import type { Mark, MarkFile } from "./mark.ts";
import {
  closeQuietly,
  crcOf,
  type Damage,
  isIntact,
  newestRow,
  openForWriting,
  type Segment,
  salvaged,
  scalar,
} from "./segment.ts";

/** What a start found. */
export type Recovery = {
  /** The newest number ever given; the next entry is above it. */
  readonly head: Seq;
  readonly oldest: Seq;
  /** Acknowledged entries that are gone, found at this start. */
  readonly missing: readonly Damage[];
  /** Names of the files that a damaged database was put aside as. */
  readonly putAside: readonly string[];
  /** `intact`, `absent` at the first start, or `damaged`: then nothing can vouch for the newest entries. */
  readonly mark: "intact" | "absent" | "damaged";
};

type Recovered = { readonly database: DatabaseSync; readonly recovery: Recovery; readonly at: Instant };

type Given = {
  /** Whether the database was found damaged by the process before. */
  readonly rebuild: boolean;
  /** A number that is known to have been given, from outside the journal. */
  readonly above: Seq;
};

const databaseName = "journal.db";
/** Left by a process that found the database damaged while writing: the next start rebuilds it. */
export const suspectName = "journal.suspect";
const rebuiltName = "journal.rebuilt.db";

/**
 * Opens the database and compares it with the mark. Entries that the mark vouches for and the database does not have are
 * answered as missing, and a row without bytes takes their place. A database that cannot be used is put aside under
 * another name, what can still be read of it is copied, and the rest is missing. Numbers are never given twice.
 */
export const recover = (directory: string, markFile: MarkFile, { rebuild, above }: Given): Recovered => {
  const { found } = markFile;
  const opened = openOrRebuild(directory, found, rebuild);
  const { database, putAside } = opened;
  const state = stateOf(database);
  const oldest = found?.oldest ?? state.first ?? state.given + 1;
  const tail = state.last ?? oldest - 1;
  const head = Math.max(tail, state.given, found?.seq ?? 0, above);
  const missing = [...opened.missing];
  if (head > tail) {
    const lost = { first: tail + 1, last: head, reason: "acknowledged, and not in the database" };
    insertLost(database, lost);
    missing.push(lost);
  }
  const mark = found !== null ? "intact" : markFile.damaged || state.given > 0 ? "damaged" : "absent";
  const at = Math.max(found?.at ?? 0, lastInstant(database));
  return { database, recovery: { head, oldest, missing, putAside, mark }, at };
};

type State = { readonly first: Seq | null; readonly last: Seq | null; readonly given: Seq };

const stateOf = (database: DatabaseSync): State => ({
  first: number(database, "SELECT first FROM segment WHERE typeof(first) = 'integer' ORDER BY last LIMIT 1"),
  last: number(database, "SELECT last FROM segment ORDER BY last DESC LIMIT 1"),
  given: number(database, "SELECT seq FROM sqlite_sequence WHERE name = 'segment'") ?? 0,
});

/** The number that a query answers; null: none, or none that can be a seq. */
const number = (database: DatabaseSync, query: string): Seq | null => {
  const value = scalar(database.prepare(`SELECT CAST((${query}) AS TEXT)`));
  const seq = Number(value);
  return value !== null && Number.isSafeInteger(seq) && seq >= 0 ? seq : null;
};

const insertion = "INSERT INTO segment (last, first, crc, bytes) VALUES (?, ?, ?, ?)";
const noBytes = new Uint8Array(0);

const insertLost = (database: DatabaseSync, { first, last }: Damage): void => {
  database.prepare(insertion).run(last, first, crcOf(first, last, noBytes), noBytes);
};

/** Time of the newest entry that can be read, 0 when there is none. */
const lastInstant = (database: DatabaseSync): Instant => {
  const newest = database.prepare(newestRow);
  try {
    const segment = newest.get() as Segment | undefined;
    return segment === undefined || !isIntact(segment) ? 0 : settleTimes(segment.bytes, 0).at;
  } catch (error) {
    if (isCorrupt(error)) return 0;
    throw error;
  }
};

type Opened = {
  readonly database: DatabaseSync;
  readonly missing: readonly Damage[];
  readonly putAside: readonly string[];
};

const openOrRebuild = (directory: string, mark: Mark | null, rebuild: boolean): Opened => {
  const path = join(directory, databaseName);
  const interrupted = existsSync(join(directory, rebuiltName));
  if (!rebuild && !interrupted) {
    const database = openSound(path, mark !== null);
    if (database !== null) return { database, missing: [], putAside: [] };
  }
  // a kill between any two of these steps leaves what the next start goes on from
  const missing = interrupted ? [] : buildBeside(directory, mark);
  const aside = putAside(directory);
  renameSync(join(directory, rebuiltName), path);
  return { database: openForWriting(path), missing, putAside: aside };
};

/** Copies what can be read into a new database of its own name, which is there only when it is complete. */
const buildBeside = (directory: string, mark: Mark | null): readonly Damage[] => {
  const building = join(directory, "journal.rebuilding.db");
  for (const suffix of ["", "-wal", "-shm"]) rmSync(building + suffix, { force: true });
  const database = openForWriting(building);
  const missing = copyReadable(join(directory, databaseName), database, mark);
  database.close();
  renameSync(building, join(directory, rebuiltName));
  return missing;
};

/** Null: the pages that every commit needs are damaged. */
const openSound = (path: string, vouched: boolean): DatabaseSync | null => {
  if (!canBeWritten(path)) return null;
  let database: DatabaseSync | null = null;
  try {
    database = openForWriting(path, vouched);
    stateOf(database);
    const pages = Number(scalar(database.prepare("PRAGMA page_count")));
    const free = Number(scalar(database.prepare("PRAGMA freelist_count")));
    if (free >= 0 && free < pages) return database;
  } catch (error) {
    if (!isUnusable(error)) throw error;
  }
  if (database !== null) closeQuietly(database);
  return null;
};

/**
 * Whether the header's versions of the file format are ours (1, or 2 for WAL; sqlite.org/fileformat2.html, 1.3.3). With a
 * higher write version SQLite opens the file read-only without a word, and no commit would ever succeed. To be looked at
 * while this process has no connection to the file: closing a descriptor drops the locks of all of them.
 */
const canBeWritten = (path: string): boolean => {
  if (!existsSync(path)) return true;
  const descriptor = openSync(path, "r");
  try {
    const versions = Buffer.alloc(2, 1);
    readSync(descriptor, versions, 0, 2, 18);
    return versions.every((version) => version === 1 || version === 2);
  } finally {
    closeSync(descriptor);
  }
};

/** Renames the database with its WAL; the names after it. */
const putAside = (directory: string): readonly string[] => {
  const numbered = (number: number) => `journal.damaged-${number}.db`;
  let number = 1;
  while (existsSync(join(directory, numbered(number)))) number += 1;
  return ["", "-wal", "-shm"]
    .filter((suffix) => existsSync(join(directory, databaseName + suffix)))
    .map((suffix) => {
      renameSync(join(directory, databaseName + suffix), join(directory, numbered(number) + suffix));
      return numbered(number) + suffix;
    });
};

/** Rows copied in one transaction are at most this many bytes, so that the WAL stays small. */
const copyBytesMax = 32 * 2 ** 20;

/** Copies every intact group, with a row without bytes where some are missing between them; answers those. */
const copyReadable = (from: string, to: DatabaseSync, mark: Mark | null): readonly Damage[] => {
  const missing: Damage[] = [];
  const insert = to.prepare(insertion);
  let expected = mark?.oldest ?? null;
  let bytes = 0;
  to.exec("BEGIN IMMEDIATE");
  for (const segment of readable(from, (expected ?? 1) - 1, mark?.seq ?? 0)) {
    if (expected !== null && segment.first > expected) {
      missing.push({ first: expected, last: segment.first - 1, reason: "on a damaged page" });
      insertLost(to, missing.at(-1) as Damage);
    } else if (expected !== null && segment.first < expected) continue;
    insert.run(segment.last, segment.first, segment.crc, segment.bytes);
    expected = segment.last + 1;
    bytes += segment.bytes.byteLength;
    if (bytes > copyBytesMax) {
      to.exec("COMMIT; PRAGMA wal_checkpoint(PASSIVE); BEGIN IMMEDIATE");
      bytes = 0;
    }
  }
  to.exec("COMMIT");
  return missing;
};

function* readable(path: string, after: Seq, through: Seq): Generator<Segment> {
  let database: DatabaseSync | null = null;
  try {
    database = new DatabaseSync(path);
    for (const segment of salvaged(database, after, through)) if (isIntact(segment)) yield segment;
  } catch (error) {
    if (!isUnusable(error)) throw error;
  } finally {
    if (database !== null) closeQuietly(database);
  }
}
