import type { Entry, Journaled, Seq } from "../../src/domain/entry.ts";
import { openWatermark } from "../../src/platform/watermark.ts";
import type { Journal } from "../../src/ports.ts";

/**
 * The journal of houses that are simulated: entries become durable in a later turn, in groups of what was appended
 * meanwhile, as on a disk. Proven by the same contract as the real one.
 */
export type MemoryJournal = Journal & {
  /** Power cut: this journal never answers again; the one returned holds what was durable. */
  crash(): MemoryJournal;
  /** From now on nothing becomes durable, as with a full disk; `release` ends it. */
  hold(): void;
  release(): void;
  /** Everything durable and not trimmed. */
  entries(): readonly Journaled[];
  close(): void;
};

type Options = {
  /** When a group becomes durable after it began to form; a microtask unless told otherwise. */
  readonly durableAfter?: () => Promise<void>;
  readonly entries?: readonly Journaled[];
  readonly head?: Seq;
};

type Append = {
  readonly entries: readonly Entry[];
  readonly resolve: (seq: Seq) => void;
  readonly reject: (error: Error) => void;
};

export const createMemoryJournal = (options: Options = {}): MemoryJournal => {
  const { durableAfter = () => Promise.resolve() } = options;
  let durable = options.entries ?? [];
  const head = openWatermark();
  head.advance(options.head ?? 0);
  let waiting: Append[] = [];
  let state: "open" | "held" | "closed" | "crashed" = "open";
  let committing = false;
  let at = durable.at(-1)?.entry.at ?? 0;

  const commit = async () => {
    if (committing) return;
    committing = true;
    while (waiting.length > 0 && state === "open") {
      await durableAfter();
      if (state !== "open") break;
      const group = waiting;
      waiting = [];
      const seqs = group.map(({ entries }) => {
        const from = head.current() + 1;
        durable = [...durable, ...entries.map((entry, index) => ({ seq: from + index, entry: settled(entry) }))];
        head.advance(head.current() + entries.length);
        return head.current();
      });
      for (const [index, { resolve }] of group.entries()) resolve(seqs[index] as Seq);
    }
    committing = false;
  };
  const settled = (entry: Entry): Entry => {
    at = Math.max(at, entry.at);
    return entry.at === at ? entry : { ...entry, at };
  };

  return {
    append: (entries) =>
      new Promise((resolve, reject) => {
        if (state === "closed") return reject(new Error("the journal is closed"));
        waiting.push({ entries, resolve, reject });
        void commit();
      }),
    read: async (after, limit) => {
      const from = durable.findIndex(({ seq }) => seq > after);
      return from < 0 ? [] : durable.slice(from, from + limit);
    },
    waitPast: (after, signal) => head.waitPast(after, signal),
    trim: async (through) => {
      durable = durable.filter(({ seq }) => seq > through);
    },
    crash() {
      state = "crashed";
      return createMemoryJournal({ ...options, entries: durable, head: head.current() });
    },
    hold: () => {
      state = "held";
    },
    release: () => {
      state = "open";
      void commit();
    },
    entries: () => durable,
    close() {
      state = "closed";
      for (const { reject } of waiting) reject(new Error("the journal is closed"));
      waiting = [];
    },
  };
};
