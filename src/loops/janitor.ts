import type { Seq } from "../domain/entry.ts";
import { houseId, type LimitId } from "../domain/thing.ts";
import { type DurationMs, day, hour, type Instant, minute, toIso } from "../domain/time.ts";
import type { Telemetry } from "../platform/telemetry.ts";
import type { Clock, Journal, Store } from "../ports.ts";
import type { Loop } from "./supervise.ts";

// What stays, and for how long:
//
//   single observations, rejections   the registry's retention; less while the store is above its bound
//   feed of changes                   48 h; 24 h at least, also above the bound (`/live` resumes from it)
//   journal                           what the store has on disk, and never less than the keep hours
//   roll-ups, alarms, ledger          for ever
//
// Everything is done in slices of a few milliseconds with pauses between, because the applier shares the thread.

export type JanitorPolicy = {
  readonly storeBytesMax: number;
  /** Entries younger than this stay in the journal, also when the store has them. */
  readonly journalKeep: DurationMs;
  readonly feedKeep?: DurationMs;
};

type Ports = {
  readonly clock: Clock;
  readonly store: Store;
  readonly journal: Pick<Journal, "append" | "trim">;
  readonly telemetry: Pick<Telemetry, "storePruned" | "storeBytes">;
};

const every: DurationMs = minute;
/** Forgetting pays when a page's worth has come together. */
const forgetEvery: DurationMs = 10 * minute;
const sliceRows = 2_000;
const slicePages = 1_000;
const slicePause: DurationMs = 10;
/** Share of free pages that stays in the file for what comes in: giving back what is taken again in a minute is work for nothing. */
const freeShareMax = 0.1;
const pageBytes = 4_096;
/** Above the bound, forgetting goes on to this share of it, and the alarm ends below that one. */
const shrinkTo = 0.97;
const calmBelow = 0.9;
/** Never given up for room: what a person looks at first. */
const observationsKeptMin: DurationMs = hour;
const feedKeptMin: DurationMs = day;
const feedKeepDefault: DurationMs = 48 * hour;
const remaindersShown = 100;

/** Keeps store and journal within their bounds, and tells when the ledger is off (law 9). */
export const createJanitor = (
  ports: Ports,
  policy: JanitorPolicy,
): Loop & { sweep(signal: AbortSignal): Promise<void> } => {
  const { clock, store } = ports;
  const condition = createConditions(ports);
  const slices = createSlices(ports);
  const bound = createBound(ports, policy, condition, slices);
  let forgottenAt: Instant = Number.NEGATIVE_INFINITY;

  const sweep = async (signal: AbortSignal): Promise<void> => {
    const now = appliedNow(ports);
    await checkLedger(store, condition);
    if (now >= forgottenAt + forgetEvery) {
      forgottenAt = now;
      const retention = store.registry()?.retention;
      if (retention !== undefined) await slices.forgetSingles(now - retention, signal);
      await slices.forgetFeed(now - (policy.feedKeep ?? feedKeepDefault), signal);
      await slices.reclaim(freeShareMax, signal);
    }
    const safe = store.checkpoint();
    await bound(signal);
    await trimJournal(ports, policy.journalKeep, safe);
    ports.telemetry.storeBytes({ value: store.size() });
  };
  return {
    name: "janitor",
    sweep,
    async run(signal) {
      while (!signal.aborted) {
        await sweep(signal);
        await clock.sleep(every, signal).catch(() => {});
      }
    },
  };
};

/**
 * Retention counts from what is applied, not from the wall: entries that still wait in the journal are judged too old
 * by their own arrival, and may repeat readings that must be there to tell.
 */
const appliedNow = ({ clock, store }: Ports): Instant => Math.min(clock.now(), store.appliedAt() ?? clock.now());

type Condition = (limit: string, active: boolean, value: number | null, detail: string) => Promise<void>;

/** Facts about the house as entries, each when it begins and when it ends; what was told before a start is in the store. */
const createConditions = ({ clock, store, journal }: Ports): Condition => {
  const told = new Map<string, boolean>();
  const stands = (limit: LimitId): boolean => {
    const filter = { state: "active", streets: null, thing: houseId, limit, now: clock.now() } as const;
    return store.alarms(filter, { limit: 10, cursor: null }).items.some(({ clearedAt }) => clearedAt === null);
  };
  return async (name, active, value, detail) => {
    const limit = name as LimitId;
    if ((told.get(limit) ?? stands(limit)) === active) return;
    await journal.append([{ kind: "condition", at: clock.now(), limit, active, value, detail }]);
    told.set(limit, active);
  };
};

