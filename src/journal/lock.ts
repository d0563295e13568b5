import { truncateSync } from "node:fs";
import { join } from "node:path";
import { DatabaseSync } from "node:sqlite";
import { isBusy, isCorrupt, JournalError } from "./error.ts";

/** How long a second process waits for the first to let go, in milliseconds: a restart overlaps, an owner stays. */
const patienceMs = 300;

/**
 * Makes this process the only owner of the folder: a transaction that is never ended holds SQLite's exclusive lock on a
 * database of its own, which the operating system releases however the process ends. Answers how to let go.
 */
export const lockFolder = (directory: string): (() => void) => {
  const path = join(directory, "journal.lock");
  try {
    return hold(path);
  } catch (error) {
    if (isBusy(error)) {
      throw new JournalError("journal_owned", `another process is using ${directory}`, { cause: error });
    }
    if (!isCorrupt(error)) throw error;
    // holds nothing, and whoever owned it could not have opened it either
    truncateSync(path);
    return hold(path);
  }
};

const hold = (path: string): (() => void) => {
  const database = new DatabaseSync(path, { timeout: patienceMs });
  try {
    database.exec("PRAGMA locking_mode = EXCLUSIVE; BEGIN EXCLUSIVE");
  } catch (error) {
    database.close();
    throw error;
  }
  return () => database.close();
};
