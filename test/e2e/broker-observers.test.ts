import { setTimeout as delay } from "node:timers/promises";
import { connect as tlsConnect } from "node:tls";
import { connectAsync, type MqttClient } from "mqtt";
import type { Packet } from "mqtt-packet";
import { afterEach, expect, test } from "vitest";
import { testCertificate, testKey } from "../ingest/certificate.ts";
import {
  closeHouses,
  credential,
  eventually,
  openHouse,
  publish,
  type RawClient,
  readings,
  signIn,
} from "../ingest/rig.ts";

const clients: MqttClient[] = [];
afterEach(async () => {
  for (const client of clients.splice(0)) await client.endAsync(true);
  await closeHouses();
});

const wall = credential("wall", "o", { role: "observer" });
const asWall = { username: "wall", password: Buffer.from("o"), clientId: "wall" };
const alarmTopic = "meizhen/xinghai/water/w1/alarms/turbidity-high";
const bytes = (text: string) => new TextEncoder().encode(text);

/** An observer with real mqtt.js, and what it was sent. */
const observe = async (port: number, filter: string) => {
  const client = await connectAsync(`mqtt://127.0.0.1:${port}`, asWall);
  clients.push(client);
  const got: { topic: string; payload: string; retain: boolean }[] = [];
  client.on("message", (topic, payload, { retain }) => got.push({ topic, payload: payload.toString(), retain }));
  const [granted] = await client.subscribeAsync(filter, { qos: 1 });
  return { client, got, granted };
};

const subscribe = async (client: RawClient, ...topics: string[]): Promise<readonly unknown[]> => {
  const before = client.of("suback").length;
  client.send({ cmd: "subscribe", messageId: 1, subscriptions: topics.map((topic) => ({ topic, qos: 1 })) } as Packet);
  await client.until(() => client.of("suback").length > before, "SUBACK");
  return client.of("suback").at(-1)?.granted ?? [];
};

test("observers receive alarms as they come, and the retained ones when they come later", async () => {
  const house = await openHouse({ credentials: [wall] });
  const early = await observe(house.port, "meizhen/+/+/+/alarms/+");
  house.broker.announce(alarmTopic, bytes("raised"));
  await eventually(() => early.got.length === 1, "the alarm");
  expect(early.got).toEqual([{ topic: alarmTopic, payload: "raised", retain: false }]);
  await early.client.endAsync();
  const late = await observe(house.port, "meizhen/#");
  await eventually(() => late.got.length === 1, "the retained alarm");
  expect(late.got).toEqual([{ topic: alarmTopic, payload: "raised", retain: true }]);
});

test("an alarm announced with null is taken away; one announced without retain never stays", async () => {
  const house = await openHouse({ credentials: [wall] });
  house.broker.announce(alarmTopic, bytes("raised"));
  house.broker.announce(alarmTopic, null);
  house.broker.announce(`${alarmTopic}-2`, bytes("raised"), { retain: false });
  const { got } = await observe(house.port, "meizhen/#");
  house.broker.announce(`${alarmTopic}-3`, bytes("mark"));
  await eventually(() => got.length > 0, "the mark");
  expect(got.map(({ payload }) => payload)).toEqual(["mark"]);
});

test("retained alarms are bounded; one that stands may still be replaced", async () => {
  const house = await openHouse({ credentials: [wall], limits: { retained: 2 } });
  for (const name of ["a", "b", "c"]) house.broker.announce(`meizhen/s/water/w1/alarms/${name}`, bytes("old"));
  house.broker.announce("meizhen/s/water/w1/alarms/a", bytes("new"));
  const { got } = await observe(house.port, "meizhen/#");
  await eventually(() => got.length === 2, "both");
  expect(got.map(({ topic, payload }) => `${topic.slice(-1)} ${payload}`).sort()).toEqual(["a new", "b old"]);
});

test("an observer of everything receives readings once they are journaled; a device receives nothing", async () => {
  const house = await openHouse({ credentials: [wall] });
  const { got } = await observe(house.port, "meizhen/#");
  const { client: device } = await signIn(house.port);
  expect(await subscribe(device, "#", "meizhen/#", readings("w1"), "+/+/+/+/+")).toEqual([128, 128, 128, 128]);
  house.journal.stall();
  device.send(publish(readings("w1"), 1, { payload: "{}", dup: true }));
  await delay(50);
  expect(got).toEqual([]);
  house.journal.recover();
  await eventually(() => got.length === 1, "the reading");
  expect(got).toEqual([{ topic: readings("w1"), payload: "{}", retain: false }]);
  expect(device.of("publish")).toEqual([]);
});

test("an observer is granted filters below meizhen/ and nothing else", async () => {
  const house = await openHouse({ credentials: [wall] });
  const { client } = await signIn(house.port, asWall);
  const granted = ["meizhen/#", "meizhen/+/+/+/alarms/+", "meizhen/xinghai/#", "meizhen/xinghai/water/w1/readings"];
  const refused = [
    "#",
    "+/+",
    "+/#",
    "$SYS/#",
    "$SYS/+/new/clients",
    "$share/g/meizhen/#",
    "meizhen",
    "other/#",
    "meizhen//#",
  ];
  expect(await subscribe(client, ...granted)).toEqual(granted.map(() => 1));
  expect(await subscribe(client, ...refused)).toEqual(refused.map(() => 128));
});

test("a device that publishes on an alarm's topic is acknowledged and heard by no observer", async () => {
  const house = await openHouse({ credentials: [wall] });
  const { got } = await observe(house.port, "meizhen/#");
  const { client } = await signIn(house.port);
  client.send(
    publish(alarmTopic, 1, { payload: "forged", retain: true }),
    publish(readings("w1"), 2, { payload: "{}" }),
  );
  await eventually(() => got.length > 0, "the reading");
  expect(client.acks()).toEqual([1, 2]);
  expect(got.map(({ topic }) => topic)).toEqual([readings("w1")]);
  expect(house.journal.topics()).toEqual([alarmTopic, readings("w1")]);
});

