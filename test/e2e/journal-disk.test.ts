import { rmSync } from "node:fs";
import { join } from "node:path";
import { setTimeout as delay } from "node:timers/promises";
import { afterEach, beforeAll, expect, test, vi } from "vitest";
import { canMount, losableDisk, smallDisk } from "../journal/mount.ts";
import { numbered, numberOf, open, readAll, startLoad, temporaryFolder, workerNamed } from "../journal/rig.ts";

// Disks that are full, and disks that lose what was not synced when the power goes: real file systems of the test's own.

let able = false;
beforeAll(() => {
  able = canMount();
  if (!able) console.warn("skipped: full disks and power cuts need root, to mount a file system");
});
const cleanups: (() => unknown)[] = [];
afterEach(async () => {
  for (const cleanup of cleanups.splice(0).reverse()) await cleanup();
});

test("on a full disk nothing is acknowledged, it is told within a second, and goes on when there is room", async ({
  skip,
}) => {
  if (!able) skip();
  const disk = smallDisk("2m");
  cleanups.push(disk.remove);
  const { journal, close } = await open(join(disk.path, "data"));
  let acknowledged = 0;
  const appends = Array.from({ length: 150 }, async (_, number) => {
    await delay(number * 2);
    await journal.append([numbered(number, 20_000)]);
    acknowledged++;
  });
  const stopped = performance.now();
  await vi.waitFor(() => expect(journal.health().blocked?.reason).toBe("disk_full"), { timeout: 5_000, interval: 20 });
  expect(performance.now() - stopped).toBeLessThan(2_000);
  await delay(300);
  const before = acknowledged;
  await delay(300);
  expect(acknowledged).toBe(before);
  expect(before).toBeLessThan(110);
  expect((await readAll(journal)).length).toBe(before);
  disk.resize("64m");
  await Promise.all(appends);
  await vi.waitFor(() => expect(journal.health().blocked).toBeNull());
  expect((await readAll(journal)).map(numberOf).sort((a, b) => a - b)).toEqual(
    Array.from({ length: 150 }, (_, n) => n),
  );
  await close();
});

test("killed on a full disk and started on it again, it has all that it acknowledged", async ({ skip }) => {
  if (!able) skip();
  const disk = smallDisk("2m");
  const notes = temporaryFolder("notes");
  cleanups.push(disk.remove, () => rmSync(notes, { recursive: true }));
  const directory = join(disk.path, "data");
  const load = await startLoad(directory, { acknowledged: join(notes, "acknowledged.txt") });
  let count = -1;
  while (load.acknowledged().size > count) {
    count = load.acknowledged().size;
    await delay(400);
  }
  load.child.kill("SIGKILL");
  await load.exited;
  const { journal, close } = await open(directory);
  const kept = new Map((await readAll(journal)).map((entry) => [entry.seq, numberOf(entry)]));
  expect([...load.acknowledged()].filter(([number, seq]) => kept.get(seq) !== number)).toEqual([]);
  expect(journal.recovery.missing).toEqual([]);
  const stuck = journal.append([numbered(77_000_000, 3_000_000)]).then(
    () => "acknowledged",
    () => "refused",
  );
  await vi.waitFor(() => expect(journal.health().blocked?.reason).toBe("disk_full"), 3_000);
  disk.resize("64m");
  expect(await stuck).toBe("acknowledged");
  await close();
});

/** Cuts the power under load a few times; answers how many were acknowledged, lost and reported. */
const powerCuts = async (worker?: URL) => {
  const disk = losableDisk();
  const notes = temporaryFolder("notes");
  cleanups.push(disk.remove, () => rmSync(notes, { recursive: true }));
  const found = { acknowledged: 0, lost: 0, missing: 0 };
  const load = await startLoad(join(disk.path, "data"), {
    acknowledged: join(notes, "acknowledged.txt"),
    ...(worker === undefined ? {} : { worker }),
  });
  expect(load.answer).toBe("ready");
  for (let time = 0; time < 3; time++) {
    await delay(150 + Math.random() * 150);
    load.child.kill("SIGSTOP");
    await delay(20);
    const acknowledged = load.acknowledged();
    const { journal, close } = await open(join(disk.cut(), "data"));
    const kept = new Map((await readAll(journal)).map((entry) => [entry.seq, numberOf(entry)]));
    found.acknowledged += acknowledged.size;
    found.lost += [...acknowledged].filter(([number, seq]) => kept.get(seq) !== number).length;
    found.missing += journal.recovery.missing.length;
    await close();
    load.child.kill("SIGCONT");
  }
  load.child.kill("SIGKILL");
  await load.exited;
  return found;
};

test("a power cut under load loses no acknowledged entry", async ({ skip }) => {
  if (!able) skip();
  const found = await powerCuts();
  expect(found.acknowledged).toBeGreaterThan(300);
  expect(found).toMatchObject({ lost: 0, missing: 0 });
});

test("the same power cut turns red on a journal that runs synchronous = NORMAL and says FULL", async ({ skip }) => {
  if (!able) skip();
  expect((await powerCuts(workerNamed("unsynced"))).lost).toBeGreaterThan(0);
});

test("a SQLite that runs synchronous = NORMAL is refused at the start", async () => {
  const directory = temporaryFolder("honest");
  cleanups.push(() => rmSync(directory, { recursive: true }));
  await expect(open(directory, { worker: workerNamed("unsynced") })).rejects.toMatchObject({ code: "journal_unsafe" });
});
