import { connect } from "node:net";
import { setTimeout as delay } from "node:timers/promises";
import { generate, type Packet } from "mqtt-packet";
import { afterEach, expect, test } from "vitest";
import {
  closeHouses,
  connectPacket,
  credential,
  eventually,
  openHouse,
  openSocket,
  publish,
  readings,
  signIn,
} from "../ingest/rig.ts";

afterEach(closeHouses);

/** Fixed header of a frame with this remaining length. */
const header = (type: number, length: number): Buffer => {
  const bytes = [type];
  let rest = length;
  do {
    bytes.push((rest & 127) | (rest > 127 ? 128 : 0));
    rest >>>= 7;
  } while (rest > 0);
  return Buffer.from(bytes);
};

const megabyte = 2 ** 20;
const residentMb = () => process.memoryUsage.rss() / megabyte;

test("a frame of more than 4 KiB before CONNECT is accepted closes the connection at its header", async () => {
  const house = await openHouse();
  for (const length of [4097, 268_435_455]) {
    const client = await openSocket(house.port);
    client.send(header(0x10, length));
    await client.gone();
  }
  const client = await openSocket(house.port);
  client.send(header(0x10, 4096));
  await delay(50);
  expect(client.closed).toBe(false);
  expect(await house.refused()).toEqual({ frame_too_large: 2 });
});

test("a fifth byte of remaining length closes the connection", async () => {
  const house = await openHouse();
  const client = await openSocket(house.port);
  client.send(Buffer.from([0x10, 0x80, 0x80, 0x80, 0x80, 0x01]));
  await client.gone();
  expect(await house.refused()).toEqual({ frame_length: 1 });
});

test("what does not begin with CONNECT is closed at its first byte", async () => {
  const house = await openHouse();
  for (const bytes of ["GET / HTTP/1.1\r\n", "\x16\x03\x01\x02\x00\x01", "\x30\x02", "\xe0\x00"]) {
    const client = await openSocket(house.port);
    client.send(Buffer.from(bytes, "latin1"));
    await client.gone();
  }
  expect(await house.refused()).toEqual({ frame_first: 4 });
});

test("after CONNECT a PUBLISH of 128 KiB passes, one byte more closes, and other frames end at 8 KiB", async () => {
  const house = await openHouse();
  const topic = readings("w1");
  const payload = Buffer.alloc(131_072 - 2 - topic.length - 2);
  const { client } = await signIn(house.port);
  client.send(publish(topic, 1, { payload }));
  await client.until(() => client.acks().length === 1, "PUBACK");
  client.send(header(0x32, 131_073));
  await client.gone();
  const { client: other } = await signIn(house.port);
  other.send(header(0x82, 8193));
  await other.gone();
  expect(house.journal.entries.map((entry) => entry.payload.length)).toEqual([payload.length]);
});

test("hundreds of 256 MB frame headers, half of them after CONNECT, leave memory flat", async () => {
  const house = await openHouse();
  const before = residentMb();
  const junk = Buffer.alloc(60_000, 0x61);
  for (let round = 0; round < 10; round++) {
    await Promise.all(
      Array.from({ length: 50 }, async (_, at) => {
        const client = at % 2 === 0 ? await openSocket(house.port) : (await signIn(house.port)).client;
        client.send(Buffer.concat([header(at % 2 === 0 ? 0x10 : 0x32, 268_435_455), junk]));
        await client.gone();
      }),
    );
  }
  expect((await house.refused()).frame_too_large).toBe(500);
  expect(residentMb() - before).toBeLessThan(80);
});

test("frames begun and not ended are bounded over all clients together", async () => {
  const house = await openHouse({ limits: { partialBytes: 300_000 } });
  const clients = await Promise.all(Array.from({ length: 8 }, async () => (await signIn(house.port)).client));
  for (const client of clients) client.send(Buffer.concat([header(0x32, 131_072), Buffer.alloc(100_000, 0x61)]));
  await eventually(
    async () => ((await house.refused()).frame_memory ?? 0) >= 5,
    "the frames over the bound are refused",
  );
  expect(clients.filter(({ closed }) => !closed).length).toBeGreaterThan(0);
});

