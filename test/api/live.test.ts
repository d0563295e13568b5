import fc from "fast-check";
import { afterAll, afterEach, beforeAll, describe, expect, test } from "vitest";
import { alarmShape } from "../../src/api/alarm.ts";
import { seriesShape } from "../../src/api/observation.ts";
import { thingShape } from "../../src/api/thing.ts";
import { day, hour, minute, second, toIso } from "../../src/domain/time.ts";
import { type House, openHouse, start } from "./house.ts";
import { openStream as open, type Stream, type Told } from "./stream.ts";

let house: House;
beforeAll(async () => {
  house = await openHouse({ settings: { livePerUserMax: 5, liveMax: 8 } });
});
afterAll(() => house.close());

const streams: Stream[] = [];
const openStream = async (...given: Parameters<typeof open>): Promise<Stream> => {
  const stream = await open(...given);
  streams.push(stream);
  return stream;
};
afterEach(() => {
  for (const stream of streams.splice(0)) stream.close();
});

let times = start;
/** One alarm; answers its id. */
const raise = async (thing = "water-tianhe", at: House = house): Promise<string> => {
  times += 1;
  await at.publish(thing, { turbidity: 2 }, times);
  return `${thing}.turbidity-high.${times}`;
};
const idsOf = (told: readonly Told[]): string[] => told.map(({ data }) => (data as { id: string }).id);

describe("the live view", () => {
  test("begins with the health of the service and a place to resume from", async () => {
    const stream = await openStream(house, "viewer");
    await stream.until(() => stream.told.length > 0);
    expect(stream.told[0]).toEqual({
      id: expect.stringMatching(/^\d+-\d+$/),
      event: "health",
      data: { ready: true, causes: [] },
    });
  });

  test("tells alarms and presence in the shape of their GET, under the id of the change", async () => {
    const stream = await openStream(house, "viewer");
    const id = await raise();
    await house.publish("camera-tianhe", "offline", undefined, "status");
    await stream.until(() => stream.of("presence").length > 0);
    const [alarm, presence] = [stream.of("alarm")[0], stream.of("presence")[0]];
    const token = await house.as("viewer");
    const { history, deliveries, ...got } = (await house.call("GET", `/api/v1/alarms/${id}`, { token })).body;
    expect(alarm?.data).toEqual(alarmShape.parse(got));
    expect(presence?.data).toEqual(
      thingShape.parse((await house.call("GET", "/api/v1/things/camera-tianhe", { token })).body),
    );
    const change = house.store.changesAfter({ seq: 0, n: 0 }, 1_000, ["alarm"]).at(-1);
    expect(alarm?.id).toBe(`${change?.seq}-${change?.n}`);
    expect([history.length, deliveries.length]).toEqual([1, 0]);
  });

  test("shows each transition, and only what the account's streets may see", async () => {
    const [all, own] = [await openStream(house, "operator"), await openStream(house, "tianhe")];
    const foreign = await raise("water-xinghai");
    const id = await raise("water-tianhe");
    await house.call("POST", `/api/v1/alarms/${id}/acknowledge`, { token: await house.as("operator"), body: {} });
    await all.until(() => all.of("alarm").length === 3);
    await own.until(() => own.of("alarm").length === 2);
    expect(idsOf(all.of("alarm"))).toEqual([foreign, id, id]);
    expect(idsOf(own.of("alarm"))).toEqual([id, id]);
    expect(own.of("alarm")[1]?.data).toMatchObject({ state: "acknowledged" });
  });

  test("tells a change of health", async () => {
    const stream = await openStream(house, "viewer");
    house.setHealth({ ready: false, causes: [{ code: "disk_full", detail: "no room" }] });
    await stream.until(() => stream.of("health").length > 1);
    expect(stream.of("health")[1]?.data).toEqual({
      ready: false,
      causes: [{ code: "disk_full", detail: "no room", since: null }],
    });
    house.setHealth({ ready: true, causes: [] });
    await stream.until(() => stream.of("health").length > 2);
  });

  test("is refused beyond the bound of an account and of all, before anything else is spent on it", async () => {
    const own: Stream[] = [];
    for (let at = 0; at < 6; at += 1) own.push(await openStream(house, "viewer"));
    expect(own.map((stream) => stream.status())).toEqual([200, 200, 200, 200, 200, 429]);
    const others: Stream[] = [];
    for (const username of ["admin", "auditor", "operator", "tianhe"]) others.push(await openStream(house, username));
    expect(others.map((stream) => stream.status())).toEqual([200, 200, 200, 503]);
    own[0]?.close();
    await expect.poll(async () => (await openStream(house, "tianhe")).status()).toBe(200);
  });
});

