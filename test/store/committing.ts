import { parentPort, workerData } from "node:worker_threads";
import type { Observation } from "../../src/domain/change.ts";
import { hourOf } from "../../src/domain/time.ts";
import { openWatermark } from "../../src/platform/watermark.ts";
import type { Store } from "../../src/ports.ts";
import { openStore } from "../../src/store/store.ts";
import { properties, start, things } from "./happening.ts";
import { nothing, registry } from "./world.ts";

// Commits for ever where the cursor stands: as a process of its own, to be killed, or as a thread. Commit k holds
// readings that anybody can compute from k, so that the cursor says what must be there.

export const readingsPerCommit = 6;
const datastreams = things.map((thing, index) => ({ id: index + 1, thing, property: properties[0]! }));

/** The readings of commit `seq`; some of them late. */
export const readingsOf = (seq: number): readonly Observation[] =>
  Array.from({ length: readingsPerCommit }, (_, index) => ({
    datastream: (index % datastreams.length) + 1,
    time: start + (seq * readingsPerCommit + index) * 1000 - (seq % 5 === 0 ? 90_000_500 : 0),
    value: (seq * 7 + index) / 10,
    quality: 1 as const,
    seq,
    receivedAt: start + seq * 1000,
  }));

export const commitNext = (store: Pick<Store, "cursor" | "commit">): void => {
  const seq = store.cursor() + 1;
  const at = start + seq * 1000;
  if (seq === 1) {
    const events = [{ kind: "registry" as const, seq, n: 0, at, registry }];
    store.commit({ ...nothing, datastreams, events }, seq, at);
    return;
  }
  const observations = readingsOf(seq);
  const received = observations.map(({ datastream }) => ({
    thing: datastreams[datastream - 1]!.thing,
    hour: hourOf(at),
    readings: 1,
  }));
  const states = things.map((thing) => ({ thing, presence: "online" as const, lastSeen: at, body: `{"seq":${seq}}` }));
  store.commit({ ...nothing, observations, received, things: states, district: `${seq}` }, seq, at);
};

const given = (parentPort === null ? process.argv.slice(2) : workerData) as unknown[] | null;
if (process.argv[1] === import.meta.filename || parentPort !== null) {
  const [path, buffer] = (given ?? []) as [string | undefined, SharedArrayBuffer | undefined];
  if (path !== undefined) {
    const store = openStore({ path, watermark: openWatermark(buffer), freshMax: 40 });
    const again = () => {
      for (let turn = 0; turn < 20; turn++) commitNext(store);
      if (parentPort !== null) return void setTimeout(again, 5);
      process.stdout.write(".");
      setImmediate(again);
    };
    again();
  }
}