test("bytes that come one at a time are the same frames", async () => {
  const house = await openHouse();
  const client = await openSocket(house.port);
  const bytes = Buffer.concat([
    generate(connectPacket()),
    generate(publish(readings("w1"), 1, { payload: "x".repeat(200) })),
    generate({ cmd: "pingreq" }),
    generate(publish(readings("w1"), 2)),
  ]);
  for (const byte of bytes) {
    client.socket.write(Buffer.from([byte]));
    await new Promise(setImmediate);
  }
  await client.until(() => client.acks().length === 2, "both acknowledgements");
  expect(client.packets.map(({ cmd }) => cmd)).toEqual(["connack", "puback", "pingresp", "puback"]);
});

test("publishes sent in one breath with CONNECT wait for CONNACK and are all acknowledged", async () => {
  const house = await openHouse();
  const client = await openSocket(house.port);
  client.send(connectPacket(), ...Array.from({ length: 100 }, (_, at) => publish(readings("w1"), at + 1)));
  await client.until(() => client.acks().length === 100, "100 acknowledgements");
  expect(client.packets[0]?.cmd).toBe("connack");
});

test("publishes sent in one breath with a CONNECT that is refused are not journaled", async () => {
  const house = await openHouse({ auth: "required" });
  const client = await openSocket(house.port);
  client.send(connectPacket(), publish(readings("w1"), 1));
  await client.gone();
  expect(client.packets.map(({ cmd }) => cmd)).toEqual(["connack"]);
  expect(house.journal.entries).toEqual([]);
});

test("a client over its rate is paused, not dropped: everything arrives, no faster than allowed", async () => {
  const house = await openHouse({ limits: { rate: 1000, burst: 100 } });
  const { client } = await signIn(house.port);
  const { client: neighbour } = await signIn(house.port);
  const start = performance.now();
  client.send(...Array.from({ length: 500 }, (_, at) => publish(readings("w1"), at + 1)));
  await delay(50);
  neighbour.send(publish(readings("w2"), 1));
  await neighbour.until(() => neighbour.acks().length === 1, "the neighbour's acknowledgement");
  expect(client.acks().length).toBeLessThan(300);
  await client.until(() => client.acks().length === 500, "500 acknowledgements");
  expect(performance.now() - start).toBeGreaterThan(350);
});

test("who sends no CONNECT, or one byte of it at a time, is closed at the deadline", async () => {
  const house = await openHouse({ limits: { connectTimeout: 200 } });
  const silent = await openSocket(house.port);
  const slow = await openSocket(house.port);
  const bytes = generate(connectPacket());
  const drip = setInterval(() => slow.socket.write(bytes.subarray(0, 1)), 50);
  slow.socket.write(bytes.subarray(0, 2));
  const start = performance.now();
  await Promise.all([silent.gone(), slow.gone()]);
  clearInterval(drip);
  expect(performance.now() - start).toBeLessThan(2000);
  expect(await house.refused()).toEqual({ connect_timeout: 2 });
});

test("silence of one and a half times the keepalive closes the connection; pings and publishes prevent it", async () => {
  const house = await openHouse();
  const { client: silent } = await signIn(house.port, { keepalive: 1 });
  const { client: pinging } = await signIn(house.port, { keepalive: 1 });
  const { client: publishing } = await signIn(house.port, { keepalive: 1 });
  const lively = setInterval(() => {
    pinging.send({ cmd: "pingreq" });
    publishing.send(publish(readings("w1"), 1));
  }, 400);
  const start = performance.now();
  await silent.gone();
  const lasted = performance.now() - start;
  await delay(500);
  clearInterval(lively);
  expect(lasted).toBeGreaterThan(1400);
  expect([pinging.closed, publishing.closed]).toEqual([false, false]);
  expect(await house.refused()).toEqual({ keepalive: 1 });
});

test("a client that asks for no keepalive, or for a longer one than ours, is held to ours", async () => {
  const house = await openHouse({ limits: { keepalive: 1 } });
  const clients = await Promise.all(
    [0, 2, 65_535].map(async (keepalive) => (await signIn(house.port, { keepalive })).client),
  );
  const start = performance.now();
  await Promise.all(clients.map((client) => client.gone()));
  expect(performance.now() - start).toBeLessThan(2900);
});

