import { expect, test } from "vitest";
import { supervise } from "../../src/loops/supervise.ts";
import { createTimekeeper } from "../../src/loops/timekeeper.ts";
import type { Clock } from "../../src/ports.ts";
import { createMemoryJournal } from "../house/memory-journal.ts";

/** Time that passes only while somebody sleeps, and notes how long they wanted to. */
const sleepyClock = (start = 0) => {
  const slept: number[] = [];
  let now = start;
  const clock: Clock = {
    now: () => now,
    monotonic: () => now,
    async sleep(duration, signal) {
      signal.throwIfAborted();
      slept.push(duration);
      now += duration;
      await new Promise((resolve) => setImmediate(resolve));
      signal.throwIfAborted();
    },
  };
  return { clock, slept, turnTo: (instant: number) => (now = instant), pass: (duration: number) => (now += duration) };
};
const listening = () => {
  const told: Record<string, unknown>[] = [];
  return { told, telemetry: { roomFailed: (fields = {}) => void told.push(fields) } };
};

test("a loop that throws is told and begun again after a pause that doubles up to half a minute", async () => {
  const { clock, slept } = sleepyClock();
  const { telemetry, told } = listening();
  const stop = new AbortController();
  let runs = 0;
  const run = async () => {
    if (++runs === 12) stop.abort();
    throw new Error(`attempt ${runs}`, { cause: new Error("the reason") });
  };
  await supervise({ name: "probe", run }, { clock, telemetry, random: () => 1 }, stop.signal);
  expect(slept).toEqual([100, 200, 400, 800, 1_600, 3_200, 6_400, 12_800, 25_600, 30_000, 30_000]);
  expect(told).toHaveLength(11);
  expect(told[0]).toMatchObject({ room: "probe" });
  expect(told[0]?.error).toMatch(/attempt 1[\s\S]*caused by: the reason/);
});

test("the pause is halved by chance, so that loops which failed together do not come back together", async () => {
  const { clock, slept } = sleepyClock();
  const stop = new AbortController();
  const run = async () => {
    if (slept.length === 2) stop.abort();
    throw new Error("no");
  };
  await supervise({ name: "probe", run }, { clock, ...listening(), random: () => 0 }, stop.signal);
  expect(slept).toEqual([50, 100]);
});

test("a loop that had run for a minute begins its back-off anew, and one that ends by itself is begun again", async () => {
  const { clock, slept, pass } = sleepyClock();
  const { telemetry, told } = listening();
  const stop = new AbortController();
  let runs = 0;
  const run = async () => {
    runs++;
    if (runs === 4) pass(60_000);
    if (runs === 5) stop.abort();
  };
  await supervise({ name: "probe", run }, { clock, telemetry, random: () => 1 }, stop.signal);
  expect(slept).toEqual([100, 200, 400, 100]);
  expect(told.map(({ error }) => /ended by itself/.test(String(error)))).toEqual([true, true, true, true]);
});

test("a loop that stops at the signal is not told as failed, and supervising ends when the loop has", async () => {
  const { telemetry, told } = listening();
  const stop = new AbortController();
  const closing = Promise.withResolvers<void>();
  let ended = false;
  const run = async (signal: AbortSignal) => {
    await closing.promise;
    signal.throwIfAborted();
  };
  const running = supervise({ name: "probe", run }, { clock: sleepyClock().clock, telemetry }, stop.signal).then(
    () => (ended = true),
  );
  stop.abort(new Error("the house stops"));
  await new Promise((resolve) => setImmediate(resolve));
  expect(ended).toBe(false);
  closing.resolve();
  await running;
  expect(told).toEqual([]);
});

test("the timekeeper journals one tick on each full second", async () => {
  const { clock } = sleepyClock(10_400);
  const journal = createMemoryJournal();
  const stop = new AbortController();
  const running = createTimekeeper(journal, clock).run(stop.signal);
  await journal.waitPast(4, new AbortController().signal);
  stop.abort();
  await running;
  const ticks = journal.entries().map(({ entry }) => [entry.kind, entry.at]);
  expect(ticks.slice(0, 4)).toEqual([11_000, 12_000, 13_000, 14_000].map((at) => ["tick", at]));
});

test("while the journal takes nothing one tick waits, and the seconds between are left out", async () => {
  const { clock, turnTo } = sleepyClock(500);
  const journal = createMemoryJournal();
  const stop = new AbortController();
  journal.hold();
  const running = createTimekeeper(journal, clock).run(stop.signal);
  for (let turn = 0; turn < 20; turn++) await new Promise((resolve) => setImmediate(resolve));
  turnTo(60_200);
  journal.release();
  await journal.waitPast(1, new AbortController().signal);
  stop.abort();
  await running;
  expect(
    journal
      .entries()
      .map(({ entry }) => entry.at)
      .slice(0, 2),
  ).toEqual([1_000, 61_000]);
});

test("a timer that wakes early makes no second tick, and a clock put back by an hour stops none", async () => {
  const { clock, turnTo } = sleepyClock(999_200);
  const early: Clock = { ...clock, sleep: (duration, signal) => clock.sleep(duration > 1 ? duration - 1 : 1, signal) };
  const at: number[] = [];
  const stop = new AbortController();
  const journal = {
    async append() {
      at.push(clock.now());
      if (at.length === 3) turnTo(clock.now() - 3_600_000);
      if (at.length === 5) stop.abort();
      return at.length;
    },
  };
  await createTimekeeper(journal, early).run(stop.signal);
  const back = -3_600_000;
  expect(at).toEqual([1_000_000, 1_001_000, 1_002_000, 1_003_000 + back, 1_004_000 + back]);
});
