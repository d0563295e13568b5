import fc from "fast-check";
import { beforeAll, expect, test } from "vitest";
import { createDistrict, type Device, type District } from "../../simulators/district.ts";
import { expectations } from "../../simulators/expectation.ts";
import { loadRegistry, loadScenario } from "../../simulators/folder.ts";
import { chance, normal, wandering } from "../../simulators/random.ts";
import { readScenario, ScenarioError, weatherOf } from "../../simulators/scenario.ts";
import { breached, type Condition } from "../../src/domain/limit.ts";
import type { Registry } from "../../src/domain/registry.ts";
import { day, hour, minute } from "../../src/domain/time.ts";
import { devicesFolder } from "../devices/folder.ts";

const zero = Date.parse("2026-11-23T02:00:00Z");
let registry: Registry;
beforeAll(async () => {
  registry = await loadRegistry(devicesFolder);
});

test("chances, noise and wandering keep their ranges and belong to seed, key and index", () => {
  fc.assert(
    fc.property(fc.nat(), fc.string(), fc.nat({ max: 2 ** 42 }), (seed, key, index) => {
      const value = chance(seed, key, index);
      expect(value >= 0 && value < 1).toBe(true);
      expect(chance(seed, key, index)).toBe(value);
      expect(Math.abs(normal(seed, key, index))).toBeLessThanOrEqual(4);
      expect(Math.abs(wandering(seed, key, index, hour))).toBeLessThanOrEqual(1);
    }),
  );
});

test("chances are spread evenly, noise has mean 0 and deviation 1", () => {
  const many = Array.from({ length: 20_000 }, (_, index) => index);
  const mean = (values: readonly number[]) => values.reduce((sum, value) => sum + value, 0) / values.length;
  expect(mean(many.map((index) => chance(7, "a", index)))).toBeCloseTo(0.5, 1);
  const noise = many.map((index) => normal(7, "a", index));
  expect(mean(noise)).toBeCloseTo(0, 1);
  expect(mean(noise.map((value) => value ** 2))).toBeCloseTo(1, 1);
});

test("the same seed says the same, in whatever order it is asked; another seed says something else", async () => {
  const scenario = await loadScenario("demo", registry);
  const [one, two, other] = [3, 3, 4].map((seed) => createDistrict(registry, scenario, seed, zero)) as [
    District,
    District,
    District,
  ];
  const all = (district: District) => district.devices.map((device) => device.says(zero - hour, zero + hour));
  const halves = two.devices.toReversed().map((device) => {
    const late = device.says(zero, zero + hour);
    return [...device.says(zero - hour, zero), ...late];
  });
  expect(halves.toReversed()).toEqual(all(one));
  expect(all(other)).not.toEqual(all(one));
});

/** Whether a limit's conditions hold at a saying, as the simulators' own weather knows it. */
const applies = (
  district: District,
  device: Device,
  at: number,
  values: Record<string, unknown>,
  when: readonly Condition[],
) =>
  when.every((condition) => {
    if (condition.kind === "attribute")
      return condition.oneOf.includes(device.thing.attributes[condition.attribute] ?? "");
    if (condition.kind === "dry") {
      const gauge = district.devices.find(
        ({ kind, thing }) => kind.id === "rain" && thing.street === device.thing.street,
      );
      const sayings = gauge?.says(at - condition.duration, at) ?? [];
      return sayings.every((saying) => "values" in saying && saying.values.rainfall === 0);
    }
    if (condition.kind === "season") return true;
    const value = values[condition.property] as number;
    return value > (condition.above ?? -Infinity) && value <= (condition.atMost ?? Infinity);
  });

test("in a usual week, rain and tide included, no limit that applies is breached", async () => {
  const scenario = await loadScenario("usual", registry);
  const found: string[] = [];
  for (const seed of [1, 3]) {
    const district = createDistrict(registry, scenario, seed, zero);
    for (const device of district.devices.filter(({ kind }) => kind.limits.length > 0)) {
      for (const saying of device.says(zero, zero + 7 * day).filter((_, index) => index % 11 === 0)) {
        if (!("values" in saying)) continue;
        for (const limit of device.kind.limits) {
          const value = saying.values[limit.property];
          if (value === undefined || !breached(limit, Number(value), false)) continue;
          if (applies(district, device, saying.at, saying.values, limit.when))
            found.push(`${device.thing.id} ${limit.id} ${value}`);
        }
      }
    }
  }
  expect([...new Set(found.map((one) => one.split(" ").slice(0, 2).join(" ")))]).toEqual([]);
}, 60_000);

