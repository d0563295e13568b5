import fc from "fast-check";
import { expect, test } from "vitest";
import { PackedError, packObservations, unpackObservations } from "../../src/codec/observations.ts";
import type { Observation } from "../../src/domain/change.ts";

const instant = fc.oneof(
  fc.integer({ min: 0, max: 9_223_372_036_854 }),
  fc.integer({ min: 1795392000000, max: 1795392009999 }),
);
const value = fc.oneof(
  fc.constant(null),
  fc.double({ noNaN: true, noDefaultInfinity: true }),
  fc.integer({ min: -5_000_000, max: 5_000_000 }).map((thousandths) => thousandths / 1000),
  fc.constantFrom(0, -0, 2 ** 27, 1e-9, 1073741.823, 1073741.824, -1073741.824),
);
const observation: fc.Arbitrary<Observation> = fc.record({
  datastream: fc.oneof(fc.nat(300), fc.nat(2 ** 40)),
  time: instant,
  value,
  quality: fc.constantFrom(1 as const, 2 as const, 3 as const, 4 as const, 9 as const),
  seq: fc.oneof(
    fc.nat(1000),
    fc.maxSafeNat().map((seq) => Math.floor(seq / 2)),
  ),
  receivedAt: instant,
});

test("observations come out of the packed bytes as they went in", () => {
  fc.assert(
    fc.property(fc.array(observation, { maxLength: 60 }), (observations) => {
      expect(unpackObservations(packObservations(observations))).toEqual(observations);
    }),
  );
});

test("five readings of one message take less than ten bytes each", () => {
  const message = [0.31, 7.2, 0.5, 18.25, 412].map(
    (value, index): Observation => ({
      datastream: 200 + index,
      time: 1795392000000,
      value,
      quality: 1,
      seq: 1_000_000,
      receivedAt: 1795392000003,
    }),
  );
  const commit = Array.from({ length: 100 }, (_, index) =>
    message.map((one) => ({
      ...one,
      seq: one.seq + index,
      time: one.time + index,
      receivedAt: one.receivedAt + index,
    })),
  ).flat();
  expect(packObservations(commit).length / commit.length).toBeLessThan(10);
});

test("bytes that were cut, lengthened or are of another version are refused, and nothing else is thrown", () => {
  fc.assert(
    fc.property(fc.array(observation, { minLength: 1, maxLength: 8 }), fc.nat(), (observations, cut) => {
      const bytes = packObservations(observations);
      expect(() => unpackObservations(bytes.slice(0, cut % bytes.length))).toThrow(PackedError);
      expect(() => unpackObservations(Uint8Array.of(...bytes, 0))).toThrow(PackedError);
      expect(() => unpackObservations(Uint8Array.of(9, ...bytes.slice(1)))).toThrow(PackedError);
    }),
  );
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 60 }), (bytes) => {
      try {
        unpackObservations(Uint8Array.of(1, ...bytes));
      } catch (error) {
        expect(error).toBeInstanceOf(PackedError);
      }
    }),
  );
});
