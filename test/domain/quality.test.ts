import fc from "fast-check";
import { expect, test } from "vitest";
import { grossRange, type Quality, rollUp } from "../../src/domain/quality.ts";

const flags: readonly Quality[] = [1, 2, 3, 4, 9];
const flag = fc.constantFrom(...flags);

test("the roll-up is the flag of highest precedence: 9 < 2 < 1 < 3 < 4", () => {
  const order: readonly Quality[] = [9, 2, 1, 3, 4];
  for (const one of flags) {
    for (const other of flags)
      expect(rollUp(one, other)).toBe(order[Math.max(order.indexOf(one), order.indexOf(other))]);
  }
});

test("in whatever order and grouping tests are rolled up, the flag is the same", () => {
  fc.assert(
    fc.property(flag, flag, flag, (a, b, c) => {
      expect(rollUp(a, b)).toBe(rollUp(b, a));
      expect(rollUp(rollUp(a, b), c)).toBe(rollUp(a, rollUp(b, c)));
      expect(rollUp(a, a)).toBe(a);
    }),
  );
});

test("the bounds of a span belong to it", () => {
  expect([-0.1, 0, 4, 11, 11.1, 14, 14.1].map((value) => grossRange(value, [0, 14], [4, 11]))).toEqual([
    4, 3, 1, 1, 3, 3, 4,
  ]);
  expect(grossRange(13, [0, 14], null)).toBe(1);
});
