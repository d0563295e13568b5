import { setTimeout as delay } from "node:timers/promises";
import { connectAsync } from "mqtt";
import { afterEach, expect, test } from "vitest";
import type { Entry, Seq } from "../../src/domain/entry.ts";
import type { Journal } from "../../src/ports.ts";
import { closeHouses, openHouse, publish, readings, signIn } from "../ingest/rig.ts";

afterEach(closeHouses);

const many = (count: number, topic = readings("w1")) =>
  Array.from({ length: count }, (_, at) => publish(topic, at + 1, { payload: `{"values":{"ph":${at}}}` }));

/** Law 1 on one connection: at the moment of each PUBACK, is its message in the journal? */
const acknowledgedTooEarly = async (journalOf: (journal: Pick<Journal, "append">) => Pick<Journal, "append">) => {
  const durable: Entry[] = [];
  const slow: Pick<Journal, "append"> = {
    append: async (entries) => {
      await delay(20);
      durable.push(...entries);
      return durable.length;
    },
  };
  const house = await openHouse({ journal: journalOf(slow) });
  const { client } = await signIn(house.port);
  let early = 0;
  client.socket.prependListener("data", (chunk: Buffer) => {
    // every PUBACK has four bytes
    early = Math.max(early, client.acks().length + chunk.length / 4 - durable.length);
  });
  client.send(...many(50));
  await client.until(() => client.acks().length === 50, "50 acknowledgements");
  return early;
};

test("PUBACK leaves only after the append is durable", async () => {
  expect(await acknowledgedTooEarly((journal) => journal)).toBe(0);
});

test("a journal that answers before its commit turns the test before this one red", async () => {
  const hasty = (journal: Pick<Journal, "append">): Pick<Journal, "append"> => ({
    append: async (entries) => {
      void journal.append(entries);
      return 0;
    },
  });
  expect(await acknowledgedTooEarly(hasty)).toBeGreaterThan(0);
});

test("PUBACKs keep the order of arrival when appends complete in reverse [MQTT-4.6.0-2]", async () => {
  const waiting: (() => void)[] = [];
  const journal: Pick<Journal, "append"> = {
    append: () => new Promise<Seq>((resolve) => waiting.push(() => resolve(0))),
  };
  const house = await openHouse({ journal });
  const { client } = await signIn(house.port);
  client.send(publish(readings("w1"), 1));
  await client.until(() => true);
  while (waiting.length < 1) await delay(2);
  client.send(publish(readings("w1"), 2), publish(readings("w1"), 3));
  while (waiting.length < 2) await delay(2);
  waiting[1]?.();
  await delay(30);
  expect(client.acks()).toEqual([]);
  waiting[0]?.();
  await client.until(() => client.acks().length === 3, "three acknowledgements");
  expect(client.acks()).toEqual([1, 2, 3]);
});

test("a message sent again with DUP is journaled and acknowledged again: duplicates are told by the reading", async () => {
  const house = await openHouse();
  const { client } = await signIn(house.port);
  client.send(
    publish(readings("w1"), 7),
    publish(readings("w1"), 7, { dup: true }),
    publish(readings("w1"), 7, { dup: true }),
  );
  await client.until(() => client.acks().length === 3, "three acknowledgements");
  expect(house.journal.entries).toHaveLength(3);
  expect(new Set(house.journal.entries.map(({ payload }) => Buffer.from(payload).toString())).size).toBe(1);
});

test("a QoS 2 publish is received once durable, complete after PUBREL, and leaves nothing behind", async () => {
  const house = await openHouse();
  house.journal.stall();
  const { client } = await signIn(house.port);
  client.send(publish(readings("w1"), 9, { qos: 2 }));
  await delay(50);
  expect(client.of("pubrec")).toHaveLength(0);
  house.journal.recover();
  await client.until(() => client.of("pubrec").length === 1, "PUBREC");
  expect(house.journal.entries.map(({ qos }) => qos)).toEqual([2]);
  client.send({ cmd: "pubrel", messageId: 9 } as never);
  await client.until(() => client.of("pubcomp").length === 1, "PUBCOMP");
});

test("mqtt.js pipelines 200 QoS 2 publishes and all of them complete", async () => {
  const house = await openHouse();
  const client = await connectAsync(`mqtt://127.0.0.1:${house.port}`);
  await Promise.all(
    Array.from({ length: 200 }, (_, at) => client.publishAsync(readings("w1"), `{"n":${at}}`, { qos: 2 })),
  );
  await client.endAsync();
  expect(house.journal.entries).toHaveLength(200);
});

test("QoS 0 is journaled and acknowledged by nothing", async () => {
  const house = await openHouse();
  const { client } = await signIn(house.port);
  client.send(publish(readings("w1"), 0, { qos: 0 }), publish(readings("w1"), 1));
  await client.until(() => client.acks().length === 1, "one acknowledgement");
  expect(house.journal.entries.map(({ qos }) => qos)).toEqual([0, 1]);
});

