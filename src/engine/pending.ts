import type { Observation } from "../domain/change.ts";
import type { Instant } from "../domain/time.ts";

/** The observations of a stream that the store does not have yet: few, or as many as one batch may hold. */
export type Pending = {
  add(observation: Observation): void;
  /** The one of exactly this time. */
  at(time: Instant): Observation | undefined;
  /** After the commit. */
  clear(): void;
};

/** Up to so many are looked through one by one: most batches have one or two, and no index to make. */
const scannedMax = 16;

export const createPending = (): Pending => {
  const all: Observation[] = [];
  const byTime = new Map<Instant, Observation>();
  let indexed = 0;
  return {
    add: (observation) => void all.push(observation),
    at(time) {
      if (all.length <= scannedMax) return all.find((observation) => observation.time === time);
      for (; indexed < all.length; indexed++) {
        const observation = all[indexed] as Observation;
        byTime.set(observation.time, observation);
      }
      return byTime.get(time);
    },
    clear() {
      if (all.length === 0) return;
      all.length = 0;
      byTime.clear();
      indexed = 0;
    },
  };
};
