import fc from "fast-check";
import { afterEach, describe, expect, test } from "vitest";
import type { AlarmId } from "../../src/domain/alarm.ts";
import type { StreetId } from "../../src/domain/thing.ts";
import { day, hour, minute } from "../../src/domain/time.ts";
import type { AlarmFilter, Change, ChangeId, Knowledge, Store } from "../../src/ports.ts";
import { kindOf, start, stepsArbitrary, streetOf, streets, things } from "../store/happening.ts";
import { allOf, dump, type Model, modelOf } from "../store/model.ts";
import { type Applied, apply, nothing, together } from "../store/world.ts";

/** A store in a place of its own: its writer, a reader of the same, and the way to open the writer anew. */
export type Opened = {
  readonly store: Store;
  /** In another thread it would be the same. */
  reader(): Knowledge;
  /** Closes and opens the writer. */
  reopen(): Store;
  close(): void;
};

const runs = 40;
const wide = [start - 100 * day, start + 100 * day] as const;
/** Cuts a run of entries into batches: `cuts` are lengths, used in turn. */
export const inBatches = (applied: readonly Applied[], cuts: readonly number[]): (readonly Applied[])[] => {
  const batches: (readonly Applied[])[] = [];
  for (let at = 0, turn = 0; at < applied.length; turn++) {
    const length = cuts[turn % cuts.length] ?? 1;
    batches.push(applied.slice(at, at + length));
    at += length;
  }
  return batches;
};
export const commitAll = (store: Store, applied: readonly Applied[], cuts: readonly number[]): void => {
  for (const batch of inBatches(applied, cuts)) {
    const { seq, at } = batch.at(-1) as Applied;
    store.commit(together(batch), seq, at);
  }
};
const cutsArbitrary = fc.array(fc.integer({ min: 1, max: 12 }), { minLength: 1, maxLength: 5 });

