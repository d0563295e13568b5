import type { Kind } from "../src/domain/kind.ts";
import type { Registry } from "../src/domain/registry.ts";
import type { Thing, ThingId } from "../src/domain/thing.ts";
import type { DurationMs, Instant } from "../src/domain/time.ts";
import { chance } from "./random.ts";
import { type Effect, type Fault, type Scenario, weatherOf } from "./scenario.ts";
import { type Scene, signalOf, type Values } from "./signals.ts";

/** What a device says at one instant: an object as the payload asks, or bytes that are none. */
export type Saying = { readonly at: Instant; readonly values: Values } | { readonly at: Instant; readonly raw: string };

/** One simulated thing: everything it says, computed and not remembered. */
export type Device = {
  readonly thing: Thing;
  readonly kind: Kind;
  readonly every: DurationMs;
  /** Whose connection it speaks through: its gateway's, or its own. */
  readonly connection: ThingId;
  /** All it says after one instant and through another, in order of time. */
  says(after: Instant, through: Instant): readonly Saying[];
  /** Instants of its regular readings in the same window, whether it speaks then or not. */
  due(after: Instant, through: Instant): readonly Instant[];
};

export type District = {
  readonly registry: Registry;
  readonly scenario: Scenario;
  readonly zero: Instant;
  readonly devices: readonly Device[];
  /** Whether the connection of a gateway is down at an instant. */
  isDown(connection: ThingId, at: Instant): boolean;
};

/** The whole district as one pure function of a seed; `zero` is the instant that the scenario counts from. */
export const createDistrict = (registry: Registry, scenario: Scenario, seed: number, zero: Instant): District => {
  const weather = weatherOf(scenario, seed, zero);
  const kinds = new Map(registry.kinds.map((kind) => [kind.id, kind]));
  const faultsOf = (id: string) => scenario.faults.filter(({ things }) => things.includes(id));
  const devices = registry.things.map((thing): Device => {
    const kind = kinds.get(thing.kind) as Kind;
    const every = thing.every ?? kind.every;
    const phase = Math.floor(chance(seed, `${thing.id}/phase`) * every);
    const due = (after: Instant, through: Instant): Instant[] => {
      const times: Instant[] = [];
      for (let at = Math.floor((after - phase) / every) * every + phase; at <= through; at += every) {
        if (at > after) times.push(at);
      }
      return times;
    };
    const signal = signalOf(kind);
    const usual = (at: Instant): Values => signal({ seed, weather, thing, every, at } satisfies Scene);
    const faults = [
      ...faultsOf(thing.id),
      ...(thing.gateway === null ? [] : faultsOf(thing.gateway).filter(isDownFault)),
    ];
    const says = (after: Instant, through: Instant) => speak({ faults, zero, usual, due }, after, through);
    return { thing, kind, every, connection: thing.gateway ?? thing.id, says, due };
  });
  const isDown = (connection: ThingId, at: Instant) =>
    faultsOf(connection).some((fault) => isDownFault(fault) && holds(fault, at - zero));
  return { registry, scenario, zero, devices, isDown };
};

const isDownFault = ({ effect }: Fault): boolean => effect.kind === "down";
const holds = ({ from, to }: Fault, at: DurationMs): boolean => at >= from && at < to;

type Speaker = {
  readonly faults: readonly Fault[];
  readonly zero: Instant;
  usual(at: Instant): Values;
  due(after: Instant, through: Instant): readonly Instant[];
};

const speak = (speaker: Speaker, after: Instant, through: Instant): readonly Saying[] => {
  const regular = speaker.due(after, through).flatMap((at) => say(speaker, at));
  const extra = speaker.faults.flatMap((fault) => atOnce(speaker, fault, after, through));
  return extra.length === 0 ? regular : [...regular, ...extra].sort((a, b) => a.at - b.at);
};

/** A regular reading with all that is wrong at that instant; nothing where the thing is silent. */
const say = ({ faults, zero, usual }: Speaker, at: Instant): readonly Saying[] => {
  const active = faults.filter((fault) => holds(fault, at - zero));
  if (active.some(({ effect }) => effect.kind === "silent" || effect.kind === "down")) return [];
  const frozen = active.find(({ effect }) => effect.kind === "freeze");
  let values = usual(frozen === undefined ? at : zero + frozen.from);
  for (const fault of active) values = changed(values, fault, at - zero);
  return [{ at, values }];
};

const changed = (values: Values, { effect, from }: Fault, at: DurationMs): Values => {
  if (effect.kind === "omit") {
    return Object.fromEntries(Object.entries(values).filter(([name]) => !effect.properties.includes(name)));
  }
  if (effect.kind !== "set") return values;
  const part = effect.ramp === 0 ? 1 : Math.min(1, (at - from) / effect.ramp);
  return { ...values, ...towards(values, effect, part) };
};

/** The values of the effect, or for numbers only part of the way there. */
const towards = (values: Values, effect: Extract<Effect, { kind: "set" }>, part: number): Values =>
  Object.fromEntries(
    Object.entries(effect.values).map(([name, goal]) => {
      const usual = values[name];
      if (typeof goal !== "number" || typeof usual !== "number") return [name, goal];
      return [name, Number((usual + (goal - usual) * part).toFixed(4))];
    }),
  );

/** What a device says besides its rhythm: a pressed button, garbage. */
const atOnce = ({ zero, usual }: Speaker, fault: Fault, after: Instant, through: Instant): readonly Saying[] => {
  const within = (at: Instant) => at > after && at <= through;
  const { effect } = fault;
  const begin = zero + fault.from;
  if (effect.kind === "garbage") {
    return effect.payloads.map((raw, index) => ({ at: begin + index, raw })).filter(({ at }) => within(at));
  }
  if (effect.kind !== "set" || !effect.event) return [];
  const end = zero + fault.to;
  const rest = (at: Instant) =>
    Object.fromEntries(Object.keys(effect.values).map((name) => [name, usual(at)[name] ?? null]));
  return [
    ...(within(begin) ? [{ at: begin, values: { ...effect.values } }] : []),
    ...(within(end) ? [{ at: end, values: rest(end) }] : []),
  ];
};
