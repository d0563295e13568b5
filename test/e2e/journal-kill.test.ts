import { rmSync } from "node:fs";
import { setTimeout as delay } from "node:timers/promises";
import { afterEach, expect, test } from "vitest";
import type { FaultName } from "../journal/faulty-worker.ts";
import { numberOf, open, planFaults, readAll, startLoad, temporaryFolder, workerNamed } from "../journal/rig.ts";

// Law 1: acknowledged means journaled on stable storage, in order. SIGKILL at any instant loses no acknowledged entry.

const folders: string[] = [];
const folder = () => {
  folders.push(temporaryFolder("kill"));
  return folders.at(-1) as string;
};
afterEach(() => {
  for (const path of folders.splice(0)) rmSync(path, { recursive: true, force: true });
});

/** Numbers that were acknowledged, and those of them that the journal no longer has. */
type Verdict = { acknowledged: number; lost: number[]; twice: number; missing: number };

const verdict = async (directory: string, acknowledged: Map<number, number>): Promise<Verdict> => {
  const { journal, close } = await open(directory);
  const entries = await readAll(journal);
  const kept = new Map(entries.map((entry) => [entry.seq, numberOf(entry)]));
  await close();
  return {
    acknowledged: acknowledged.size,
    lost: [...acknowledged].filter(([number, seq]) => kept.get(seq) !== number).map(([number]) => number),
    twice: entries.length - new Set(entries.map(numberOf)).size,
    missing: journal.recovery.missing.length,
  };
};

/** Kills the loaded process `times` times at random instants; the folder goes on from one to the next. */
const killing = async (directory: string, times: number, worker?: URL): Promise<Verdict> => {
  let first = 0;
  for (let time = 0; time < times; time++) {
    const load = await startLoad(directory, { first, ...(worker === undefined ? {} : { worker }) });
    expect(load.answer).toBe("ready");
    await delay(Math.random() * 200);
    load.child.kill("SIGKILL");
    await load.exited;
    first = (time + 1) * 10_000_000;
  }
  const { acknowledged } = await startLoad(directory, { first, count: 1 }).then(async (last) => {
    await last.exited;
    return last;
  });
  return await verdict(directory, acknowledged());
};

test("twenty SIGKILLs under load lose no acknowledged entry and report nothing missing", async () => {
  const found = await killing(folder(), 20);
  expect(found.acknowledged).toBeGreaterThan(2_000);
  expect(found).toMatchObject({ lost: [], twice: 0, missing: 0 });
});

test("the same kills turn red on a journal that answers before it commits", async () => {
  const directory = folder();
  let lost = 0;
  for (let round = 0; round < 5 && lost === 0; round++) {
    lost += (await killing(`${directory}/${round}`, 2, workerNamed("hasty"))).lost.length;
  }
  expect(lost).toBeGreaterThan(0);
});

const points: readonly FaultName[] = ["die before the commit", "die after the commit", "die after the mark"];

test.each(points)("SIGKILL at the point `%s` loses nothing and leaves nothing to report", async (point) => {
  for (const commit of [1, 2, 7]) {
    const directory = folder();
    planFaults(directory, { [commit]: point });
    const load = await startLoad(directory, { worker: workerNamed("faulty") });
    await load.exited;
    const acknowledged = load.acknowledged();
    const found = await verdict(directory, acknowledged);
    expect(found).toMatchObject({ lost: [], twice: 0, missing: 0 });
    // the answer comes after the commit: what was in the commit that died was not answered
    if (commit === 1) expect(acknowledged.size).toBe(0);
  }
});