/** What every implementation of the ports Store and Knowledge must do. */
export const storeContract = (name: string, open: () => Opened): void => {
  describe(name, () => {
    const opened: Opened[] = [];
    const fresh = (): Opened => {
      const one = open();
      opened.push(one);
      return one;
    };
    afterEach(() => {
      for (const one of opened.splice(0)) one.close();
    });

    test("whatever changes are committed, in whatever batches, queries answer as the plain model does", () => {
      fc.assert(
        fc.property(stepsArbitrary, cutsArbitrary, (steps, cuts) => {
          const applied = apply(steps);
          const one = fresh();
          commitAll(one.store, applied, cuts);
          const model = modelOf(applied);
          agree(one.store, model);
          const reader = one.reader();
          agree(reader, model);
          reader.close();
          agree(one.reopen(), model);
          one.close();
        }),
        { numRuns: runs },
      );
    });

    test("law 9: the ledger of every thing and hour balances after every commit, replays included", () => {
      fc.assert(
        fc.property(stepsArbitrary, cutsArbitrary, (steps, cuts) => {
          const { store, close } = fresh();
          for (const batch of inBatches(apply(steps), cuts)) {
            store.commit(together(batch), (batch.at(-1) as Applied).seq);
            expect(store.remainders(10)).toEqual([]);
            for (const thing of [undefined, "" as const, ...things])
              for (const row of store.ledger(thing === undefined ? {} : { thing }))
                expect(row.received).toBe(row.stored + row.duplicate + row.rejected);
          }
          close();
        }),
        { numRuns: runs },
      );
    });

    test("the same entries in other batches give the same knowledge, to the last bit of every sum", () => {
      const tenths = stepsArbitrary.map((steps) =>
        steps.map((step) =>
          step.happening.kind === "reading" && step.happening.value !== null
            ? { ...step, happening: { ...step.happening, value: step.happening.value / 10 } }
            : step,
        ),
      );
      fc.assert(
        fc.property(tenths, cutsArbitrary, cutsArbitrary, (steps, cuts, otherCuts) => {
          const applied = apply(steps);
          const [one, other] = [fresh(), fresh()];
          commitAll(one.store, applied, cuts);
          commitAll(other.store, applied, otherCuts);
          expect(dump(other.store)).toEqual(dump(one.store));
          one.close();
          other.close();
        }),
        { numRuns: runs },
      );
    });

    test("the feed gives every change once, in order, and never cuts a commit", () => {
      fc.assert(
        fc.property(stepsArbitrary, cutsArbitrary, fc.integer({ min: 1, max: 5 }), (steps, cuts, limit) => {
          const applied = apply(steps);
          const one = fresh();
          commitAll(one.store, applied, cuts);
          const model = modelOf(applied);
          const ends = inBatches(applied, cuts).map((batch) => (batch.at(-1) as Applied).seq);
          const seen = wholeFeed(one.store, limit, ends);
          expect(seen.filter(({ kind }) => kind !== "observations")).toEqual(model.events);
          const observations = seen.flatMap((change) => (change.kind === "observations" ? change.observations : []));
          expect(observations).toEqual(model.observations);
          const alarms = one.store.changesAfter({ seq: 0, n: -1 }, 1000, ["alarm"]);
          expect(alarms).toEqual(model.events.filter(({ kind }) => kind === "alarm"));
          one.close();
        }),
        { numRuns: runs },
      );
    });

    test("a reading that is there already is not stored again, and the remainder tells of it", () => {
      const { store } = fresh();
      const applied = apply([
        { after: 0, skip: 0, happening: { kind: "reading", thing: 0, property: 0, step: 3, value: 1, quality: 1 } },
      ]);
      commitAll(store, applied, [1]);
      const again = applied[1] as Applied;
      const observation = { ...again.changes.observations[0]!, seq: again.seq + 1, value: 2 };
      const received = again.changes.received;
      store.commit({ ...nothing, observations: [observation], received }, again.seq + 1);
      expect(store.observationAt(observation.datastream, observation.time)).toEqual({ value: 1 });
      expect(store.remainders(10)).toMatchObject([{ thing: things[0], received: 2, stored: 1 }]);
      store.commit({ ...nothing, received: received.map((one) => ({ ...one, readings: -1 })) }, again.seq + 2);
      expect(store.remainders(10)).toEqual([]);
    });

    refusals(fresh);
    forgetting(fresh);

    test("who waits past the cursor is woken by the commit that passes it, or by the signal", async () => {
      const { store, reader } = fresh();
      const knowledge = reader();
      const stop = new AbortController();
      const past = knowledge.waitPast(0, stop.signal);
      commitAll(store, apply([]), [1]);
      await past;
      expect(knowledge.cursor()).toBe(1);
      const never = knowledge.waitPast(1, stop.signal);
      stop.abort(new Error("enough"));
      await expect(never).rejects.toThrow("enough");
      knowledge.close();
    });
  });
};

/** The feed by pages of `limit`; `ends` are the seqs at which commits ended. */
export const wholeFeed = (knowledge: Knowledge, limit: number, ends: readonly number[]): readonly Change[] => {
  const seen: Change[] = [];
  for (let after: ChangeId = { seq: 0, n: -1 }; ; ) {
    const page = knowledge.changesAfter(after, limit);
    seen.push(...page);
    const last = page.at(-1);
    if (last === undefined) return seen;
    const [following] = knowledge.changesAfter(last, 1);
    expect(page.length >= limit || following === undefined).toBe(true);
    // the seq of the last one is a place: nothing of an entry up to it comes later
    const end = Math.min(...ends.filter((seq) => seq >= last.seq));
    expect(following?.seq ?? Number.POSITIVE_INFINITY).toBeGreaterThan(end);
    after = { seq: last.seq, n: last.n };
  }
};

