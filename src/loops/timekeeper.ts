import { second } from "../domain/time.ts";
import type { Clock, Journal } from "../ports.ts";
import type { Loop } from "./supervise.ts";

/**
 * Journals a tick on every full second of the wall clock: the only way in which time reaches the engine. One at a time:
 * while the journal cannot take one, seconds pass unmarked, and a hole between ticks is our own absence (SEMANTICS 4.2).
 */
export const createTimekeeper = (journal: Pick<Journal, "append">, clock: Clock): Loop => ({
  name: "timekeeper",
  async run(signal) {
    while (!signal.aborted) {
      if (!(await nextSecond(clock, signal))) return;
      await journal.append([{ kind: "tick", at: clock.now() }]);
    }
  },
});

/** Waits for the next full second; false: the signal aborted. */
const nextSecond = async (clock: Clock, signal: AbortSignal): Promise<boolean> => {
  const due = (Math.floor(clock.now() / second) + 1) * second;
  for (;;) {
    const left = due - clock.now();
    // a timer may wake a millisecond early, and a clock that was put back makes the second come anew
    if (left <= 0 || left > second) return true;
    try {
      await clock.sleep(left, signal);
    } catch {
      return false;
    }
  }
};
