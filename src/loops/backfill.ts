import { createObservationEncoder } from "../codec/line-batch.ts";
import type { DeadLetter } from "../domain/entry.ts";
import type { Instant } from "../domain/time.ts";
import type { Telemetry } from "../platform/telemetry.ts";
import type { Clock, Historian, Knowledge } from "../ports.ts";
import { createDelivery } from "./delivery.ts";
import { createWindow } from "./line-source.ts";

export type BackfillParts = {
  readonly knowledge: Knowledge;
  readonly historian: Historian;
  readonly clock: Clock;
  readonly random: () => number;
  readonly telemetry: Telemetry;
};

export type BackfillProgress = { readonly lines: number; readonly dead: number };
export type BackfillResult = BackfillProgress & {
  /** The first hundred of them. */
  readonly letters: readonly DeadLetter[];
};

const lettersMax = 100;

/**
 * Writes again what the store holds of `from` (included) to `to` (not), for a historian that lost it. Points that it
 * still has are written over by themselves; no cursor moves. Waits while the historian is away, until the signal.
 */
export const backfill = async (
  parts: BackfillParts,
  range: { readonly from: Instant; readonly to: Instant },
  onProgress: (progress: BackfillProgress) => void,
  signal: AbortSignal,
): Promise<BackfillResult> => {
  const { knowledge, clock } = parts;
  const consumer = "backfill";
  const encoder = createObservationEncoder(consumer, (after) => knowledge.datastreams(after));
  const registry = knowledge.registry();
  if (registry !== null) encoder.learn(registry);
  const delivery = createDelivery({ ...parts, consumer });
  await delivery.prepare(signal);
  const window = createWindow(knowledge, encoder, clock, range.from, range.to);
  const letters: DeadLetter[] = [];
  let lines = 0;
  let dead = 0;
  for (let batch = window.next(); batch !== null; batch = window.next()) {
    const refused = [...batch.dead, ...(await delivery.deliver(batch.lines, signal))];
    lines += batch.lines.length;
    dead += refused.length;
    letters.push(...refused.slice(0, lettersMax - letters.length));
    onProgress({ lines, dead });
  }
  return { lines, dead, letters };
};
