import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { hour, minute, toIso } from "../../src/domain/time.ts";
import { type House, openHouse, start } from "./house.ts";

let house: House;
beforeAll(async () => {
  house = await openHouse();
  // signed in beforehand: a session is an entry too
  for (const username of ["operator", "admin", "tianhe"]) await house.as(username);
});
afterAll(() => house.close());

let times = start;
/** A fresh alarm; answers its address. */
const raise = async (thing = "water-tianhe"): Promise<string> => {
  times += 1;
  await house.publish(thing, { turbidity: 2 }, times);
  return `/api/v1/alarms/${thing}.turbidity-high.${times}`;
};
const post = async (path: string, body: unknown, username = "operator", headers: Record<string, string> = {}) =>
  await house.call("POST", path, { token: await house.as(username), body, headers });

describe("a command on an alarm", () => {
  test("is an entry, and is answered with the alarm as it is then", async () => {
    const alarm = await raise();
    const before = house.journaled.length;
    const answer = await post(`${alarm}/acknowledge`, { note: "on my way" });
    expect(answer.status).toBe(200);
    expect(answer.body).toMatchObject({
      state: "acknowledged",
      acknowledgedBy: "operator",
      acknowledgedAt: toIso(house.clock.now()),
    });
    expect(house.journaled.slice(before).map(({ entry }) => entry)).toEqual([
      expect.objectContaining({
        kind: "command",
        by: "operator",
        key: null,
        command: expect.objectContaining({ note: "on my way" }),
      }),
    ]);
    const one = await house.call("GET", alarm, { token: await house.as("operator") });
    expect(one.body.history.map(({ action, by }: { action: string; by: string }) => [action, by])).toEqual([
      ["raise", null],
      ["acknowledge", "operator"],
    ]);
    expect(one.body.deliveries).toEqual([]);
  });

  test("is answered 409 where the state forbids it", async () => {
    const alarm = await raise();
    expect((await post(`${alarm}/unshelve`, {})).body.code).toBe("alarm_state");
    expect((await post(`${alarm}/acknowledge`, {})).status).toBe(200);
    const second = await post(`${alarm}/acknowledge`, {});
    expect([second.status, second.body.code, second.body.detail]).toEqual([409, "alarm_state", "it is acknowledged"]);
  });

  test("that repeats its Idempotency-Key is the same command, and is answered as it was", async () => {
    const alarm = await raise();
    const before = house.journaled.length;
    const key = { "idempotency-key": "3f6c-1" };
    const statuses = [];
    for (let at = 0; at < 3; at += 1)
      statuses.push((await post(`${alarm}/acknowledge`, { note: "x" }, "operator", key)).status);
    expect(statuses).toEqual([200, 200, 200]);
    expect(house.journaled.length - before).toBe(1);
  });

  test("is one command also when its repetitions come at the same time", async () => {
    const alarm = await raise();
    const before = house.journaled.length;
    const key = { "idempotency-key": "3f6c-2" };
    house.pause();
    const asking = Promise.all(Array.from({ length: 8 }, () => post(`${alarm}/acknowledge`, {}, "operator", key)));
    await new Promise((resolve) => setTimeout(resolve, 200));
    house.resume();
    const answers = await asking;
    expect(answers.map(({ status }) => status)).toEqual(Array(8).fill(200));
    expect(house.journaled.length - before).toBe(1);
  });

  test("with the same key on another alarm, of another verb or by another person is another command", async () => {
    const [one, other] = [await raise(), await raise()];
    const key = { "idempotency-key": "3f6c-3" };
    expect((await post(`${one}/acknowledge`, {}, "operator", key)).body.state).toBe("acknowledged");
    expect((await post(`${other}/acknowledge`, {}, "operator", key)).body.state).toBe("acknowledged");
    expect((await post(`${one}/comment`, { text: "x" }, "operator", key)).status).toBe(200);
    expect((await post(`${one}/acknowledge`, {}, "admin", key)).status).toBe(409);
  });

  test("waits until it is applied", async () => {
    const alarm = await raise();
    house.pause();
    const answering = post(`${alarm}/acknowledge`, {});
    const first = await Promise.race([answering, new Promise((resolve) => setTimeout(resolve, 100, "waiting"))]);
    expect(first).toBe("waiting");
    house.resume();
    expect((await answering).body.state).toBe("acknowledged");
  });

  test("needs a key of visible characters and a note of text", async () => {
    const alarm = await raise();
    expect(
      (await post(`${alarm}/acknowledge`, {}, "operator", { "idempotency-key": "a b" })).body.faults[0].field,
    ).toBe("headers.idempotency-key");
    expect((await post(`${alarm}/acknowledge`, { note: "a\u0000b" })).body.faults[0].field).toBe("body.note");
    expect((await post(`${alarm}/comment`, { text: " " })).body.faults[0].field).toBe("body.text");
    expect((await post(`${alarm}/comment`, { text: "x".repeat(2_001) })).status).toBe(400);
    expect((await post(`${alarm}/comment`, { text: "第一行\n第二行" })).status).toBe(200);
    expect((await post(`${alarm}/comment`, { text: "x", by: "admin" })).body.faults[0].field).toBe("body.by");
  });

  test("on an alarm of another street is one on none", async () => {
    const alarm = await raise("water-xinghai");
    const before = house.journaled.length;
    expect((await post(`${alarm}/acknowledge`, {}, "tianhe")).status).toBe(404);
    expect(house.journaled.length).toBe(before);
    expect((await post("/api/v1/alarms/none.none.1/acknowledge", {})).status).toBe(404);
  });
});