test("every value lies in the span that its operator expects", async () => {
  const district = createDistrict(registry, await loadScenario("usual", registry), 5, zero);
  for (const device of district.devices) {
    for (const saying of device.says(zero, zero + day)) {
      if (!("values" in saying)) continue;
      for (const [id, value] of Object.entries(saying.values)) {
        const property = device.kind.properties.find((one) => one.id === id);
        const [low, high] = property?.operatorSpan ?? property?.span ?? [1, 0];
        expect(Number(value) >= low && Number(value) <= high, `${device.thing.id} ${id} ${value}`).toBe(true);
      }
    }
  }
});

test("rain falls in some weeks and not in others, and the tide turns four times a day", async () => {
  const weather = weatherOf(await loadScenario("usual", registry), 1, zero);
  const weeks = Array.from({ length: 26 }, (_, week) =>
    weather.rainfall("tianhe", zero + week * 7 * day, zero + (week * 7 + 1) * day),
  );
  expect(weeks.some((amount) => amount > 1)).toBe(true);
  expect(weeks.some((amount) => amount === 0)).toBe(true);
  const rising = Array.from(
    { length: 24 * 60 },
    (_, index) => weather.tide(zero + (index + 1) * minute) > weather.tide(zero + index * minute),
  );
  const turns = rising.filter((up, index) => index > 0 && up !== rising[index - 1]).length;
  expect(turns).toBeGreaterThanOrEqual(3);
  expect(turns).toBeLessThanOrEqual(5);
});

test.each(["usual", "demo", "turbidity", "chlorine", "discharge", "toilet", "camera", "sick"])(
  "the scenario %s loads, and every alarm that its faults name is one that they cause",
  async (name) => {
    const scenario = await loadScenario(name, registry);
    const district = createDistrict(registry, scenario, 1, zero);
    const expected = expectations(district, zero + 2 * hour);
    const named = scenario.faults.flatMap(({ things, causes }) =>
      things.flatMap((thing) => causes.map((limit) => `${thing} ${limit}`)),
    );
    expect(expected.map(({ thing, limit }) => `${thing} ${limit}`).sort()).toEqual(named.sort());
  },
);

test("whatever the seed, the demo's first alarm is due within a minute and none before its start", async () => {
  const scenario = await loadScenario("demo", registry);
  for (let seed = 0; seed < 40; seed++) {
    const [first] = expectations(createDistrict(registry, scenario, seed, zero), zero + hour);
    const after = (first?.raisedAt ?? Infinity) - zero;
    expect(after).toBeLessThanOrEqual(20_000);
  }
});

test("a blip shorter than the on-delay is expected to cause nothing", () => {
  const blip = `
faults:
  - { say: blip, things: [water-tianhe-3], from: PT4M, for: PT1M, effect: { set: { turbidity: 3 } }, causes: [turbidity-high] }
`;
  const district = createDistrict(registry, readScenario("blip", blip, registry), 1, zero);
  expect(expectations(district, zero + hour)).toEqual([]);
});

test("a scenario with strangers in it tells all of them", () => {
  const text = `
faults:
  - { say: a, things: [nothing-1, camera-tianhe-03], from: PT0S, effect: { set: { turbidity: 3 } }, causes: [sos] }
  - { say: b, things: [camera-tianhe-03], from: PT0S, effect: down }
`;
  try {
    readScenario("strange", text, registry);
    expect.unreachable();
  } catch (error) {
    expect((error as ScenarioError).faults).toEqual([
      "no thing nothing-1",
      "camera-tianhe-03 has no turbidity",
      "camera has no limit sos",
      "camera-tianhe-03 is no gateway",
    ]);
  }
  expect(() => readScenario("bad", "faults: [{ say: 1 }]", registry)).toThrow(ScenarioError);
});
