import { once } from "node:events";
import { rmSync, statSync } from "node:fs";
import { join } from "node:path";
import { Worker } from "node:worker_threads";
import { afterEach, expect, test, vi } from "vitest";
import { joinJournal } from "../../src/journal/joined.ts";
import type { JournalHealth, JournalOptions } from "../../src/journal/sqlite.ts";
import type { FaultName } from "../journal/faulty-worker.ts";
import {
  never,
  numbered,
  numberOf,
  open,
  planFaults,
  readAll,
  startLoad,
  temporaryFolder,
  tick,
  workerNamed,
} from "../journal/rig.ts";

// What the journal does at its bounds and on a disk that fails: acknowledgements wait, nothing is dropped, and it says so.

const cleanups: (() => Promise<void> | void)[] = [];
afterEach(async () => {
  for (const cleanup of cleanups.splice(0).reverse()) await cleanup();
});

const house = async (options: Partial<JournalOptions> = {}, faults: Record<number, FaultName> = {}) => {
  const directory = temporaryFolder("bounds");
  cleanups.push(() => rmSync(directory, { recursive: true, force: true }));
  planFaults(directory, faults);
  const states: JournalHealth[] = [];
  const opened = await open(directory, {
    ...(Object.keys(faults).length === 0 ? {} : { worker: workerNamed("faulty") }),
    onHealth: (health) => states.push(health),
    ...options,
  });
  cleanups.push(opened.close);
  return { ...opened, directory, states };
};

const settledWithin = async (promise: Promise<unknown>, milliseconds: number): Promise<boolean> =>
  await Promise.race([
    promise.then(() => true),
    new Promise<false>((resolve) => setTimeout(resolve, milliseconds, false)),
  ]);

test("a second process on the folder is refused within a second, and may have it once the first is gone", async () => {
  const { directory, close } = await house();
  const begun = performance.now();
  const second = await startLoad(directory, { count: 1 });
  expect(second.answer).toBe("refused journal_owned");
  expect(await second.exited).toBe(71);
  expect(performance.now() - begun).toBeLessThan(1_500);
  await expect(open(directory)).rejects.toMatchObject({ code: "journal_owned" });
  await close();
  const third = await startLoad(directory, { count: 1 });
  expect(third.answer).toBe("ready");
  await third.exited;
});

test("a process that was killed leaves nothing that keeps the next one out", async () => {
  const directory = temporaryFolder("bounds");
  cleanups.push(() => rmSync(directory, { recursive: true, force: true }));
  const first = await startLoad(directory);
  first.child.kill("SIGKILL");
  await first.exited;
  const { close } = await open(directory);
  await close();
});

test("at its bound appends wait and nothing is dropped, while the house's own entries still come in; a trim ends it", async () => {
  const { journal, directory, states, told } = await house({ bytesMax: 2 ** 20 });
  const other = joinJournal(journal.connect(), { telemetry: { journalDamaged() {} } });
  cleanups.push(() => other.close(AbortSignal.abort()));
  let acknowledged = 0;
  const appends = Array.from({ length: 300 }, async (_, number) => {
    await new Promise((resolve) => setTimeout(resolve, number));
    await journal.append([numbered(number, 10_000)]);
    acknowledged++;
  });
  await vi.waitFor(() => expect(journal.health().blocked?.reason).toBe("journal_full"), 5_000);
  await settledWithin(Promise.all(appends), 400);
  expect(acknowledged).toBeGreaterThan(50);
  expect(acknowledged).toBeLessThan(120);
  expect(journal.pendingBytes()).toBeGreaterThan(10_000);
  expect(journal.health().bytesUsed).toBeLessThanOrEqual(2 ** 20);
  expect(told.filter(({ event }) => event === "journalBlocked")).toHaveLength(1);
  // ticks and commands of other threads have a little room of their own
  const own = await other.append([tick(2_000)]);
  expect((await other.read(own - 1, 1))[0]?.entry.kind).toBe("tick");
  const kept: number[] = [];
  while (acknowledged < 300) {
    const page = await journal.read(0, 1_000);
    kept.push(...page.map(numberOf));
    await journal.trim(page.at(-1)?.seq ?? 0);
    await settledWithin(Promise.all(appends), 30);
  }
  kept.push(...(await readAll(journal)).map(numberOf));
  expect(kept.filter((number) => number >= 0).sort((a, b) => a - b)).toEqual(Array.from({ length: 300 }, (_, n) => n));
  await vi.waitFor(() => expect(journal.health().blocked).toBeNull());
  expect(states.map(({ blocked }) => blocked?.reason ?? null).slice(0, 2)).toEqual(["journal_full", null]);
  expect(journal.pendingBytes()).toBe(0);
  expect(directory).not.toBe("");
}, 60_000);

test.each([
  ["full", "disk_full"],
  ["write", "io_error"],
] as const)(
  "a commit that fails (%s) is tried again: told at once, acknowledged once, nothing twice",
  async (fault, reason) => {
    const { journal, states, told } = await house({}, { 2: fault, 3: fault, 4: fault });
    const first = await journal.append([numbered(1)]);
    const second = await Promise.all([journal.append([numbered(2)]), journal.append([numbered(3), numbered(4)])]);
    expect(second).toEqual([first + 1, first + 3]);
    expect(states.map(({ blocked }) => blocked?.reason ?? null)).toEqual([reason, null]);
    expect(told.map(({ event }) => event).filter((event) => /Blocked|Resumed/.test(event))).toEqual([
      "journalBlocked",
      "journalResumed",
    ]);
    expect((await readAll(journal)).map(numberOf)).toEqual([1, 2, 3, 4]);
  },
);

