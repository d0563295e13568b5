import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { rounded } from "../../src/domain/limit.ts";
import type { Quality } from "../../src/domain/quality.ts";
import { type DurationMs, type Instant, minute } from "../../src/domain/time.ts";
import { dueAt, idleJudgement, type Judgement, judge, judgeTick, type Verdict } from "../../src/engine/judgement.ts";
import type { LimitTable } from "../../src/engine/registry.ts";
import { limit, property } from "../house/district.ts";

// SEMANTICS 2.1 to 2.4 said a second time, as sentences about the whole past instead of a machine that forgets it; and
// mutants of the machine, each of which the comparison must catch.

type Reading = {
  readonly time: Instant;
  readonly arrival: Instant;
  readonly value: number;
  readonly quality: Quality;
  readonly beyond: boolean;
};
type Look = { readonly kind: "reading"; readonly reading: Reading } | { readonly kind: "tick"; readonly at: Instant };

const silence: DurationMs = 3 * minute;
const table = (onDelay: DurationMs, offDelay: DurationMs): LimitTable => {
  const one = limit({ onDelay, offDelay });
  return { limit: one, property: property("turbidity"), high: true, setpoint: one.setpoint, side: "", conditions: [] };
};

const { setpoint, deadband } = limit();
const isOver = ({ value }: Reading): boolean => rounded(value - setpoint) > 0;
const isUsable = (reading: Reading): boolean =>
  isOver(reading) ? reading.beyond || [1, 2, 3].includes(reading.quality) : [1, 2].includes(reading.quality);

/** The verdict of each look, found by going through everything that was read before it. */
const bySentences = (limits: LimitTable, looks: readonly Look[]): readonly Verdict[] => {
  const { onDelay, offDelay } = limits.limit;
  const read: (Reading & { readonly held: boolean })[] = [];
  let raised = false;
  return looks.map((look): Verdict => {
    if (look.kind === "reading") {
      const { reading } = look;
      if (!isUsable(reading)) return "none";
      const was = read.at(-1)?.held ?? false;
      read.push({ ...reading, held: isOver(reading) || (was && rounded(reading.value - setpoint) > -deadband) });
    }
    const last = read.at(-1);
    if (last === undefined) return "none";
    const waited = look.kind === "tick" ? look.at - last.arrival : 0;
    if (waited > silence) return "none";
    const run = read.slice(read.findLastIndex(({ held }) => held !== last.held) + 1);
    const gap = run.findLastIndex(({ time }, at) => at > 0 && time - (run[at - 1] as Reading).time > silence);
    const from = last.held ? (run[0] as Reading) : (run[Math.max(0, gap)] as Reading);
    const elapsed = last.time - from.time + waited;
    if (last.held && !raised && elapsed >= onDelay) {
      raised = true;
      return "raise";
    }
    if (!last.held && raised && elapsed >= offDelay) {
      raised = false;
      return "clear";
    }
    return "none";
  });
};

type Machine = (judgement: Judgement, look: Look) => Verdict;
const machine: Machine = (judgement, look) =>
  look.kind === "tick" ? judgeTick(judgement, look.at, silence) : judge(judgement, look.reading, silence);
const byMachine = (limits: LimitTable, looks: readonly Look[], one: Machine = machine): readonly Verdict[] => {
  const judgement = idleJudgement(limits);
  return looks.map((look) => one(judgement, look));
};

const step = fc.record({
  pass: fc.constantFrom(30_000, minute, minute, 2 * minute, 5 * minute),
  lag: fc.constantFrom(0, 0, 0, 20_000, 10 * minute),
  value: fc.constantFrom(0.5, 0.9, 0.95, 1, 1 + 1e-12, 1.05, 1.5, 1.5, 120),
  quality: fc.constantFrom<Quality>(1, 1, 1, 2, 3, 4, 9),
  beyond: fc.boolean(),
  ticks: fc.boolean(),
});
/** Readings in order of their times, with ticks between them. */
const looks = fc.array(step, { minLength: 2, maxLength: 25 }).map((steps): readonly Look[] => {
  const all: Look[] = [];
  let now = 0;
  let newest = Number.NEGATIVE_INFINITY;
  for (const { pass, lag, value, quality, beyond, ticks } of steps) {
    if (ticks) for (let at = now + 10_000; at <= now + pass; at += 10_000) all.push({ kind: "tick", at });
    now += pass;
    newest = Math.max(newest + 1, now - lag);
    const reading = { time: newest, arrival: now, value, quality, beyond: beyond && quality === 4 && value > 100 };
    all.push({ kind: "reading", reading });
  }
  return all;
});
const limits = fc.constantFrom(
  table(2 * minute, 5 * minute),
  table(0, minute),
  table(minute, 0),
  table(0, 0),
  table(10 * minute, 2 * minute),
);

test("the machine says at every look what the sentences say of the whole past", () => {
  fc.assert(
    fc.property(limits, looks, (one, all) => {
      expect(byMachine(one, all)).toEqual(bySentences(one, all));
    }),
    { numRuns: 1_000 },
  );
});

test("the tick that will move it is foretold: no earlier one does, and that one does", () => {
  fc.assert(
    fc.property(limits, looks, (one, all) => {
      const judgement = idleJudgement(one);
      for (const look of all.filter(({ kind }) => kind === "reading")) {
        machine(judgement, look);
        const due = dueAt(judgement, silence);
        if (due === undefined) {
          expect(judgeTick({ ...judgement }, judgement.arrival + silence, silence)).toBe("none");
          continue;
        }
        if (due > judgement.arrival) expect(judgeTick({ ...judgement }, due - 1, silence)).toBe("none");
        expect(judgeTick({ ...judgement }, due, silence)).not.toBe("none");
      }
    }),
    { numRuns: 300 },
  );
});

describe("a mutant is caught", () => {
  const reading =
    (change: (reading: Reading) => Reading): Machine =>
    (judgement, look) =>
      machine(judgement, look.kind === "tick" ? look : { kind: "reading", reading: change(look.reading) });
  const mutants: Readonly<Record<string, Machine>> = {
    "that measures delays in arrival time": reading((one) => ({ ...one, time: one.arrival })),
    "that lets suspect values give the all-clear": reading((one) => (one.quality === 3 ? { ...one, quality: 1 } : one)),
    "that lets failed values speak": reading((one) => (one.quality === 4 ? { ...one, quality: 1 } : one)),
    "that does not let values beyond the span enter": reading((one) => ({ ...one, beyond: false })),
    "that takes the setpoint itself for a breach": reading((one) => (one.value === 1 ? { ...one, value: 1.01 } : one)),
    "that has no deadband": reading((one) => (one.value === 0.95 ? { ...one, value: 0.5 } : one)),
    "that compares without rounding": reading((one) => (one.value === 1 + 1e-12 ? { ...one, value: 1.01 } : one)),
    "that gives the all-clear over a gap": (judgement, look) =>
      look.kind === "tick" ? machine(judgement, look) : judge(judgement, look.reading, Number.POSITIVE_INFINITY),
    "that lets silence give the all-clear": (judgement, look) =>
      look.kind === "tick" ? judgeTick(judgement, look.at, Number.POSITIVE_INFINITY) : machine(judgement, look),
    "that is deaf to ticks": (judgement, look) => (look.kind === "tick" ? "none" : machine(judgement, look)),
  };
  test.each(Object.entries(mutants))("%s", (_, mutant) => {
    const property = fc.property(limits, looks, (one, all) => {
      expect(byMachine(one, all, mutant)).toEqual(bySentences(one, all));
    });
    expect(fc.check(property, { numRuns: 5_000 }).failed).toBe(true);
  });
});
