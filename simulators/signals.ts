import type { Kind } from "../src/domain/kind.ts";
import type { Thing } from "../src/domain/thing.ts";
import { type DurationMs, hour, type Instant, minute } from "../src/domain/time.ts";
import { chance, normal, wandering } from "./random.ts";
import { localHour, type Weather } from "./weather.ts";

export type Values = Record<string, number | boolean | null>;

/** All that a signal may look at. */
export type Scene = {
  readonly seed: number;
  readonly weather: Weather;
  readonly thing: Thing;
  /** Of the thing: its own, or its kind's. */
  readonly every: DurationMs;
  readonly at: Instant;
};

/** What a thing of this kind reports at an instant while nothing is wrong with it. */
export const signalOf = (kind: Kind): ((scene: Scene) => Values) => signals[kind.id] ?? generic(kind);

const signals: Readonly<Record<string, (scene: Scene) => Values>> = {
  water: (scene) => ({ ...waterBody(scene), ...residual(scene) }),
  outfall: (scene) => (scene.thing.attributes.outlet === "sewage" ? effluent(scene) : stormOutlet(scene)),
  toilet: (scene) => toilet(scene),
  camera: () => ({ heartbeat: true, imageOk: true }),
  gateway: () => ({ heartbeat: true }),
  // A weighing gauge: a tipping bucket of 0.2 mm would call the first drizzle dry.
  rain: ({ weather, thing, at, every }) => ({ rainfall: round(weather.rainfall(thing.street, at - every, at), 2) }),
};

/** A kind that the simulators do not know: every property wanders in the middle of what its operator expects. */
const generic =
  (kind: Kind) =>
  (scene: Scene): Values =>
    Object.fromEntries(
      kind.properties.map(({ id, type, span, operatorSpan }) => {
        if (id === "heartbeat" || type === "boolean") return [id, id === "heartbeat"];
        const [low, high] = operatorSpan ?? span;
        return [id, round(low + (high - low) * (0.5 + 0.05 * drift(scene, id, 2 * hour)), 3)];
      }),
    );

/** Water demand from 0 to 1: low at night, peaks at seven and at seven in the evening. */
const demand = (at: Instant): number => {
  const peak = (around: number, width: number) => Math.exp(-(((localHour(at) - around) / width) ** 2));
  return Math.min(1, 0.15 + 0.8 * peak(7.5, 1.8) + 0.45 * peak(12.5, 2.5) + 0.75 * peak(19.5, 2.6));
};

const waterBody = (scene: Scene): Values => {
  const { weather, at } = scene;
  const dirt = { works: 0.12, network: 0.2, tap: 0.26, secondary: 0.3 }[scene.thing.attributes.station ?? ""] ?? 0.2;
  return {
    turbidity: round(
      dirt + 0.06 * demand(at) + 0.04 * drift(scene, "turbidity", hour) + 0.008 * noise(scene, "turbidity"),
      3,
    ),
    ph: round(7.35 + 0.12 * drift(scene, "ph", 4 * hour) + 0.01 * noise(scene, "ph"), 2),
    // A pipe in the ground follows the air slowly.
    temperature: round(0.6 * weather.air(at - 12 * hour) + 7.5 + 0.3 * drift(scene, "temperature", 6 * hour), 1),
    conductivity: round(185 + 12 * drift(scene, "conductivity", 8 * hour) + noise(scene, "conductivity"), 0),
    orp: round(690 + 15 * drift(scene, "orp", 3 * hour) + 2 * noise(scene, "orp"), 0),
  };
};

/** Property, and mg/L at works, network, tap and secondary supply, by disinfectant. */
const residuals: Readonly<Record<string, readonly [string, Readonly<Record<string, number>>]>> = {
  freeChlorine: ["freeChlorine", { works: 0.75, network: 0.5, tap: 0.32, secondary: 0.35 }],
  chloramine: ["totalChlorine", { works: 1.3, network: 0.95, tap: 0.6, secondary: 0.65 }],
  chlorineDioxide: ["chlorineDioxide", { works: 0.3, network: 0.18, tap: 0.1, secondary: 0.12 }],
};

/** Disinfectant left: less where the water is old, which is when nobody draws any. */
const residual = (scene: Scene): Values => {
  const { disinfectant = "freeChlorine", station = "network" } = scene.thing.attributes;
  const [property, levels] = residuals[disinfectant] ?? ["freeChlorine", {}];
  const level = levels[station] ?? 0.4;
  const fresh = station === "works" ? 1 : 0.85 + 0.2 * demand(scene.at - hour);
  return {
    [property]: round(level * (fresh + 0.08 * drift(scene, property, 2 * hour) + 0.01 * noise(scene, property)), 3),
  };
};

