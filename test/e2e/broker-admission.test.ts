import { setTimeout as delay } from "node:timers/promises";
import fc from "fast-check";
import type { Packet } from "mqtt-packet";
import { afterEach, expect, test } from "vitest";
import { systemClock } from "../../src/platform/clock.ts";
import type { Clock } from "../../src/ports.ts";
import {
  closeHouses,
  connectPacket,
  credential,
  eventually,
  hashOf,
  openHouse,
  openSocket,
  publish,
  type RawClient,
  readings,
  signIn,
} from "../ingest/rig.ts";

afterEach(closeHouses);

const w1 = credential("w1", "secret-1");
const w2 = credential("w2", "secret-2");
const gateway = credential("gw1", "secret-g", { role: "gateway", things: ["w7", "w8"] });
const observer = credential("wall", "secret-o", { role: "observer" });
const as = (id: string, secret: string, clientId = id) => ({ username: id, password: Buffer.from(secret), clientId });

/** Publishes once; true: acknowledged, false: the connection was closed instead. */
const accepted = async (client: RawClient, topic: string): Promise<boolean> => {
  const before = client.acks().length;
  client.send(publish(topic, 1 + before));
  await client.until(() => client.acks().length > before || client.closed, "answer");
  return client.acks().length > before;
};

test("an anonymous client on loopback publishes for any thing and follows nothing", async () => {
  const house = await openHouse();
  const { client, code } = await signIn(house.port);
  expect(code).toBe(0);
  client.send({ cmd: "subscribe", messageId: 5, subscriptions: [{ topic: "meizhen/#", qos: 1 }] } as Packet);
  await client.until(() => client.of("suback").length === 1, "SUBACK");
  expect(client.of("suback")[0]?.granted).toEqual([128]);
  expect(await accepted(client, readings("any-thing"))).toBe(true);
  expect(house.journal.entries[0]).toMatchObject({
    kind: "message",
    principal: null,
    qos: 1,
    topic: readings("any-thing"),
  });
  expect(client.of("publish")).toEqual([]);
});

test("with `required`, an anonymous client is told 5, not authorized", async () => {
  const house = await openHouse({ auth: "required" });
  expect((await signIn(house.port)).code).toBe(5);
  expect(await house.refused()).toMatchObject({ anonymous: 1 });
});

test("a given password is checked on loopback too: wrong, missing, unknown user or no user are 4", async () => {
  const house = await openHouse({ credentials: [w1] });
  const wrong = [
    as("w1", "secret-2"),
    { username: "w1", clientId: "w1" },
    as("nobody", "secret-1"),
    as("__proto__", "secret-1"),
    as("w1", ""),
  ];
  for (const options of wrong) expect((await signIn(house.port, options)).code).toBe(4);
  // [MQTT-3.1.2-22] forbids a password without a user name; mqtt-packet will not write one, so the bytes are ours
  const client = await openSocket(house.port);
  client.send(
    Buffer.from([0x10, 18, 0, 4, 0x4d, 0x51, 0x54, 0x54, 4, 0x42, 0, 60, 0, 1, 0x61, 0, 3, 0x78, 0x79, 0x7a]),
  );
  await client.gone();
  expect(client.of("connack").map(({ returnCode }) => returnCode)).toEqual([4]);
});

test("a thing publishes on its own topics, a gateway for its list, and anything else closes the connection unjournaled", async () => {
  const house = await openHouse({ auth: "required", credentials: [w1, w2, gateway] });
  const cases: [ReturnType<typeof as>, string, boolean][] = [
    [as("w1", "secret-1"), readings("w1"), true],
    [as("w1", "secret-1"), "meizhen/xinghai/water/w1/heartbeat", true],
    [as("w1", "secret-1"), "meizhen/other/kind/w1/no-such-level", true],
    [as("w1", "secret-1"), readings("w2"), false],
    [as("gw1", "secret-g"), readings("w7"), true],
    [as("gw1", "secret-g"), "meizhen/xinghai/gateway/gw1/heartbeat", true],
    [as("gw1", "secret-g"), readings("w1"), false],
  ];
  for (const [who, topic, allowed] of cases) {
    const { client } = await signIn(house.port, who);
    expect([topic, await accepted(client, topic)]).toEqual([topic, allowed]);
    client.socket.destroy();
  }
  expect(house.journal.topics()).toEqual(cases.filter(([, , allowed]) => allowed).map(([, topic]) => topic));
  expect(house.journal.entries.map(({ principal }) => principal)).toEqual(["w1", "w1", "w1", "gw1", "gw1"]);
  expect(await house.refused()).toMatchObject({ rights: 2 });
});

