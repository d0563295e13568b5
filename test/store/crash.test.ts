import { spawn } from "node:child_process";
import { once } from "node:events";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { DatabaseSync } from "node:sqlite";
import { setTimeout as delay } from "node:timers/promises";
import { afterEach, expect, test } from "vitest";
import { openWatermark } from "../../src/platform/watermark.ts";
import type { Store } from "../../src/ports.ts";
import { openStore } from "../../src/store/store.ts";
import { commitNext, readingsOf, readingsPerCommit } from "./committing.ts";
import { things } from "./happening.ts";
import { dump } from "./model.ts";

const folders: string[] = [];
afterEach(() => {
  for (const folder of folders.splice(0)) rmSync(folder, { recursive: true, force: true });
});
const place = (): string => {
  const folder = mkdtempSync(join(tmpdir(), "meizhen-crash-"));
  folders.push(folder);
  return join(folder, "store.db");
};

/** Commits in a process of its own, which is killed some milliseconds after its first ones. */
const commitUntilKilled = async (path: string, afterMs: number): Promise<void> => {
  const script = join(import.meta.dirname, "committing.ts");
  const child = spawn(process.execPath, [script, path], { stdio: ["ignore", "pipe", "inherit"] });
  await once(child.stdout, "data");
  await delay(afterMs);
  child.kill("SIGKILL");
  await once(child, "exit");
};

/** What is there is what the commits up to the cursor hold, and nothing else. */
const expectAgreement = (store: Store): void => {
  const now = store.cursor();
  expect(store.engineState().district).toBe(`${now}`);
  expect(store.engineState().things.map(({ body }) => body)).toEqual(things.map(() => `{"seq":${now}}`));
  const readings = (now - 1) * readingsPerCommit;
  expect(store.ledger({}).reduce((sum, { stored }) => sum + stored, 0)).toBe(readings);
  expect(store.scan(0, Number.MAX_SAFE_INTEGER, null, 1_000_000)).toHaveLength(readings);
  expect(store.remainders(1)).toEqual([]);
  const last = readingsOf(now).at(-1)!;
  expect(store.observationAt(last.datastream, last.time)).toEqual({ value: last.value });
  const next = readingsOf(now + 1).at(-1)!;
  expect(store.observationAt(next.datastream, next.time)).toBeUndefined();
};

test("killed twenty times during commits, the cursor and the knowledge agree each time, to the last bit in the end", async () => {
  const path = place();
  let cursor = 0;
  for (let kill = 0; kill < 20; kill++) {
    await commitUntilKilled(path, (kill * 7) % 20);
    const store = openStore({ path, watermark: openWatermark(), freshMax: 40 });
    expect(store.cursor()).toBeGreaterThan(cursor);
    cursor = store.cursor();
    expectAgreement(store);
    store.close();
  }
  const killed = openStore({ path, watermark: openWatermark(), freshMax: 40 });
  const whole = openStore({ path: place(), watermark: openWatermark(), freshMax: 1000 });
  while (whole.cursor() < killed.cursor()) commitNext(whole);
  const told = (store: typeof whole) => ({
    ...dump(store),
    scanned: store.scan(0, Number.MAX_SAFE_INTEGER, null, 1_000_000),
  });
  expect(told(killed)).toEqual(told(whole));
  killed.close();
  whole.close();
}, 120_000);

test("a cursor that was written apart from its commit would be seen", () => {
  const path = place();
  const store = openStore({ path, watermark: openWatermark(), freshMax: 40 });
  for (let commits = 0; commits < 30; commits++) commitNext(store);
  expectAgreement(store);
  store.close();
  const apart = new DatabaseSync(path);
  apart.exec("UPDATE progress SET seq = seq + 1");
  apart.close();
  const wrong = openStore({ path, watermark: openWatermark(), freshMax: 40 });
  expect(() => expectAgreement(wrong)).toThrow();
  wrong.close();
});
