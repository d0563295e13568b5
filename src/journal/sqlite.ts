import { MessageChannel, Worker } from "node:worker_threads";
import type { Seq } from "../domain/entry.ts";
import { type DurationMs, type Instant, second } from "../domain/time.ts";
import { systemClock } from "../platform/clock.ts";
import type { Telemetry } from "../platform/telemetry.ts";
import { openWatermark, type Watermark } from "../platform/watermark.ts";
import { JournalError } from "./error.ts";
import { type JoinedJournal, type JournalHandle, joinJournal, tellDamage } from "./joined.ts";
import type { BlockedReason, Figures, FromWriter, ToWriter, WriterData } from "./message.ts";
import type { Recovery } from "./recovery.ts";
import type { Damage } from "./segment.ts";

// The journal in SQLite. This thread and each that `joinJournal`s encode what they append and hand it to one worker
// (`sqlite-worker.ts`), the only one that writes; each reads through a connection of its own.
//
//   append -> sender (groups) -> writer (one transaction, one fsync) -> mark -> head -> answers, in order
//   read   -> reader (this thread's connection, checksums)
//
// Delivery guarantee: an append that resolved is on stable storage (WAL, synchronous = FULL), and stays readable until it
// is trimmed; where the disk itself loses it, that is told with the range, at the start or when it is read.

export type Blocked = { readonly reason: BlockedReason; readonly detail: string; readonly since: Instant };

export type JournalHealth = {
  /** Why acknowledgements wait; null: they do not. */
  readonly blocked: Blocked | null;
  readonly bytesUsed: number;
  readonly bytesMax: number;
  /** More than a minute when the clock was put back: entries get the time of the newest until it has caught up. */
  readonly behind: DurationMs;
};

export type OwnedJournal = JoinedJournal & {
  /** Newest durable entry. */
  readonly head: Watermark;
  /** What the start found: make `missing` a `condition` of the house. */
  readonly recovery: Recovery;
  /** A handle for one more thread. */
  connect(): JournalHandle;
  health(): JournalHealth;
};

export type JournalOptions = {
  readonly directory: string;
  /** Bound of the pages in use. */
  readonly bytesMax: number;
  readonly telemetry: Telemetry;
  /**
   * The store's cursor: new entries are numbered above it whatever happened to the journal's files, for the applier
   * would pass over any that are not.
   */
  readonly above?: Seq;
  /** Called when `blocked` or `behind` changes. */
  readonly onHealth?: (health: JournalHealth) => void;
  readonly onDamaged?: (damage: Damage) => void;
  /**
   * Nothing more will be acknowledged and no append will ever settle: an fsync failed, the file is damaged or the
   * thread died. End the process; the next start repairs and reports.
   */
  readonly onFatal: (error: JournalError) => void;
  /** The journal's thread; tests put one with a faulty disk here. */
  readonly worker?: URL;
};

/** A commit that takes longer is told while it lasts. */
const slowAfter: DurationMs = second;
const watchEvery: DurationMs = 250;
/** How long closing waits for the last acknowledgements, and then for the thread. */
const closeWithin: DurationMs = 2 * second;

/** Starts the journal's thread. Rejects with a JournalError: `journal_owned`, `journal_newer`, `journal_unsafe`… */
export const openJournal = async (options: JournalOptions): Promise<OwnedJournal> => {
  const { directory, bytesMax, telemetry } = options;
  const shared = { head: openWatermark(), floor: openWatermark(), pulse: new SharedArrayBuffer(8) };
  const data: WriterData = {
    ...{ directory, bytesMax, above: options.above ?? 0, pulse: shared.pulse },
    ...{ head: shared.head.buffer, floor: shared.floor.buffer },
  };
  const worker = new Worker(options.worker ?? new URL("./sqlite-worker.ts", import.meta.url), {
    name: "journal",
    workerData: data,
  });
  const recovery = await started(worker);
  const watch = watchOver(worker, options, shared.pulse);
  tellRecovery(telemetry, recovery);
  const connect = (): JournalHandle => {
    const { port1, port2 } = new MessageChannel();
    worker.postMessage({ kind: "sender", port: port1 } satisfies ToWriter, [port1]);
    return { directory, port: port2, head: data.head, floor: data.floor };
  };
  const own = joinJournal(connect(), options);
  let closing: Promise<void> | null = null;
  const close = async (signal: AbortSignal) => {
    await own.close(AbortSignal.any([signal, AbortSignal.timeout(closeWithin)]));
    await watch.close();
  };
  return {
    ...own,
    ...{ head: shared.head, recovery, connect },
    health: watch.health,
    close: (signal) => (closing ??= close(signal)),
  };
};