test("retain from devices is cleared: after hundreds of retained publishes an observer finds nothing", async () => {
  const house = await openHouse({ credentials: [wall] });
  const { client } = await signIn(house.port);
  const many = Array.from({ length: 500 }, (_, at) => publish(readings(`w${at}`), at + 1, { retain: true }));
  client.send(...many, publish(alarmTopic, 501, { retain: true }));
  await client.until(() => client.acks().length === 501, "acknowledgements");
  house.broker.announce(alarmTopic, bytes("mark"));
  const { got } = await observe(house.port, "meizhen/#");
  await eventually(() => got.length > 0, "the mark");
  expect(got.map(({ payload }) => payload)).toEqual(["mark"]);
});

test("an empty retained publish of a device does not delete the house's alarm", async () => {
  const house = await openHouse({ credentials: [wall] });
  house.broker.announce(alarmTopic, bytes("raised"));
  const { client } = await signIn(house.port);
  client.send(publish(alarmTopic, 1, { payload: "", retain: true }));
  await client.until(() => client.acks().length === 1, "PUBACK");
  const { got } = await observe(house.port, "meizhen/+/+/+/alarms/+");
  await eventually(() => got.length === 1, "the alarm");
});

test("the access bypass of aedes 1.2.0: filters denied in a mixed SUBSCRIBE of clean=0 come back after reconnecting as nothing", async () => {
  const house = await openHouse({ credentials: [wall] });
  const session = { ...asWall, clean: false };
  const { client } = await signIn(house.port, session);
  expect(await subscribe(client, "meizhen/#", "#", "secret/+")).toEqual([1, 128, 128]);
  client.socket.destroy();
  await eventually(() => house.broker.connections() === 0, "gone");
  const { client: device } = await signIn(house.port);
  device.send(publish(readings("w1"), 1));
  await device.until(() => device.acks().length === 1, "PUBACK");
  house.broker.announce("secret/live", bytes("x"), { retain: false });
  house.broker.announce(alarmTopic, bytes("raised"));
  const { client: again } = await signIn(house.port, session);
  expect(again.of("connack")[0]?.sessionPresent).toBe(false);
  await delay(100);
  expect(again.of("publish")).toEqual([]);
});

test("an observer whose credential is revoked hears no more", async () => {
  const house = await openHouse({ credentials: [wall] });
  const { client } = await signIn(house.port, asWall);
  await subscribe(client, "meizhen/#");
  house.broker.applyCredential("wall", null);
  house.broker.announce(alarmTopic, bytes("raised"));
  await client.gone();
  expect(client.of("publish")).toEqual([]);
});

test("a frozen observer delays no acknowledgement, and live copies for it are dropped at the bound", async () => {
  const house = await openHouse({ credentials: [wall], limits: { rate: 1e6, burst: 1e6 } });
  const { client: frozen } = await signIn(house.port, asWall);
  await subscribe(frozen, "meizhen/#");
  frozen.socket.pause();
  const { client } = await signIn(house.port);
  const payload = Buffer.alloc(20_000, 0x20);
  for (let batch = 0; batch < 10; batch++) {
    client.send(...Array.from({ length: 200 }, (_, at) => publish(readings("w1"), batch * 200 + at + 1, { payload })));
  }
  await client.until(() => client.acks().length === 2000, "2,000 acknowledgements");
  expect((await house.refused()).forward).toBeGreaterThan(0);
});

test("an observer that unsubscribes, or leaves, costs devices nothing any more", async () => {
  const house = await openHouse({ credentials: [wall] });
  const { client, got } = await observe(house.port, "meizhen/#");
  await client.unsubscribeAsync("meizhen/#");
  const { client: device } = await signIn(house.port);
  device.send(publish(readings("w1"), 1));
  await device.until(() => device.acks().length === 1, "PUBACK");
  expect(got).toEqual([]);
});

test("over TLS 1.2 and 1.3 a device signs in and publishes; TLS 1.1, plain bytes and silence are turned away", async () => {
  const house = await openHouse({
    auth: "required",
    credentials: [credential("w1", "s")],
    tls: { port: 0, cert: testCertificate, key: testKey },
    limits: { connectTimeout: 300 },
  });
  for (const version of ["TLSv1.2", "TLSv1.3"] as const) {
    const client = await connectAsync(`mqtts://localhost:${house.tlsPort}`, {
      ...{ ca: testCertificate, minVersion: version, maxVersion: version },
      ...{ username: "w1", password: "s", clientId: `w1:${version}` },
    });
    clients.push(client);
    await client.publishAsync(readings("w1"), version, { qos: 1 });
  }
  expect(house.journal.entries.map(({ payload }) => Buffer.from(payload).toString())).toEqual(["TLSv1.2", "TLSv1.3"]);

  const old = tlsConnect({
    ...{ port: house.tlsPort, host: "localhost", ca: testCertificate },
    ...{ minVersion: "TLSv1.1" as const, maxVersion: "TLSv1.1" as const, ciphers: "DEFAULT@SECLEVEL=0" },
  });
  await expect(
    new Promise((resolve, reject) => old.once("secureConnect", resolve).once("error", reject)),
  ).rejects.toThrow();
  const plain = await signIn(house.tlsPort, { clientId: "w1" });
  expect(plain.code).toBe(null);
  const { openSocket } = await import("../ingest/rig.ts");
  await (await openSocket(house.tlsPort)).gone();
  await eventually(async () => ((await house.refused()).tls ?? 0) >= 3, "all three counted");
});
