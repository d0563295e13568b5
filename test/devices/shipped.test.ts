import { existsSync, readdirSync, readFileSync } from "node:fs";
import { join, resolve } from "node:path";
import { expect, test } from "vitest";
import type { Kind } from "../../src/domain/kind.ts";
import { devicesFolder, registryOf, shippedFiles } from "./folder.ts";

// What the folder that we ship must hold: the plan's things, limits with their evidence, people for everything.

const registry = registryOf(await shippedFiles());
const { things, kinds, streets, grids, departments, people } = registry;
const of = (kind: string) => things.filter((thing) => thing.kind === kind);
const count = (kind: string, attribute: string) => {
  const counts: Record<string, number> = {};
  for (const { attributes } of of(kind)) {
    const value = attributes[attribute] ?? "";
    counts[value] = (counts[value] ?? 0) + 1;
  }
  return counts;
};
const kindOf = (id: string) => kinds.find((kind) => kind.id === id) as Kind;

test("the four streets of the plan, each with three or four grids", () => {
  expect(streets.map(({ id }) => id)).toEqual(["xinghai", "haicheng", "shacheng", "tianhe"]);
  for (const { id } of streets) {
    const own = grids.filter(({ street }) => street === id).length;
    expect(own).toBeGreaterThanOrEqual(3);
    expect(own).toBeLessThanOrEqual(4);
  }
});

test("as many things of each sort as the plan's systems need", () => {
  expect(of("water").length).toBeGreaterThanOrEqual(24);
  expect(Object.keys(count("water", "station")).sort()).toEqual(["network", "secondary", "tap", "works"]);
  expect(Object.keys(count("water", "disinfectant")).sort()).toEqual(["chloramine", "chlorineDioxide", "freeChlorine"]);
  expect(of("outfall").length).toBeGreaterThanOrEqual(24);
  expect(Object.keys(count("outfall", "unit_type")).sort()).toEqual(["industrial-park", "old-estate", "urban-village"]);
  expect(Object.keys(count("outfall", "tidal")).sort()).toEqual(["no", "yes"]);
  expect(of("toilet").length).toBeGreaterThanOrEqual(20);
  expect(Object.keys(count("toilet", "type")).sort()).toEqual(["public", "rural", "tourist"]);
  expect(of("camera").length).toBeGreaterThanOrEqual(80);
  expect(
    of("rain")
      .map(({ street }) => street)
      .sort(),
  ).toEqual(streets.map(({ id }) => id as string).sort());
  expect(of("camera").every(({ gateway }) => gateway !== null)).toBe(true);
});

test("every thing can be routed: 网格长, 街(路)长, 工作专班 and the liaison of its department", () => {
  const known = new Set(people.map(({ id }) => id as string));
  for (const thing of things) {
    const grid = grids.find(({ id }) => id === thing.grid);
    const street = streets.find(({ id }) => id === thing.street);
    const department = departments.find(({ queue }) => queue === kindOf(thing.kind).queue);
    for (const person of [grid?.chief, street?.chief, street?.taskForce, department?.liaison]) {
      expect(known.has(person as string), `${thing.id}: ${person}`).toBe(true);
    }
  }
});

test("every thing stands in the district, near its grid", () => {
  for (const { id, location, grid } of things) {
    expect(location, id).not.toBeNull();
    const { longitude, latitude } = location as { longitude: number; latitude: number };
    expect(longitude > 120.75 && longitude < 120.88 && latitude > 27.83 && latitude < 27.95, id).toBe(true);
    const others = things.filter((other) => other.grid === grid && other.location);
    const mean = others.reduce((sum, other) => sum + (other.location?.latitude ?? 0), 0) / others.length;
    expect(Math.abs(latitude - mean), id).toBeLessThan(0.02);
  }
});

test("every entrance of the register has a camera, every unit an outfall of its type", () => {
  const watched = new Set(of("camera").map(({ attributes }) => attributes.entrance));
  expect(registry.entrances?.filter(({ id }) => !watched.has(id))).toEqual([]);
  for (const { id, type, street } of registry.units ?? []) {
    const own = of("outfall").filter(({ attributes }) => attributes.unit === id);
    expect(own.length, id).toBeGreaterThan(0);
    expect(own.every((thing) => thing.attributes.unit_type === type && thing.street === street)).toBe(true);
  }
});

test("the properties and units that devices and dashboards are written against", () => {
  const units = Object.fromEntries(
    kinds.map((kind) => [kind.id, Object.fromEntries(kind.properties.map(({ id, unit }) => [id, unit]))]),
  );
  const heartbeat = "1";
  expect(units).toEqual({
    water: {
      ...{ turbidity: "NTU", ph: "[pH]", freeChlorine: "mg/L", totalChlorine: "mg/L", chlorineDioxide: "mg/L" },
      ...{ temperature: "Cel", conductivity: "uS/cm", orp: "mV", heartbeat },
    },
    outfall: {
      ...{ flow: "L/s", level: "m", ammonia: "mg/L", cod: "mg/L", totalPhosphorus: "mg/L", totalNitrogen: "mg/L" },
      ...{ ph: "[pH]", temperature: "Cel", conductivity: "uS/cm", heartbeat },
    },
    toilet: {
      ...{ ammonia: "mg/m3", hydrogenSulfide: "mg/m3", temperature: "Cel", humidity: "%", occupancy: "1" },
      ...{ visitors: "1", paper: "%", soap: "%", water: "L", sos: "1", heartbeat },
    },
    camera: { imageOk: "1", heartbeat },
    rain: { rainfall: "mm", heartbeat },
    gateway: { heartbeat },
  });
});

