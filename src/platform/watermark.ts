/**
 * A number that only grows, shared by the threads of one process: who has advanced it wakes everybody who waits past
 * a value. It is how the applier learns of journaled entries and every consumer of committed changes, without a
 * message and without polling.
 */
export type Watermark = {
  /** For `workerData`: `openWatermark(watermark.buffer)` is the same watermark in another thread. */
  readonly buffer: SharedArrayBuffer;
  current(): number;
  /** Ignored when `value` is not above the current one. */
  advance(value: number): void;
  /** Resolves when the current value is above `after`; rejects with the signal's reason. */
  waitPast(after: number, signal: AbortSignal): Promise<void>;
};

/** A watermark at 0, or the one behind `buffer`. Values are integers below 2^53. */
export const openWatermark = (buffer = new SharedArrayBuffer(8)): Watermark => {
  const cell = new BigInt64Array(buffer);
  const current = () => Number(Atomics.load(cell, 0));
  return {
    buffer,
    current,
    advance(value) {
      if (value <= current()) return;
      Atomics.store(cell, 0, BigInt(value));
      Atomics.notify(cell, 0);
    },
    async waitPast(after, signal) {
      for (;;) {
        signal.throwIfAborted();
        const now = Atomics.load(cell, 0);
        if (Number(now) > after) return;
        await change(cell, now, signal);
      }
    },
  };
};

/** Resolves when the cell no longer holds `value`, or the signal aborts. */
const change = async (cell: BigInt64Array, value: bigint, signal: AbortSignal): Promise<void> => {
  const waiting = Atomics.waitAsync(cell, 0, value);
  if (!waiting.async) return;
  const aborted = Promise.withResolvers<void>();
  const abort = () => aborted.resolve();
  signal.addEventListener("abort", abort, { once: true });
  try {
    await Promise.race([waiting.value, aborted.promise]);
  } finally {
    signal.removeEventListener("abort", abort);
  }
};
