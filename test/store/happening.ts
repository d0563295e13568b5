import fc from "fast-check";
import type { KindId, PropertyId, StreetId, ThingId } from "../../src/domain/thing.ts";
import { minute } from "../../src/domain/time.ts";

// What happens in a made-up journal, at random.

/** 2026-11-23T15:30:00Z: half an hour before a local midnight of Shanghai. */
export const start = Date.parse("2026-11-23T15:30:00Z");
export const things = ["water-1", "water-2", "outfall-1", "toilet-1"] as ThingId[];
export const streets = ["xinghai", "haicheng"] as StreetId[];
export const properties = ["turbidity", "ph"] as PropertyId[];
export const streetOf = (thing: string): StreetId => streets[things.indexOf(thing as ThingId) % 2] ?? ("" as StreetId);
export const kindOf = (thing: string): KindId => thing.split("-")[0] as KindId;

/** What happens, before the store has heard of it. */
export type Happening =
  | {
      readonly kind: "reading";
      readonly thing: number;
      readonly property: number;
      readonly step: number;
      readonly value: number | null;
      readonly quality: 1 | 2 | 3 | 4 | 9;
    }
  | { readonly kind: "rejection"; readonly thing: number; readonly count: number }
  | { readonly kind: "replay"; readonly which: number; readonly thing: number }
  | {
      readonly kind: "alarm";
      readonly thing: number;
      readonly limit: number;
      readonly action: "raise" | "clear" | "acknowledge";
      readonly late: boolean;
    }
  | { readonly kind: "delivered"; readonly consumer: string; readonly dead: number }
  | { readonly kind: "command"; readonly key: string | null }
  | { readonly kind: "session"; readonly who: number; readonly ends: boolean }
  | { readonly kind: "credential"; readonly who: number; readonly gone: boolean }
  | { readonly kind: "tick" };

/** Time that passes before it, seqs that are skipped. */
export type Step = { readonly after: number; readonly skip: number; readonly happening: Happening };

const reading = fc.record({
  kind: fc.constant("reading" as const),
  thing: fc.nat(things.length - 1),
  property: fc.nat(properties.length - 1),
  // steps of ten minutes over ten hours, so that times meet and local midnight lies within
  step: fc.nat(60),
  // eighths add up without rounding
  value: fc.oneof(
    { weight: 6, arbitrary: fc.integer({ min: -80, max: 800 }).map((eighths) => eighths / 8) },
    { weight: 1, arbitrary: fc.constant(null) },
  ),
  quality: fc.constantFrom(1 as const, 2 as const, 3 as const, 4 as const, 9 as const),
});
const happening: fc.Arbitrary<Happening> = fc.oneof(
  { weight: 12, arbitrary: reading },
  {
    weight: 1,
    arbitrary: fc.record({
      kind: fc.constant("rejection" as const),
      thing: fc.nat(things.length),
      count: fc.integer({ min: 1, max: 3 }),
    }),
  },
  {
    weight: 1,
    arbitrary: fc.record({ kind: fc.constant("replay" as const), which: fc.nat(20), thing: fc.nat(things.length - 1) }),
  },
  {
    weight: 3,
    arbitrary: fc.record({
      kind: fc.constant("alarm" as const),
      thing: fc.nat(things.length - 1),
      limit: fc.nat(1),
      action: fc.constantFrom("raise" as const, "clear" as const, "acknowledge" as const),
      late: fc.boolean(),
    }),
  },
  {
    weight: 1,
    arbitrary: fc.record({
      kind: fc.constant("delivered" as const),
      consumer: fc.constantFrom("historian", "dispatcher"),
      dead: fc.nat(2),
    }),
  },
  {
    weight: 1,
    arbitrary: fc.record({ kind: fc.constant("command" as const), key: fc.constantFrom(null, "k1", "k2") }),
  },
  { weight: 1, arbitrary: fc.record({ kind: fc.constant("session" as const), who: fc.nat(2), ends: fc.boolean() }) },
  { weight: 1, arbitrary: fc.record({ kind: fc.constant("credential" as const), who: fc.nat(2), gone: fc.boolean() }) },
  { weight: 1, arbitrary: fc.record({ kind: fc.constant("tick" as const) }) },
);

export const stepsArbitrary: fc.Arbitrary<readonly Step[]> = fc.array(
  fc.record({ after: fc.nat(20).map((minutes) => minutes * minute), skip: fc.nat(2), happening }),
  { minLength: 1, maxLength: 80 },
);