/** Every query, against the model. */
export const agree = (knowledge: Knowledge, model: Model): void => {
  expect(knowledge.cursor()).toBe(model.cursor);
  expect(knowledge.engineState().datastreams).toEqual(model.datastreams);
  expect(knowledge.datastreams(1)).toEqual(model.datastreams.filter(({ id }) => id > 1));
  for (const { id, thing, property } of model.datastreams) {
    expect(knowledge.datastream(thing, property)).toBe(id);
    const points = model.series(id).map(({ time, value, quality }) => ({ time, value, quality }));
    expect(allOf((page) => knowledge.observations(id, ...wide, page))).toEqual(points);
    const [from, to] = [start - 2 * hour, start + hour];
    const within = points.filter(({ time }) => time >= from && time < to);
    expect(allOf((page) => knowledge.observations(id, from, to, page))).toEqual(within);
    for (const { time, value } of points) expect(knowledge.observationAt(id, time)).toEqual({ value });
    expect(knowledge.observationAt(id, start + 1)).toBeUndefined();
    buckets(knowledge, model, id);
    expect(allOf((page) => knowledge.conflicts(id, page), 2).map(({ time, value, seq }) => [time, value, seq])).toEqual(
      model
        .conflicts(id)
        .map(({ time, value, seq }) => [time, value, seq] as const)
        .sort((one, other) => other[0] - one[0] || other[2] - one[2]),
    );
  }
  const ordered = model.observations.toSorted(
    (one, other) => one.datastream - other.datastream || one.time - other.time,
  );
  const scanned = [];
  for (let after: { datastream: number; time: number } | null = null; ; ) {
    const page = knowledge.scan(...wide, after, 4);
    scanned.push(...page);
    if (page.length === 0) break;
    after = page.at(-1) ?? null;
  }
  expect(scanned).toEqual(ordered);
  expect(knowledge.oldestObservation()).toBe(
    ordered.length === 0 ? null : Math.min(...ordered.map(({ time }) => time)),
  );
  alarms(knowledge, model);
  people(knowledge, model);
  for (const thing of [undefined, "" as const, ...things])
    expect(knowledge.ledger(thing === undefined ? {} : { thing })).toEqual(model.ledger(thing));
  const window = { from: start, to: start + 2 * hour };
  const hours = model.ledger(undefined).filter((row) => row.hour + hour > window.from && row.hour < window.to);
  expect(knowledge.ledger(window)).toEqual(hours);
  expect(knowledge.statuses(things)).toEqual(things.map(model.statusOf));
};

const buckets = (knowledge: Knowledge, model: Model, id: number): void => {
  const widths = [
    ["hour", (time: number) => Math.floor(time / hour) * hour],
    ["day", model.dayOf],
    [20 * minute, (time: number) => Math.floor(time / (20 * minute)) * 20 * minute],
    // local: from 00:00, 06:00… of Shanghai
    [6 * hour, (time: number) => Math.floor((time + 8 * hour) / (6 * hour)) * 6 * hour - 8 * hour],
  ] as const;
  for (const [every, spanOf] of widths) {
    const all = model.buckets(id, spanOf);
    expect(allOf((page) => knowledge.buckets(id, ...wide, every, page))).toEqual(all);
    const [from, to] = [start - 90 * minute, start + 40 * minute];
    const within = all.filter(({ time }) => time >= from && time < to);
    expect(allOf((page) => knowledge.buckets(id, from, to, every, page), 2)).toEqual(within);
  }
};

const alarms = (knowledge: Knowledge, model: Model): void => {
  const list = (filter: Partial<AlarmFilter>) =>
    allOf((page) => knowledge.alarms({ state: "all", streets: null, now: start, ...filter }, page));
  expect(list({})).toEqual(model.alarms);
  for (const now of [start, start + 7 * day, start + 9 * day])
    expect(list({ state: "active", now })).toEqual(model.active(now));
  const thing = things[0]!;
  expect(list({ thing })).toEqual(model.alarms.filter((alarm) => alarm.thing === thing));
  expect(list({ kind: kindOf(thing) })).toEqual(model.alarms.filter((alarm) => alarm.kind === kindOf(thing)));
  const streetsSeen = [streets[1] as StreetId];
  expect(list({ streets: streetsSeen })).toEqual(model.alarms.filter((alarm) => alarm.street === streets[1]));
  const [from, to] = [start + hour, start + 4 * hour];
  expect(list({ from, to })).toEqual(model.alarms.filter(({ raisedAt }) => raisedAt >= from && raisedAt < to));
  expect(list({ clearedSince: from })).toEqual(
    model.alarms.filter(({ state, clearedAt }) => state === "normal" && clearedAt !== null && clearedAt >= from),
  );
  for (const alarm of model.alarms) {
    expect(knowledge.alarm(alarm.id)).toEqual(alarm);
    expect(knowledge.history(alarm.id)).toEqual(model.history(alarm.id));
    expect(list({ limit: alarm.limit })).toEqual(model.alarms.filter(({ limit }) => limit === alarm.limit));
  }
  expect(knowledge.alarm("no.such.alarm" as AlarmId)).toBeNull();
};

