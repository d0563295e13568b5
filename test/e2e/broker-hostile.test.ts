import { createHash } from "node:crypto";
import { setTimeout as delay } from "node:timers/promises";
import { generate, type Packet } from "mqtt-packet";
import { afterEach, beforeEach, expect, test } from "vitest";
import {
  closeHouses,
  connectPacket,
  openHouse,
  openSocket,
  publish,
  type RawClient,
  readings,
  signIn,
} from "../ingest/rig.ts";

const faults: unknown[] = [];
const onFault = (error: unknown) => faults.push(error);
beforeEach(() => {
  faults.length = 0;
  process.on("uncaughtException", onFault).on("unhandledRejection", onFault);
});
afterEach(async () => {
  await closeHouses();
  process.off("uncaughtException", onFault).off("unhandledRejection", onFault);
});

/** PUBLISH with these bytes for a topic, whatever they are. */
const publishBytes = (topic: Uint8Array): Buffer => {
  const body = Buffer.concat([
    Buffer.from([topic.length >> 8, topic.length & 255]),
    topic,
    Buffer.from([0, 1]),
    Buffer.from("{}"),
  ]);
  const length = body.length < 128 ? [body.length] : [(body.length & 127) | 128, body.length >> 7];
  return Buffer.concat([Buffer.from([0x32, ...length]), body]);
};

const good = ["meizhen", "xinghai", "water", "w1", "readings"];
/** Something wrong in each place of a right topic, and topics that are wrong as a whole. */
const hostileTopics = (): Uint8Array[] => {
  const levels = [
    ...[
      "",
      ".",
      "..",
      "...",
      " ",
      "+",
      "#",
      "$",
      "$SYS",
      "$share",
      "%2e%2e",
      "%00",
      "~",
      "'",
      '"',
      "\\",
      "a b",
      "a\nb",
      "a\rb",
    ],
    ...[
      "a\tb",
      "a\u0000b",
      "\u202ereadings",
      "\u200b",
      "\ufeff",
      "ｗ１",
      "é",
      "🦆",
      "а",
      "a=b",
      "a,b",
      "a;b",
      "{w1}",
      "w1?",
      "w+1",
    ],
    ...["x".repeat(65), "w1\u0000"],
  ];
  const places = [0, 1, 2, 3, 4].flatMap((place) => levels.map((level) => good.toSpliced(place, 1, level).join("/")));
  const whole = [
    ...["/", "//", "////", "meizhen", "meizhen/", "meizhen/xinghai/water/w1", "/meizhen/xinghai/water/w1/readings"],
    ...[
      "meizhen/xinghai/water/w1/readings/",
      "MEIZHEN/xinghai/water/w1/readings",
      "meizhen2/xinghai/water/w1/readings",
    ],
    ...[
      "$SYS/broker",
      "$SYS/a/new/clients",
      "$SYS/a/birth",
      "$SYS/a/heartbeat",
      "$share/g/meizhen/xinghai/water/w1/readings",
    ],
    ...["$queue/x", "__proto__", "constructor/prototype", "a/".repeat(50), "meizhen/".repeat(9), "x".repeat(60_000)],
    ...[`meizhen/${"x".repeat(64)}/${"x".repeat(64)}/${"x".repeat(64)}/${"x".repeat(64)}`],
  ];
  const raw = [[0xed, 0xa0, 0x80], [0xff, 0xfe], [0xc0, 0xaf], [0x80]].map((bytes) =>
    Buffer.concat([Buffer.from("meizhen/xinghai/water/w"), Buffer.from(bytes), Buffer.from("/readings")]),
  );
  return [...[...places, ...whole].map((topic) => Buffer.from(topic)), ...raw];
};

test("of about 200 hostile topics none is journaled, and each closes its connection alone", async () => {
  const house = await openHouse();
  const { client: neighbour } = await signIn(house.port);
  const topics = hostileTopics();
  expect(topics.length).toBeGreaterThan(200);
  for (const topic of topics) {
    const { client } = await signIn(house.port);
    client.send(publishBytes(topic));
    await client.gone();
    expect(client.acks()).toEqual([]);
  }
  neighbour.send(publish(readings("w1"), 1));
  await neighbour.until(() => neighbour.acks().length === 1, "the neighbour's PUBACK");
  expect(house.journal.topics()).toEqual([readings("w1")]);
  expect(faults).toEqual([]);
});

test("a hostile topic behind good ones: those before it are journaled and acknowledged or sent again, none after it", async () => {
  const house = await openHouse();
  const { client } = await signIn(house.port);
  client.send(publish(readings("w1"), 1), publishBytes(Buffer.from("meizhen/../x/y/z")), publish(readings("w2"), 2));
  await client.gone();
  await delay(20);
  expect(client.acks().every((id) => id === 1)).toBe(true);
});

