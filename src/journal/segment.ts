import { DatabaseSync, type StatementSync } from "node:sqlite";
import { crc32 } from "node:zlib";
import type { Seq } from "../domain/entry.ts";
import { isCorrupt, JournalError } from "./error.ts";

// journal.db: one row for each group that a sender handed over. `last` is the key, so that a reader finds its place by
// `last > after`; AUTOINCREMENT keeps the highest number ever given in `sqlite_sequence`, so that numbers do not begin
// again after everything was trimmed. Rows tile: `first` is the `last` before it plus one. A row without bytes says that
// these entries were acknowledged and are lost; so every number is there, trimmed, or known to be missing.

export type Segment = { readonly first: Seq; readonly last: Seq; readonly crc: number; readonly bytes: Uint8Array };

/** Entries that cannot be had any more, bounds included. */
export type Damage = { readonly first: Seq; readonly last: Seq; readonly reason: string };

export const schemaVersion = 1;
const schema = `
  CREATE TABLE segment (
    last INTEGER PRIMARY KEY AUTOINCREMENT,
    first INTEGER NOT NULL,
    crc INTEGER NOT NULL,
    bytes BLOB NOT NULL
  );
  PRAGMA user_version = ${schemaVersion};`;

const numbers = new Float64Array(2);
const numberBytes = new Uint8Array(numbers.buffer);

/** Over the numbers too: a row whose key was hurt must not pass for another. */
export const crcOf = (first: Seq, last: Seq, bytes: Uint8Array): number => {
  numbers[0] = first;
  numbers[1] = last;
  return crc32(bytes, crc32(numberBytes));
};

export const isIntact = ({ first, last, crc, bytes }: Segment): boolean =>
  first <= last && crc === crcOf(first, last, bytes);

/** SQLite 3.7.0 to 3.51.2 may corrupt a WAL that two connections checkpoint at once (sqlite.org/wal.html). */
const sqliteVersionMin = [3, 51, 3];

/** WAL is cut back to this after a checkpoint; below it the room is kept, so that a full disk still lets a trim through. */
const walBytesKept = 64 * 2 ** 20;

/**
 * Opens for writing, with what an acknowledgement promises asserted rather than hoped for.
 * Pages of 4096: a lone entry dirties two or three pages, at 2,000 commits a second that is what a commit costs; large
 * groups run over overflow pages either way. Pages that trimming frees are used again, and none are moved to shrink
 * the file: its size is bounded by the bound on the pages in use. Checkpoints are ours (`Storage.tend`), because the
 * automatic one hides its errors, a failed fsync among them.
 */
export const openForWriting = (path: string, vouched = false): DatabaseSync => {
  const database = new DatabaseSync(path, { timeout: 2_000 });
  try {
    database.exec(`
      PRAGMA page_size = 4096;
      PRAGMA journal_mode = WAL;
      PRAGMA synchronous = FULL;
      PRAGMA wal_autocheckpoint = 0;
      PRAGMA journal_size_limit = ${walBytesKept};
      PRAGMA cache_size = -16384;`);
    assertDurable(database);
    migrate(database, vouched);
  } catch (error) {
    closeQuietly(database);
    throw error;
  }
  return database;
};

const assertDurable = (database: DatabaseSync): void => {
  const version = String(scalar(database.prepare("SELECT sqlite_version()")));
  const mode = scalar(database.prepare("PRAGMA journal_mode"));
  const synchronous = scalar(database.prepare("PRAGMA synchronous"));
  const unsafe = (what: string) => new JournalError("journal_unsafe", `the journal would not be durable: ${what}`);
  if (!atLeast(version, sqliteVersionMin))
    throw unsafe(`SQLite ${version} is older than ${sqliteVersionMin.join(".")}`);
  if (mode !== "wal") throw unsafe(`journal_mode is ${mode}`);
  if (synchronous !== 2) throw unsafe(`synchronous is ${synchronous}, FULL is 2`);
};

export const atLeast = (version: string, wanted: readonly number[]): boolean => {
  const parts = version.split(".").map(Number);
  const differing = wanted.findIndex((part, index) => (parts[index] ?? 0) !== part);
  return differing < 0 || (parts[differing] ?? 0) > (wanted[differing] as number);
};

/** `vouched`: the mark says that this version wrote it; then another number is a hurt one. */
const migrate = (database: DatabaseSync, vouched: boolean): void => {
  const version = Number(scalar(database.prepare("PRAGMA user_version")));
  if (version > schemaVersion && !vouched) throw newer(version);
  if (version > schemaVersion) database.exec(`PRAGMA user_version = ${schemaVersion}`);
  if (version === 0) database.exec(`BEGIN IMMEDIATE; ${schema} COMMIT;`);
};

export const newer = (version: number): JournalError =>
  new JournalError("journal_newer", `the journal has version ${version}, this program knows ${schemaVersion}`);

/** The first column of the first row; null: no row. */
export const scalar = (statement: StatementSync, ...parameters: number[]): unknown =>
  Object.values(statement.get(...parameters) ?? {})[0] ?? null;

export const closeQuietly = (database: DatabaseSync): void => {
  try {
    database.close();
  } catch {
    // it could not even be opened properly: there is nothing to lose by leaving it
  }
};

/**
 * The columns of a Segment as they may be taken on trust by JavaScript: a damaged record may say NULL, text or an integer
 * beyond 2^53, which the driver throws at. What is none of ours comes as 0, -1 or empty, and fails the checksum.
 */
const trusted = `
  last,
  iif(typeof(first) = 'integer' AND first BETWEEN 1 AND last, first, 0) AS first,
  iif(typeof(crc) = 'integer' AND crc BETWEEN 0 AND 4294967295, crc, -1) AS crc,
  iif(typeof(bytes) = 'blob', bytes, x'') AS bytes`;

/** Rows with `last` above the parameter, in order. */
export const rowsAfter = `
  SELECT ${trusted} FROM segment WHERE last > ? AND last <= ${Number.MAX_SAFE_INTEGER} ORDER BY last`;

/** The newest row that holds entries. */
export const newestRow = `
  SELECT ${trusted} FROM segment WHERE last <= ${Number.MAX_SAFE_INTEGER} AND length(bytes) > 0 ORDER BY last DESC LIMIT 1`;

/**
 * The rows after `after` that can be read though pages are damaged, one at a time, in order: what cannot is jumped over
 * by growing strides, so that one damaged page costs the groups around it and not the rest of the journal.
 */
export function* salvaged(database: DatabaseSync, after: Seq, through: Seq): Generator<Segment> {
  const next = database.prepare(`${rowsAfter} LIMIT 1`);
  let stride = 1;
  for (let place = after; place < through; ) {
    const row = attempt(() => next.get(place) as Segment | undefined);
    if (row !== undefined && row.last > place) {
      yield row;
      place = row.last;
      stride = 1;
    } else {
      place += stride;
      stride *= 2;
    }
  }
}

const attempt = <T>(read: () => T): T | undefined => {
  try {
    return read();
  } catch (error) {
    if (isCorrupt(error)) return undefined;
    throw error;
  }
};
