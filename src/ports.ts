import type { Account, Credential, Session } from "./domain/access.ts";
import type { Alarm, AlarmId, AlarmTransition } from "./domain/alarm.ts";
import type {
  Changes,
  CommandOutcome,
  Datastream,
  DatastreamId,
  Event,
  Observation,
  ThingState,
} from "./domain/change.ts";
import type { DeadLetter, Entry, Journaled, Seq } from "./domain/entry.ts";
import type { Quality } from "./domain/quality.ts";
import type { Registry } from "./domain/registry.ts";
import type { Reason, Rejection, RejectionId } from "./domain/rejection.ts";
import type { KindId, LimitId, Presence, StreetId, ThingId } from "./domain/thing.ts";
import type { DurationMs, Instant } from "./domain/time.ts";

/** Wall time and waiting. Only `platform/clock.ts` and the virtual clock of the tests implement it. */
export type Clock = {
  now(): Instant;
  /** Milliseconds that never go back, for measuring. */
  monotonic(): number;
  sleep(duration: DurationMs, signal: AbortSignal): Promise<void>;
};

/**
 * The durable sequence of everything that happened. Four verbs; a fifth means that we have outgrown it. Seq may skip,
 * and nothing may assume that broker and journal live in one process.
 */
export type Journal = {
  /**
   * Resolves after stable storage holds all of them, in call order, with the seq of the last.
   * Waits while the journal is at its bound or cannot be written; rejects only when it is closed.
   */
  append(entries: readonly Entry[]): Promise<Seq>;
  /** Entries with seq > after, in order, at most about `limit` of them (whole groups; at least one if there is one). */
  read(after: Seq, limit: number): Promise<readonly Journaled[]>;
  /** Resolves when an entry with seq > after exists; rejects with the signal's reason. */
  waitPast(after: Seq, signal: AbortSignal): Promise<void>;
  /** Forgets entries with seq <= through (whole groups). The caller knows that they are safe elsewhere. */
  trim(through: Seq): Promise<void>;
};

/** What the historian and the live view read: observations of one commit packed together, and single events. */
export type Change =
  | {
      readonly kind: "observations";
      readonly seq: Seq;
      readonly n: number;
      readonly observations: readonly Observation[];
    }
  | Event;

/** Place in the feed of changes; as text `{seq}-{n}`. */
export type ChangeId = { readonly seq: Seq; readonly n: number };

/** Knowledge: everything derived from the journal. Written by the applier alone. */
export type Store = Knowledge & {
  /**
   * All of it and the cursor in one transaction, or nothing and a StoreError. `at`: wall time of the entry `through`,
   * by which `seqBefore` and `appliedAt` answer.
   */
  commit(changes: Changes, through: Seq, at?: Instant): void;
  /** Single observations (and conflicts) older than this go, in slices of at most `limit` rows; answers how many went. */
  forgetObservations(before: Instant, limit: number): number;
  /** Entries of the feed, command outcomes and ended sessions older than this go; answers how many went. */
  forgetChanges(before: Instant, limit: number): number;
  /** Rejections and dead letters older than this go; answers how many went. */
  forgetRejections(before: Instant, limit: number): number;
  /** Puts everything committed so far on disk; answers the cursor that is now safe from a power cut. */
  checkpoint(): Seq;
  /** Every entry up to the answer was journaled before `at`; 0: none is known to be. */
  seqBefore(at: Instant): Seq;
  /** Gives at most `pages` pages that forgetting freed back to the disk; answers how many stay free. */
  reclaim(pages: number): number;
  /** Bytes on disk, WAL included. */
  size(): number;
};

export type Page<T> = { readonly items: readonly T[]; readonly next: string | null };
export type PageRequest = { readonly limit: number; readonly cursor: string | null };

/** One bucket of a roll-up; mean, min and max leave out flags 4 and 9, count counts all. */
export type Bucket = {
  readonly time: Instant;
  readonly mean: number | null;
  readonly min: number | null;
  readonly max: number | null;
  readonly count: number;
  readonly good: number;
};

export type Point = { readonly time: Instant; readonly value: number | null; readonly quality: Quality };

export type ThingStatus = {
  readonly thing: ThingId;
  readonly presence: Presence;
  readonly lastSeen: Instant | null;
  readonly activeAlarms: number;
  /** The newest reading of each property by phenomenon time. */
  readonly latest: Readonly<Record<string, Point>>;
};

export type LedgerHour = {
  readonly hour: Instant;
  readonly received: number;
  readonly stored: number;
  readonly duplicate: number;
  readonly rejected: number;
};

export type AlarmFilter = {
  readonly state: "active" | "all";
  readonly streets: readonly StreetId[] | null;
  readonly kind?: KindId;
  readonly thing?: ThingId;
  readonly limit?: LimitId;
  /** By `raisedAt`. */
  readonly from?: Instant;
  readonly to?: Instant;
  /** Only normal ones that were cleared at or after this. */
  readonly clearedSince?: Instant;
  /** For the seven days of a late alarm. */
  readonly now: Instant;
};