const people = (knowledge: Knowledge, model: Model): void => {
  const rejections = (filter: Parameters<Knowledge["rejections"]>[0]) =>
    allOf((page) => knowledge.rejections(filter, page)).map((row) => ({ ...row, raw: Uint8Array.from(row.raw) }));
  expect(rejections({ streets: null })).toEqual(model.rejectionRows);
  expect(rejections({ streets: null, reason: "shape" })).toEqual(
    model.rejectionRows.filter(({ reason }) => reason === "shape"),
  );
  expect(rejections({ streets: null, thing: things[1]! })).toEqual(
    model.rejectionRows.filter(({ thing }) => thing === things[1]),
  );
  for (const seen of [[streets[0]!], streets])
    expect(rejections({ streets: seen })).toEqual(
      model.rejectionRows.filter(({ thing }) => seen.includes(streetOf(thing))),
    );
  for (const row of model.rejectionRows)
    expect(knowledge.rejection(row.id)).toMatchObject({ id: row.id, replayedAt: row.replayedAt });
  for (const consumer of ["historian", "dispatcher", "nobody"]) {
    expect(knowledge.consumed(consumer)).toBe(model.consumed(consumer)?.through ?? null);
    expect(knowledge.consumedAt(consumer)).toBe(model.consumed(consumer)?.at ?? null);
    const dead = allOf((page) => knowledge.deadLetters(consumer, page), 2);
    expect(dead.reverse()).toEqual(model.dead(consumer));
  }
  for (const [tokenHash, session] of model.sessions) expect(knowledge.session(tokenHash)).toEqual(session);
  expect(knowledge.credentials()).toEqual(
    [...model.credentials.values()].filter((one) => one !== null).sort((one, other) => (one.id < other.id ? -1 : 1)),
  );
  for (const outcome of model.commands) {
    expect(knowledge.command(outcome.seq)).toEqual(outcome);
    if (outcome.key !== null)
      expect(knowledge.commandByKey("wang", outcome.key)).toEqual(
        model.commands.find(({ key }) => key === outcome.key),
      );
  }
  expect(knowledge.commandByKey("wang", "never")).toBeNull();
};

/** What is refused is refused whole. */
const refusals = (fresh: () => Opened): void => {
  const reading = { kind: "reading", thing: 0, property: 0, step: 3, value: 1, quality: 1 } as const;
  const two = apply([
    { after: minute, skip: 0, happening: reading },
    { after: minute, skip: 0, happening: { ...reading, step: 4 } },
  ]);
  const third = two[2] as Applied;
  const observation = third.changes.observations[0]!;
  const broken: readonly [string, Applied["changes"], number, string][] = [
    ["goes back", third.changes, 2, "store_order"],
    ["stands still with something in it", third.changes, 1, "store_order"],
    ["speaks of an entry beyond its own", third.changes, 2.5, "store_order"],
    [
      "speaks of a datastream that nobody announced",
      { ...third.changes, observations: [{ ...observation, datastream: 99 }] },
      3,
      "store_invalid",
    ],
    [
      "holds a value that is no number",
      { ...third.changes, observations: [{ ...observation, value: Number.NaN }] },
      3,
      "store_invalid",
    ],
    [
      "holds an observation of an entry after its last",
      { ...third.changes, observations: [{ ...observation, seq: 4 }] },
      3,
      "store_invalid",
    ],
    [
      "holds a state beyond the bound",
      { ...third.changes, district: "x".repeat(64 * 2 ** 20 + 1) },
      3,
      "store_oversized",
    ],
    ["announces a datastream twice", { ...third.changes, datastreams: two[1]!.changes.datastreams }, 3, "store_failed"],
  ];
  test.for(broken)("a commit that %s is refused with a code and leaves nothing", ([, changes, through, code]) => {
    const one = fresh();
    commitAll(one.store, two.slice(0, 2), [1]);
    const before = dump(one.store);
    expect(() => one.store.commit(changes, through)).toThrow(expect.objectContaining({ name: "StoreError", code }));
    expect(dump(one.store)).toEqual(before);
    // and the right one goes in afterwards
    one.store.commit(third.changes, third.seq, third.at);
    agree(one.store, modelOf(two));
    agree(one.reopen(), modelOf(two));
  });

  test("a cursor that no page gave is refused with a code", () => {
    const { store } = fresh();
    commitAll(store, two, [3]);
    for (const cursor of ["", "x", "W10", Buffer.from('["a"]').toString("base64url")])
      expect(() => store.observations(1, ...wide, { limit: 10, cursor })).toThrow(
        expect.objectContaining({ code: "cursor_invalid" }),
      );
  });
};

