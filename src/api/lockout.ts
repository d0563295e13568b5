import { type DurationMs, type Instant, minute } from "../domain/time.ts";

/** How many failures within the time lock whom out, and for how long. */
const lockDuration: DurationMs = 15 * minute;
/** One account from one address: the person, or a guesser, at one desk. */
const failuresMax = 5;
/** One address over all accounts: a guesser who changes names. */
const failuresOfAddressMax = 25;
/** One account over all addresses: many guessers. High, because it locks out the owner too. */
const failuresOfAccountMax = 100;
/** Counters kept; at the bound the oldest go, which only an attacker with thousands of addresses reaches. */
const countersMax = 20_000;

type Counter = { failures: number; since: Instant; lockedUntil: Instant };

export type Lockout = {
  /** Milliseconds for which it is locked; 0: it may try. */
  locked(username: string, address: string, now: Instant): DurationMs;
  failed(username: string, address: string, now: Instant): void;
  succeeded(username: string, address: string): void;
};

export const createLockout = (): Lockout => {
  const counters = new Map<string, Counter>();
  const keysOf = (username: string, address: string): readonly (readonly [string, number])[] => [
    [`both ${address} ${username}`, failuresMax],
    [`address ${address}`, failuresOfAddressMax],
    [`account ${username}`, failuresOfAccountMax],
  ];
  const count = (key: string, max: number, now: Instant): void => {
    const found = counters.get(key);
    const counter =
      found === undefined || now - found.since >= lockDuration ? { failures: 0, since: now, lockedUntil: 0 } : found;
    counter.failures += 1;
    if (counter.failures >= max) {
      counter.lockedUntil = now + lockDuration;
      counter.failures = 0;
    }
    counters.delete(key);
    counters.set(key, counter);
    if (counters.size > countersMax) for (const oldest of counters.keys()) return void counters.delete(oldest);
  };
  return {
    locked: (username, address, now) =>
      Math.max(0, ...keysOf(username, address).map(([key]) => (counters.get(key)?.lockedUntil ?? 0) - now)),
    failed: (username, address, now) => {
      for (const [key, max] of keysOf(username, address)) count(key, max, now);
    },
    succeeded: (username, address) => void counters.delete(`both ${address} ${username}`),
  };
};
