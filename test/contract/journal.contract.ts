import fc from "fast-check";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import type { Entry, Journaled, Seq } from "../../src/domain/entry.ts";
import type { Journal } from "../../src/ports.ts";

/** A journal under test, and what a test does to it. */
export type JournalUnderTest = {
  journal: Journal;
  /** Another thread's or sender's view of the same journal. */
  other(): Journal;
  /** The process dies and is started anew: `journal` is the new one. */
  crash(): Promise<void>;
  close(): Promise<void>;
};

const numbered = (number: number, at = 1_000): Entry => ({
  ...{ kind: "message", at, topic: `t/${number % 3}`, payload: Buffer.from(`${number}`) },
  ...{ principal: null, qos: 1 },
});
const numberOf = ({ entry }: Journaled): number =>
  entry.kind === "message" ? Number(Buffer.from(entry.payload).toString()) : -1;

const all = async (journal: Journal, after: Seq = 0, limit = 1_000): Promise<Journaled[]> => {
  const entries: Journaled[] = [];
  for (;;) {
    const page = await journal.read(entries.at(-1)?.seq ?? after, limit);
    if (page.length === 0) return entries;
    entries.push(...page);
  }
};
const never = new AbortController().signal;

/** What every journal promises (ports.ts), whatever it is made of. */
export const journalContract = (name: string, open: () => Promise<JournalUnderTest>, numRuns: number): void => {
  describe(`${name} as a journal`, () => {
    let house: JournalUnderTest;
    beforeEach(async () => {
      house = await open();
    });
    afterEach(async () => {
      await house.close();
    });

    test("appends are answered in call order with the seq of their last entry, and read back in that order", async () => {
      const { journal } = house;
      const answered: Seq[] = [];
      const sizes = [1, 3, 1, 500, 2];
      let number = 0;
      await Promise.all(
        sizes.map(async (size) => {
          const seq = await journal.append(Array.from({ length: size }, () => numbered(number++)));
          answered.push(seq);
        }),
      );
      expect(answered).toEqual([...answered].sort((a, b) => a - b));
      const entries = await all(journal);
      expect(entries.map(numberOf)).toEqual(Array.from({ length: number }, (_, index) => index));
      const lasts = sizes.map((_, index) => sizes.slice(0, index + 1).reduce((sum, size) => sum + size, 0));
      expect(answered.map((seq) => entries.findIndex((entry) => entry.seq === seq) + 1)).toEqual(lasts);
    });

    test("what was acknowledged survives a crash, and numbers go on above it", async () => {
      const seq = await house.journal.append([numbered(1), numbered(2)]);
      await house.crash();
      expect((await all(house.journal)).map(numberOf)).toEqual([1, 2]);
      expect(await house.journal.append([numbered(3)])).toBeGreaterThan(seq);
    });

    test("numbers do not begin again after everything was trimmed, nor after a crash behind that", async () => {
      const seq = await house.journal.append([numbered(1)]);
      await house.journal.trim(seq);
      expect(await all(house.journal)).toEqual([]);
      const next = await house.journal.append([numbered(2)]);
      expect(next).toBeGreaterThan(seq);
      await house.journal.trim(next);
      await house.crash();
      expect(await house.journal.append([numbered(3)])).toBeGreaterThan(next);
      expect((await all(house.journal)).map(numberOf)).toEqual([3]);
    });

    test("a trim keeps everything above the seq that it is given", async () => {
      const { journal } = house;
      const seqs: Seq[] = [];
      for (let number = 0; number < 10; number++) seqs.push(await journal.append([numbered(number)]));
      await journal.trim(seqs[6] as Seq);
      expect((await all(journal)).map(numberOf)).toEqual([7, 8, 9]);
      expect((await all(journal, seqs[8])).map(numberOf)).toEqual([9]);
    });

    test("several senders share it: each one's entries keep their order", async () => {
      const other = house.other();
      await Promise.all([
        ...Array.from({ length: 100 }, (_, index) => house.journal.append([numbered(index)])),
        ...Array.from({ length: 100 }, (_, index) => other.append([numbered(1_000 + index)])),
      ]);
      const numbers = (await all(other)).map(numberOf);
      expect(numbers.filter((number) => number < 1_000)).toEqual(Array.from({ length: 100 }, (_, index) => index));
      expect(numbers.filter((number) => number >= 1_000)).toHaveLength(100);
      expect(numbers.filter((number) => number >= 1_000)).toEqual(
        Array.from({ length: 100 }, (_, index) => 1_000 + index),
      );
    });

    test("waiting ends with an entry past the given seq, and with the signal's reason", async () => {
      const { journal } = house;
      const stop = new AbortController();
      const waiting = journal.waitPast(0, never);
      const stopped = journal.waitPast(1_000_000, stop.signal);
      const seq = await house.other().append([numbered(1)]);
      await waiting;
      await journal.waitPast(seq - 1, never);
      stop.abort(new Error("enough"));
      await expect(stopped).rejects.toThrow("enough");
    });

    test("time never goes back along it, over senders and crashes too", async () => {
      await house.journal.append([numbered(1, 5_000)]);
      await house.other().append([numbered(2, 4_000), numbered(3, 6_000)]);
      await house.crash();
      await house.journal.append([numbered(4, 1_000), numbered(5, 7_000)]);
      expect((await all(house.journal)).map(({ entry }) => entry.at)).toEqual([5_000, 5_000, 6_000, 6_000, 7_000]);
    });

    test("a page has about as many entries as asked for, and at least one if there is one", async () => {
      const { journal } = house;
      for (let number = 0; number < 40; number++) await journal.append([numbered(number)]);
      expect(await journal.read(0, 7)).toHaveLength(7);
      expect(await journal.read(0, 0).then((page) => page.length)).toBeLessThanOrEqual(1);
      expect(await journal.read(1_000_000, 7)).toEqual([]);
      expect((await all(journal, 0, 3)).map(numberOf)).toEqual(Array.from({ length: 40 }, (_, index) => index));
    });

    test("an append of nothing is answered in its turn", async () => {
      const order: string[] = [];
      const first = house.journal.append([numbered(1)]).then((seq) => order.push(`one ${seq}`));
      const second = house.journal.append([]).then(() => order.push("nothing"));
      await Promise.all([first, second]);
      await house.journal.append([]);
      expect(order).toHaveLength(2);
      expect(order[1]).toBe("nothing");
      expect(await all(house.journal)).toHaveLength(1);
    });
  });

  test(`${name} behaves as an array does, whatever is appended, read, trimmed and crashed`, async () => {
    const commands = fc.commands([appending, bursting, reading, trimming, crashing], { maxCommands: 25 });
    await fc.assert(
      fc.asyncProperty(commands, async (run) => {
        const real = await open();
        try {
          await fc.asyncModelRun(() => ({ model: { entries: [], next: 0, head: 0, trimmed: 0 }, real }), run);
        } finally {
          await real.close();
        }
      }),
      { numRuns },
    );
  }, 60_000);
};