const checkLedger = async (store: Store, condition: Condition): Promise<void> => {
  const remainders = store.remainders(remaindersShown);
  const off = remainders.map(({ thing, hour, received, stored, duplicate, rejected }) => ({
    readings: received - stored - duplicate - rejected,
    text: `${thing || "no known thing"} at ${toIso(hour)}: ${received} received, ${stored} stored, ${duplicate} duplicate, ${rejected} rejected`,
  }));
  const readings = off.reduce((sum, one) => sum + Math.abs(one.readings), 0);
  await condition("ledger", off.length > 0, readings, off[0]?.text ?? "the ledger balances");
};

type Slices = {
  /** Observations and rejections older than this; answers how many rows went. */
  forgetSingles(before: Instant, signal: AbortSignal): Promise<number>;
  forgetFeed(before: Instant, signal: AbortSignal): Promise<number>;
  /** Gives free pages back to the disk until they are no more than this share of the file. */
  reclaim(freeShare: number, signal: AbortSignal): Promise<void>;
};

const createSlices = ({ clock, store, telemetry }: Ports): Slices => {
  const all = async (slice: (limit: number) => number, signal: AbortSignal): Promise<number> => {
    let gone = 0;
    while (!signal.aborted) {
      const rows = slice(sliceRows);
      gone += rows;
      if (rows < sliceRows) break;
      await clock.sleep(slicePause, signal).catch(() => {});
    }
    if (gone > 0) telemetry.storePruned({ value: gone });
    return gone;
  };
  return {
    async forgetSingles(before, signal) {
      const observations = await all((limit) => store.forgetObservations(before, limit), signal);
      return observations + (await all((limit) => store.forgetRejections(before, limit), signal));
    },
    forgetFeed: (before, signal) => all((limit) => store.forgetChanges(before, limit), signal),
    async reclaim(freeShare, signal) {
      const enough = Math.floor((store.size() / pageBytes) * freeShare);
      // one page is given back to learn how many are free
      for (let free = store.reclaim(1); free > enough && !signal.aborted; ) {
        await clock.sleep(slicePause, signal).catch(() => {});
        free = store.reclaim(Math.min(slicePages, free - enough));
      }
    },
  };
};

/** The bound by bytes: the oldest singles go first, after an alarm; then the feed down to its minimum. */
const createBound = (ports: Ports, policy: JanitorPolicy, condition: Condition, slices: Slices) => {
  const { store } = ports;
  const { storeBytesMax } = policy;
  /** Without free pages and with an empty WAL. */
  const measured = async (signal: AbortSignal): Promise<number> => {
    await slices.reclaim(0, signal);
    store.checkpoint();
    return store.size();
  };
  return async (signal: AbortSignal): Promise<void> => {
    if (store.size() <= storeBytesMax * calmBelow)
      return condition("storage", false, store.size(), "the store is within its bound");
    if (store.size() <= storeBytesMax || (await measured(signal)) <= storeBytesMax) return;
    const detail = `the store takes ${store.size()} bytes of ${storeBytesMax}; its oldest observations are given up`;
    await condition("storage", true, store.size(), detail);
    const now = appliedNow(ports);
    for (const step of [
      () => forgetOldest(ports, slices, now - day, signal),
      () => slices.forgetFeed(now - feedKeptMin, signal),
      () => forgetOldest(ports, slices, now - observationsKeptMin, signal),
    ])
      while (!signal.aborted && (await measured(signal)) > storeBytesMax * shrinkTo) if ((await step()) === 0) break;
  };
};

/** A fiftieth of the time that is kept, but nothing younger than `youngest`; answers how many rows went. */
const forgetOldest = async (
  { store }: Ports,
  slices: Slices,
  youngest: Instant,
  signal: AbortSignal,
): Promise<number> => {
  const oldest = store.oldestObservation();
  // no observation to give up, but perhaps rejections
  if (oldest === null || oldest >= youngest) return await slices.forgetSingles(youngest, signal);
  const step = Math.max(10 * minute, Math.ceil((youngest - oldest) / 50));
  return await slices.forgetSingles(Math.min(youngest, oldest + step), signal);
};

/** Only what a checkpoint has put on disk, and only what is older than the keep hours. */
const trimJournal = async ({ clock, store, journal }: Ports, keep: DurationMs, safe: Seq): Promise<void> => {
  const through = Math.min(safe, store.seqBefore(clock.now() - keep));
  if (through > 0) await journal.trim(through);
};
