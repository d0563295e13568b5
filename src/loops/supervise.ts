import { type DurationMs, minute, second } from "../domain/time.ts";
import { random } from "../platform/random.ts";
import type { Telemetry } from "../platform/telemetry.ts";
import type { Clock } from "../ports.ts";

/** Something that runs until the signal aborts, and may throw on the way. */
export type Loop = { readonly name: string; run(signal: AbortSignal): Promise<void> };

type Supervision = {
  readonly clock: Clock;
  readonly telemetry: Pick<Telemetry, "roomFailed">;
  /** From 0 (included) to 1 (not), for jitter. */
  readonly random?: () => number;
};

const pauseFirst: DurationMs = 100;
const pauseMax: DurationMs = 30 * second;
/** A loop that ran this long begins its back-off anew. */
const healthyAfter: DurationMs = minute;

/**
 * Runs the loop until the signal aborts: one that throws, or ends by itself, is told and begun again after a pause that
 * doubles from 0.1 to 30 s, half of it by chance. Never rejects, and resolves only when the loop itself has ended.
 */
export const supervise = async (loop: Loop, supervision: Supervision, signal: AbortSignal): Promise<void> => {
  const { clock, telemetry } = supervision;
  let pause = pauseFirst;
  while (!signal.aborted) {
    const begun = clock.monotonic();
    const error = await outcome(loop, signal);
    if (signal.aborted) return;
    if (clock.monotonic() - begun >= healthyAfter) pause = pauseFirst;
    telemetry.roomFailed({ room: loop.name, error: describe(error), retryInMs: pause });
    await clock.sleep(jittered(pause, supervision.random ?? random), signal).catch(() => {});
    pause = Math.min(pause * 2, pauseMax);
  }
};

const outcome = async (loop: Loop, signal: AbortSignal): Promise<unknown> => {
  try {
    await loop.run(signal);
    return new Error("ended by itself");
  } catch (error) {
    return error;
  }
};

const jittered = (pause: DurationMs, chance: () => number): DurationMs => Math.round(pause * (0.5 + chance() / 2));

/** The message with those of its causes, and the stack of the first: what a person needs to find the place. */
const describe = (error: unknown): string => {
  if (!(error instanceof Error)) return String(error);
  const causes: string[] = [];
  for (let cause = error.cause; cause instanceof Error && causes.length < 5; cause = cause.cause) {
    causes.push(cause.message);
  }
  return [error.stack ?? error.message, ...causes].join("\ncaused by: ");
};
