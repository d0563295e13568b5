import { thingOfLine } from "../codec/lineprotocol.ts";
import type { DeadLetter } from "../domain/entry.ts";
import type { ThingId } from "../domain/thing.ts";
import { type DurationMs, type Instant, minute, second } from "../domain/time.ts";
import type { Telemetry } from "../platform/telemetry.ts";
import type { Clock, Historian, WriteOutcome } from "../ports.ts";

type Hold = Extract<WriteOutcome, { kind: "hold" }>;
type Settled = Exclude<WriteOutcome, Hold>;

/** Since when the historian has taken nothing, and what it last said. */
export type Away = { readonly since: Instant; readonly reason: string };

export type DeliveryParts = {
  readonly consumer: string;
  readonly historian: Historian;
  readonly clock: Clock;
  /** From 0 (included) to 1 (not), for jitter. */
  readonly random: () => number;
  readonly telemetry: Telemetry;
  /** Called at each attempt that was put off. */
  readonly onHold?: () => void;
  /** Called once when the historian has been away for a minute. */
  readonly onAway?: (away: Away) => void;
  /** Called whenever it takes a write, or refuses one, which also shows that it is there. */
  readonly onPresent?: () => void;
};

export type Delivery = {
  /** Makes what is missing at the historian, and says what it could not; true: nothing is missing. */
  prepare(signal: AbortSignal): Promise<boolean>;
  /**
   * Resolves when each line is accepted or put aside (those are answered); rejects with the signal's reason, and then
   * some of them may be written: writing them again makes no second point.
   */
  deliver(lines: readonly string[], signal: AbortSignal): Promise<readonly DeadLetter[]>;
  away(): Away | null;
};

/** After so long away people hear of it. */
const awayTold = minute;
const backOffMin = second;
const backOffMax = minute;
/** A longer Retry-After is a mistake of somebody's: a day of silence for a header is not worth obeying. */
const retryAfterMax = 15 * minute;
const bodyMax = 4_096;

/**
 * Gets lines into the historian whatever it answers: holds with back-off while it is away or busy, and halves a batch
 * that it refuses until the one bad line is found, so that no neighbour is lost and nothing stalls. One write in flight.
 */
export const createDelivery = (parts: DeliveryParts): Delivery => {
  const { historian, clock, telemetry } = parts;
  const waiting = createWaiting(parts);
  let missing: string | null = null;

  const prepare = async (signal: AbortSignal): Promise<boolean> => {
    const before = missing;
    missing = await historian.prepare(signal);
    if (missing !== null && missing !== before) telemetry.warned({ room: "historian" }, missing);
    return missing === null;
  };

  const settle = async (lines: readonly string[], signal: AbortSignal): Promise<Settled> => {
    for (;;) {
      const began = clock.now();
      const outcome = await historian.write(lines, signal);
      if (outcome.kind !== "hold") {
        waiting.end();
        return outcome;
      }
      await waiting.hold(outcome, began, signal);
      // it was away when we prepared it, or somebody has deleted the bucket
      if (missing !== null || outcome.status === 404) await prepare(signal);
    }
  };

  return {
    prepare,
    away: waiting.away,
    async deliver(lines, signal) {
      const dead: DeadLetter[] = [];
      const runs: (readonly string[])[] = [lines];
      for (let run = runs.pop(); run !== undefined; run = runs.pop()) {
        if (run.length === 0) continue;
        const outcome = await settle(run, signal);
        if (outcome.kind === "accepted") telemetry.historianWrote({ value: run.length });
        else if (run.length === 1) dead.push(letter(parts.consumer, run[0] as string, outcome.reason));
        else runs.push(run.slice(run.length >> 1), run.slice(0, run.length >> 1));
      }
      if (dead.length > 0) telemetry.historianRefused({ value: dead.length, reason: dead[0]?.reason });
      return dead;
    },
  };
};

const letter = (consumer: string, line: string, reason: string): DeadLetter => ({
  consumer,
  thing: thingOfLine(line) as ThingId | "",
  reason,
  body: line.slice(0, bodyMax),
});

/** The time between two attempts, and who hears of it. */
const createWaiting = ({ clock, random, telemetry, onHold, onAway, onPresent }: DeliveryParts) => {
  let away: Away | null = null;
  let attempts = 0;
  let told = false;

  const tell = (): void => {
    if (away === null || told || clock.now() - away.since < awayTold) return;
    told = true;
    onAway?.(away);
  };

  /** Up to the moment at which people hear of it, then the rest. */
  const sleep = async (duration: DurationMs, since: Instant, signal: AbortSignal): Promise<void> => {
    const before = told ? 0 : Math.min(duration, Math.max(0, since + awayTold - clock.now()));
    if (before > 0) await clock.sleep(before, signal);
    tell();
    if (duration > before) await clock.sleep(duration - before, signal);
  };

  return {
    away: () => away,
    async hold({ reason, status, retryAfter }: Hold, began: Instant, signal: AbortSignal): Promise<void> {
      // the first failure and each different one
      if (away?.reason !== reason) telemetry.historianHolding({ reason: String(status ?? "network"), detail: reason });
      away = { since: away?.since ?? began, reason };
      onHold?.();
      const backOff = Math.min(backOffMax, backOffMin * 2 ** attempts++) * (1 - random() / 2);
      await sleep(Math.max(backOff, Math.min(retryAfter ?? 0, retryAfterMax)), away.since, signal);
    },
    end(): void {
      onPresent?.();
      if (away === null) return;
      telemetry.historianResumed({ since: away.since });
      away = null;
      attempts = 0;
      told = false;
    },
  };
};
