import type { Client } from "aedes";
import { expect, test, vi } from "vitest";
import { createAdmission } from "../../src/ingest/admission.ts";
import { createTakeovers } from "../../src/ingest/door.ts";
import { createHooks } from "../../src/ingest/hooks.ts";
import { createIntake } from "../../src/ingest/intake.ts";
import { IngestPersistence, matches } from "../../src/ingest/persistence.ts";
import { Sessions } from "../../src/ingest/session.ts";
import { systemClock } from "../../src/platform/clock.ts";
import { createTelemetry } from "../../src/platform/telemetry.ts";
import { closeHouses, openHouse, publish, readings, signIn } from "./rig.ts";

const hooks = () => {
  const append = vi.fn(async () => 1);
  const made = createHooks({
    sessions: new Sessions(),
    admission: createAdmission("loopback", []),
    intake: createIntake({ append }),
    takeovers: createTakeovers({ perMinute: 15, banned: 1 }),
    budget: { pendingBytes: 0, partialBytes: 0, pendingBytesMax: 1, partialBytesMax: 1 },
    clock: systemClock,
    telemetry: createTelemetry({ level: "silent", thread: "test" }),
    counts: { accepted: 0 },
    keepaliveMax: 300,
    filtersMax: 20,
    stopping: () => false,
  });
  return { ...made, append };
};

test("a will without a client, as aedes publishes those of dead brokers, is refused and not journaled", async () => {
  const { authorizePublish, append } = hooks();
  const packet = publish(readings("w1"), 1) as never;
  const error = await new Promise((resolve) => authorizePublish(null, packet, resolve));
  await new Promise(setImmediate);
  expect(error).toBeInstanceOf(Error);
  expect(append).not.toHaveBeenCalled();
});

test("a client that nobody knows is refused by every hook, in a callback and never by a throw", () => {
  const asked = hooks();
  const stranger = { conn: {}, id: "x" } as unknown as Client;
  const answers: unknown[] = [];
  const answer = (error: unknown, granted?: unknown) => answers.push([error instanceof Error, granted ?? null]);
  asked.preConnect(stranger, { cmd: "connect" } as never, answer);
  asked.authenticate(stranger, undefined, undefined, answer);
  asked.authorizePublish(stranger, publish(readings("w1"), 1) as never, answer);
  asked.authorizeSubscribe(stranger, { topic: "meizhen/#", qos: 0 }, answer);
  expect(answers).toEqual([
    [true, false],
    [true, null],
    [true, null],
    [false, null],
  ]);
  expect(asked.authorizeForward(stranger, { topic: "meizhen/a" } as never)).toBe(null);
});

test("a fault of ours inside a hook closes that connection without PUBACK, and the process lives on", async () => {
  const faults: unknown[] = [];
  const onFault = (error: unknown) => faults.push(error);
  process.on("uncaughtException", onFault).on("unhandledRejection", onFault);
  let broken = false;
  const now = () => {
    if (broken) throw new Error("no clock");
    return systemClock.now();
  };
  const house = await openHouse({ clock: { ...systemClock, now }, limits: { sweepEvery: 60_000 } });
  const { client } = await signIn(house.port);
  broken = true;
  client.send(publish(readings("w1"), 1));
  await client.gone();
  expect((await signIn(house.port)).code).toBe(3);
  broken = false;
  expect((await signIn(house.port)).code).toBe(0);
  const throwing = await openHouse({
    journal: {
      append: () => {
        throw new Error("no journal");
      },
    },
  });
  const { client: other } = await signIn(throwing.port);
  other.send(publish(readings("w1"), 1));
  await other.gone();
  await closeHouses();
  process.off("uncaughtException", onFault).off("unhandledRejection", onFault);
  expect([client.acks(), other.acks(), faults]).toEqual([[], [], []]);
});

test("a filter matches a topic as MQTT-4.7 says", () => {
  const cases: [string, string, boolean][] = [
    ["meizhen/#", "meizhen/a", true],
    ["meizhen/#", "meizhen", true],
    ["meizhen/#", "meizhen/a/b/c", true],
    ["meizhen/+", "meizhen/a", true],
    ["meizhen/+", "meizhen/a/b", false],
    ["meizhen/+", "meizhen", false],
    ["meizhen/+/c", "meizhen/b/c", true],
    ["meizhen/a", "meizhen/ab", false],
    ["meizhen/a/b", "meizhen/a", false],
  ];
  for (const [filter, topic, expected] of cases) {
    expect([filter, topic, matches(filter.split("/"), topic.split("/"))]).toEqual([filter, topic, expected]);
  }
});

test("sessions leave nothing: subscriptions, queues and wills are not kept, packet ids end with their client", async () => {
  const persistence = new IngestPersistence(10);
  const client = { id: "w1" };
  for (let messageId = 1; messageId <= 1000; messageId++) {
    await persistence.incomingStorePacket(client, { topic: "t", payload: Buffer.alloc(9), messageId });
  }
  expect(persistence.size()).toEqual({ retained: 0, unreleased: 1 });
  await persistence.cleanIncoming(client);
  expect(persistence.size()).toEqual({ retained: 0, unreleased: 0 });
  expect(await persistence.subscriptionsByClient()).toEqual([]);
  expect(await persistence.subscriptionsByTopic()).toEqual([]);
  expect(await persistence.outgoingStream().toArray()).toEqual([]);
  expect(await persistence.streamWill().toArray()).toEqual([]);
});
