import { existsSync, renameSync } from "node:fs";
import type { LimitId } from "../domain/thing.ts";
import { second } from "../domain/time.ts";
import { joinJournal } from "../journal/joined.ts";
import { createApplier } from "../loops/applier.ts";
import { createJanitor } from "../loops/janitor.ts";
import { type Loop, supervise } from "../loops/supervise.ts";
import { createTimekeeper } from "../loops/timekeeper.ts";
import { systemClock as clock } from "../platform/clock.ts";
import type { Telemetry } from "../platform/telemetry.ts";
import { openWatermark } from "../platform/watermark.ts";
import type { Store } from "../ports.ts";
import { StoreError } from "../store/errors.ts";
import { openStore } from "../store/store.ts";
import type { ApplyData } from "./data.ts";
import { runThread } from "./thread.ts";

// The apply thread: the one writer of knowledge, and what only it may do (time, forgetting).

const closeWithin = second;

/** A store that is damaged is put aside and made anew from the journal, as far as that reaches back. */
const openOrRebuild = ({ storePath: path, cursor }: ApplyData, telemetry: Telemetry): Store => {
  const open = () => openStore({ path, watermark: openWatermark(cursor) });
  try {
    return open();
  } catch (error) {
    if (!(error instanceof StoreError) || error.code !== "store_damaged") throw error;
    const aside = `${path}.damaged-${clock.now()}`;
    for (const part of ["", "-wal", "-shm"]) if (existsSync(path + part)) renameSync(path + part, aside + part);
    telemetry.roomFailed(
      { room: "store", aside, error: error.message },
      "the store is damaged; it is made anew from the journal",
    );
    return open();
  }
};

await runThread<ApplyData>("apply", async ({ data, telemetry, signal }) => {
  const journal = joinJournal(data.journal, {
    telemetry,
    // an alarm that stands until somebody has acknowledged it
    onDamaged({ first, last, reason }) {
      const detail = `entries ${first} to ${last} are gone: ${reason}`;
      const limit = "journal" as LimitId;
      const entry = { kind: "condition", at: clock.now(), limit, value: last - first + 1, detail } as const;
      const told = journal.append([
        { ...entry, active: true },
        { ...entry, active: false },
      ]);
      told.catch((error: unknown) => telemetry.warned({ error: String(error) }, "the loss was not journaled"));
    },
  });
  const store = openOrRebuild(data, telemetry);
  const head = openWatermark(data.journal.head);
  const applier = createApplier({ journal, store, clock, telemetry, head: () => head.current() });
  const janitor = createJanitor(
    { clock, store, journal, telemetry },
    { storeBytesMax: data.storeBytesMax, journalKeep: data.journalKeep },
  );
  const loops: Loop[] = [applier, janitor, ...(data.ticking ? [createTimekeeper(journal, clock)] : [])];
  const finished = Promise.all(loops.map((loop) => supervise(loop, { clock, telemetry }, signal)));
  return {
    ready: store.cursor(),
    finished: finished.then(() => {}),
    async close() {
      await journal.close(AbortSignal.timeout(closeWithin));
      store.close();
    },
  };
});
