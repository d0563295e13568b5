import type { LimitId } from "../domain/thing.ts";
import { second } from "../domain/time.ts";
import { joinJournal } from "../journal/joined.ts";
import { createApplier } from "../loops/applier.ts";
import { createJanitor } from "../loops/janitor.ts";
import { type Loop, supervise } from "../loops/supervise.ts";
import { createTimekeeper } from "../loops/timekeeper.ts";
import { systemClock as clock } from "../platform/clock.ts";
import { openWatermark } from "../platform/watermark.ts";
import { openStore } from "../store/store.ts";
import type { ApplyData } from "./data.ts";
import { runThread } from "./thread.ts";

// The apply thread: the one writer of knowledge, and what only it may do (time, forgetting).

const closeWithin = second;

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
  const store = openStore({ path: data.storePath, watermark: openWatermark(data.cursor) });
  const applier = createApplier({ journal, store, clock, telemetry });
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
