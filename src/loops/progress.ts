import type { DeadLetter, Entry, Seq } from "../domain/entry.ts";
import { type DurationMs, type Instant, minute } from "../domain/time.ts";
import type { Clock, Journal } from "../ports.ts";

/** Said at most so often while busy. */
const recordedEvery: DurationMs = 500;
/** Said so often when nothing was written: a cursor left far behind would look like a gap once the feed is trimmed. */
const recordedAtRest: DurationMs = 5 * minute;
/** Dead letters an entry. */
const deadMax = 100;

/**
 * How far a consumer has come, told to the house as `delivered` entries: its position runs ahead of what is recorded,
 * and after a crash it starts from there, writing some lines again.
 */
export type Progress = {
  /** Everything up to `through` is carried out, `dead` apart. */
  note(through: Seq | null, dead: readonly DeadLetter[], wrote: boolean): void;
  /** Something was written that is not recorded. */
  waiting(): boolean;
  /** Records if there is something and it is time. */
  recordIfDue(): Promise<void>;
  /** Records what there is. */
  record(): Promise<void>;
};

export const createProgress = (
  journal: Pick<Journal, "append">,
  clock: Clock,
  consumer: string,
  start: Seq | null,
): Progress => {
  let recorded = start;
  let position = start;
  let dead: DeadLetter[] = [];
  let wrote = false;
  let last: Instant = clock.monotonic();

  const record = async (): Promise<void> => {
    wrote = false;
    last = clock.monotonic();
    if (position === recorded && dead.length === 0) return;
    const letters = dead;
    // the earlier entries of many dead letters do not move the cursor
    const base = { kind: "delivered", at: clock.now(), consumer } as const;
    const entries: Entry[] = [];
    for (let at = 0; at + deadMax < letters.length; at += deadMax)
      entries.push({ ...base, through: recorded ?? 0, dead: letters.slice(at, at + deadMax) });
    const through = position ?? 0;
    const rest = letters.slice(entries.length * deadMax);
    dead = [];
    await journal.append([...entries, { ...base, through, dead: rest }]);
    recorded = through;
  };

  return {
    note(through, letters, written) {
      if (through !== null && through > (position ?? -1)) position = through;
      dead.push(...letters);
      wrote ||= written;
    },
    waiting: () => wrote || dead.length > 0,
    async recordIfDue() {
      const since = clock.monotonic() - last;
      if (dead.length >= deadMax || since >= (wrote || dead.length > 0 ? recordedEvery : recordedAtRest))
        await record();
    },
    record,
  };
};
