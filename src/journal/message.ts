import type { MessagePort } from "node:worker_threads";
import type { Group } from "../codec/entry.ts";
import type { Seq } from "../domain/entry.ts";
import type { DurationMs } from "../domain/time.ts";
import type { JournalErrorCode } from "./error.ts";
import type { Recovery } from "./recovery.ts";

/** Why acknowledgements wait. */
export type BlockedReason = "disk_full" | "io_error" | "journal_full" | "slow_disk";

/** From a thread that appends to the journal's thread. */
export type FromSender =
  | ({ readonly kind: "group" } & Group)
  | { readonly kind: "trim"; readonly through: Seq }
  | { readonly kind: "close" };

/** And back, each in the order of what it answers. */
export type ToSender =
  | {
      readonly kind: "durable";
      /** Seq of the first entry of each group, oldest group first. */
      readonly firsts: readonly Seq[];
      /** Their buffers, to be written into again. */
      readonly buffers: readonly ArrayBuffer[];
    }
  | { readonly kind: "trimmed" };

/** From the thread that owns the journal's thread. */
export type ToWriter = { readonly kind: "sender"; readonly port: MessagePort } | { readonly kind: "close" };

/** And back. */
export type FromWriter =
  | { readonly kind: "ready"; readonly recovery: Recovery }
  | { readonly kind: "refused"; readonly code: JournalErrorCode; readonly message: string }
  | { readonly kind: "blocked"; readonly reason: BlockedReason; readonly detail: string }
  | { readonly kind: "resumed" }
  | { readonly kind: "figures"; readonly figures: Figures }
  | { readonly kind: "fatal"; readonly message: string }
  | { readonly kind: "closed" };

/** Of the commits since the last ones. */
export type Figures = {
  /** Seconds of each commit with its fsync. */
  readonly commits: readonly number[];
  readonly entries: number;
  readonly bytesUsed: number;
  /** How far the clock stands behind the newest entry. */
  readonly behind: DurationMs;
};

/** What the journal's thread is started with. */
export type WriterData = {
  readonly directory: string;
  readonly bytesMax: number;
  readonly above: Seq;
  /** Watermark of the newest durable entry, and of the newest trimmed one. */
  readonly head: SharedArrayBuffer;
  readonly floor: SharedArrayBuffer;
  /** Int32 pair: commits begun, commits ended. A commit that hangs is told by whoever watches them. */
  readonly pulse: SharedArrayBuffer;
};
