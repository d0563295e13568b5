import { beforeAll, expect, test } from "vitest";
import { payloadOf, topicOf } from "../../simulators/connections.ts";
import { createDistrict, type Device, type District, type Saying } from "../../simulators/district.ts";
import { expectations } from "../../simulators/expectation.ts";
import { loadRegistry, loadScenario } from "../../simulators/folder.ts";
import type { Alarm } from "../../src/domain/alarm.ts";
import type { Entry } from "../../src/domain/entry.ts";
import type { Registry } from "../../src/domain/registry.ts";
import { hour, type Instant, minute, second } from "../../src/domain/time.ts";
import { createEngine } from "../../src/engine/engine.ts";
import { devicesFolder } from "../devices/folder.ts";

// Two minds on one district: what the simulators foresee by their own reasoning, and what the engine decides.

const zero = Date.parse("2026-11-23T02:00:00Z");
let registry: Registry;
beforeAll(async () => {
  registry = await loadRegistry(devicesFolder);
});

/** Everything the district says through `until`: the past of the rain and four hours of the rest, then live. */
const entriesOf = ({ devices }: District, until: Instant): readonly Entry[] => {
  const message = ({ thing }: Device, at: Instant, said: Saying | readonly Saying[]): Entry => ({
    ...{ kind: "message", at, topic: `${topicOf(thing)}/readings`, principal: null, qos: 1 },
    payload: new TextEncoder().encode(payloadOf(said)),
  });
  const isRain = ({ kind }: Device) => kind.id === "rain";
  const past = devices
    .toSorted((a, b) => Number(isRain(b)) - Number(isRain(a)))
    .map((device) => message(device, zero, device.says(zero - (isRain(device) ? 50 : 4) * hour, zero)));
  const live = devices.flatMap((device) =>
    device.says(zero, until).map((saying) => message(device, saying.at, saying)),
  );
  const ticks: Entry[] = [];
  for (let at = zero; at <= until; at += second) ticks.push({ kind: "tick", at });
  return [...past, ...[...live, ...ticks].toSorted((a, b) => a.at - b.at)];
};

/** The alarms of a run, each as it was last, by thing and limit. */
const run = (district: District, until: Instant, judged = registry): readonly Alarm[] => {
  const nothing = {
    observationAt: () => undefined,
    alarm: () => null,
    rejection: () => null,
    commandByKey: () => null,
  };
  const engine = createEngine({ known: nothing, state: null, registry: judged });
  const alarms = new Map<string, Alarm>();
  let seq = 0;
  for (const entry of entriesOf(district, until)) {
    engine.apply({ seq: ++seq, entry });
    if (entry.kind !== "tick") continue;
    for (const event of engine.take().events) {
      if (event.kind === "alarm") alarms.set(event.transition.alarm.id, event.transition.alarm);
    }
  }
  return [...alarms.values()];
};

/** Alarms that follow from a fault beside those it names: of everything behind a gateway, of a lower setpoint… */
const consequences: Readonly<Record<string, readonly string[]>> = {
  usual: [],
  demo: ["illicit-sewage-suspicious", "camera silent"],
  turbidity: [],
  chlorine: [],
  discharge: ["illicit-sewage-suspicious"],
  toilet: [],
  camera: ["camera silent"],
  sick: ["silent-ph", "fault"],
};

test.each(Object.keys(consequences))(
  "in the scenario %s the engine raises what the simulators foresee, when they foresee it, and nothing else",
  async (name) => {
    const scenario = await loadScenario(name, registry);
    const until = zero + Math.min(scenario.duration ?? hour, 2 * hour);
    for (const seed of [1, 2]) {
      const district = createDistrict(registry, scenario, seed, zero);
      const foreseen = expectations(district, until - minute);
      const alarms = run(district, until);
      for (const { thing, limit, since, raisedAt } of foreseen) {
        const own = alarms.find((alarm) => alarm.thing === thing && alarm.limit === limit);
        expect(own, `${thing} ${limit} with seed ${seed}`).toMatchObject(limit === "silent" ? {} : { since, raisedAt });
      }
      const known = new Set(foreseen.map(({ thing, limit }) => `${thing} ${limit}`));
      const others = alarms.filter(
        ({ thing, limit, raisedAt }) => raisedAt < until - minute && !known.has(`${thing} ${limit}`),
      );
      const allowed = consequences[name] ?? [];
      const surprising = others.filter(
        ({ kind, limit }) => !allowed.includes(limit) && !allowed.includes(`${kind} ${limit}`),
      );
      expect(
        surprising.map(({ thing, limit }) => `${thing} ${limit}`),
        `seed ${seed}`,
      ).toEqual([]);
    }
  },
  60_000,
);

test("an engine with another on-delay is caught", async () => {
  const district = createDistrict(registry, await loadScenario("turbidity", registry), 1, zero);
  const slower = registry.kinds.map((kind) => ({
    ...kind,
    limits: kind.limits.map((limit) => ({ ...limit, onDelay: limit.onDelay + minute })),
  }));
  const foreseen = expectations(district, zero + 30 * minute);
  const alarms = run(district, zero + 30 * minute, { ...registry, kinds: slower });
  expect(foreseen.length).toBeGreaterThan(0);
  for (const { thing, raisedAt } of foreseen)
    expect(alarms.find((alarm) => alarm.thing === thing)?.raisedAt).not.toBe(raisedAt);
});
