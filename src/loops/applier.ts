import { setImmediate } from "node:timers/promises";
import type { Changes } from "../domain/change.ts";
import type { Journaled, Seq } from "../domain/entry.ts";
import type { LimitId } from "../domain/thing.ts";
import { type DurationMs, second } from "../domain/time.ts";
import type { Known } from "../engine/district.ts";
import { createEngine, type Engine } from "../engine/engine.ts";
import type { Telemetry } from "../platform/telemetry.ts";
import type { Clock, Journal, Store } from "../ports.ts";
import type { Loop } from "./supervise.ts";

// The one writer of knowledge (laws 3 and 9): reads the journal behind the store's cursor, asks the engine what each
// entry means, and commits the answer together with the cursor. Begun again after whatever failure, it goes on where
// the store stands; nothing is applied twice, because nothing was committed without its cursor.

/** Entries of one commit: enough to share a commit among, few enough that an alarm does not wait behind them. */
const pageEntriesMax = 1_000;
/** Changes of one commit: one message may carry thousands of readings. */
const batchChangesMax = 20_000;
/**
 * After a page that was not full, so that what comes meanwhile is committed together; a reading after silence waits for
 * nothing. A trickle of 2,000 a second came as 400 commits of five, and each one costs pages in the WAL (a checkpoint
 * held everything up for 40 ms every two seconds) and wakes all readers of the feed: now half the CPU, and no such stop.
 */
const gatherWithin: DurationMs = 6;
/** Back-off of a commit that the store does not take. */
const pauseFirst: DurationMs = 50;
const pauseMax: DurationMs = 5 * second;
/** The house's alarm for an entry that this program cannot apply. */
const applierLimit = "applier" as LimitId;
/** Entries stepped over in one run; more is no accident, and the loop gives up. */
const steppedOverMax = 1_000;

export type ApplierPorts = {
  readonly journal: Pick<Journal, "read" | "waitPast">;
  readonly store: Known & Pick<Store, "commit" | "cursor" | "engineState" | "registry">;
  readonly clock: Pick<Clock, "sleep">;
  readonly telemetry: Pick<
    Telemetry,
    "entriesApplied" | "readingsCounted" | "alarmTransition" | "applierBehind" | "roomFailed" | "warned"
  >;
  /** The journal's newest seq, for the gauge of what is not applied yet. */
  readonly head?: () => Seq;
};

/** Until the signal aborts; then the batch under way is committed first. Rejects where going on would lose something. */
export const createApplier = (ports: ApplierPorts): Loop => ({
  name: "applier",
  async run(signal) {
    const { journal, store } = ports;
    const fold = createFold(ports);
    let cursor = store.cursor();
    while (!signal.aborted) {
      const page = await journal.read(cursor, pageEntriesMax);
      const last = page.at(-1);
      if (last === undefined) {
        if (!(await somethingPast(journal, cursor, signal))) return;
        continue;
      }
      for (const batch of fold.batches(page)) await commit(ports, batch, signal);
      cursor = last.seq;
      ports.telemetry.applierBehind({ value: Math.max(0, (ports.head?.() ?? cursor) - cursor) });
      if (page.length < pageEntriesMax && !signal.aborted)
        await ports.clock.sleep(gatherWithin, signal).catch(() => {});
      // the janitor and the timekeeper share this thread
      else await setImmediate();
    }
  },
});

/** False: the signal aborted while there was nothing. */
const somethingPast = async (journal: ApplierPorts["journal"], cursor: Seq, signal: AbortSignal): Promise<boolean> => {
  try {
    await journal.waitPast(cursor, signal);
    return true;
  } catch (error) {
    if (signal.aborted) return false;
    throw error;
  }
};

type Batch = { readonly changes: Changes; readonly last: Journaled; readonly entries: number };

/** The engine, and how it gets past an entry that it cannot apply. */
const createFold = ({ store, telemetry }: ApplierPorts) => {
  const begin = (): Engine => createEngine({ known: store, state: store.engineState(), registry: store.registry() });
  const steppedOver = new Map<Seq, string>();
  let engine = begin();

  /** Applies up to a batch's bound from `from` on; answers the place behind the last. */
  const applyFrom = (page: readonly Journaled[], from: number): number => {
    let place = from;
    while (place < page.length && engine.size() < batchChangesMax) {
      const journaled = page[place] as Journaled;
      try {
        engine.apply(substitute(journaled, steppedOver));
        place++;
      } catch (error) {
        stepOver(journaled, error);
        // it may have been half applied: from the store, which has nothing of this batch, all of it again
        engine = begin();
        place = from;
      }
    }
    return place;
  };
  /** A bug of ours must not stop the alarms of a district: the entry stays in the journal, an alarm tells of it. */
  const stepOver = ({ seq, entry }: Journaled, error: unknown): void => {
    if (steppedOver.has(seq) || steppedOver.size >= steppedOverMax) throw error;
    const reason = error instanceof Error ? error.message : String(error);
    steppedOver.set(seq, `entry ${seq} (${entry.kind}) could not be applied: ${reason}`);
    telemetry.roomFailed({
      room: "applier",
      seq,
      entry: entry.kind,
      error: error instanceof Error ? error.stack : reason,
    });
  };
  return {
    /** Each must be committed before the next is asked for. */
    *batches(page: readonly Journaled[]): Generator<Batch> {
      for (let from = 0; from < page.length; ) {
        const behind = applyFrom(page, from);
        yield { changes: engine.take(), last: page[behind - 1] as Journaled, entries: behind - from };
        from = behind;
      }
    },
  };
};

const substitute = (journaled: Journaled, steppedOver: ReadonlyMap<Seq, string>): Journaled => {
  const detail = steppedOver.get(journaled.seq);
  if (detail === undefined) return journaled;
  const { seq, entry } = journaled;
  return { seq, entry: { kind: "condition", at: entry.at, limit: applierLimit, active: true, value: seq, detail } };
};

/** Puts the batch into the store, however long that takes; rejects when the store says that it never will. */
const commit = async (ports: ApplierPorts, { changes, last, entries }: Batch, signal: AbortSignal): Promise<void> => {
  const { store, telemetry } = ports;
  let told = "";
  for (let pause = pauseFirst; ; pause = Math.min(2 * pause, pauseMax)) {
    try {
      store.commit(changes, last.seq, last.entry.at);
      break;
    } catch (error) {
      if (!mayRetry(error)) throw error;
      const reason = String(error);
      if (reason !== told) telemetry.warned({ room: "applier", error: reason }, "the store takes no commit; holding");
      told = reason;
      await ports.clock.sleep(pause, signal);
    }
  }
  telemetry.entriesApplied({ value: entries });
  count(telemetry, changes);
};

/** The adapter says so in the error itself. */
const mayRetry = (error: unknown): boolean => error instanceof Error && "retry" in error && error.retry === true;

const count = (telemetry: ApplierPorts["telemetry"], changes: Changes): void => {
  const { observations, duplicates, rejections, events } = changes;
  const outcomes = { stored: observations.length, duplicate: duplicates.length, rejected: rejections.length };
  for (const [outcome, value] of Object.entries(outcomes)) if (value > 0) telemetry.readingsCounted({ outcome, value });
  for (const event of events) {
    if (event.kind !== "alarm") continue;
    const { action, page, alarm } = event.transition;
    const { id, priority, state } = alarm;
    telemetry.alarmTransition({ action, priority, alarm: id, state, page, text: alarm.text.en });
  }
};
