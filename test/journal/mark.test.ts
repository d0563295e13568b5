import { readFileSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { crc32 } from "node:zlib";
import { afterAll, expect, test } from "vitest";
import { faultOf } from "../../src/journal/error.ts";
import { openMark } from "../../src/journal/mark.ts";
import { atLeast, crcOf, isIntact } from "../../src/journal/segment.ts";
import { temporaryFolder } from "./rig.ts";

const folder = temporaryFolder("mark");
afterAll(() => rmSync(folder, { recursive: true }));
const hurt = (path: string, from: number, bytes: Buffer) => {
  const all = readFileSync(path);
  bytes.copy(all, from);
  writeFileSync(path, all);
};

test("the mark is what was written last, whichever of the two slots it is in", () => {
  const path = join(folder, "last");
  for (let seq = 1; seq < 6; seq++) {
    const file = openMark(path);
    expect(file).toMatchObject({ found: seq === 1 ? null : { seq: seq - 1, oldest: 1, at: seq - 1 }, damaged: false });
    file.write({ seq, oldest: 1, at: seq });
    file.sync();
    file.close();
  }
});

test("a torn slot costs one commit's mark and not the mark; two torn slots are told as damage", () => {
  const path = join(folder, "torn");
  const file = openMark(path);
  file.write({ seq: 7, oldest: 1, at: 1 });
  file.write({ seq: 8, oldest: 1, at: 2 });
  file.close();
  hurt(path, 20, Buffer.from([1, 2, 3]));
  const once = openMark(path);
  expect(once).toMatchObject({ found: { seq: 7 }, damaged: true });
  once.close();
  hurt(path, 4096 + 20, Buffer.from([1, 2, 3]));
  const twice = openMark(path);
  expect(twice).toMatchObject({ found: null, damaged: true });
  twice.close();
});

test("a mark of a newer version refuses the start", () => {
  const path = join(folder, "newer");
  const file = openMark(path);
  file.write({ seq: 7, oldest: 1, at: 1 });
  file.close();
  // "MZJ" and version 2, with a checksum that is right
  const record = readFileSync(path).subarray(4096, 4096 + 40);
  record[0] = 2;
  record.writeUInt32LE(crc32(record.subarray(0, 36)), 36);
  hurt(path, 4096, record);
  expect(() => openMark(path)).toThrow(expect.objectContaining({ code: "journal_newer" }));
});

test("a group's checksum covers its numbers as well as its bytes", () => {
  const bytes = new Uint8Array([1, 2, 3]);
  const segment = { first: 10, last: 12, crc: crcOf(10, 12, bytes), bytes };
  expect(isIntact(segment)).toBe(true);
  expect(isIntact({ ...segment, first: 11 })).toBe(false);
  expect(isIntact({ ...segment, last: 13 })).toBe(false);
  expect(isIntact({ ...segment, bytes: new Uint8Array([1, 2, 4]) })).toBe(false);
});

test("versions are compared part by part", () => {
  expect(atLeast("3.51.3", [3, 51, 3])).toBe(true);
  expect(atLeast("3.53.0", [3, 51, 3])).toBe(true);
  expect(atLeast("4.0.0", [3, 51, 3])).toBe(true);
  expect(atLeast("3.51.2", [3, 51, 3])).toBe(false);
  expect(atLeast("3.9.9", [3, 51, 3])).toBe(false);
});

test.each([
  [{ errcode: 13 }, "retry", "disk_full"],
  [{ errcode: 778 }, "retry", "io_error"],
  [{ errcode: 4874 }, "retry", "io_error"],
  [{ errcode: 8 }, "retry", "io_error"],
  [{ errcode: 5 }, "retry", "io_error"],
  [{ errcode: 1034 }, "fatal", "io_error"],
  [{ errcode: 1290 }, "fatal", "io_error"],
  [{ errcode: 11 }, "corrupt", "io_error"],
  [{ errcode: 26 }, "corrupt", "io_error"],
  [{ errcode: 1 }, "fatal", "io_error"],
  [{ code: "ENOSPC" }, "retry", "disk_full"],
  [{ code: "EIO" }, "retry", "io_error"],
  [{ code: "EROFS" }, "retry", "io_error"],
  [{}, "fatal", "io_error"],
] as const)("a failure with %j means %s, %s", (fields, kind, reason) => {
  expect(faultOf(Object.assign(new Error("x"), fields))).toMatchObject({ kind, reason });
});
