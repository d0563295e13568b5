import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import fc from "fast-check";
import { afterAll, describe, expect, test } from "vitest";
import type { Changes } from "../../src/domain/change.ts";
import type { Entry, Journaled, Seq } from "../../src/domain/entry.ts";
import { houseId } from "../../src/domain/thing.ts";
import { createApplier } from "../../src/loops/applier.ts";
import { createTelemetry } from "../../src/platform/telemetry.ts";
import { openWatermark } from "../../src/platform/watermark.ts";
import type { Store } from "../../src/ports.ts";
import { openStore } from "../../src/store/store.ts";
import { registry } from "./district.ts";
import { happened, steps } from "./happening.ts";
import { createMemoryJournal } from "./memory-journal.ts";
import { createMemoryStore, type MemoryStore } from "./memory-store.ts";

const folder = mkdtempSync(join(tmpdir(), "meizhen-applier-"));
afterAll(() => rmSync(folder, { recursive: true, force: true }));
let files = 0;
const sqlite = (): Store => openStore({ path: join(folder, `${files++}.db`), watermark: openWatermark() });

const start = Date.parse("2026-11-23T02:00:00Z");
const bytes = new TextEncoder();
const message = (at: number, payload: string | undefined): Entry => ({
  ...{ kind: "message", at, topic: "meizhen/xinghai/water/w1/readings", principal: null, qos: 1 },
  payload: payload === undefined ? (undefined as never) : bytes.encode(payload),
});
const first: Entry = { kind: "registry", at: start, registry: registry() };
const reading = (index: number): Entry =>
  message(start + index, `{"ts":${start + index},"values":{"turbidity":${index}}}`);
const placed = (entries: readonly Entry[]): readonly Journaled[] =>
  entries.map((entry, index) => ({ seq: index + 1, entry }));

/** A second passes with every look at it, so that nothing is gathered. */
const hurried = () => {
  let now = 0;
  return { monotonic: () => (now += 1_000), sleep: async () => {} };
};

/** Runs the applier over a journal of these entries until the store has all of them, or the applier gives up. */
const applied = async (
  entries: readonly Journaled[],
  store: Pick<Store, "cursor"> & Parameters<typeof createApplier>[0]["store"],
) => {
  const head = entries.at(-1)?.seq ?? 0;
  const journal = createMemoryJournal({ entries, head });
  const stop = new AbortController();
  const waits: number[] = [];
  const clock = { ...hurried(), sleep: async (duration: number) => void waits.push(duration) };
  const telemetry = createTelemetry({ level: "silent", thread: "test" });
  const commit = store.commit;
  store.commit = (changes, through, at) => {
    commit.call(store, changes, through, at);
    if (through === head) stop.abort();
  };
  try {
    await createApplier({ journal, store, clock, telemetry }).run(stop.signal);
  } finally {
    store.commit = commit;
  }
  return { waits, telemetry };
};

const balanced = (store: MemoryStore): boolean =>
  [...store.ledger().values()].every(
    ({ received, stored, duplicate, rejected }) => received === stored + duplicate + rejected,
  );

