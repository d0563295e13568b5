import {
  copyFileSync,
  existsSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  truncateSync,
  unlinkSync,
  writeFileSync,
} from "node:fs";
import { join } from "node:path";
import fc from "fast-check";
import { afterAll, beforeAll, expect, test } from "vitest";
import type { Seq } from "../../src/domain/entry.ts";
import { covers, numbered, numberOf, open, readAll, startLoad, temporaryFolder } from "../journal/rig.ts";

// A disk that hurts the files: whatever was acknowledged is there as it was, or is reported with its range. Never silent.

const root = temporaryFolder("damage");
/** A journal whose process was killed, with a part of it in the database and a part in the WAL. */
const template = join(root, "template");
let acknowledged: Map<number, Seq>;

/** Entries in the database, and after a clean end of the process in a WAL too short for a checkpoint. */
const inDatabase = 3_000;
const inWal = 400;
beforeAll(async () => {
  acknowledged = new Map();
  const { journal, close } = await open(template);
  for (let number = 0; number < inDatabase; number += 10) {
    const last = await journal.append(Array.from({ length: 10 }, (_, index) => numbered(number + index, 400)));
    for (let index = 0; index < 10; index++) acknowledged.set(number + index, last - 9 + index);
  }
  await close();
  const load = await startLoad(template, { first: inDatabase, count: inWal });
  await load.exited;
  for (const [number, seq] of load.acknowledged()) acknowledged.set(number, seq);
  expect(acknowledged.size).toBe(inDatabase + inWal);
  expect(statSync(join(template, "journal.db")).size).toBeGreaterThan(2 ** 20);
  expect(statSync(join(template, "journal.db-wal")).size).toBeGreaterThan(2 ** 18);
});
afterAll(() => rmSync(root, { recursive: true, force: true }));

const copy = (): string => {
  const directory = mkdtempSync(join(root, "hurt-"));
  for (const name of readdirSync(template)) copyFileSync(join(template, name), join(directory, name));
  return directory;
};

type Injury = (directory: string) => void;

const change =
  (name: string, hurt: (bytes: Buffer) => void): Injury =>
  (directory) => {
    const path = join(directory, name);
    const bytes = readFileSync(path);
    hurt(bytes);
    writeFileSync(path, bytes);
  };

/** What the injured journal says: how many acknowledged entries it neither has nor reports, and how many it reports. */
const examine = async (directory: string) => {
  const { journal, told, close } = await open(directory);
  try {
    const entries = new Map((await readAll(journal)).map((entry) => [entry.seq, numberOf(entry)]));
    const reported = [...journal.recovery.missing, ...journal.damaged()];
    const gone = [...acknowledged].filter(([number, seq]) => entries.get(seq) !== number);
    const silent = gone.filter(([, seq]) => !covers(reported, seq)).map(([, seq]) => seq);
    const forged = [...acknowledged].filter(([number, seq]) => entries.has(seq) && entries.get(seq) !== number);
    const top = Math.max(...acknowledged.values());
    const next = await journal.append([numbered(99_000_000)]);
    expect(next).toBeGreaterThan(top);
    expect((await journal.read(next - 1, 10)).map(numberOf)).toEqual([99_000_000]);
    const toldOf = told.some(({ event }) => event === "journalDamaged");
    return { silent, forged, gone: gone.length, toldOf, putAside: journal.recovery.putAside };
  } finally {
    await close();
    rmSync(directory, { recursive: true, force: true });
  }
};

const files = fc.constantFrom("journal.db", "journal.db-wal");
const place = fc.double({ min: 0, max: 0.999999, noNaN: true });
const injury: fc.Arbitrary<{ what: string; hurt: Injury }> = fc.oneof(
  fc.tuple(files, place, fc.nat(7)).map(([name, where, bit]) => ({
    what: `bit ${bit} at ${where} of ${name}`,
    hurt: change(name, (bytes) => {
      const at = Math.floor(bytes.length * where);
      bytes[at] = (bytes[at] as number) ^ (1 << bit);
    }),
  })),
  // where SQLite keeps its structure: page headers, cell pointers, the first pages
  fc.tuple(files, fc.nat(400), fc.nat(64), fc.nat(7)).map(([name, page, offset, bit]) => ({
    what: `bit ${bit} of byte ${offset} of page ${page} of ${name}`,
    hurt: change(name, (bytes) => {
      const at = Math.min(page * 4096 + offset, bytes.length - 1);
      bytes[at] = (bytes[at] as number) ^ (1 << bit);
    }),
  })),
  fc.tuple(files, place).map(([name, where]) => ({
    what: `${name} cut off at ${where}`,
    hurt: (directory: string) =>
      truncateSync(join(directory, name), Math.floor(statSync(join(directory, name)).size * where)),
  })),
  fc.tuple(files, place, fc.constantFrom(0, 255)).map(([name, where, byte]) => ({
    what: `page at ${where} of ${name} filled with ${byte}`,
    hurt: change(name, (bytes) => {
      const at = Math.floor((bytes.length * where) / 4096) * 4096;
      bytes.fill(byte, at, Math.min(at + 4096, bytes.length));
    }),
  })),
  fc.tuple(fc.constantFrom("journal.mark", "journal.db-shm", "journal.lock"), place).map(([name, where]) => ({
    what: `${name} scrambled from ${where}`,
    hurt: (directory: string) => {
      if (name === "journal.mark") change(name, (bytes) => bytes.fill(90, Math.floor(4096 * where), 4096))(directory);
      else writeFileSync(join(directory, name), Buffer.alloc(32_768, 90));
    },
  })),
);