test("a payload that is no reading at all is acknowledged, and its bytes are journaled as they came", async () => {
  const house = await openHouse();
  const { client } = await signIn(house.port);
  const payloads = [Buffer.from([0, 255, 128]), Buffer.alloc(0), Buffer.from("{"), Buffer.alloc(100_000, 0x5b)];
  client.send(...payloads.map((payload, at) => publish(readings("w1"), at + 1, { payload })));
  await client.until(() => client.acks().length === 4, "four acknowledgements");
  expect(house.journal.entries.map(({ payload }) => Buffer.from(payload))).toEqual(payloads);
});

test("QoS 0 messages sent just before the client leaves are journaled", async () => {
  const house = await openHouse();
  const { client } = await signIn(house.port);
  client.send(...many(1000).map((packet) => ({ ...packet, qos: 0 as const }) as never));
  client.socket.end(Buffer.from([0xe0, 0]));
  await client.gone();
  while (house.journal.entries.length < 1000) await delay(5);
  expect(house.journal.entries).toHaveLength(1000);
});

test("with the journal stalled, 20,000 publishes of one client stay bounded and all are acknowledged once it recovers", async () => {
  const house = await openHouse({ limits: { rate: 1e6, burst: 1e6 } });
  const { client } = await signIn(house.port);
  house.journal.stall();
  client.send(...many(20_000));
  await delay(200);
  expect(house.broker.pending()).toBe(256);
  expect(client.acks()).toEqual([]);
  house.journal.recover();
  await client.until(() => client.acks().length === 20_000, "20,000 acknowledgements");
  expect(client.acks()).toEqual(Array.from({ length: 20_000 }, (_, at) => at + 1));
});

test("without its bound on work in flight the test before this one turns red", async () => {
  const house = await openHouse({ limits: { rate: 1e6, burst: 1e6, inFlight: 1e6 } });
  const { client } = await signIn(house.port);
  house.journal.stall();
  client.send(...many(20_000));
  await delay(500);
  expect(house.broker.pending()).toBeGreaterThan(256);
  house.journal.recover();
});

test("bytes waiting for the journal are bounded over all clients together", async () => {
  const house = await openHouse({ limits: { pendingBytes: 400_000, rate: 1e6, burst: 1e6 } });
  house.journal.stall();
  const clients = await Promise.all(Array.from({ length: 8 }, async () => (await signIn(house.port)).client));
  const payload = Buffer.alloc(50_000, 0x20);
  for (const client of clients)
    client.send(...Array.from({ length: 20 }, (_, at) => publish(readings("w1"), at + 1, { payload })));
  await delay(300);
  // at the bound each client may still have one message of its own under way
  expect(house.broker.pending()).toBeLessThanOrEqual(8 + 8);
  house.journal.recover();
  for (const client of clients) await client.until(() => client.acks().length === 20, "20 acknowledgements");
});

test("while nothing can be journaled pings are answered, and the connection outlives its keepalive", async () => {
  const house = await openHouse({ limits: { stallAfter: 100 } });
  const { client } = await signIn(house.port, { keepalive: 1 });
  house.journal.stall();
  client.send(...many(300));
  for (let ping = 1; ping <= 4; ping++) {
    await delay(600);
    client.send({ cmd: "pingreq" });
    await client.until(() => client.of("pingresp").length === ping, "PINGRESP");
  }
  expect(client.acks()).toEqual([]);
  house.journal.recover();
  await client.until(() => client.acks().length === 300, "300 acknowledgements");
  expect(client.closed).toBe(false);
});

test("after the journal has closed nobody is acknowledged and the connection ends", async () => {
  const house = await openHouse();
  const { client } = await signIn(house.port);
  house.journal.close();
  client.send(publish(readings("w1"), 1));
  await client.gone();
  expect(client.acks()).toEqual([]);
});

test("an orderly stop acknowledges what is under way, takes nothing new, and is done within its time", async () => {
  const house = await openHouse();
  const { client } = await signIn(house.port);
  house.journal.stall();
  client.send(...many(100));
  while (house.broker.pending() < 100) await delay(2);
  const stopping = house.broker.stop();
  await delay(50);
  expect(client.acks()).toEqual([]);
  house.journal.recover();
  await stopping;
  house.journal.close();
  await client.gone();
  expect(client.acks()).toHaveLength(100);
  expect(house.journal.entries).toHaveLength(100);
  await expect(signIn(house.port)).rejects.toThrow("ECONNREFUSED");
});

test("a stop with the journal stalled gives up in time, and nothing is acknowledged afterwards", async () => {
  const house = await openHouse({ limits: { stopTimeout: 100 } });
  const { client } = await signIn(house.port);
  house.journal.stall();
  client.send(...many(10));
  while (house.broker.pending() < 10) await delay(2);
  await house.broker.stop();
  house.journal.recover();
  await client.gone();
  await delay(20);
  expect(client.acks()).toEqual([]);
});