test("an observer publishes nothing", async () => {
  const house = await openHouse({ credentials: [observer] });
  const { client, code } = await signIn(house.port, as("wall", "secret-o"));
  expect(code).toBe(0);
  expect(await accepted(client, readings("w1"))).toBe(false);
  expect(house.journal.entries).toEqual([]);
});

test("generated pairs of credential and topic agree with the model", async () => {
  const credentials = [w1, w2, gateway];
  const house = await openHouse({ auth: "required", credentials });
  const secrets = { w1: "secret-1", w2: "secret-2", gw1: "secret-g" } as const;
  const level = fc.constantFrom("w1", "w2", "w7", "w8", "gw1", "W1", "w1 ", "", "+", "..");
  await fc.assert(
    fc.asyncProperty(
      fc.constantFrom(...(Object.keys(secrets) as (keyof typeof secrets)[])),
      level,
      level,
      async (id, thing, last) => {
        const topic = `meizhen/xinghai/water/${thing}/${last}`;
        const { client } = await signIn(house.port, as(id, secrets[id], `${id}:${Math.random()}`));
        const things: string[] = { w1: ["w1"], w2: ["w2"], gw1: ["gw1", "w7", "w8"] }[id];
        const plain = /^[A-Za-z0-9_-]+$/.test(last);
        expect(await accepted(client, topic)).toBe(things.includes(thing) && plain);
        client.socket.destroy();
      },
    ),
    { numRuns: 150 },
  );
  expect(
    house.journal.entries.every(({ principal, topic }) => topic.split("/")[3] === principal || principal === "gw1"),
  ).toBe(true);
});

test("with a credential the client id is the id, or the id with a suffix; anything else is 2", async () => {
  const house = await openHouse({ credentials: [w1, w2] });
  const codes: Record<string, number> = {
    w1: 0,
    "w1:modem-2": 0,
    "w1:": 2,
    w1x: 2,
    w2: 2,
    "w2:w1": 2,
    "w1: ": 2,
    [`w1:${"x".repeat(65)}`]: 2,
  };
  for (const [clientId, code] of Object.entries(codes)) {
    expect([clientId, (await signIn(house.port, as("w1", "secret-1", clientId))).code]).toEqual([clientId, code]);
  }
});

test("an anonymous client id has up to 64 printable characters and belongs to no credential", async () => {
  const house = await openHouse({ credentials: [w1] });
  const codes: Record<string, number> = {
    mqttjs_1a2b3c: 0,
    constructor: 0,
    "x y": 0,
    ["x".repeat(64)]: 0,
    ["x".repeat(65)]: 2,
    café: 2,
    "a\u0007": 2,
    w1: 2,
    "w1:else": 2,
  };
  for (const [clientId, code] of Object.entries(codes)) {
    expect([clientId, (await signIn(house.port, { clientId })).code]).toEqual([clientId, code]);
  }
});

test("an empty client id is given one with clean=1 and refused with clean=0 [MQTT-3.1.3-8]", async () => {
  const house = await openHouse({ credentials: [w1] });
  expect((await signIn(house.port, { clientId: "", clean: true })).code).toBe(0);
  expect((await signIn(house.port, { ...as("w1", "secret-1", ""), clean: true })).code).toBe(0);
  // mqtt-packet refuses to write this one
  const client = await openSocket(house.port);
  client.send(Buffer.from([0x10, 12, 0, 4, 0x4d, 0x51, 0x54, 0x54, 4, 0, 0, 60, 0, 0]));
  await client.gone();
  expect(client.of("connack").map(({ returnCode }) => returnCode)).toEqual([2]);
});

