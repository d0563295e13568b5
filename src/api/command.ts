import type { CommandOutcome } from "../domain/change.ts";
import type { Command } from "../domain/entry.ts";
import type { DurationMs } from "../domain/time.ts";
import type { Clock, Journal, Knowledge } from "../ports.ts";
import { fault, Problem } from "./problem.ts";
import { within } from "./within.ts";

/** How long an answer waits for the journal, and then for the applier. */
const journaledWithin: DurationMs = 5_000;
const appliedWithin: DurationMs = 8_000;
/** Commands under way at one time: a person's are a handful. */
const underWayMax = 500;

/** Appends a command, waits until it has been applied, and answers how it ended. */
export type Commands = {
  /** `key`: of one request, within `scope`; the same key again is the same command, answered as it was. */
  carryOut(order: { by: string; scope: string; key: string | null; command: Command }): Promise<CommandOutcome>;
};

type Ports = { readonly knowledge: Knowledge; readonly journal: Pick<Journal, "append">; readonly clock: Clock };

export const createCommands = ({ knowledge, journal, clock }: Ports): Commands => {
  const underWay = new Map<string, Promise<CommandOutcome>>();
  let anonymous = 0;

  const submit = async (by: string, key: string | null, command: Command): Promise<CommandOutcome> => {
    const entry = { kind: "command", at: clock.now(), by, key, command } as const;
    const blocked = () => new Problem("not_journaling", undefined, { retryAfter: 5 });
    const seq = await within(clock, journaledWithin, async () => await journal.append([entry]), blocked);
    const behind = () => new Problem("not_applied", undefined, { retryAfter: 5 });
    await within(clock, appliedWithin, (signal) => knowledge.waitPast(seq - 1, signal), behind);
    const outcome = knowledge.command(seq);
    if (outcome === null) throw new Error(`command ${seq} was applied without an outcome`);
    return outcome;
  };
  return {
    async carryOut({ by, scope, key, command }) {
      // the key counts within what it was used for, so that one key on two alarms is two commands
      const journaled = key === null ? null : `${scope} ${key}`;
      const known = journaled === null ? null : knowledge.commandByKey(by, journaled);
      if (known !== null) return known;
      const place = journaled === null ? `${anonymous++}` : `${by} ${journaled}`;
      const same = underWay.get(place);
      if (same !== undefined) return await same;
      if (underWay.size >= underWayMax) throw new Problem("busy", undefined, { retryAfter: 5 });
      const working = submit(by, journaled, command).finally(() => underWay.delete(place));
      underWay.set(place, working);
      return await working;
    },
  };
};

/** `Idempotency-Key` of a request; null: none. @throws Problem shape */
export const idempotencyKey = (given: string | string[] | undefined): string | null => {
  if (given === undefined) return null;
  if (typeof given === "string" && /^[\x21-\x7e]{1,128}$/.test(given)) return given;
  throw fault("headers.idempotency-key", "expected 1 to 128 visible ASCII characters");
};