test("after a failed fsync nothing is tried again and nothing is acknowledged: the process has to end", async () => {
  const { journal, fatal, close, directory } = await house({}, { 2: "fsync" });
  await journal.append([numbered(1)]);
  const failed = journal.append([numbered(2)]).then(
    () => "acknowledged",
    ({ code }) => code,
  );
  expect(await fatal).toMatchObject({ code: "journal_failed" });
  const later = journal.append([numbered(3)]).catch(() => {});
  expect(await settledWithin(Promise.race([failed, later]), 1_500)).toBe(false);
  await close();
  expect(await failed).toBe("journal_closed");
  const process = await startLoad(directory, { worker: workerNamed("faulty"), first: 10 });
  expect(await process.exited).toBe(70);
});

test("damage met while writing ends the process, and the next start rebuilds what can be read", async () => {
  const { journal, fatal, close, directory } = await house({}, { 2: "corrupt" });
  await journal.append([numbered(1)]);
  journal.append([numbered(2)]).catch(() => {});
  await fatal;
  await close();
  const next = await open(directory);
  expect(next.journal.recovery).toMatchObject({ missing: [], putAside: ["journal.damaged-1.db"] });
  expect((await readAll(next.journal)).map(numberOf)).toEqual([1]);
  await next.close();
});

test("a commit that hangs is told within a second and a half, while it hangs", async () => {
  const { journal, states, told } = await house({}, { 2: "hang" });
  await journal.append([numbered(1)]);
  await journal.append([numbered(2)]);
  expect(states[0]?.blocked?.reason).toBe("slow_disk");
  await vi.waitFor(() => expect(journal.health().blocked).toBeNull());
  await vi.waitFor(async () => {
    await journal.append([tick(3_000)]);
    expect(told.some(({ msg }) => msg === "a commit took longer than a second")).toBe(true);
  }, 3_000);
});

test("another thread appends and reads through its handle, and is woken by what this one appends", async () => {
  const { journal } = await house();
  const handle = journal.connect();
  const thread = new Worker(new URL("../journal/joined-thread.ts", import.meta.url), {
    workerData: handle,
    transferList: [handle.port],
  });
  cleanups.push(async () => void (await thread.terminate()));
  const [seq] = await once(thread, "message");
  expect(await journal.append([numbered(7)])).toBe(seq + 1);
  expect((await once(thread, "message"))[0]).toEqual([100, 101, 7]);
  // it closed its side, and ends by itself
  await once(thread, "exit");
  await journal.append([numbered(8)]);
});

test("room that a trim freed is used again: the file does not grow, and appends go on meanwhile", async () => {
  const { journal, directory } = await house();
  const append = async () => await journal.append(Array.from({ length: 40 }, (_, n) => numbered(n, 50_000)));
  const fill = async () => {
    let last = 0;
    for (let time = 0; time < 8; time++) last = await append();
    return last;
  };
  const trimmed = journal.trim(await fill());
  let during = 0;
  const appending = append().then(() => during++);
  await trimmed;
  await appending;
  expect(during).toBe(1);
  await journal.trim(await fill());
  const { size } = statSync(join(directory, "journal.db"));
  for (let time = 0; time < 4; time++) await journal.trim(await fill());
  expect(statSync(join(directory, "journal.db")).size).toBeLessThan(size * 1.3);
  expect(await readAll(journal)).toEqual([]);
  await vi.waitFor(async () => {
    await journal.append([tick(5_000)]);
    expect(journal.health().bytesUsed).toBeLessThan(2 ** 20);
  });
});

test("closing acknowledges what was appended, refuses what comes after, and may be called twice", async () => {
  const { journal, directory } = await house();
  const appends = Array.from({ length: 500 }, (_, number) => journal.append([numbered(number)]));
  const closing = journal.close(never);
  await expect(journal.append([numbered(1_000)])).rejects.toMatchObject({ code: "journal_closed" });
  await closing;
  expect(await Promise.all(appends)).toHaveLength(500);
  await journal.close(never);
  const again = await open(directory);
  expect(await readAll(again.journal)).toHaveLength(500);
  await again.close();
});

test("closing is bounded: what the disk does not take is rejected, never acknowledged", async () => {
  const faults = Object.fromEntries(Array.from({ length: 100 }, (_, index) => [index + 2, "full" as const]));
  const { journal } = await house({}, faults);
  await journal.append([numbered(1)]);
  const stuck = journal.append([numbered(2)]);
  const begun = performance.now();
  const rejected = expect(stuck).rejects.toMatchObject({ code: "journal_closed" });
  await journal.close(never);
  await rejected;
  expect(performance.now() - begun).toBeLessThan(4_500);
});

test("an entry that cannot be encoded is refused alone", async () => {
  const { journal } = await house();
  const cyclic: Record<string, unknown> = { kind: "registry", at: 1 };
  cyclic.registry = cyclic;
  const before = journal.append([numbered(1)]);
  await expect(journal.append([cyclic as never])).rejects.toMatchObject({ code: "journal_refused" });
  const after = await journal.append([numbered(2)]);
  expect(after).toBe((await before) + 1);
});

test("a clock put back by an hour is told, and time stands still until it has caught up", async () => {
  const { journal, told } = await house();
  await journal.append([tick(10_000_000)]);
  await journal.append([tick(10_000_000 - 3_600_000)]);
  await vi.waitFor(async () => {
    await journal.append([tick(10_000_000 - 3_600_000)]);
    expect(journal.health().behind).toBe(3_600_000);
  });
  expect(told.some(({ msg }) => String(msg).includes("clock was put back"))).toBe(true);
  expect(new Set((await readAll(journal)).map(({ entry }) => entry.at))).toEqual(new Set([10_000_000]));
});
