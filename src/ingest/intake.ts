import type { Entry } from "../domain/entry.ts";
import type { Journal } from "../ports.ts";
import { RefusedError } from "./refusal.ts";

/** Told that an entry is on stable storage, or that it will never be. */
type Answered = (error: Error | null) => void;

/**
 * Owner of the acknowledgement: hands entries to the journal in groups, and calls each `answered` exactly once, after
 * the entry is durable, in the order of `put`, whatever the order in which the appends complete [MQTT-4.6.0-2].
 */
export type Intake = {
  put(entry: Entry, answered: Answered): void;
  /** Entries that wait for their answer. */
  pending(): number;
  /** Resolves when nothing waits, or the signal aborts. */
  drained(signal: AbortSignal): Promise<void>;
};

type Group = { readonly entries: Entry[]; readonly answered: Answered[]; outcome: Error | null | undefined };
const newGroup = (): Group => ({ entries: [], answered: [], outcome: undefined });

/**
 * Appends under way at one time. With one, the journal idles while the answers are given; with many, the groups, each of
 * which costs a message between threads and a share of a commit, grow small.
 */
const appendsMax = 2;

/** Everything that arrives in one turn of the event loop, or while `appendsMax` appends are under way, is one group. */
export const createIntake = (journal: Pick<Journal, "append">): Intake => {
  const appending: Group[] = [];
  let forming = newGroup();
  let scheduled = false;
  let pending = 0;
  let onDrained: (() => void)[] = [];

  const schedule = () => {
    if (scheduled || appending.length >= appendsMax || forming.entries.length === 0) return;
    scheduled = true;
    setImmediate(flush);
  };
  const flush = () => {
    scheduled = false;
    const group = forming;
    forming = newGroup();
    appending.push(group);
    void append(journal, group).then((outcome) => {
      group.outcome = outcome;
      answer();
    });
  };
  /** Answers from the oldest group on, as far as the outcome is known. */
  const answer = () => {
    for (let oldest = appending[0]; oldest !== undefined && oldest.outcome !== undefined; oldest = appending[0]) {
      appending.shift();
      pending -= oldest.entries.length;
      const { outcome } = oldest;
      for (const answered of oldest.answered) answered(outcome);
    }
    schedule();
    if (pending > 0) return;
    for (const resolve of onDrained) resolve();
    onDrained = [];
  };

  return {
    put(entry, answered) {
      forming.entries.push(entry);
      forming.answered.push(answered);
      pending++;
      schedule();
    },
    pending: () => pending,
    async drained(signal) {
      if (pending === 0 || signal.aborted) return;
      const { promise, resolve } = Promise.withResolvers<void>();
      onDrained.push(resolve);
      signal.addEventListener("abort", () => resolve(), { once: true });
      await promise;
    },
  };
};

/** Null when durable. The journal waits while it cannot write and rejects only when it is closed: then nobody is acknowledged. */
const append = async (journal: Pick<Journal, "append">, group: Group): Promise<Error | null> => {
  try {
    await journal.append(group.entries);
    return null;
  } catch {
    return new RefusedError("journal_closed");
  }
};