const started = async (worker: Worker): Promise<Recovery> => {
  const { promise, resolve, reject } = Promise.withResolvers<Recovery>();
  const failed = (cause?: unknown) =>
    reject(new JournalError("journal_failed", "the journal did not start", { cause }));
  worker.once("message", (message: FromWriter) => {
    if (message.kind === "ready") resolve(message.recovery);
    else if (message.kind === "refused") reject(new JournalError(message.code, message.message));
    else failed();
  });
  worker.once("error", failed);
  worker.once("exit", failed);
  try {
    return await promise;
  } finally {
    worker.off("error", failed);
    worker.off("exit", failed);
  }
};

const tellRecovery = (telemetry: Telemetry, recovery: Recovery): void => {
  for (const damage of recovery.missing) tellDamage(telemetry, damage);
  if (recovery.putAside.length > 0) {
    telemetry.warned({ files: recovery.putAside }, "the journal's database was damaged and put aside");
  }
  if (recovery.mark === "damaged") {
    telemetry.warned({ head: recovery.head }, "the journal's mark is gone: nothing vouches for its newest entries");
  }
};

type Watch = { health(): JournalHealth; close(): Promise<void> };

/** Keeps what the journal's thread says of itself, and looks whether it hangs. */
const watchOver = (worker: Worker, options: JournalOptions, pulse: SharedArrayBuffer): Watch => {
  const { telemetry, onHealth, onFatal, bytesMax } = options;
  const stop = new AbortController();
  const exited = Promise.withResolvers<void>();
  let health: JournalHealth = { blocked: null, bytesUsed: 0, bytesMax, behind: 0 };
  const set = (change: Partial<JournalHealth>) => {
    const before = health;
    health = { ...health, ...change };
    if (before.blocked !== health.blocked || before.behind > 0 !== health.behind > 0) onHealth?.(health);
  };
  const block = (reason: BlockedReason, detail: string) => {
    set({ blocked: { reason, detail, since: health.blocked?.since ?? systemClock.now() } });
    telemetry.journalBlocked({ reason, detail });
  };
  const resume = () => {
    if (health.blocked === null) return;
    set({ blocked: null });
    telemetry.journalResumed();
  };
  const fatal = (message: string) => {
    if (stop.signal.aborted) return;
    stop.abort();
    block("io_error", message);
    onFatal(new JournalError("journal_failed", message));
  };
  worker.on("message", (message: FromWriter) => {
    if (message.kind === "blocked") block(message.reason, message.detail);
    else if (message.kind === "resumed") resume();
    else if (message.kind === "fatal") fatal(message.message);
    else if (message.kind === "closed") exited.resolve();
    else if (message.kind === "figures") {
      tellFigures(telemetry, message.figures, health);
      set({ bytesUsed: message.figures.bytesUsed, behind: message.figures.behind });
    }
  });
  worker.on("error", (error) => fatal(`the journal's thread died: ${error instanceof Error ? error.message : error}`));
  worker.on("exit", () => {
    fatal("the journal's thread ended by itself");
    exited.resolve();
  });
  void watchPulse(new Int32Array(pulse), stop.signal, block, () => {
    if (health.blocked?.reason === "slow_disk") resume();
  });
  return {
    health: () => health,
    async close() {
      stop.abort();
      worker.postMessage({ kind: "close" } satisfies ToWriter);
      const patience = new AbortController();
      await Promise.race([exited.promise, systemClock.sleep(closeWithin, patience.signal).catch(() => {})]);
      patience.abort();
      await worker.terminate();
    },
  };
};

const tellFigures = (telemetry: Telemetry, figures: Figures, before: JournalHealth): void => {
  for (const value of figures.commits) {
    telemetry.journalCommitted({ value });
    if (value > slowAfter / 1_000) telemetry.warned({ seconds: value }, "a commit took longer than a second");
  }
  telemetry.journalEntries({ value: figures.entries });
  telemetry.journalBytes({ value: figures.bytesUsed });
  if (figures.behind > 0 && before.behind === 0) {
    telemetry.warned({ behindMs: figures.behind }, "the clock was put back; entries keep the time of the newest one");
  }
};

/** A hanging fsync cannot tell of itself: a commit that has begun and not ended is seen from here. */
const watchPulse = async (
  pulse: Int32Array,
  signal: AbortSignal,
  block: (reason: BlockedReason, detail: string) => void,
  resume: () => void,
): Promise<void> => {
  let seen = { begun: -1, at: 0, told: false };
  while (!signal.aborted) {
    const begun = Atomics.load(pulse, 0);
    const now = systemClock.monotonic();
    if (begun === Atomics.load(pulse, 1)) {
      if (seen.told) resume();
      seen = { begun: -1, at: 0, told: false };
    } else if (begun !== seen.begun) {
      if (seen.told) resume();
      seen = { begun, at: now, told: false };
    } else if (!seen.told && now - seen.at >= slowAfter - watchEvery) {
      block("slow_disk", "a commit has been under way for a second");
      seen = { ...seen, told: true };
    }
    await systemClock.sleep(watchEvery, signal).catch(() => {});
  }
};