test("random injuries are harmless or reported with the missing range, never silent and never another content", async () => {
  await fc.assert(
    fc.asyncProperty(injury, async ({ hurt }) => {
      const directory = copy();
      hurt(directory);
      const found = await examine(directory);
      expect(found).toMatchObject({ silent: [], forged: [] });
      expect(found.toldOf).toBe(found.gone > 0);
    }),
    { numRuns: 40 },
  );
}, 120_000);

test("one flipped bit in the WAL costs what came after it, which is reported to the entry", async () => {
  const directory = copy();
  change("journal.db-wal", (bytes) => {
    const at = Math.floor(bytes.length * 0.3);
    bytes[at] = (bytes[at] as number) ^ 1;
  })(directory);
  const found = await examine(directory);
  expect(found.gone).toBeGreaterThan(0);
  expect(found).toMatchObject({ silent: [], forged: [], toldOf: true });
});

test("the same bit without the mark is silent: the mark is what tells", async () => {
  const directory = copy();
  unlinkSync(join(directory, "journal.mark"));
  change("journal.db-wal", (bytes) => {
    const at = Math.floor(bytes.length * 0.3);
    bytes[at] = (bytes[at] as number) ^ 1;
  })(directory);
  const { journal, told, close } = await open(directory);
  const entries = await readAll(journal);
  expect(entries.length).toBeLessThan(acknowledged.size);
  expect([...journal.recovery.missing, ...journal.damaged()]).toEqual([]);
  // not a word of the range, but that nobody vouches is said
  expect(journal.recovery.mark).toBe("damaged");
  expect(told.some(({ event }) => event === "warned")).toBe(true);
  await close();
});

test("a database that cannot be opened is put aside, and a new one begins above the mark", async () => {
  const directory = copy();
  change("journal.db", (bytes) => bytes.fill(7, 0, 4096))(directory);
  rmSync(join(directory, "journal.db-wal"));
  const found = await examine(directory);
  expect(found.putAside[0]).toBe("journal.damaged-1.db");
  expect(found).toMatchObject({ silent: [], toldOf: true });
});

test.each([
  ["the write version, with which SQLite opens it read-only", 18],
  ["the read version", 19],
  ["the count of free pages", 36],
  ["the version of the schema", 60],
])("a hurt bit in the header (%s) does not keep the journal from going on", async (_, byte) => {
  const directory = copy();
  const clean = await open(directory);
  await clean.close();
  change("journal.db", (bytes) => {
    bytes[byte] = (bytes[byte] as number) ^ 0x80;
  })(directory);
  expect(await examine(directory)).toMatchObject({ silent: [], forged: [] });
});

test("a database that vanished is reported in full", async () => {
  const directory = copy();
  for (const name of ["journal.db", "journal.db-wal", "journal.db-shm"]) rmSync(join(directory, name), { force: true });
  const { journal, close } = await open(directory);
  const top = Math.max(...acknowledged.values());
  expect(journal.recovery.missing).toMatchObject([{ first: 1, last: top }]);
  expect(await journal.append([numbered(1)])).toBe(top + 1);
  await close();
});

test("a journal that vanished with its mark is numbered above what the store has applied", async () => {
  const directory = temporaryFolder("vanished");
  const { journal, told, close } = await open(directory, { above: 5_000 });
  expect(journal.recovery.missing).toMatchObject([{ first: 1, last: 5_000 }]);
  expect(told.some(({ event }) => event === "journalDamaged")).toBe(true);
  expect(await journal.append([numbered(1)])).toBe(5_001);
  await close();
  const again = await open(directory, { above: 5_001 });
  expect(again.journal.recovery.missing).toEqual([]);
  await again.close();
  rmSync(directory, { recursive: true });
});

test("what is lost is told again by a reader that comes upon it, and does not hold it up", async () => {
  const directory = copy();
  rmSync(join(directory, "journal.db-wal"));
  const first = await open(directory);
  const lost = first.journal.recovery.missing;
  expect(lost).toHaveLength(1);
  await first.close();
  const second = await open(directory);
  expect(second.journal.recovery.missing).toEqual([]);
  expect(second.told.filter(({ event }) => event === "journalDamaged")).toEqual([]);
  const entries = await readAll(second.journal);
  expect(second.journal.damaged()).toEqual([{ ...lost[0], reason: "lost before" }]);
  // nothing lies behind it yet: waiting past what was read must wait, and not come back at once for ever
  const after = entries.at(-1)?.seq ?? 0;
  let woken = false;
  const waiting = second.journal.waitPast(after, AbortSignal.timeout(20_000)).then(() => {
    woken = true;
  });
  await new Promise((resolve) => setTimeout(resolve, 100));
  expect(woken).toBe(false);
  await second.journal.append([numbered(5)]);
  await waiting;
  expect((await second.journal.read(after, 10)).map(numberOf)).toEqual([5]);
  await second.close();
});

test("a database found damaged while writing is rebuilt at the next start from what can be read of it", async () => {
  const directory = copy();
  writeFileSync(join(directory, "journal.suspect"), "");
  const { journal, close } = await open(directory);
  expect(journal.recovery.putAside).toContain("journal.damaged-1.db");
  expect(journal.recovery.missing).toEqual([]);
  expect((await readAll(journal)).map(numberOf)).toEqual(
    [...acknowledged].sort((a, b) => a[1] - b[1]).map(([number]) => number),
  );
  await close();
  expect(existsSync(join(directory, "journal.suspect"))).toBe(false);
});
