import fc from "fast-check";
import { expect, test } from "vitest";
import { createDelivery } from "../../src/loops/delivery.ts";
import { createProgress } from "../../src/loops/progress.ts";
import type { WriteOutcome } from "../../src/ports.ts";
import { hastyClock, quiet, scriptedHistorian } from "./world.ts";

const parts = { consumer: "historian", telemetry: quiet(), random: () => 0 };
const signal = new AbortController().signal;
const hold = (more: Partial<WriteOutcome> = {}): WriteOutcome =>
  ({ kind: "hold", reason: "ECONNREFUSED", status: null, retryAfter: null, ...more }) as WriteOutcome;
const refused: WriteOutcome = { kind: "refused", reason: "400 no", status: 400 };

test("whichever lines are refused, they alone are put aside, and the others are written in order", async () => {
  await fc.assert(
    fc.asyncProperty(fc.array(fc.boolean(), { maxLength: 64 }), async (poison) => {
      const lines = poison.map((bad, index) => (bad ? `bad${index}` : `good${index}`));
      const { historian, accepted, attempts } = scriptedHistorian((batch) =>
        batch.some((line) => line.startsWith("bad")) ? refused : { kind: "accepted" },
      );
      const dead = await createDelivery({ ...parts, historian, clock: hastyClock() }).deliver(lines, signal);
      expect(dead.map(({ body }) => body)).toEqual(lines.filter((line) => line.startsWith("bad")));
      expect(accepted).toEqual(lines.filter((line) => line.startsWith("good")));
      const bad = poison.filter(Boolean).length;
      expect(attempts.length).toBeLessThanOrEqual(1 + 2 * bad * Math.ceil(Math.log2(poison.length + 1)));
    }),
  );
});

test("waits double from 1 to 60 s, obey Retry-After up to a quarter of an hour, and begin anew after a success", async () => {
  const clock = hastyClock();
  const { historian } = scriptedHistorian((_, attempt) => {
    if (attempt <= 8) return hold();
    if (attempt === 9) return hold({ status: 429, retryAfter: 90_000 });
    if (attempt === 10) return hold({ status: 503, retryAfter: 86_400_000 });
    return attempt === 12 ? hold() : { kind: "accepted" };
  });
  const delivery = createDelivery({ ...parts, historian, clock });
  await delivery.deliver(["a"], signal);
  // 32 s are cut where the minute is full, at which people hear of it
  expect(clock.waits).toEqual([1, 2, 4, 8, 16, 29, 3, 60, 60, 90, 900].map((seconds) => seconds * 1_000));
  await delivery.deliver(["b"], signal);
  expect(clock.waits.slice(11)).toEqual([1_000]);
});

test("jitter takes away up to half of a wait and never adds", async () => {
  const clock = hastyClock();
  const { historian } = scriptedHistorian((_, attempt) => (attempt < 4 ? hold() : { kind: "accepted" }));
  await createDelivery({ ...parts, random: () => 0.5, historian, clock }).deliver(["a"], signal);
  expect(clock.waits).toEqual([750, 1_500, 3_000]);
});

test("people hear of it once, after a minute, with the instant at which it began", async () => {
  const clock = hastyClock();
  const began = clock.now();
  const told: number[] = [];
  const { historian } = scriptedHistorian((_, attempt) => (attempt < 20 ? hold() : { kind: "accepted" }));
  const onAway = ({ since }: { since: number }) => {
    expect(since).toBe(began);
    told.push(clock.now() - since);
  };
  const delivery = createDelivery({ ...parts, historian, clock, onAway });
  await delivery.deliver(["a"], signal);
  expect(told).toEqual([60_000]);
  expect(delivery.away()).toBeNull();
});

test("a deleted bucket is made again before the next attempt", async () => {
  let prepared = 0;
  const { historian } = scriptedHistorian(() => (prepared > 0 ? { kind: "accepted" } : hold({ status: 404 })));
  const prepare = async () => {
    prepared++;
    return null;
  };
  await createDelivery({ ...parts, historian: { ...historian, prepare }, clock: hastyClock() }).deliver(["a"], signal);
  expect(prepared).toBe(1);
});

test("a stop ends a wait at once, with the signal's reason", async () => {
  const stop = new AbortController();
  const clock = { ...hastyClock(), sleep: (_: number, by: AbortSignal) => new Promise<void>((__, no) => by.addEventListener("abort", () => no(by.reason))) }; // biome-ignore format: one clock, one line
  const { historian } = scriptedHistorian(() => hold());
  const delivering = createDelivery({ ...parts, historian, clock }).deliver(["a"], stop.signal);
  setImmediate(() => stop.abort(new Error("the house stops")));
  await expect(delivering).rejects.toThrow("the house stops");
});

test("the cursor is recorded at most twice a second while busy, never for what was only looked at, and with all dead letters", async () => {
  const clock = hastyClock();
  const entries: { through: number; dead: readonly unknown[] }[] = [];
  const append = async (appended: readonly unknown[]) => entries.push(...(appended as typeof entries));
  const progress = createProgress({ append }, clock, "historian", 3);
  for (let step = 0; step < 100; step++) {
    progress.note(10 + step, [], true);
    await progress.recordIfDue();
    await clock.sleep(50, signal);
  }
  expect(entries.length).toBeLessThanOrEqual(11);
  await progress.record();
  expect(entries.at(-1)?.through).toBe(109);
  const before = entries.length;
  for (let step = 0; step < 100; step++) {
    progress.note(200 + step, [], false);
    await progress.recordIfDue();
    await clock.sleep(1_000, signal);
  }
  expect(entries.length).toBe(before);
  const letter = { consumer: "historian", thing: "" as const, reason: "400", body: "" };
  progress.note(300, Array.from({ length: 250 }, () => letter), true); // biome-ignore format: short
  await progress.record();
  // the cursor passes the letters only with the last of them
  expect(entries.slice(before).map(({ through, dead }) => [through, dead.length])).toEqual([
    [109, 100],
    [109, 100],
    [300, 50],
  ]);
});