describe("observations", () => {
  test("come for the things asked for alone, in the shape of their GET", async () => {
    const stream = await openStream(house, "viewer", { things: ["water-tianhe", "toilet-tianhe"] });
    await house.publish("water-xinghai", { ph: 6 }, start);
    await house.publish("water-tianhe", { ph: 7.1 }, start);
    await stream.until(() => stream.of("observation").length > 0);
    expect(stream.of("observation").map(({ data }) => seriesShape.parse(data))).toEqual([
      {
        thing: "water-tianhe",
        property: "ph",
        unit: "[pH]",
        points: [{ time: toIso(start), value: 7.1, quality: 1 }],
        next: null,
      },
    ]);
  });

  test("are the newest of a property, at most four times a second, and end with the last", async () => {
    const stream = await openStream(house, "viewer", { things: ["water-haicheng"] });
    const began = performance.now();
    for (let at = 0; at < 100; at += 1) {
      await house.publish("water-haicheng", { ph: at / 20, temperature: at / 10 }, start + at);
      await new Promise((resolve) => setTimeout(resolve, 5));
    }
    const shown = ({ data }: Told) => (data as { property: string; points: { value: number }[] }).points[0]?.value ?? 0;
    const of = (property: string) =>
      stream.of("observation").filter(({ data }) => (data as { property: string }).property === property);
    await stream.until(() => shown(of("ph").at(-1) ?? stream.told[0]!) === 99 / 20 && of("temperature").length > 1);
    const took = performance.now() - began;
    expect(of("ph").length).toBeLessThanOrEqual(Math.ceil(took / 250) + 1);
    expect(of("ph").length).toBeGreaterThan(1);
    const values = of("ph").map(shown);
    expect(values).toEqual([...values].sort((one, other) => one - other));
  });

  test("that come late do not turn the needle back", async () => {
    const stream = await openStream(house, "viewer", { things: ["water-shacheng"] });
    await house.publish("water-shacheng", { ph: 7 }, start + minute);
    await house.publish("water-shacheng", { ph: 5 }, start);
    await house.publish("water-shacheng", { turbidity: 0.5 }, start);
    await stream.until(() => stream.of("observation").length === 2);
    await new Promise((resolve) => setTimeout(resolve, 400));
    expect(
      stream.of("observation").map(({ data }) => (data as { points: { value: number }[] }).points[0]?.value),
    ).toEqual([7, 0.5]);
  });

  test("never lead a resuming client past an alarm: ids do not go back", async () => {
    const stream = await openStream(house, "viewer", { things: ["water-xinghai"] });
    const ids: string[] = [];
    for (let at = 0; at < 60; at += 1) {
      await house.publish("water-xinghai", { ph: at / 20 }, start + hour + at);
      if (at % 5 === 0) ids.push(await raise("water-xinghai"));
      await new Promise((resolve) => setTimeout(resolve, 3));
    }
    await stream.until(() => stream.of("alarm").length === ids.length && stream.of("observation").length > 2);
    const places = stream.told.map(({ id }) => id.split("-").map(Number) as [number, number]);
    const sorted = [...places].sort((one, other) => one[0] - other[0] || one[1] - other[1]);
    expect(places).toEqual(sorted);
    expect(idsOf(stream.of("alarm"))).toEqual(ids);
  });

  test("of a client that comes back begin with the newest of each property", async () => {
    await house.publish("water-tianhe", { ph: 7.4 }, start + 2 * hour);
    const place = `${house.store.cursor()}-0`;
    const stream = await openStream(house, "viewer", { things: ["water-tianhe"], lastEventId: place });
    await stream.until(() => stream.of("observation").length > 0);
    const values = stream
      .of("observation")
      .map(({ data }) => [
        (data as { property: string }).property,
        (data as { points: { value: number }[] }).points[0]?.value,
      ]);
    expect(values).toContainEqual(["ph", 7.4]);
  });
});

