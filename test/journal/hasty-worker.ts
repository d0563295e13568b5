import { parentPort, workerData } from "node:worker_threads";
import { openStorage, type Storage } from "../../src/journal/storage.ts";
import { runWriter } from "../../src/journal/writer.ts";
import { systemClock } from "../../src/platform/clock.ts";
import type { Clock } from "../../src/ports.ts";

// A mutant: answers first and commits 20 ms later. The durability tests must turn red on it.

const openHasty = (directory: string, clock: Clock): Storage => {
  const storage = openStorage(directory, clock);
  let head = storage.head();
  return {
    ...storage,
    head: () => head,
    commit(groups) {
      const copies = groups.map(({ bytes, entries }) => ({ bytes: bytes.slice(), entries }));
      setTimeout(() => {
        storage.commit(copies);
        storage.vouch();
      }, 20);
      return groups.map(({ entries }) => {
        head += entries;
        return head - entries + 1;
      });
    },
    vouch() {},
  };
};

if (parentPort !== null) runWriter({ port: parentPort, data: workerData, clock: systemClock, open: openHasty });