/** What must be in the journal, by seq; `trimmed`: what may be gone. */
type Model = { entries: { seq: Seq; number: number }[]; next: number; head: Seq; trimmed: Seq };
type Command = fc.AsyncCommand<Model, JournalUnderTest>;

const command = (label: string, run: Command["run"]): Command => ({ check: () => true, run, toString: () => label });

const appending = fc.array(fc.integer({ min: 0, max: 5 }), { minLength: 1, maxLength: 4 }).map((sizes) =>
  command(`append(${sizes})`, async (model, real) => {
    const appends = sizes.map((size) => Array.from({ length: size }, () => model.next++));
    const seqs = await Promise.all(
      appends.map((numbers, index) => {
        const journal = index % 2 === 0 ? real.journal : real.other();
        return journal.append(numbers.map((number) => numbered(number)));
      }),
    );
    appends.forEach((numbers, index) => {
      const last = seqs[index] as Seq;
      for (const [place, number] of numbers.entries()) {
        model.entries.push({ seq: last - numbers.length + 1 + place, number });
      }
    });
    model.entries.sort((a, b) => a.seq - b.seq);
    const fresh = model.entries.filter(({ seq }) => seq > model.head);
    expect(fresh).toHaveLength(appends.flat().length);
    model.head = model.entries.at(-1)?.seq ?? model.head;
  }),
);

/** Appends that nobody waits for, cut off by a crash: those in the journal are the first of them. */
const bursting = fc.tuple(fc.integer({ min: 1, max: 50 }), fc.nat(3)).map(([count, turns]) =>
  command(`burst(${count}, ${turns})`, async (model, real) => {
    const numbers = Array.from({ length: count }, () => model.next++);
    let acknowledged = 0;
    for (const number of numbers) {
      real.journal.append([numbered(number)]).then(
        () => acknowledged++,
        () => {},
      );
    }
    for (let turn = 0; turn < turns; turn++) await new Promise((resolve) => setImmediate(resolve));
    await real.crash();
    const kept = await all(real.journal, model.head);
    expect(kept.length).toBeGreaterThanOrEqual(acknowledged);
    expect(kept.map(numberOf)).toEqual(numbers.slice(0, kept.length));
    for (const entry of kept) model.entries.push({ seq: entry.seq, number: numberOf(entry) });
    model.head = model.entries.at(-1)?.seq ?? model.head;
  }),
);

const reading = fc
  .tuple(fc.double({ min: 0, max: 1.1, noNaN: true }), fc.integer({ min: 1, max: 30 }))
  .map(([where, limit]) =>
    command(`read(${where}, ${limit})`, async (model, real) => {
      const after = Math.floor(model.head * where);
      const wanted = model.entries.filter(({ seq }) => seq > after);
      const page = await real.journal.read(after, limit);
      const got = page.map((entry) => ({ seq: entry.seq, number: numberOf(entry) }));
      const kept = got.filter(({ seq }) => seq > model.trimmed);
      const must = wanted.filter(({ seq }) => seq > model.trimmed);
      expect(kept).toEqual(must.slice(0, kept.length));
      expect(got.length).toBeGreaterThanOrEqual(Math.min(limit, must.length));
    }),
  );

const trimming = fc.double({ min: 0, max: 1.1, noNaN: true }).map((where) =>
  command(`trim(${where})`, async (model, real) => {
    const through = Math.floor(model.head * where);
    await real.journal.trim(through);
    model.trimmed = Math.max(model.trimmed, through);
    const left = (await all(real.journal)).map(({ seq }) => seq).filter((seq) => seq > model.trimmed);
    expect(left).toEqual(model.entries.map(({ seq }) => seq).filter((seq) => seq > model.trimmed));
  }),
);

const crashing = fc.constant(
  command("crash", async (model, real) => {
    await real.crash();
    const left = (await all(real.journal)).map(({ seq }) => seq).filter((seq) => seq > model.trimmed);
    expect(left).toEqual(model.entries.map(({ seq }) => seq).filter((seq) => seq > model.trimmed));
  }),
);