/** Runs a quarter of an hour after rain, with a tail of about an hour; at a tidal outlet the sea comes in at high water. */
const stormOutlet = (scene: Scene): Values => {
  const { weather, thing, at } = scene;
  let wet = 0;
  for (let back = 1; back < 13; back++)
    wet += weather.rain(thing.street, at - back * 15 * minute) * Math.exp(-back / 4);
  const runoff = wet < 0.1 ? 0 : wet * (3 + 4 * chance(scene.seed, thing.id));
  const sea = thing.attributes.tidal === "yes" ? Math.max(0, weather.tide(at) - 1.2) : 0;
  const flow = runoff + 6 * sea;
  const salt = sea > 0 ? Math.min(1, 0.3 + sea) * (runoff > 5 ? 0.5 : 1) : 0;
  return {
    flow: round(flow, 2),
    level: round(0.05 + 0.04 * Math.sqrt(flow) + sea + 0.004 * Math.abs(noise(scene, "level")), 3),
    ammonia: round(0.35 + 0.1 * drift(scene, "ammonia", 5 * hour) + (runoff > 0 ? 0.3 : 0), 2),
    cod: round(11 + 2 * drift(scene, "cod", 5 * hour) + (runoff > 0 ? 6 : 0), 1),
    totalPhosphorus: round(0.08 + 0.02 * drift(scene, "totalPhosphorus", 5 * hour), 3),
    ph: round(7.5 + 0.15 * drift(scene, "ph", 6 * hour), 2),
    temperature: round(0.8 * weather.air(at - 3 * hour) + 4, 1),
    conductivity: round(salt > 0 ? 45_000 * salt : 620 + 60 * drift(scene, "conductivity", 4 * hour), 0),
  };
};

/** Usual concentrations in mg/L by the level that the outlet must keep: cod, ammonia, total nitrogen, total phosphorus. */
const effluents: Readonly<Record<string, readonly [number, number, number, number]>> = {
  "1A": [22, 0.8, 7, 0.16],
  "1B": [36, 3.2, 11, 0.5],
  "8978-1": [55, 6, 14, 0.6],
  "sewer-B": [240, 26, 42, 4],
};

const effluent = (scene: Scene): Values => {
  const { weather, thing, at } = scene;
  const [cod, ammonia, nitrogen, phosphorus] = effluents[thing.attributes.class ?? ""] ?? [40, 3, 12, 0.4];
  const vary = (key: string) => 1 + 0.12 * drift(scene, key, 3 * hour) + 0.02 * noise(scene, key);
  // What the sewers bring two hours after it was drawn, and the rain that finds its way in.
  const flow = 10 + 40 * demand(at - 2 * hour) + 2 * weather.rain(thing.street, at);
  return {
    flow: round(flow * vary("flow"), 1),
    level: round(0.2 + 0.01 * flow, 2),
    ammonia: round(ammonia * vary("ammonia"), 2),
    cod: round(cod * vary("cod"), 1),
    totalPhosphorus: round(phosphorus * vary("totalPhosphorus"), 3),
    totalNitrogen: round(nitrogen * vary("totalNitrogen"), 2),
    ph: round(7.2 + 0.2 * drift(scene, "ph", 4 * hour), 2),
    temperature: round(0.5 * weather.air(at - 8 * hour) + 11, 1),
    conductivity: round(850 + 80 * drift(scene, "conductivity", 4 * hour), 0),
  };
};

/** Visitors an hour at the busiest time. */
const busy: Readonly<Record<string, number>> = { public: 60, rural: 18, tourist: 40 };
/** Ammonia of an empty room, mg/m3, by class. */
const stale: Readonly<Record<string, number>> = { 1: 0.08, 2: 0.3, 3: 0.9 };

const toilet = (scene: Scene): Values => {
  const { weather, thing, at, every } = scene;
  const { type = "public", class: group = "2" } = thing.attributes;
  const crowd = (busy[type] ?? 30) * demand(at + hour);
  const visitors = Math.max(0, Math.round((crowd * every) / hour + 1.2 * noise(scene, "visitors")));
  // Refilled at six in the morning.
  const sinceRefill = ((localHour(at) - 6 + 24) % 24) / 24;
  const base = stale[group] ?? 0.3;
  return {
    ammonia: round(base * (1 + 0.4 * demand(at) + 0.2 * drift(scene, "ammonia", hour)), 3),
    hydrogenSulfide: round(0.003 + 0.001 * drift(scene, "hydrogenSulfide", hour), 4),
    temperature: round(Math.max(15.5, 0.5 * weather.air(at) + 10) + 0.2 * noise(scene, "temperature"), 1),
    humidity: round(68 + 8 * drift(scene, "humidity", 3 * hour), 0),
    occupancy: Math.min(6, Math.round(visitors / 2)),
    visitors,
    paper: round(98 - 70 * sinceRefill, 0),
    soap: round(97 - 50 * sinceRefill, 0),
    water: visitors === 0 ? 0 : round(visitors * 4.5 + 3 * chance(scene.seed, `${thing.id}/water`, at), 1),
    sos: false,
  };
};

const drift = ({ seed, thing, at }: Scene, key: string, period: DurationMs): number =>
  wandering(seed, `${thing.id}/${key}`, at, period);
const noise = ({ seed, thing, at }: Scene, key: string): number => normal(seed, `${thing.id}~${key}`, at);
const round = (value: number, digits: number): number => Number(value.toFixed(digits));