test("an MQTT 5 CONNECT is answered 20 02 00 01 and closed", async () => {
  const house = await openHouse();
  const client = await openSocket(house.port);
  client.send({ ...connectPacket(), protocolVersion: 5 } as Packet);
  await client.gone();
  expect(Buffer.concat(client.bytes).toString("hex")).toBe("20020001");
});

test("taking over a client id with another credential is refused and the victim stays; the owner may", async () => {
  const house = await openHouse({ credentials: [w1, w2] });
  const { client: victim } = await signIn(house.port, as("w1", "secret-1"));
  expect((await signIn(house.port, as("w2", "secret-2", "w1"))).code).toBe(2);
  expect((await signIn(house.port, { clientId: "w1" })).code).toBe(2);
  expect(await accepted(victim, readings("w1"))).toBe(true);
  const { client: owner, code } = await signIn(house.port, as("w1", "secret-1"));
  expect(code).toBe(0);
  await victim.gone();
  expect(await accepted(owner, readings("w1"))).toBe(true);
});

test("an anonymous client that sits on an id gives way to the credential that is added for it", async () => {
  const house = await openHouse();
  const { client: squatter } = await signIn(house.port, { clientId: "w1" });
  house.broker.applyCredential("w1", w1);
  const { client, code } = await signIn(house.port, as("w1", "secret-1"));
  expect(code).toBe(0);
  await squatter.gone();
  expect(await accepted(client, readings("w1"))).toBe(true);
});

test("two CONNECTs with one id at the same moment leave one connection", async () => {
  const house = await openHouse();
  const both = await Promise.all([openSocket(house.port), openSocket(house.port)]);
  for (const client of both) client.send(connectPacket({ clientId: "twin" }));
  await eventually(() => both.filter(({ closed }) => closed).length === 1, "one of the two is closed");
  await delay(50);
  expect(house.broker.connections()).toBe(1);
});

test("past its takeovers a minute the newcomer is refused and the holder stays, until the ban ends", async () => {
  let monotonic = 0;
  const clock: Clock = { ...systemClock, monotonic: () => monotonic };
  const house = await openHouse({ clock, limits: { takeovers: { perMinute: 3, banned: 60_000 } } });
  const codes: (number | null)[] = [];
  for (let attempt = 0; attempt < 7; attempt++) codes.push((await signIn(house.port, { clientId: "flapping" })).code);
  expect(codes).toEqual([0, 0, 0, 0, 2, 2, 2]);
  await eventually(() => house.broker.connections() === 1, "the holder alone is left");
  monotonic += 61_000;
  expect((await signIn(house.port, { clientId: "flapping" })).code).toBe(0);
});

test("revocation closes live connections at once, and neither readings nor the will come after it", async () => {
  const house = await openHouse({ credentials: [w1, w2] });
  const will = {
    topic: "meizhen/xinghai/water/w1/status",
    payload: Buffer.from("offline"),
    qos: 1 as const,
    retain: false,
  };
  const { client } = await signIn(house.port, { ...as("w1", "secret-1"), will });
  const { client: neighbour } = await signIn(house.port, as("w2", "secret-2"));
  expect(await accepted(client, readings("w1"))).toBe(true);
  const start = performance.now();
  house.broker.applyCredential("w1", null);
  client.send(publish(readings("w1"), 2));
  await client.gone();
  expect(performance.now() - start).toBeLessThan(2000);
  await delay(30);
  expect(house.journal.entries).toHaveLength(1);
  expect((await signIn(house.port, as("w1", "secret-1"))).code).toBe(4);
  expect(await accepted(neighbour, readings("w2"))).toBe(true);
});

