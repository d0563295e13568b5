import fc from "fast-check";
import { expect, test } from "vitest";
import { decodeGroup, openFrames } from "../../src/codec/entry.ts";
import { settleTimes } from "../../src/codec/frame.ts";
import type { Entry, Journaled } from "../../src/domain/entry.ts";

const instant = fc.integer({ min: 0, max: 9_000_000_000_000 });
/** Lone surrogates, NUL, right-to-left marks, Chinese, very long: whatever JavaScript calls a string. */
const text = fc.oneof(
  fc.string({ unit: "grapheme-ascii", maxLength: 80 }),
  fc.string({ unit: "binary", maxLength: 80 }),
  fc.array(fc.integer({ min: 0, max: 0xffff }), { maxLength: 20 }).map((codes) => String.fromCharCode(...codes)),
  fc.constantFrom("", "__proto__", "$bytes", "镇", "\ud800", "a".repeat(256), "a".repeat(65_536), "\u0000", "\u00ff"),
);
const bytes = fc.uint8Array({ maxLength: 300 });
const number = fc.double({ noNaN: true, noDefaultInfinity: true }).map((value) => value + 0);
const orNull = <T>(arbitrary: fc.Arbitrary<T>) => fc.option(arbitrary, { nil: null });

const command = fc.oneof(
  fc.record({ kind: fc.constant("acknowledge"), alarm: text, note: text }),
  fc.record({ kind: fc.constant("shelve"), alarm: text, until: instant, reason: text }),
  fc.record({ kind: fc.constant("unshelve"), alarm: text }),
  fc.record({ kind: fc.constant("comment"), alarm: text, text }),
  fc.record({ kind: fc.constant("replay"), rejection: text, receivedAt: instant, topic: text, path: text, raw: bytes }),
);
const dead = fc.record({ consumer: text, thing: text, reason: text, body: text });
const body = {
  message: fc.record({ topic: text, payload: bytes, principal: orNull(text), qos: fc.constantFrom(0, 1, 2) }),
  tick: fc.constant({}),
  registry: fc.record({ registry: fc.record({ version: text, things: fc.array(fc.dictionary(text, text)) }) }),
  credential: fc.record({ by: text, id: text, credential: orNull(fc.record({ id: text, things: fc.array(text) })) }),
  account: fc.record({ by: text, username: text, account: orNull(fc.record({ username: text, password: text })) }),
  session: fc.record({ tokenHash: text, session: orNull(fc.record({ username: text, expiresAt: instant })) }),
  command: fc.record({ by: text, key: orNull(text), command }),
  condition: fc.record({ limit: text, active: fc.boolean(), value: orNull(number), detail: text }),
  delivered: fc.record({ consumer: text, through: fc.nat(), dead: fc.array(dead, { maxLength: 3 }) }),
} satisfies Record<Entry["kind"], fc.Arbitrary<object>>;
const entry: fc.Arbitrary<Entry> = fc.oneof(
  ...Object.entries(body).map(([kind, rest]) =>
    fc.tuple(rest as fc.Arbitrary<object>, instant).map(([fields, at]) => ({ kind, at, ...fields }) as Entry),
  ),
);

const encoded = (entries: readonly Entry[]): Uint8Array => {
  const frames = openFrames(16);
  frames.add(entries);
  const group = frames.take();
  return new Uint8Array(group.buffer, 0, group.bytes);
};
const decoded = (group: Uint8Array, first = 1, after = 0) => {
  const entries: Journaled[] = [];
  const faults = decodeGroup(group, first, after, entries);
  return { entries, faults };
};
const tick = (at: number): Entry => ({ kind: "tick", at });
const message = (payload: Uint8Array, over: object = {}): Entry =>
  ({ kind: "message", at: 5, topic: "a/b", payload, principal: null, qos: 1, ...over }) as Entry;

test("every kind of entry comes back as it went in, whatever its strings", () => {
  fc.assert(
    fc.property(fc.array(entry, { maxLength: 8 }), fc.nat(1000), (entries, first) => {
      const back = decoded(encoded(entries), first, first - 1);
      expect(back.faults).toEqual([]);
      expect(back.entries).toEqual(entries.map((one, index) => ({ seq: first + index, entry: one })));
    }),
    { numRuns: 400 },
  );
});

