import fc from "fast-check";
import { expect, test } from "vitest";
import type { Entry, Seq } from "../../src/domain/entry.ts";
import { createIntake } from "../../src/ingest/intake.ts";

const entry = (at: number): Entry => ({ kind: "tick", at });
const turn = () => new Promise(setImmediate);

/** A journal whose appends settle when, and in the order in which, the test says so. */
const handJournal = () => {
  const waiting: { entries: readonly Entry[]; settle: (durable: boolean) => void }[] = [];
  return {
    waiting,
    append: (entries: readonly Entry[]) =>
      new Promise<Seq>((resolve, reject) => {
        waiting.push({ entries, settle: (durable) => (durable ? resolve(0) : reject(new Error("closed"))) });
      }),
  };
};

test("whatever the order in which appends complete, each entry is answered once, in the order of put", async () => {
  await fc.assert(
    fc.asyncProperty(
      fc.array(fc.integer({ min: 0, max: 5 }), { minLength: 1, maxLength: 30 }),
      fc.array(fc.nat(3), { minLength: 1 }),
      async (puts, picks) => {
        const journal = handJournal();
        const intake = createIntake(journal);
        const answered: number[] = [];
        let put = 0;
        let step = 0;
        const settleOne = () => {
          const pick = (picks[step++ % picks.length] as number) % Math.max(1, journal.waiting.length);
          journal.waiting.splice(pick, 1)[0]?.settle(true);
        };
        for (const count of puts) {
          for (let one = 0; one < count; one++) {
            const at = put++;
            intake.put(entry(at), () => answered.push(at));
          }
          await turn();
          settleOne();
          await turn();
        }
        while (intake.pending() > 0) {
          settleOne();
          await turn();
        }
        expect(answered).toEqual(Array.from({ length: put }, (_, at) => at));
      },
    ),
    { numRuns: 100 },
  );
});

test("what comes in one turn, or while two appends are under way, is one group", async () => {
  const journal = handJournal();
  const intake = createIntake(journal);
  const put = (count: number) => {
    for (let at = 0; at < count; at++) intake.put(entry(at), () => {});
  };
  put(5);
  await turn();
  put(1);
  await turn();
  for (const count of [3, 4]) {
    put(count);
    await turn();
  }
  expect(journal.waiting.map(({ entries }) => entries.length)).toEqual([5, 1]);
  journal.waiting[0]?.settle(true);
  await turn();
  await turn();
  expect(journal.waiting.map(({ entries }) => entries.length)).toEqual([5, 1, 7]);
});

test("an append that fails answers with an error, and those behind it are not taken for durable", async () => {
  const journal = handJournal();
  const intake = createIntake(journal);
  const answers: (string | null)[] = [];
  intake.put(entry(1), (error) => answers.push(error?.message ?? null));
  await turn();
  intake.put(entry(2), (error) => answers.push(error?.message ?? null));
  await turn();
  journal.waiting[1]?.settle(false);
  await turn();
  expect(answers).toEqual([]);
  journal.waiting[0]?.settle(true);
  await turn();
  expect(answers).toEqual([null, "refused: journal_closed"]);
});

test("draining ends when nothing waits, or with the signal", async () => {
  const journal = handJournal();
  const intake = createIntake(journal);
  await intake.drained(new AbortController().signal);
  intake.put(entry(1), () => {});
  await turn();
  const stop = new AbortController();
  const aborted = intake.drained(stop.signal);
  stop.abort();
  await aborted;
  const drained = intake.drained(new AbortController().signal);
  journal.waiting[0]?.settle(true);
  await drained;
});