describe("shelving", () => {
  test("has an end and a reason, and is undone", async () => {
    const alarm = await raise();
    const until = toIso(house.clock.now() + 8 * hour);
    const shelved = await post(`${alarm}/shelve`, { until, reason: "pump change" });
    expect(shelved.body.shelvedUntil).toBe(until);
    expect((await post(`${alarm}/unshelve`, undefined)).body.shelvedUntil).toBeNull();
    expect((await post(`${alarm}/shelve`, { until })).body.faults[0].field).toBe("body.reason");
    expect((await post(`${alarm}/shelve`, { reason: "x" })).body.faults[0].field).toBe("body.until");
    expect((await post(`${alarm}/shelve`, { until: toIso(house.clock.now()), reason: "x" })).body.faults[0].field).toBe(
      "body.until",
    );
  });

  test("beyond eight hours is for an admin alone, and beyond a year for nobody", async () => {
    const alarm = await raise();
    const until = (ahead: number) => ({ until: toIso(house.clock.now() + ahead), reason: "works" });
    const refused = await post(`${alarm}/shelve`, until(8 * hour + 1));
    expect([refused.status, refused.body.code]).toEqual([403, "shelving_too_long"]);
    expect((await post(`${alarm}/shelve`, until(72 * hour), "admin")).status).toBe(200);
    expect((await post(`${alarm}/shelve`, until(367 * 24 * hour), "admin")).status).toBe(400);
  });
});

