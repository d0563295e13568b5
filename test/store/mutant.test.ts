import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import fc from "fast-check";
import { afterAll, expect, test } from "vitest";
import type { Changes } from "../../src/domain/change.ts";
import { openWatermark } from "../../src/platform/watermark.ts";
import type { Page, Store } from "../../src/ports.ts";
import { openStore } from "../../src/store/store.ts";
import { agree, commitAll, inBatches, wholeFeed } from "../contract/store.contract.ts";
import { type Step, stepsArbitrary } from "./happening.ts";
import { dump, modelOf } from "./model.ts";
import { apply } from "./world.ts";

// Stores with one thing wrong each: the contract must turn red for every one of them.

const folder = mkdtempSync(join(tmpdir(), "meizhen-mutant-"));
afterAll(() => rmSync(folder, { recursive: true, force: true }));

/** An alarm that came late and is over, of a thing that has no other alarm. */
const lateAlarm = (["raise", "clear"] as const).map(
  (action): Step => ({ after: 0, skip: 0, happening: { kind: "alarm", thing: 3, limit: 1, action, late: true } }),
);
const steps = fc
  .sample(stepsArbitrary, { seed: 1, numRuns: 12 })
  .flat()
  .filter(({ happening }) => happening.kind !== "alarm" || happening.thing !== 3);
const applied = apply([...lateAlarm, ...steps]);
const cuts = [5, 1, 9];
let files = 0;
const open = (): Store => openStore({ path: join(folder, `${files++}.db`), watermark: openWatermark(), freshMax: 20 });

const without = <Item>(page: Page<Item>, at: number): Page<Item> => ({ ...page, items: page.items.toSpliced(at, 1) });
const committing = (store: Store, mutated: (changes: Changes) => Changes): Store => ({
  ...store,
  commit: (changes, through, at) => store.commit(mutated(changes), through, at),
});

const mutants: readonly [string, (store: Store) => Store][] = [
  [
    "loses the last one of a full page",
    (store) => ({ ...store, observations: (...asked) => without(store.observations(...asked), 2) }),
  ],
  [
    "gives late alarms for ever",
    (store) => ({ ...store, alarms: (filter, page) => store.alarms({ ...filter, now: 0 }, page) }),
  ],
  [
    "shows every street to everybody",
    (store) => ({ ...store, rejections: (filter, page) => store.rejections({ ...filter, streets: null }, page) }),
  ],
  [
    "begins a window one millisecond late",
    (store) => ({ ...store, observations: (id, from, to, page) => store.observations(id, from + 1, to, page) }),
  ],
  [
    "gives two hours for one",
    (store) => ({
      ...store,
      buckets: (id, from, to, every, page) => store.buckets(id, from, to, every === "hour" ? 7_200_000 : every, page),
    }),
  ],
  [
    "takes missing values for zero",
    (store) =>
      committing(store, (changes) => ({
        ...changes,
        observations: changes.observations.map((one) => ({ ...one, value: one.value ?? 0 })),
      })),
  ],
  ["forgets duplicates", (store) => committing(store, (changes) => ({ ...changes, duplicates: [] }))],
  [
    "does not hear of replays",
    (store) =>
      committing(store, (changes) => ({
        ...changes,
        events: changes.events.filter(({ kind }) => kind !== "replayed"),
      })),
  ],
  ["forgets the keys of commands", (store) => ({ ...store, commandByKey: () => null })],
];

test("the store itself agrees with the model on this journal", () => {
  const store = open();
  commitAll(store, applied, cuts);
  agree(store, modelOf(applied));
  store.close();
});

test.for(mutants)("a store that %s is found out", ([, mutate]) => {
  const store = mutate(open());
  commitAll(store, applied, cuts);
  expect(() => agree(store, modelOf(applied))).toThrow();
  store.close();
});

test("a feed that cuts commits is found out", () => {
  const store = open();
  commitAll(store, applied, cuts);
  const ends = inBatches(applied, cuts).map((batch) => batch.at(-1)!.seq);
  wholeFeed(store, 3, ends);
  const cutting: Store = {
    ...store,
    changesAfter: (after, limit, kinds) => store.changesAfter(after, limit, kinds).slice(0, limit),
  };
  expect(() => wholeFeed(cutting, 3, ends)).toThrow();
  store.close();
});

test("sums that are added up batch by batch are found out", () => {
  const tenths = apply(
    [0.1, 0.2, 0.3, 0.6].map((value, step) => ({
      after: 0,
      skip: 0,
      happening: { kind: "reading", thing: 0, property: 0, step: step + 33, value, quality: 1 },
    })),
  );
  const dumpWith = (store: Store, lengths: readonly number[]) => {
    commitAll(store, tenths, lengths);
    const told = dump(store).series.map(({ days }) => days);
    store.close();
    return told;
  };
  expect(dumpWith(open(), [1])).toEqual(dumpWith(open(), [5]));
  // in the order of its batches reversed, as a sum of sums would be
  const reversed = committing(open(), (changes) => ({ ...changes, observations: changes.observations.toReversed() }));
  expect(dumpWith(reversed, [5])).not.toEqual(dumpWith(open(), [1]));
});
