import { existsSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { parentPort, workerData } from "node:worker_threads";
import { openStorage, type Storage } from "../../src/journal/storage.ts";
import { runWriter } from "../../src/journal/writer.ts";
import { systemClock } from "../../src/platform/clock.ts";
import type { Clock } from "../../src/ports.ts";

// The journal's thread on a disk that fails as `faults.json` in its folder says: number of the commit -> fault.

export type FaultName =
  /** SQLite's answers to a full disk, a failed write, a failed fsync, a damaged page. */
  | "full"
  | "write"
  | "fsync"
  | "corrupt"
  /** An fsync that takes 1.6 s. */
  | "hang"
  /** SIGKILL at this point of the commit. */
  | "die before the commit"
  | "die after the commit"
  | "die after the mark";

const sqliteError = (errcode: number, message: string) => Object.assign(new Error(message), { errcode });
const die = () => process.kill(process.pid, "SIGKILL");

const faults: Record<Exclude<FaultName, `die after${string}`>, () => void> = {
  full: () => {
    throw sqliteError(13, "database or disk is full");
  },
  write: () => {
    throw sqliteError(778, "disk I/O error");
  },
  fsync: () => {
    throw sqliteError(1034, "disk I/O error");
  },
  corrupt: () => {
    throw sqliteError(11, "database disk image is malformed");
  },
  hang: () => Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, 1_600),
  "die before the commit": die,
};

const openFaulty = (directory: string, clock: Clock): Storage => {
  const storage = openStorage(directory, clock);
  const path = join(directory, "faults.json");
  const plan: Record<string, FaultName> = existsSync(path) ? JSON.parse(readFileSync(path, "utf8")) : {};
  let commits = 0;
  return {
    ...storage,
    commit(groups) {
      const fault = plan[++commits];
      if (fault !== undefined && fault in faults) faults[fault as keyof typeof faults]();
      const firsts = storage.commit(groups);
      if (fault === "die after the commit") die();
      return firsts;
    },
    vouch() {
      storage.vouch();
      if (plan[commits] === "die after the mark") die();
    },
  };
};

if (parentPort !== null) runWriter({ port: parentPort, data: workerData, clock: systemClock, open: openFaulty });
