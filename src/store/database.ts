import { existsSync, statSync } from "node:fs";
import { DatabaseSync, type SQLInputValue, type StatementSync } from "node:sqlite";
import { StoreError, storeError } from "./errors.ts";
import { migrations } from "./migrations.ts";

/** A connection with its prepared statements. Rows are typed by the caller, who wrote the SQL. */
export type Database = {
  readonly path: string;
  /** The prepared statement of this text, prepared once. */
  statement(sql: string): StatementSync;
  all<Row>(sql: string, ...values: SQLInputValue[]): readonly Row[];
  first<Row>(sql: string, ...values: SQLInputValue[]): Row | undefined;
  run(sql: string, ...values: SQLInputValue[]): number;
  /** SQL without values, every row of it stepped through. */
  exec(sql: string): void;
  /** All of `work` or nothing of it; what it throws comes out as a StoreError. */
  transaction<Result>(doing: string, work: () => Result): Result;
  close(): void;
};

/** RELIABILITY: two connections that check-point at once may corrupt the WAL of SQLite 3.7.0 to 3.51.2. */
const sqliteVersionMin = "3.51.3";
/** "meiz": tells our file from another program's. */
const applicationId = 0x6d65697a;
const busyTimeoutMs = 5_000;
/** Page caches: the hot pages of some thousand datastreams; a reader's working set. KiB. */
const writerCacheKiB = 65_536;
const readerCacheKiB = 16_384;
/** Pages in the WAL before it is folded in: the more, the more often a hot page is written once instead of twice. 32 MiB. */
const checkpointPages = 8_192;
/** A WAL that a long reader made grow is cut back to this. */
const walBytesKept = 64 * 2 ** 20;

/** The one connection that writes: creates the file, brings its schema to this program's. */
export const openForWriting = (path: string): Database => {
  const connection = connect(path, false);
  try {
    // page layout is fixed when the first table is made; freed pages can go back to the disk in slices
    connection.exec("PRAGMA auto_vacuum = INCREMENTAL; PRAGMA journal_mode = WAL; PRAGMA synchronous = NORMAL");
    connection.exec(`PRAGMA cache_size = -${writerCacheKiB}; PRAGMA wal_autocheckpoint = ${checkpointPages}`);
    connection.exec(`PRAGMA journal_size_limit = ${walBytesKept}`);
    assertPragmas(connection);
    migrate(connection);
    return wrap(path, connection);
  } catch (error) {
    connection.close();
    throw storeError(`open ${path}`, error);
  }
};

/** A connection for reading, from any thread, after the writer has opened the file. */
export const openForReading = (path: string): Database => {
  if (!existsSync(path)) throw new StoreError("store_absent", `${path} does not exist yet`);
  const connection = connect(path, true);
  try {
    connection.exec(`PRAGMA cache_size = -${readerCacheKiB}; PRAGMA temp_store = MEMORY`);
    const version = schemaOf(connection);
    if (version < migrations.length) throw new StoreError("store_older", `${path} has schema ${version} still`);
    return wrap(path, connection);
  } catch (error) {
    connection.close();
    throw storeError(`open ${path}`, error);
  }
};

/** Bytes of the write-ahead log beside the file. */
export const walBytes = (path: string): number => statSync(`${path}-wal`, { throwIfNoEntry: false })?.size ?? 0;

const connect = (path: string, readOnly: boolean): DatabaseSync => {
  try {
    return new DatabaseSync(path, { readOnly, timeout: busyTimeoutMs });
  } catch (error) {
    throw storeError(`open ${path}`, error);
  }
};

const pragma = (connection: DatabaseSync, name: string): unknown =>
  Object.values(connection.prepare(`PRAGMA ${name}`).get() ?? {})[0];

const assertPragmas = (connection: DatabaseSync): void => {
  const version = String(connection.prepare("SELECT sqlite_version() AS version").get()?.version);
  if (versionNumber(version) < versionNumber(sqliteVersionMin))
    throw new StoreError("store_sqlite_old", `SQLite ${version} is older than ${sqliteVersionMin}`);
  // node:sqlite sets what it can and keeps silent about the rest
  if (pragma(connection, "journal_mode") !== "wal") throw new StoreError("store_failed", "no write-ahead log here");
  if (pragma(connection, "synchronous") !== 1) throw new StoreError("store_failed", "synchronous is not NORMAL");
};

/** `3.51.3` as 3051003. */
const versionNumber = (version: string): number =>
  version.split(".").reduce((number, part) => number * 1000 + Number(part), 0);

/** The number of steps done; throws for a file that is not ours or is ahead of us. */
const schemaOf = (connection: DatabaseSync): number => {
  const version = Number(pragma(connection, "user_version"));
  const owner = pragma(connection, "application_id");
  const tables = Number(connection.prepare("SELECT count(*) AS tables FROM sqlite_schema").get()?.tables);
  if (tables > 0 && owner !== applicationId) throw new StoreError("store_foreign", "this is not a store of ours");
  if (version > migrations.length)
    throw new StoreError(
      "store_newer",
      `schema ${version} was written by a newer program; this one knows ${migrations.length}`,
    );
  return version;
};

const migrate = (connection: DatabaseSync): void => {
  for (let version = schemaOf(connection); version < migrations.length; version++) {
    connection.exec("BEGIN IMMEDIATE");
    try {
      connection.exec(migrations[version] as string);
      connection.exec(`PRAGMA application_id = ${applicationId}; PRAGMA user_version = ${version + 1}`);
      connection.exec("COMMIT");
    } catch (error) {
      if (connection.isTransaction) connection.exec("ROLLBACK");
      throw storeError(`migrate to schema ${version + 1}`, error);
    }
  }
};

const wrap = (path: string, connection: DatabaseSync): Database => {
  const prepared = new Map<string, StatementSync>();
  const statement = (sql: string): StatementSync => {
    const known = prepared.get(sql);
    if (known !== undefined) return known;
    const made = connection.prepare(sql);
    prepared.set(sql, made);
    return made;
  };
  return {
    path,
    statement,
    all: <Row>(sql: string, ...values: SQLInputValue[]) => statement(sql).all(...values) as unknown as readonly Row[],
    first: <Row>(sql: string, ...values: SQLInputValue[]) =>
      statement(sql).get(...values) as unknown as Row | undefined,
    run: (sql, ...values) => Number(statement(sql).run(...values).changes),
    exec: (sql) => connection.exec(sql),
    transaction(doing, work) {
      try {
        connection.exec("BEGIN IMMEDIATE");
        const result = work();
        connection.exec("COMMIT");
        return result;
      } catch (error) {
        // a full disk may have rolled back by itself
        if (connection.isTransaction) connection.exec("ROLLBACK");
        throw storeError(doing, error);
      }
    },
    close: () => {
      if (connection.isOpen) connection.close();
    },
  };
};