test("a vanished device's will follows its keepalive", async () => {
  const house = await openHouse();
  const will = {
    topic: "meizhen/xinghai/water/w1/status",
    payload: Buffer.from("offline"),
    qos: 1 as const,
    retain: false,
  };
  const { client } = await signIn(house.port, { keepalive: 1, will });
  await client.gone();
  await eventually(() => house.journal.entries.length === 1, "the will");
});

/** Opens until refused; answers how many connections lasted. */
const lasting = async (port: number, count: number, localAddress: string): Promise<number> => {
  const opened = await Promise.all(Array.from({ length: count }, () => openSocket(port, localAddress)));
  await delay(100);
  return opened.filter(({ closed }) => !closed).length;
};

test("connections per address are bounded, and another address is not concerned", async () => {
  const house = await openHouse({
    limits: { perAddressOnLoopback: "bounded", connectionsPerAddress: 5, connectRate: 100 },
  });
  expect(await lasting(house.port, 8, "127.0.0.2")).toBe(5);
  expect(await lasting(house.port, 2, "127.0.0.3")).toBe(2);
  expect(await house.refused()).toEqual({ address_connections: 3 });
});

test("new connections per second of one address are bounded", async () => {
  const house = await openHouse({ limits: { perAddressOnLoopback: "bounded", connectRate: 5 } });
  expect(await lasting(house.port, 20, "127.0.0.2")).toBe(10);
  await delay(500);
  expect(await lasting(house.port, 1, "127.0.0.2")).toBe(1);
});

test("connections in all are bounded; one that leaves makes room", async () => {
  const house = await openHouse({ limits: { connections: 3 } });
  const clients = await Promise.all(Array.from({ length: 3 }, async () => (await signIn(house.port)).client));
  expect((await signIn(house.port)).code).toBe(null);
  clients[0]?.socket.destroy();
  await eventually(() => house.broker.connections() === 2, "room");
  expect((await signIn(house.port)).code).toBe(0);
});

test("a SUBSCRIBE of 50,000 filters closes the connection, and a neighbour is served meanwhile", async () => {
  const house = await openHouse({ credentials: [credential("wall", "o", { role: "observer" })] });
  const { client: neighbour } = await signIn(house.port);
  const { client } = await signIn(house.port, { username: "wall", password: Buffer.from("o"), clientId: "wall" });
  const before = residentMb();
  const subscriptions = Array.from({ length: 50_000 }, (_, at) => ({ topic: `meizhen/${at}/#`, qos: 0 as const }));
  client.send({ cmd: "subscribe", messageId: 1, subscriptions } as Packet);
  neighbour.send(publish(readings("w1"), 1));
  await Promise.all([client.gone(), neighbour.until(() => neighbour.acks().length === 1, "PUBACK")]);
  expect(residentMb() - before).toBeLessThan(60);
});

test("an observer has twenty filters; the next ones are answered 128", async () => {
  const house = await openHouse({ credentials: [credential("wall", "o", { role: "observer" })] });
  const { client } = await signIn(house.port, { username: "wall", password: Buffer.from("o"), clientId: "wall" });
  const subscriptions = Array.from({ length: 25 }, (_, at) => ({ topic: `meizhen/s${at}/#`, qos: 1 as const }));
  client.send({ cmd: "subscribe", messageId: 1, subscriptions } as Packet);
  await client.until(() => client.of("suback").length === 1, "SUBACK");
  expect(client.of("suback")[0]?.granted).toEqual([...Array(20).fill(1), ...Array(5).fill(128)]);
});

test("a peer that resets its connection at any step harms nobody", async () => {
  const house = await openHouse();
  const bytes = Buffer.concat([generate(connectPacket()), generate(publish(readings("w1"), 1))]);
  for (let length = 0; length < bytes.length; length += 3) {
    const socket = connect(house.port, "127.0.0.1");
    socket.on("error", () => {});
    await new Promise<void>((resolve) => socket.once("connect", () => resolve()));
    socket.write(bytes.subarray(0, length));
    socket.resetAndDestroy();
  }
  await eventually(() => house.broker.connections() === 0, "all gone");
  expect((await signIn(house.port)).code).toBe(0);
});
