import type { MessagePort } from "node:worker_threads";
import type { Telemetry } from "../platform/telemetry.ts";
import { openWatermark } from "../platform/watermark.ts";
import type { Journal } from "../ports.ts";
import { lostBefore, openReader } from "./reader.ts";
import type { Damage } from "./segment.ts";
import { openSender } from "./sender.ts";

/** What another thread needs to use the journal: goes into its `workerData`, with `port` in the transfer list. */
export type JournalHandle = {
  readonly directory: string;
  readonly port: MessagePort;
  /** `openWatermark` of these: the newest durable entry, the newest trimmed one. */
  readonly head: SharedArrayBuffer;
  readonly floor: SharedArrayBuffer;
};

/** The journal as one thread has it. */
export type JoinedJournal = Journal & {
  /** Bytes appended by this thread and not acknowledged yet; above a limit of yours, take nothing more in. */
  pendingBytes(): number;
  /** Entries that reading found lost, oldest first: make each a `condition` of the house. */
  damaged(): readonly Damage[];
  /** Waits until everything appended is acknowledged or the signal aborts; what is not is then rejected. */
  close(signal: AbortSignal): Promise<void>;
};

type Options = {
  readonly telemetry: Pick<Telemetry, "journalDamaged">;
  /** Told of each of `damaged` when it is met. */
  readonly onDamaged?: (damage: Damage) => void;
};

/** The journal for the thread that was given the handle; each thread once. */
export const joinJournal = (handle: JournalHandle, { telemetry, onDamaged }: Options): JoinedJournal => {
  const damaged: Damage[] = [];
  const sender = openSender(handle.port);
  const reader = openReader({
    directory: handle.directory,
    head: openWatermark(handle.head),
    floor: openWatermark(handle.floor),
    onDamaged(damage) {
      damaged.push(damage);
      if (damage.reason !== lostBefore) tellDamage(telemetry, damage);
      onDamaged?.(damage);
    },
  });
  return {
    append: sender.append,
    trim: sender.trim,
    pendingBytes: sender.pendingBytes,
    read: reader.read,
    waitPast: reader.waitPast,
    damaged: () => damaged,
    async close(signal) {
      await sender.close(signal);
      reader.close();
    },
  };
};

export const tellDamage = (telemetry: Pick<Telemetry, "journalDamaged">, damage: Damage): void =>
  telemetry.journalDamaged({ ...damage, value: damage.last - damage.first + 1 });
