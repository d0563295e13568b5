import { afterEach, beforeAll, beforeEach, expect, test } from "vitest";
import { type Connections, openConnections } from "../../simulators/connections.ts";
import { createDistrict, type District } from "../../simulators/district.ts";
import { runFleet } from "../../simulators/fleet.ts";
import { loadRegistry, loadScenario } from "../../simulators/folder.ts";
import { sendHistory } from "../../simulators/history.ts";
import type { Registry } from "../../src/domain/registry.ts";
import { hour, minute } from "../../src/domain/time.ts";
import { systemClock } from "../../src/platform/clock.ts";
import { devicesFolder } from "../devices/folder.ts";
import { openBroker } from "./broker.ts";

let registry: Registry;
let broker: Awaited<ReturnType<typeof openBroker>>;
let connections: Connections | null = null;
const stop = new AbortController();
beforeAll(async () => {
  registry = await loadRegistry(devicesFolder);
});
beforeEach(async () => {
  broker = await openBroker();
});
afterEach(async () => {
  await connections?.close();
  await broker.close();
});

const zero = Date.parse("2026-11-23T02:00:00Z");
const districtOf = async (name: string): Promise<District> => {
  const district = createDistrict(registry, await loadScenario(name, registry), 1, zero);
  connections = await openConnections(district, { url: broker.url, credentials: null, clientPrefix: "t" }, stop.signal);
  return district;
};
const of = (thing: string, last: string) =>
  broker.published.filter(({ topic }) => topic.endsWith(`/${thing}/${last}`)).map(({ payload }) => payload);

test("a fleet at speed sends exactly what the district says, each thing in order of time", async () => {
  const district = await districtOf("turbidity");
  const until = zero + 30 * minute;
  const summary = await runFleet({
    ...{ district, connections: connections as Connections, clock: systemClock, signal: stop.signal },
    ...{ from: zero, speed: 900, until },
  });
  const said = district.devices.reduce((sum, device) => sum + device.says(zero, until).length, 0);
  expect(summary).toEqual({ messages: said, acknowledged: said });
  expect(broker.published.filter(({ topic }) => topic.endsWith("/readings"))).toHaveLength(said);
  for (const { thing } of district.devices) {
    const times = of(thing.id, "readings").map((payload) => JSON.parse(payload).ts as number);
    expect(
      times.every((time, index) => index === 0 || time > (times[index - 1] as number)),
      thing.id,
    ).toBe(true);
  }
  const peak = Math.max(...of("water-tianhe-3", "readings").map((payload) => JSON.parse(payload).values.turbidity));
  expect(peak).toBe(4.2);
}, 30_000);

test("a gateway that loses power takes what is behind it along, tells by its will, and comes back", async () => {
  const district = await districtOf("camera");
  const until = zero + 20 * minute;
  await runFleet({
    ...{ district, connections: connections as Connections, clock: systemClock, signal: stop.signal },
    ...{ from: zero, speed: 400, until },
  });
  const minutesOf = (thing: string) =>
    of(thing, "readings").map((payload) => Math.floor((JSON.parse(payload).ts - zero) / minute));
  for (const thing of ["gateway-shacheng-1", "camera-shacheng-01", "camera-shacheng-10"]) {
    const minutes = minutesOf(thing);
    expect(
      minutes.filter((one) => one >= 4 && one < 14),
      thing,
    ).toEqual([]);
    expect(minutes.some((one) => one < 4) && minutes.some((one) => one >= 14), thing).toBe(true);
  }
  expect(minutesOf("camera-shacheng-11")).toHaveLength(20);
  expect(of("gateway-shacheng-1", "status")).toEqual(["online", "offline", "online"]);
}, 30_000);

test("history is one array a thing within the bounds of a message, in order, rain first and 50 hours of it", async () => {
  const district = await districtOf("demo");
  const summary = await sendHistory({ district, connections: connections as Connections, until: zero, hours: 4 });
  const arrays = broker.published.filter(({ topic }) => topic.endsWith("/readings"));
  expect(arrays).toHaveLength(summary.messages);
  expect(summary.messages).toBe(registry.things.length);
  let readings = 0;
  for (const { topic, payload } of arrays) {
    const elements = JSON.parse(payload) as { ts: number; values: object }[];
    expect(elements.length).toBeLessThanOrEqual(1_000);
    expect(payload.length).toBeLessThan(64 * 1024);
    expect(elements.every(({ ts }, index) => index === 0 || ts > (elements[index - 1]?.ts as number))).toBe(true);
    expect(
      (elements.at(-1)?.ts as number) <= zero && (elements.at(-1)?.ts as number) > zero - 5 * minute - 1,
      topic,
    ).toBe(true);
    readings += elements.reduce((sum, { values }) => sum + Object.keys(values).length, 0);
  }
  expect(readings).toBe(summary.readings);
  const [rain] = arrays;
  expect(rain?.topic).toContain("/rain/");
  expect((JSON.parse(rain?.payload as string)[0].ts as number) < zero - 49 * hour).toBe(true);
});

test("with credentials every connection signs in as its thing or gateway, and a missing one is told", async () => {
  const district = createDistrict(registry, await loadScenario("usual", registry), 1, zero);
  const broken = openConnections(
    district,
    { url: broker.url, credentials: new Map([["x", "y"]]), clientPrefix: "t" },
    stop.signal,
  );
  await expect(broken).rejects.toThrow(/no credential for/);
});