describe("law 3: only the applier writes knowledge, always together with its cursor", () => {
  test("through the real store it leaves the same knowledge as the fold alone", async () => {
    await fc.assert(
      fc.asyncProperty(steps, async (happening) => {
        const { entries, store: expected } = happened(happening);
        const store = sqlite();
        await applied(entries, store);
        expect(store.cursor()).toBe(entries.length);
        for (const alarm of expected.alarms()) expect(store.alarm(alarm.id)).toEqual(alarm);
        expect(store.remainders(10)).toEqual([]);
        const total = (outcome: "stored" | "duplicate" | "rejected") =>
          [...expected.ledger().values()].reduce((sum, line) => sum + line[outcome], 0);
        const hours = store.ledger({});
        for (const outcome of ["stored", "duplicate", "rejected"] as const) {
          expect(hours.reduce((sum, line) => sum + line[outcome], 0)).toBe(total(outcome));
        }
        store.close();
      }),
      { numRuns: 8 },
    );
  });

  test("begun again after a failure at any commit, it goes on where the store stands", async () => {
    const entries = placed([first, ...Array.from({ length: 2_500 }, (_, index) => reading(index))]);
    for (const failAt of [1, 2, 3]) {
      const store = createMemoryStore();
      const commit = store.commit;
      let commits = 0;
      store.commit = (changes, through, at) => {
        if (++commits === failAt) throw new Error("killed");
        commit(changes, through, at);
      };
      await expect(applied(entries, store)).rejects.toThrow("killed");
      await applied(entries, store);
      expect(store.observations).toHaveLength(2_500);
      expect(balanced(store)).toBe(true);
    }
  });

  test("a cursor that ran ahead of its changes is caught", async () => {
    const entries = placed([first, ...Array.from({ length: 2_500 }, (_, index) => reading(index))]);
    const store = createMemoryStore();
    const commit = store.commit;
    const nothing = {
      datastreams: [],
      observations: [],
      duplicates: [],
      received: [],
      rejections: [],
      events: [],
      things: [],
      district: null,
    };
    let commits = 0;
    store.commit = (changes: Changes, through: Seq, at) => {
      if (++commits !== 2) return commit(changes, through, at);
      commit(nothing, through, at);
      throw new Error("killed");
    };
    await expect(applied(entries, store)).rejects.toThrow("killed");
    await applied(entries, store);
    expect(store.observations.length).toBeLessThan(2_500);
  });
});

test("a commit that the store does not take now is held, with growing pauses, and taken later", async () => {
  const store = createMemoryStore();
  const commit = store.commit;
  let refused = 0;
  store.commit = (changes, through, at) => {
    if (refused++ < 5) throw Object.assign(new Error("disk full"), { retry: true });
    commit(changes, through, at);
  };
  const { waits } = await applied(placed([first, reading(1)]), store);
  expect(waits).toEqual([50, 100, 200, 400, 800]);
  expect(store.observations).toHaveLength(1);
});

test("law 9: an entry that cannot be applied is stepped over with an alarm; its neighbours are applied, the ledger balances", async () => {
  const entries = placed([
    first,
    reading(1),
    reading(2),
    message(start + 3, undefined),
    reading(4),
    message(start + 5, undefined),
    reading(6),
  ]);
  const store = createMemoryStore();
  const { telemetry } = await applied(entries, store);
  expect(store.observations.map(({ value }) => value)).toEqual([1, 2, 4, 6]);
  expect(balanced(store)).toBe(true);
  expect(store.alarms()).toMatchObject([
    { thing: houseId, limit: "applier", state: "unacknowledged", value: 6, priority: "critical" },
  ]);
  expect(JSON.stringify(await telemetry.metrics())).toContain('"room":"applier"');
});

test("a batch is bounded, however many readings a message carries", async () => {
  const array = (at: number) =>
    JSON.stringify(
      Array.from({ length: 1_000 }, (_, index) => ({ ts: at + index, values: { turbidity: index, ph: 7 } })),
    );
  const entries = placed([
    first,
    ...Array.from({ length: 40 }, (_, index) => message(start + index * 1_000, array(start + index * 1_000))),
  ]);
  const store = createMemoryStore();
  const commit = store.commit;
  const sizes: number[] = [];
  store.commit = (changes, through, at) => {
    sizes.push(changes.observations.length);
    commit(changes, through, at);
  };
  await applied(entries, store);
  expect(sizes.reduce((sum, size) => sum + size, 0)).toBe(80_000);
  expect(Math.max(...sizes)).toBeLessThan(25_000);
});

test("stopped while there is nothing to do it ends at once, and without a complaint", async () => {
  const journal = createMemoryJournal();
  const stop = new AbortController();
  const telemetry = createTelemetry({ level: "silent", thread: "test" });
  const running = createApplier({
    journal,
    store: createMemoryStore(),
    clock: hurried(),
    telemetry,
  }).run(stop.signal);
  stop.abort();
  await expect(running).resolves.toBeUndefined();
});