test("in a rotation both secrets work until the former one ends, which also ends its connections", async () => {
  let now = 1_000_000;
  const house = await openHouse({ credentials: [w1], clock: { ...systemClock, now: () => now } });
  const { client: former } = await signIn(house.port, as("w1", "secret-1", "w1:a"));
  const secrets = [
    { hash: hashOf("fresh"), until: null },
    { hash: hashOf("secret-1"), until: now + 60_000 },
  ];
  house.broker.applyCredential("w1", { ...w1, secrets });
  const { client: fresh } = await signIn(house.port, as("w1", "fresh", "w1:b"));
  expect((await signIn(house.port, as("w1", "secret-1", "w1:c"))).code).toBe(0);
  expect(await accepted(former, readings("w1"))).toBe(true);
  now += 60_000;
  await former.gone();
  expect((await signIn(house.port, as("w1", "secret-1", "w1:d"))).code).toBe(4);
  expect(await accepted(fresh, readings("w1"))).toBe(true);
});

test("a rotation without overlap closes what signed in with the former secret", async () => {
  const house = await openHouse({ credentials: [w1] });
  const { client } = await signIn(house.port, as("w1", "secret-1"));
  house.broker.applyCredential("w1", credential("w1", "fresh"));
  await client.gone();
});

test("a gateway's new list of things holds at once on its open connection", async () => {
  const house = await openHouse({ credentials: [gateway] });
  const { client } = await signIn(house.port, as("gw1", "secret-g"));
  expect(await accepted(client, readings("w7"))).toBe(true);
  house.broker.setCredentials([credential("gw1", "secret-g", { role: "gateway", things: ["w9"] })]);
  expect(await accepted(client, readings("w9"))).toBe(true);
  expect(await accepted(client, readings("w7"))).toBe(false);
});

test("a will passes the same door: journaled when the device vanishes, not when it says good-bye", async () => {
  const house = await openHouse({ credentials: [w1] });
  const topic = "meizhen/xinghai/water/w1/status";
  const will = { topic, payload: Buffer.from("offline"), qos: 1 as const, retain: true };
  const vanishing = await signIn(house.port, { ...as("w1", "secret-1", "w1:a"), will });
  const leaving = await signIn(house.port, { ...as("w1", "secret-1", "w1:b"), will });
  leaving.client.send({ cmd: "disconnect" });
  await leaving.client.gone();
  expect(house.journal.entries).toEqual([]);
  vanishing.client.socket.destroy();
  await eventually(() => house.journal.entries.length === 1, "the will is journaled");
  expect(house.journal.entries[0]).toMatchObject({ topic, principal: "w1" });
});

test("a will on a wildcard, on $SYS or outside the rights is refused at CONNECT and never journaled", async () => {
  const house = await openHouse({ credentials: [w1] });
  const topics = [
    "meizhen/+/water/w1/status",
    "#",
    "$SYS/x/new/clients",
    readings("w2"),
    "a/b",
    "meizhen//water/w1/status",
  ];
  for (const topic of topics) {
    const will = { topic, payload: Buffer.from("w1"), qos: 1 as const, retain: false };
    const { client, code } = await signIn(house.port, { ...as("w1", "secret-1"), will });
    expect([topic, code]).toEqual([topic, 5]);
    await client.gone();
  }
  expect(house.journal.entries).toEqual([]);
  expect(await house.refused()).toMatchObject({ will: topics.length });
});

test("the house's own stop publishes no wills: it left, not the devices", async () => {
  const house = await openHouse();
  const will = {
    topic: "meizhen/xinghai/water/w1/status",
    payload: Buffer.from("offline"),
    qos: 1 as const,
    retain: false,
  };
  await signIn(house.port, { will });
  await house.broker.stop();
  await delay(20);
  expect(house.journal.entries).toEqual([]);
});

test("a publish on $SYS/x/new/clients with a victim's id kicks nobody", async () => {
  const house = await openHouse();
  const { client: victim } = await signIn(house.port, { clientId: "victim" });
  const { client: attacker } = await signIn(house.port);
  attacker.send(publish("$SYS/x/new/clients", 1, { payload: "victim" }));
  await attacker.gone();
  expect(await accepted(victim, readings("w1"))).toBe(true);
  expect(house.journal.topics()).toEqual([readings("w1")]);
});