test("the limits of the standards, as their evidence has them", () => {
  const setpoints = (kind: string, start: string) =>
    Object.fromEntries(
      kindOf(kind)
        .limits.filter(({ id }) => id.startsWith(start))
        .map(({ id, direction, setpoint, grade }) => [id, `${direction} ${setpoint} ${grade}`]),
    );
  expect(setpoints("water", "")).toEqual({
    "turbidity-high": "high 1 V2",
    "turbidity-high-small": "high 3 K",
    "ph-low": "low 6.5 V2",
    "ph-high": "high 8.5 V2",
    "free-chlorine-high": "high 2 V2",
    "free-chlorine-low-works": "low 0.3 K",
    "free-chlorine-low-tap": "low 0.05 V2",
    "free-chlorine-low-network": "low 0.05 ours",
    "total-chlorine-high": "high 3 K",
    "total-chlorine-low-works": "low 0.5 K",
    "total-chlorine-low-tap": "low 0.05 K",
    "chlorine-dioxide-high": "high 0.8 K",
    "chlorine-dioxide-low-works": "low 0.1 K",
    "chlorine-dioxide-low-tap": "low 0.02 K",
  });
  expect(setpoints("outfall", "gb18918-ammonia")).toEqual({
    "gb18918-ammonia-1a-warm": "high 5 superseded-unchecked",
    "gb18918-ammonia-1a-cold": "high 8 superseded-unchecked",
    "gb18918-ammonia-1b-warm": "high 8 superseded-unchecked",
    "gb18918-ammonia-1b-cold": "high 15 superseded-unchecked",
    "gb18918-ammonia-2-warm": "high 25 superseded-unchecked",
    "gb18918-ammonia-2-cold": "high 30 superseded-unchecked",
  });
  expect(setpoints("outfall", "river-ammonia")).toEqual({
    "river-ammonia-i": "high 0.15 V1",
    "river-ammonia-ii": "high 0.5 V1",
    "river-ammonia-iii": "high 1 V1",
    "river-ammonia-iv": "high 1.5 V1",
    "river-ammonia-v": "high 2 V1",
  });
  expect(setpoints("toilet", "ammonia-")).toMatchObject({
    "ammonia-1": "high 0.3 superseded-unchecked",
    "ammonia-2": "high 1 superseded-unchecked",
    "ammonia-3": "high 3 superseded-unchecked",
  });
});

test("turbidity is judged as the timelines of the house have it", () => {
  const limit = kindOf("water").limits.find(({ id }) => id === "turbidity-high");
  expect(limit).toMatchObject({ setpoint: 1, deadband: 0.1, onDelay: 120_000, offDelay: 300_000 });
  expect(kindOf("water").every).toBe(60_000);
  expect(kindOf("camera").every).toBe(60_000);
});

test("the nine figures of the plan, with goals", () => {
  expect(registry.targets.map(({ id, clause, goal }) => `${id} ${clause} ${goal}`)).toEqual([
    "drinking-water §5 100",
    "zero-discharge §5 100",
    "separation §5 100",
    "toilets §5 95",
    "entrances §6 100",
    "cameras §6 90",
    "routing §20 100",
    "conformity §6 99",
    "upkeep §20 95",
  ]);
});

const plan = resolve(import.meta.dirname, "../../../shared/plan.zh.txt");
const noPlan = !existsSync(plan) && process.env.CI === undefined;
test.skipIf(noPlan)("every target quotes the plan word by word (skipped where ../shared/plan.zh.txt is absent)", () => {
  const text = readFileSync(plan, "utf8");
  for (const { id, quote } of registry.targets) expect(text.includes(quote), id).toBe(true);
});

const casesOf = (kind: string) => {
  const folder = join(devicesFolder, "kinds", kind, "cases");
  return existsSync(folder) ? readdirSync(folder) : [];
};

test("every kind keeps what its level on the quality scale asks", () => {
  for (const kind of kinds) {
    expect(casesOf(kind.id), kind.id).toEqual(expect.arrayContaining(["usual", "boundary", "refused"]));
    if (kind.level === "bronze") continue;
    const readme = readFileSync(join(devicesFolder, "kinds", kind.id, "README.md"), "utf8");
    for (const heading of ["# ", "## Wiring", "## Interval and units"]) expect(readme, kind.id).toContain(heading);
    if (kind.level === "silver") continue;
    const scenes = readFileSync(join(devicesFolder, "kinds", kind.id, "cases/limits/messages.json"), "utf8");
    for (const limit of kind.limits.filter(({ statistic }) => statistic === "instant")) {
      expect(scenes, limit.id).toContain(`"${limit.id}: beyond"`);
      expect(limit.advice.zh.length, limit.id).toBeGreaterThan(5);
      expect(limit.advice.en.length, limit.id).toBeGreaterThan(5);
    }
  }
});
