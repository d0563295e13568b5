import { setTimeout as delay } from "node:timers/promises";
import type { Clock } from "../ports.ts";

/** The only place that reads the time of the machine. */
export const systemClock: Clock = {
  now: () => Date.now(),
  monotonic: () => performance.now(),
  async sleep(duration, signal) {
    try {
      await delay(duration, undefined, { signal });
    } catch {
      throw signal.reason;
    }
  },
};