test("a message without a principal is told from one whose principal is empty", () => {
  const back = decoded(encoded([message(new Uint8Array(0)), message(new Uint8Array(0), { principal: "" })]));
  expect(back.entries.map(({ entry: one }) => one.kind === "message" && one.principal)).toEqual([null, ""]);
});

test("entries up to `after` are left out and the others keep their numbers", () => {
  expect(decoded(encoded([tick(1), tick(2), tick(3)]), 10, 11).entries).toEqual([{ seq: 12, entry: tick(3) }]);
});

test("any bytes at all are read without a throw, and a cut group says where it broke", () => {
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 400 }), (group) => {
      decoded(group);
    }),
  );
  fc.assert(
    fc.property(
      fc.array(entry, { minLength: 1, maxLength: 5 }),
      fc.double({ min: 0, max: 0.999, noNaN: true }),
      (entries, where) => {
        const whole = encoded(entries);
        const cut = Math.floor(whole.byteLength * where);
        const back = decoded(whole.subarray(0, cut));
        expect(back.entries).toEqual(decoded(whole).entries.slice(0, back.entries.length));
        const atBoundary = encoded(entries.slice(0, back.entries.length)).byteLength === cut;
        expect(back.faults.map(({ rest }) => rest)).toEqual(atBoundary ? [] : [true]);
      },
    ),
  );
});

test("flipped bits never make the reader throw, and a damaged frame does not cost its neighbours", () => {
  const whole = encoded([message(new Uint8Array(9)), tick(6), message(new Uint8Array(3))]);
  for (let bit = 0; bit < whole.byteLength * 8; bit++) {
    const hurt = whole.slice();
    hurt[bit >> 3] = (hurt[bit >> 3] as number) ^ (1 << (bit & 7));
    decoded(hurt);
  }
  const hurt = encoded([tick(1), tick(2), tick(3)]);
  hurt[4] = 77;
  const back = decoded(hurt);
  expect(back.entries.map(({ seq }) => seq)).toEqual([2, 3]);
  expect(back.faults).toEqual([{ seq: 1, rest: false, reason: "no frame has the form 77" }]);
});

test("an entry of a kind that this version does not know is a fault, not an entry", () => {
  const back = decoded(encoded([{ kind: "toString", at: 1 } as unknown as Entry, tick(2)]));
  expect(back.entries).toEqual([{ seq: 2, entry: tick(2) }]);
  expect(back.faults).toHaveLength(1);
});

test("entries that JSON cannot write are refused together, and the group goes on as if they had not been there", () => {
  const frames = openFrames();
  frames.add([tick(1)]);
  const cyclic = { kind: "registry", at: 2, registry: {} as Record<string, unknown> };
  cyclic.registry.self = cyclic;
  expect(() => frames.add([message(new Uint8Array(2)), cyclic as unknown as Entry])).toThrow();
  frames.add([tick(3)]);
  const group = frames.take();
  expect(group).toMatchObject({ entries: 2, messages: false });
  expect(decoded(new Uint8Array(group.buffer, 0, group.bytes)).entries.map((one) => one.entry)).toEqual([
    tick(1),
    tick(3),
  ]);
});

test("a buffer given back is used again and holds nothing of the group before", () => {
  const frames = openFrames();
  frames.add([message(new Uint8Array(100).fill(7))]);
  const { buffer } = frames.take();
  frames.reuse(buffer);
  frames.take();
  frames.add([tick(9)]);
  const group = frames.take();
  expect(group.buffer).toBe(buffer);
  expect(decoded(new Uint8Array(group.buffer, 0, group.bytes)).entries).toEqual([{ seq: 1, entry: tick(9) }]);
});

test("time never goes back along a group, nor behind what was journaled before it", () => {
  const group = encoded([tick(5), tick(3), tick(9), tick(8)]);
  expect(settleTimes(group, 4)).toEqual({ at: 9, entries: 4, behind: 1 });
  expect(decoded(group).entries.map((one) => one.entry.at)).toEqual([5, 5, 9, 9]);
  const late = encoded([tick(5)]);
  expect(settleTimes(late, 20)).toEqual({ at: 20, entries: 1, behind: 15 });
  expect(decoded(late).entries[0]?.entry.at).toBe(20);
  expect(settleTimes(group.subarray(0, 20), 0).entries).toBe(-1);
});