export type RejectionRow = Omit<Rejection, "seq" | "n"> & { readonly replayedAt: Instant | null };
export type StoredDeadLetter = DeadLetter & { readonly seq: Seq; readonly at: Instant };

/** Reading knowledge, from any thread, through a connection of its own. Every answer is bounded. */
export type Knowledge = {
  /** Seq through which everything is applied. */
  cursor(): Seq;
  /** Resolves when the cursor is past `after`. */
  waitPast(after: Seq, signal: AbortSignal): Promise<void>;
  /** Wall time of the newest applied entry, as `commit` was told; null: nothing is applied. */
  appliedAt(): Instant | null;
  /**
   * In order; with `kinds`, only those. Fewer than `limit` only at the end; may be more, because a commit is never cut:
   * the seq of the last one is a place that holds also when the store is rebuilt with other batches.
   */
  changesAfter(after: ChangeId, limit: number, kinds?: readonly Change["kind"][]): readonly Change[];
  /** The place of the oldest change still kept; null: none. */
  oldestChange(): ChangeId | null;
  /** How far a consumer of changes has come; null: it never began. */
  consumed(consumer: string): Seq | null;
  /** When that was, by its `delivered` entry; null: it never began. */
  consumedAt(consumer: string): Instant | null;

  engineState(): {
    readonly district: string | null;
    readonly things: readonly ThingState[];
    readonly datastreams: readonly Datastream[];
  };
  registry(): Registry | null;
  credentials(): readonly Credential[];
  accounts(): readonly Account[];
  session(tokenHash: string): Session | null;
  command(seq: Seq): CommandOutcome | null;
  commandByKey(by: string, key: string): CommandOutcome | null;

  /** The stored value at exactly this time; undefined: none. */
  observationAt(datastream: DatastreamId, time: Instant): { readonly value: number | null } | undefined;
  datastream(thing: ThingId, property: string): DatastreamId | undefined;
  /** All of them with a number above `after`, in order. */
  datastreams(after: DatastreamId): readonly Datastream[];
  /** Phenomenon time of the oldest single observation kept; null: none. May cost a scan: for starts, not for loops. */
  oldestObservation(): Instant | null;
  /** `from` included, `to` not, by time. */
  observations(datastream: DatastreamId, from: Instant, to: Instant, page: PageRequest): Page<Point>;
  /** Hours and (local) days come from the roll-ups, other widths from single observations. */
  buckets(
    datastream: DatastreamId,
    from: Instant,
    to: Instant,
    every: "hour" | "day" | DurationMs,
    page: PageRequest,
  ): Page<Bucket>;
  /** Values that came for a time that had one already; the first one stood. Newest first. */
  conflicts(datastream: DatastreamId, page: PageRequest): Page<Point & { readonly seq: Seq }>;
  /** All stored observations of the window in pages by (datastream, time), for filling a historian. */
  scan(
    from: Instant,
    to: Instant,
    after: { datastream: DatastreamId; time: Instant } | null,
    limit: number,
  ): readonly Observation[];

  statuses(things: readonly ThingId[]): readonly ThingStatus[];
  alarms(filter: AlarmFilter, page: PageRequest): Page<Alarm>;
  alarm(id: AlarmId): Alarm | null;
  history(id: AlarmId): readonly AlarmTransition[];
  rejections(
    filter: { reason?: Reason; thing?: ThingId; streets: readonly StreetId[] | null },
    page: PageRequest,
  ): Page<RejectionRow>;
  rejection(id: RejectionId): RejectionRow | null;
  /** Hours with anything in them, oldest first; thing undefined: all things together. */
  ledger(filter: { thing?: ThingId | ""; from?: Instant; to?: Instant }): readonly LedgerHour[];
  /** Hours of things whose ledger does not balance (law 9), at most `limit`; empty unless something is wrong. */
  remainders(limit: number): readonly (LedgerHour & { readonly thing: ThingId | "" })[];
  deadLetters(consumer: string, page: PageRequest): Page<StoredDeadLetter>;
  close(): void;
};

/** Where observations, alarm transitions and figures are kept for years. */
export type Historian = {
  /** Creates what it may; answers what is missing in one sentence, or null. */
  prepare(signal: AbortSignal): Promise<string | null>;
  /**
   * Writes the lines or says why not. The same line written twice is one point.
   * Delivery guarantee: at least once; nothing is kept here between calls.
   */
  write(lines: readonly string[], signal: AbortSignal): Promise<WriteOutcome>;
};

export type WriteOutcome =
  | { readonly kind: "accepted" }
  /** Hold and try again, not before `retryAfter` if that is given. */
  | {
      readonly kind: "hold";
      readonly reason: string;
      readonly status: number | null;
      readonly retryAfter: DurationMs | null;
    }
  /** Will never be taken as it is: bisect, put the one line aside. */
  | { readonly kind: "refused"; readonly reason: string; readonly status: number };