const forgetting = (fresh: () => Opened): void => {
  const steps = Array.from({ length: 40 }, (_, index) => ({
    after: 10 * minute,
    skip: 0,
    happening: { kind: "reading", thing: index % 2, property: 0, step: index, value: index, quality: 1 } as const,
  }));
  const applied = apply(steps);
  const times = modelOf(applied).observations.map(({ time }) => time);

  test("single observations are forgotten in slices, oldest first; roll-ups and ledger stay", () => {
    const { store } = fresh();
    commitAll(store, applied, [7]);
    const before = dump(store);
    const cut = times[21]!;
    let gone = 0;
    for (;;) {
      const slice = store.forgetObservations(cut, 4);
      expect(slice).toBeLessThanOrEqual(4);
      gone += slice;
      if (slice === 0) break;
    }
    expect(gone).toBe(21);
    expect(store.oldestObservation()).toBe(cut);
    const after = dump(store);
    expect(after.series.map(({ hours, days }) => [hours, days])).toEqual(
      before.series.map(({ hours, days }) => [hours, days]),
    );
    expect(after.ledger).toEqual(before.ledger);
    expect(after.scanned).toEqual(before.scanned.filter(({ time }) => time >= cut));
  });

  test("the feed is forgotten from its old end, and nothing that it alone held is lost", () => {
    const { store, reopen } = fresh();
    commitAll(store, applied, [7]);
    const before = dump(store);
    const cut = start + 4 * hour;
    while (store.forgetChanges(cut, 2) > 0);
    expect(store.oldestChange()?.seq).toBeGreaterThan(1);
    expect(dump(store).series).toEqual(before.series);
    while (store.forgetChanges(Number.MAX_SAFE_INTEGER, 100) > 0);
    expect(store.oldestChange()).toBeNull();
    expect(dump(reopen()).series).toEqual(before.series);
  });

  test("old rejections go with their raw messages, the ledger keeps their number", () => {
    const { store } = fresh();
    const rejected = apply(
      Array.from({ length: 6 }, () => ({
        after: hour,
        skip: 0,
        happening: { kind: "rejection", thing: 0, count: 2 } as const,
      })),
    );
    commitAll(store, rejected, [2]);
    const ledger = store.ledger({});
    expect(store.forgetRejections(start + 3.5 * hour, 3)).toBe(3);
    expect(store.forgetRejections(start + 3.5 * hour, 100)).toBe(3);
    expect(store.forgetRejections(start + 3.5 * hour, 100)).toBe(0);
    expect(store.rejections({ streets: null }, { limit: 50, cursor: null }).items).toHaveLength(6);
    expect(store.ledger({})).toEqual(ledger);
  });

  test("the checkpoint answers a cursor, and seqBefore an entry that is surely older", () => {
    const { store } = fresh();
    expect(store.seqBefore(Number.MAX_SAFE_INTEGER)).toBe(0);
    commitAll(store, applied, [1]);
    expect(store.checkpoint()).toBe(store.cursor());
    expect(store.size()).toBeGreaterThan(0);
    for (const { at } of applied) {
      const seq = store.seqBefore(at);
      for (const entry of applied) if (entry.seq <= seq) expect(entry.at).toBeLessThan(at);
    }
    // one pair a minute is kept
    expect(store.seqBefore(start + 3 * hour)).toBeGreaterThanOrEqual(
      applied.findLast(({ at }) => at < start + 3 * hour - 11 * minute)!.seq,
    );
  });
};