describe("resuming", () => {
  test("over any cuts, no alarm is missed and none is told twice", { timeout: 60_000 }, async () => {
    await fc.assert(
      fc.asyncProperty(
        fc.array(fc.oneof(fc.constant("raise"), fc.constant("cut"), fc.constant("pause"), fc.constant("burst")), {
          minLength: 3,
          maxLength: 14,
        }),
        async (script) => {
          const first = await openStream(house, "auditor");
          await first.until(() => first.told.length > 0);
          let stream = first;
          const raised: string[] = [];
          const heard: string[] = [];
          for (const step of script) {
            if (step === "raise") raised.push(await raise());
            if (step === "burst") {
              house.pause();
              for (let at = 0; at < 90; at += 1) raised.push(await raise());
              house.resume(40);
            }
            if (step === "pause") await new Promise((resolve) => setTimeout(resolve, 2));
            if (step === "cut") {
              // at any moment: what has not arrived yet is lost with the socket
              stream.close();
              heard.push(...idsOf(stream.of("alarm")));
              stream = await openStream(house, "auditor", { lastEventId: stream.lastEventId() });
              await expect.poll(() => stream.status()).toBe(200);
            }
          }
          await stream.until(() => heard.length + stream.of("alarm").length >= raised.length);
          heard.push(...idsOf(stream.of("alarm")));
          expect(heard).toEqual(raised);
          expect(stream.of("reset")).toEqual([]);
          stream.close();
          await expect
            .poll(async () => /api_live_clients (\d+)/.exec((await house.call("GET", "/metrics")).text)?.[1])
            .toBe("0");
        },
      ),
      { numRuns: 12 },
    );
  });

  test("while commits fall between any two readings of the feed gives each alarm once", async () => {
    let step = (): void => {};
    const moving = await openHouse({ beforeReading: () => step() });
    const staying = await open(moving, "viewer");
    await staying.until(() => staying.told.length > 0);
    const returning = await open(moving, "operator", { lastEventId: staying.lastEventId() });
    await moving.as("admin");
    moving.pause();
    const raised: string[] = [];
    for (let at = 0; at < 200; at += 1) raised.push(await raise("water-tianhe", moving));
    moving.step(50);
    await staying.until(() => staying.of("alarm").length === 50);
    // from here on each reading finds one commit more than the one before it: also that of the client which catches up
    step = () => moving.step(1);
    const late = await open(moving, "admin", { lastEventId: returning.told[0]?.id ?? "" });
    for (const stream of [staying, returning, late]) {
      await stream.until(() => stream.of("alarm").length >= raised.length);
      expect(idsOf(stream.of("alarm"))).toEqual(raised);
      stream.close();
    }
    await moving.close();
  });

  test("is what saves them: a client that comes back without its id has missed what came between", async () => {
    const first = await openStream(house, "auditor");
    await first.until(() => first.told.length > 0);
    const place = first.lastEventId();
    first.close();
    const missed = await raise();
    const [without, resumed] = [
      await openStream(house, "auditor"),
      await openStream(house, "auditor", { lastEventId: place }),
    ];
    const next = await raise();
    await without.until(() => without.of("alarm").length > 0);
    await resumed.until(() => resumed.of("alarm").length > 1);
    expect(idsOf(without.of("alarm"))).toEqual([next]);
    expect(idsOf(resumed.of("alarm"))).toEqual([missed, next]);
  });

  test("of what is beyond 24 hours, of another house, or of nonsense, is one reset", async () => {
    const old = await openHouse();
    const early = await raise("water-tianhe", old);
    expect(early).toContain("turbidity");
    const place = `${old.store.cursor() - 3}-0`;
    const fresh = await open(old, "viewer", { lastEventId: place });
    await fresh.until(() => fresh.of("alarm").length === 1);
    old.clock.advance(day + second);
    for (const lastEventId of [place, `${old.store.cursor() + 1_000}-0`, "nonsense", "1", "-1--1"]) {
      const stream = await open(old, "admin", { lastEventId });
      await stream.until(() => stream.of("health").length > 0);
      expect(stream.of("reset"), lastEventId).toHaveLength(1);
      const id = await raise("water-tianhe", old);
      await stream.until(() => stream.of("alarm").length > 0);
      expect(idsOf(stream.of("alarm"))).toEqual([id]);
      // the reset has a place of its own: from there it resumes
      const again = await open(old, "admin", { lastEventId: stream.of("reset")[0]?.id ?? "" });
      await again.until(() => again.of("alarm").length > 0);
      expect(idsOf(again.of("alarm"))).toEqual([id]);
      expect(again.of("reset")).toEqual([]);
      stream.close();
      again.close();
    }
    fresh.close();
    await old.close();
  });
});

