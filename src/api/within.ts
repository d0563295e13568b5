import type { DurationMs } from "../domain/time.ts";
import type { Clock } from "../ports.ts";

/**
 * What `work` resolves with, or what `late` throws once the duration has passed. The work is given a signal that
 * aborts then; what ignores it goes on, and its failure after that is nobody's.
 */
export const within = async <T>(
  clock: Clock,
  duration: DurationMs,
  work: (signal: AbortSignal) => Promise<T>,
  late: () => Error,
): Promise<T> => {
  const over = new AbortController();
  const done = new AbortController();
  const deadline = clock.sleep(duration, done.signal).then(
    () => {
      const error = late();
      over.abort(error);
      throw error;
    },
    () => new Promise<never>(() => {}),
  );
  try {
    return await Promise.race([work(over.signal), deadline]);
  } finally {
    done.abort();
  }
};
