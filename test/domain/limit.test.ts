import fc from "fast-check";
import { expect, test } from "vitest";
import { breached, rounded } from "../../src/domain/limit.ts";

const limits = fc
  .tuple(
    fc.constantFrom("high" as const, "low" as const),
    fc.integer({ min: -1_000, max: 1_000 }),
    fc.integer({ min: 0, max: 50 }),
  )
  .map(([direction, setpoint, deadband]) => ({ direction, setpoint: setpoint / 100, deadband: deadband / 100 }));
const values = fc.integer({ min: -2_000, max: 2_000 }).map((value) => value / 100);

test("a value at the setpoint is compliant", () => {
  fc.assert(
    fc.property(limits, (limit) => {
      expect(breached(limit, limit.setpoint, false)).toBe(false);
    }),
  );
});

test("a value beyond it is a breach, whatever was before", () => {
  fc.assert(
    fc.property(limits, fc.integer({ min: 1, max: 500 }), fc.boolean(), (limit, over, was) => {
      const beyond = limit.direction === "high" ? limit.setpoint + over / 100 : limit.setpoint - over / 100;
      expect(breached(limit, beyond, was)).toBe(true);
    }),
  );
});

test("a value inside the deadband keeps whatever state it had", () => {
  fc.assert(
    fc.property(limits, fc.double({ min: 0.01, max: 0.99, noNaN: true }), fc.boolean(), (limit, share, was) => {
      fc.pre(limit.deadband > 0);
      const back = limit.direction === "high" ? -share * limit.deadband : share * limit.deadband;
      expect(breached(limit, limit.setpoint + back, was)).toBe(was);
    }),
  );
});

test("come back by the whole deadband it is left, in decimal figures and not in binary ones", () => {
  fc.assert(
    fc.property(limits, (limit) => {
      const left = limit.direction === "high" ? limit.setpoint - limit.deadband : limit.setpoint + limit.deadband;
      expect(breached(limit, left, true)).toBe(false);
    }),
  );
  expect(breached({ direction: "high", setpoint: 0.3, deadband: 0.1 }, 0.2, true)).toBe(false);
  expect(breached({ direction: "high", setpoint: 0.3, deadband: 0 }, 0.1 + 0.2, false)).toBe(false);
});

test("low is the mirror of high", () => {
  fc.assert(
    fc.property(limits, values, fc.boolean(), (limit, value, was) => {
      const mirrored = {
        ...limit,
        direction: limit.direction === "high" ? ("low" as const) : ("high" as const),
        setpoint: -limit.setpoint,
      };
      expect(breached(mirrored, -value, was)).toBe(breached(limit, value, was));
    }),
  );
});

test("the more a value exceeds, the more it is a breach", () => {
  fc.assert(
    fc.property(limits, values, values, fc.boolean(), (limit, one, other, was) => {
      const [less, more] = one < other === (limit.direction === "high") ? [one, other] : [other, one];
      expect(!breached(limit, less, was) || breached(limit, more, was)).toBe(true);
    }),
  );
});

test("rounding to 1e-9 changes no figure that a probe has", () => {
  fc.assert(
    fc.property(fc.integer({ min: -1e9, max: 1e9 }), (figure) => {
      expect(rounded(figure / 1e4)).toBe(figure / 1e4);
    }),
  );
});
