import { Duplex } from "node:stream";
import fc from "fast-check";
import { generate, type Packet } from "mqtt-packet";
import { expect, test } from "vitest";
import { withoutPings } from "../../src/ingest/frames.ts";
import { type Budget, Guard, type GuardSettings } from "../../src/ingest/guard.ts";
import { defaultLimits } from "../../src/ingest/limits.ts";
import type { Refusal } from "../../src/ingest/refusal.ts";
import { connectPacket, publish, readings } from "./rig.ts";

/** A stream that the test feeds, guarded; time stands still unless it is moved. */
const guarded = (settings: Partial<GuardSettings> = {}) => {
  const stream = new Duplex({ read() {}, write: (_chunk, _encoding, done) => done() });
  const refusals: Refusal[] = [];
  const time = { now: 0 };
  const budget: Budget = { pendingBytes: 0, partialBytes: 0, pendingBytesMax: 1e6, partialBytesMax: 1e6 };
  const guard = new Guard(stream, {
    settings: { ...defaultLimits, ...settings },
    budget,
    monotonic: () => time.now,
    onRefused: (refusal) => refusals.push(refusal),
    onPaused: () => {},
  });
  const read = (): Buffer => (stream.read() as Buffer | null) ?? Buffer.alloc(0);
  return { stream, guard, budget, refusals, time, read };
};

const connectBytes = generate(connectPacket({ clientId: "c" }));
const publishes = (count: number) =>
  Buffer.concat(Array.from({ length: count }, (_, at) => generate(publish(readings("w1"), at + 1))));

/** As `guarded`, with CONNECT accepted. */
const admitted = (settings: Partial<GuardSettings> = {}) => {
  const one = guarded(settings);
  one.stream.push(connectBytes);
  one.read();
  one.guard.admit(60_000);
  return one;
};

test("nothing behind CONNECT passes before it is accepted, and everything after", () => {
  const { stream, guard, read } = guarded();
  const rest = publishes(3);
  stream.push(Buffer.concat([connectBytes, rest]));
  expect(read()).toEqual(connectBytes);
  expect(read()).toHaveLength(0);
  guard.admit(60_000);
  expect(read()).toEqual(rest);
});

test("however the bytes are cut, they pass unchanged and in order, and never more frames than may be in flight", () => {
  fc.assert(
    fc.property(
      fc.integer({ min: 1, max: 40 }),
      fc.integer({ min: 1, max: 10 }),
      fc.array(fc.integer({ min: 1, max: 300 }), { minLength: 1, maxLength: 60 }),
      (count, inFlight, cuts) => {
        const { stream, guard, read } = admitted({ inFlight });
        const bytes = publishes(count);
        const passed: Buffer[] = [];
        let from = 0;
        let settled = 0;
        for (let turn = 0; from < bytes.length || settled < count; turn++) {
          const to = Math.min(bytes.length, from + (cuts[turn % cuts.length] as number));
          if (to > from) stream.push(bytes.subarray(from, to));
          from = to;
          passed.push(read());
          expect(guard.inFlight).toBeLessThanOrEqual(inFlight);
          if (guard.inFlight > 0 && turn % 2 === 1) {
            guard.settle();
            settled++;
          }
        }
        expect(Buffer.concat(passed)).toEqual(bytes);
      },
    ),
    { numRuns: 200 },
  );
});

test("the limit of a frame is exact: at it the bytes pass, one past it the stream is destroyed", () => {
  const at = admitted();
  at.stream.push(Buffer.from([0x30, 0x80, 0x80, 0x08])); // 131,072
  expect(at.read()).toHaveLength(4);
  const past = admitted();
  past.stream.push(Buffer.from([0x30, 0x81, 0x80, 0x08]));
  expect(past.read()).toHaveLength(0);
  expect([at.refusals, past.refusals, past.stream.destroyed]).toEqual([[], ["frame_too_large"], true]);
});

test("the remaining length is read with up to four bytes, padded or not", () => {
  const { stream, read, refusals } = admitted();
  const padded = Buffer.from([0xc0, 0x80, 0x80, 0x00]);
  stream.push(padded);
  expect(read()).toEqual(padded);
  stream.push(Buffer.from([0xc0, 0x80, 0x80, 0x80, 0x80]));
  read();
  expect(refusals).toEqual(["frame_length"]);
});

test("what a closed stream had begun is given back to the budget", async () => {
  const { stream, budget, read } = admitted();
  stream.push(publishes(1).subarray(0, 50));
  read();
  expect(budget.partialBytes).toBeGreaterThan(0);
  stream.destroy();
  await new Promise((resolve) => stream.once("close", resolve));
  expect(budget.partialBytes).toBe(0);
});

test("over the budget of all clients, who has nothing in flight may have one message, whatever its size", () => {
  const { stream, guard, budget, read } = admitted();
  budget.pendingBytes = budget.pendingBytesMax;
  const one = publishes(1);
  stream.push(publishes(3));
  expect(read()).toHaveLength(one.length);
  expect(read()).toHaveLength(0);
  guard.settle();
  expect(read()).toHaveLength(one.length);
});

test("a CONNECT whose sign-in is never answered ends at its deadline", () => {
  const { stream, guard, time, refusals, read } = guarded({ authenticateTimeout: 5000 });
  stream.push(connectBytes);
  read();
  time.now = 5000;
  guard.check(time.now);
  expect(refusals).toEqual([]);
  guard.check(time.now + 1);
  expect([refusals, stream.destroyed]).toEqual([["authenticate_timeout"], true]);
});

test("the rate counts every frame: a flood of pings is paused like one of publishes", () => {
  const { stream, time, read } = admitted({ rate: 10, burst: 20 });
  const pings = Buffer.from(Array(50).fill([0xc0, 0]).flat());
  stream.push(pings);
  expect(read()).toHaveLength(38); // CONNECT was the first of twenty
  expect(read()).toHaveLength(0);
  time.now += 1000;
  expect(read()).toHaveLength(20);
});

const packet: fc.Arbitrary<Packet> = fc.oneof(
  fc.constant<Packet>({ cmd: "pingreq" }),
  fc
    .record({ id: fc.integer({ min: 1, max: 65_535 }), payload: fc.string({ maxLength: 300 }) })
    .map(({ id, payload }) => publish(readings("w1"), id, { payload: payload.replaceAll("a", "\u00c0\u0000") })),
  fc.constant({ cmd: "pubrel", messageId: 49_152 } as Packet),
);

test("pings are taken out of what waits, and nothing else is: not bytes that look like one", () => {
  fc.assert(
    fc.property(fc.array(packet, { maxLength: 30 }), fc.nat(400), fc.nat(400), (packets, skip, cut) => {
      const frames = packets.map((one) => generate(one));
      const bytes = Buffer.concat(frames);
      // the walk goes on inside a body of `skip` bytes, and may end anywhere
      const body = Buffer.alloc(skip, 0xc0);
      const whole = Buffer.concat([body, bytes]);
      const waiting = whole.subarray(0, Math.max(0, whole.length - cut));
      const { rest, pings } = withoutPings(waiting, { type: 3, header: 0, length: skip, need: skip });
      const removed = Buffer.concat([rest, whole.subarray(waiting.length)]);
      let left = pings;
      const expected = frames.filter(
        (frame, at) => packets[at]?.cmd !== "pingreq" || left-- <= 0 || frame.length === 0,
      );
      expect(removed).toEqual(Buffer.concat([body, ...expected]));
    }),
    { numRuns: 500 },
  );
});