test("packets only a server sends, packets twice, and packets in the wrong state close the connection", async () => {
  const house = await openHouse();
  const wrong: (Packet | Buffer)[] = [
    connectPacket(),
    Buffer.from([0x20, 2, 0, 0]),
    Buffer.from([0x90, 3, 0, 1, 0]),
    Buffer.from([0xb0, 2, 0, 1]),
    Buffer.from([0xd0, 0]),
    Buffer.from([0xf0, 0]),
    Buffer.from([0x00, 0]),
    Buffer.from([0x36, 2, 0, 0]),
    Buffer.from([0x32, 1, 0]),
    Buffer.from([0x82, 2, 0, 1]),
    Buffer.from([0x32, 4, 0, 0, 0, 1]),
  ];
  for (const packet of wrong) {
    const { client } = await signIn(house.port);
    client.send(packet);
    await client.gone();
  }
  expect(house.journal.entries).toEqual([]);
  expect(faults).toEqual([]);
});

test("client ids named like object members are ids like any other", async () => {
  const house = await openHouse();
  for (const clientId of ["__proto__", "constructor", "toString", "hasOwnProperty"]) {
    const { client, code } = await signIn(house.port, { clientId });
    expect([clientId, code]).toEqual([clientId, 0]);
    client.send(publish(readings("w1"), 1));
    await client.until(() => client.acks().length === 1, "PUBACK");
  }
  expect(house.broker.connections()).toBe(4);
});

/** Numbers from 0 (included) to 1 (not), the same for the same seed. */
const seeded = (seed: number): (() => number) => {
  let state = seed;
  return () => {
    state = (state + 0x6d2b79f5) | 0;
    let mixed = Math.imul(state ^ (state >>> 15), 1 | state);
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed;
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 4_294_967_296;
  };
};

const will = {
  topic: "meizhen/xinghai/water/w1/status",
  payload: Buffer.from("offline"),
  qos: 1 as const,
  retain: true,
};
const specimens: readonly Buffer[] = (
  [
    connectPacket({ clientId: "fuzz", username: "u", password: Buffer.from("p"), will }),
    publish(readings("w1"), 1),
    publish(readings("w1"), 2, { qos: 2 }),
    publish(readings("w1"), 3, { qos: 0, retain: true }),
    { cmd: "subscribe", messageId: 4, subscriptions: [{ topic: "meizhen/#", qos: 1 }] },
    { cmd: "unsubscribe", messageId: 5, unsubscriptions: ["meizhen/#"] },
    { cmd: "pubrel", messageId: 2 },
    { cmd: "puback", messageId: 9 },
    { cmd: "pubrec", messageId: 9 },
    { cmd: "pubcomp", messageId: 9 },
    { cmd: "pingreq" },
    { cmd: "disconnect" },
  ] as Packet[]
).map((packet) => generate(packet));

/** One to four injuries: a bit, a byte, a cut, a doubling, a foreign piece. */
const mutate = (bytes: Buffer, random: () => number): Buffer => {
  let mutant = Buffer.from(bytes);
  const place = () => Math.floor(random() * Math.max(1, mutant.length));
  for (let injuries = 1 + Math.floor(random() * 4); injuries > 0; injuries--) {
    const at = place();
    const kind = Math.floor(random() * 5);
    if (kind === 0 && mutant.length > 0) mutant[at] = (mutant[at] as number) ^ (1 << Math.floor(random() * 8));
    else if (kind === 1 && mutant.length > 0) mutant[at] = Math.floor(random() * 256);
    else if (kind === 2) mutant = mutant.subarray(0, at);
    else if (kind === 3) mutant = Buffer.concat([mutant, mutant.subarray(at)]);
    else
      mutant = Buffer.concat([
        mutant.subarray(0, at),
        specimens[Math.floor(random() * specimens.length)] as Buffer,
        mutant.subarray(at),
      ]);
  }
  return mutant;
};

/** Sends mutants until the connection is closed; answers how many were sent. */
const torment = async (client: RawClient, random: () => number, most: number): Promise<number> => {
  let sent = 0;
  while (!client.closed && sent < most) {
    client.send(mutate(specimens[Math.floor(random() * specimens.length)] as Buffer, random));
    if (++sent % 4 === 0) await new Promise(setImmediate);
  }
  return sent;
};

test("20,000 mutated packets crash nothing, leave nothing behind, and a neighbour is served all the while", async () => {
  const seed = Number(createHash("sha256").update("meizhen").digest().readUInt32BE(0));
  const random = seeded(seed);
  const house = await openHouse();
  const { client: neighbour } = await signIn(house.port);
  let packets = 0;
  for (let round = 0; packets < 20_000; round++) {
    const batch = await Promise.all(
      Array.from({ length: 10 }, async () => {
        const client = random() < 0.2 ? await openSocket(house.port) : (await signIn(house.port)).client;
        const sent = await torment(client, random, 40);
        client.socket.destroy();
        return sent;
      }),
    );
    packets += batch.reduce((sum, sent) => sum + sent, 0);
    if (round % 20 === 0) {
      const before = neighbour.acks().length;
      neighbour.send(publish(readings("neighbour"), 1));
      await neighbour.until(() => neighbour.acks().length > before, "the neighbour's PUBACK");
    }
  }
  expect({ seed, faults }).toEqual({ seed, faults: [] });
  const grammar = /^meizhen(\/[A-Za-z0-9_-]{1,64}){4,7}$/;
  expect(house.journal.topics().filter((topic) => !grammar.test(topic))).toEqual([]);
  expect(house.broker.pending()).toBe(0);
});