describe("rejections", () => {
  test("are listed newest first with reason and message, and shortened there alone", async () => {
    const long = `not json ${"浙".repeat(5_000)}`;
    await house.publish("water-tianhe", long);
    await house.publish("water-xinghai", "short");
    const token = await house.as("admin");
    const { items } = (await house.call("GET", "/api/v1/rejections?reason=not_json", { token })).body;
    expect(items.map(({ thing }: { thing: string }) => thing)).toEqual(["water-xinghai", "water-tianhe"]);
    expect(items[1]).toMatchObject({ reason: "not_json", rawTruncated: true, rawEncoding: "utf8", replayedAt: null });
    expect(items[1].raw).toHaveLength(4_096);
    const one = (await house.call("GET", `/api/v1/rejections/${items[1].id}`, { token })).body;
    expect(one.raw).toBe(long);
  });

  test("of bytes that are no text are shown as base64", async () => {
    const raw = Buffer.from([0xff, 0x00, 0xfe]);
    await house.put([
      {
        kind: "message",
        at: house.clock.now(),
        topic: "meizhen/tianhe/water/water-tianhe/readings",
        payload: raw,
        principal: null,
        qos: 1,
      },
    ]);
    const { items } = (await house.call("GET", "/api/v1/rejections?limit=1", { token: await house.as("admin") })).body;
    expect(items[0]).toMatchObject({ rawEncoding: "base64", raw: raw.toString("base64") });
  });

  test("are replayed once, as a command that carries the message", async () => {
    await house.publish("water-tianhe", "again");
    const { items } = (
      await house.call("GET", "/api/v1/rejections?thing=water-tianhe&limit=1", { token: await house.as("operator") })
    ).body;
    const path = `/api/v1/rejections/${items[0].id}/replay`;
    const answer = await post(path, {});
    expect(answer.body.replayedAt).toBe(toIso(house.clock.now()));
    const { entry } = house.journaled.at(-1) as never as { entry: { command: { kind: string; raw: Uint8Array } } };
    expect(Buffer.from(entry.command.raw).toString()).toBe("again");
    const second = await post(path, {});
    expect([second.status, second.body.code]).toEqual([409, "already_replayed"]);
  });

  test("of another street, and those of no known thing, are not for an account of one street", async () => {
    await house.publish("ghost-xinghai", { ph: 7 });
    const own = (await house.call("GET", "/api/v1/rejections?limit=1000", { token: await house.as("tianhe") })).body
      .items;
    expect(new Set(own.map(({ thing }: { thing: string }) => thing))).toEqual(new Set(["water-tianhe"]));
    const every = (await house.call("GET", "/api/v1/rejections?limit=1000", { token: await house.as("admin") })).body
      .items;
    const foreign = every.filter(({ thing }: { thing: string }) => thing !== "water-tianhe");
    expect(foreign.length).toBeGreaterThan(1);
    for (const { id } of foreign) {
      expect((await house.call("GET", `/api/v1/rejections/${id}`, { token: await house.as("tianhe") })).status).toBe(
        404,
      );
      expect((await post(`/api/v1/rejections/${id}/replay`, {}, "tianhe")).status).toBe(404);
    }
  });
});

describe("the ledger", () => {
  const ledger = async (query = "", username = "admin") =>
    (await house.call("GET", `/api/v1/ledger${query}`, { token: await house.as(username) })).body;

  test("balances at every moment, with what is journaled and not applied as pending", async () => {
    const before = await ledger("?thing=toilet-tianhe");
    expect(before).toMatchObject({ received: 0, pending: 0, remainder: 0, hours: [] });
    await house.publish("toilet-tianhe", { ammonia: 0.1, paper: 1 }, start);
    house.pause();
    await house.publish("toilet-tianhe", { ammonia: 0.1 }, start);
    await house.publish("toilet-tianhe", { ammonia: 0.2 }, start + minute);
    await house.publish("toilet-tianhe", "online", undefined, "status");
    await house.publish("toilet-xinghai", { ammonia: 0.2 }, start);
    expect(await ledger("?thing=toilet-tianhe")).toMatchObject({
      ...{ received: 4, stored: 2, duplicate: 0, rejected: 0, pending: 2, pendingComplete: true, remainder: 0 },
      hours: [{ hour: toIso(start), received: 2, stored: 2, duplicate: 0, rejected: 0, remainder: 0 }],
    });
    expect((await ledger()).pending).toBe(3);
    expect((await ledger("", "tianhe")).pending).toBe(2);
    house.resume();
    expect(await ledger("?thing=toilet-tianhe")).toMatchObject({
      received: 4,
      stored: 3,
      duplicate: 1,
      pending: 0,
      remainder: 0,
    });
  });

  test("of an account of one street is the sum over its things", async () => {
    const [own, all] = [await ledger("", "tianhe"), await ledger()];
    expect(own.remainder).toBe(0);
    expect(own.received).toBeLessThan(all.received);
    let sum = 0;
    for (const thing of ["water-tianhe", "camera-tianhe", "toilet-tianhe"])
      sum += (await ledger(`?thing=${thing}`)).received;
    expect(own.received).toBe(sum);
  });
});
