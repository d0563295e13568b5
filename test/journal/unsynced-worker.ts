import { DatabaseSync } from "node:sqlite";
import { pathToFileURL } from "node:url";
import { workerData } from "node:worker_threads";

// A mutant: SQLite runs `synchronous = NORMAL`, which does not wait for the disk at a commit; with `lie`, it says FULL
// when it is asked. The first must be refused at the start, the second must lose entries in a power cut.

const { exec, prepare } = DatabaseSync.prototype;
DatabaseSync.prototype.exec = function (sql) {
  return exec.call(this, sql.replace("synchronous = FULL", "synchronous = NORMAL"));
};
if (!workerData.directory.includes("honest")) {
  DatabaseSync.prototype.prepare = function (sql, ...rest) {
    return prepare.call(this, sql === "PRAGMA synchronous" ? "SELECT 2" : sql, ...rest);
  };
}
await import(pathToFileURL(`${import.meta.dirname}/../../src/journal/sqlite-worker.ts`).href);