describe("a session", () => {
  test("that ends takes its streams with it", async () => {
    const token = await house.signIn("admin");
    const stop = new AbortController();
    const response = await fetch(`${house.url}/api/v1/live`, {
      headers: { authorization: `Bearer ${token}` },
      signal: stop.signal,
    });
    await house.call("DELETE", "/api/v1/session", { token });
    expect(await response.text()).toContain("event: health");
  });
  test("is not kept alive by a stream, but a wall display's is", async () => {
    const lasting = await openHouse({ speed: 20 });
    const [person, wall] = [await open(lasting, "viewer"), await open(lasting, "wall")];
    lasting.clock.advance(15 * minute);
    await person.until(() => person.closed());
    await wall.until(() => wall.comments() > 1);
    expect(wall.closed()).toBe(false);
    wall.close();
    await lasting.close();
  });
});

test("a reader that has frozen is cut, delays nobody, and misses nothing when it comes back", {
  timeout: 60_000,
}, async () => {
  const busy = await openHouse({ settings: { liveStuckAfter: 2 * second } });
  const [good, frozen] = [await open(busy, "viewer"), await open(busy, "operator")];
  await frozen.until(() => frozen.told.length > 0);
  const place = frozen.lastEventId();
  frozen.socket.pause();
  const raised: string[] = [];
  let slowest = 0;
  // more than the kernel's buffers hold: 20 rounds of 500 alarms of 1 KB
  for (let round = 0; round < 20; round += 1) {
    busy.pause();
    for (let at = 0; at < 500; at += 1) raised.push(await raise("water-tianhe", busy));
    const began = performance.now();
    busy.resume(100);
    await good.until(() => good.of("alarm").length === raised.length);
    slowest = Math.max(slowest, performance.now() - began);
  }
  expect(idsOf(good.of("alarm"))).toEqual(raised);
  expect(slowest).toBeLessThan(5_000);
  await expect
    .poll(async () => /api_live_clients (\d+)/.exec((await busy.call("GET", "/metrics")).text)?.[1], {
      timeout: 15_000,
    })
    // the house gives each thread's metrics twice
    .toBe("2");
  expect(busy.lines.join("")).toContain("took nothing more and was cut");
  const again = await open(busy, "operator", { lastEventId: place });
  await again.until(() => again.of("alarm").length === raised.length, 30_000);
  expect(idsOf(again.of("alarm"))).toEqual(raised);
  good.close();
  again.close();
  await busy.close();
});
