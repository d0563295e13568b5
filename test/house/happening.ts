import fc from "fast-check";
import type { AlarmId } from "../../src/domain/alarm.ts";
import type { Command, Entry, Journaled, Seq } from "../../src/domain/entry.ts";
import type { RejectionId } from "../../src/domain/rejection.ts";
import type { LimitId, PropertyId } from "../../src/domain/thing.ts";
import { hour, type Instant, minute } from "../../src/domain/time.ts";
import { kind, limit, property, registry, thing } from "./district.ts";
import { type Cut, play } from "./house.ts";
import type { MemoryStore } from "./memory-store.ts";

// Anything that may happen to a small district, as a journal: made of steps, because commands must name alarms and
// rejections that exist, and those are known only after the entries before have been applied.

const water = kind("water", {
  every: minute,
  failAfter: 3 * minute,
  properties: [property("turbidity"), property("temperature", { operatorSpan: [0, 30] })],
  limits: [
    limit(),
    limit({ id: "H", setpoint: 3, onDelay: 0, offDelay: minute, priority: "critical" }),
    limit({
      id: "W",
      setpoint: 1,
      onDelay: minute,
      when: [{ kind: "property", property: "temperature" as PropertyId, above: 12 }],
    }),
    limit({ id: "low", direction: "low", setpoint: 0, property: "temperature", onDelay: minute, offDelay: 0 }),
    limit({ id: "D", setpoint: 2, when: [{ kind: "dry", duration: 10 * minute }] }),
  ],
});
const rain = kind("rain", { properties: [property("rainfall", { unit: "mm" })], limits: [] });
const gateway = kind("gateway", { properties: [], limits: [] });
const behind = ["w1", "w2", "w3"].map((id) => thing(id, { gateway: "g" }));
const others = [thing("r", { kind: "rain" }), thing("g", { kind: "gateway" }), thing("w4")];

/** Registries that take each other's place. */
const registries = [
  registry({ kinds: [water, rain, gateway], things: [...behind, ...others] }),
  registry({
    version: "2",
    kinds: [{ ...water, limits: water.limits.slice(1) }, rain, gateway],
    things: [...behind, ...others],
  }),
  registry({
    version: "3",
    retention: hour,
    kinds: [{ ...water, properties: water.properties.slice(0, 1) }, rain, gateway],
    things: behind,
  }),
];

export type Step =
  /** Some of the first things report the same each minute. */
  | {
      readonly kind: "run";
      readonly things: number;
      readonly minutes: number;
      readonly turbidity: number;
      readonly temperature: number | null;
    }
  | { readonly kind: "pass"; readonly seconds: number; readonly ticking: boolean }
  | { readonly kind: "say"; readonly thing: number; readonly elements: readonly Element[]; readonly array: boolean }
  | { readonly kind: "beat" | "birth" | "will"; readonly thing: number }
  | { readonly kind: "raw"; readonly thing: number; readonly last: string; readonly bytes: Uint8Array }
  | {
      readonly kind: "order";
      readonly verb: "acknowledge" | "shelve" | "unshelve" | "comment";
      readonly which: number;
      readonly key: number;
    }
  | { readonly kind: "replay"; readonly which: number }
  | { readonly kind: "register"; readonly which: number }
  | { readonly kind: "find"; readonly active: boolean };
type Element = { readonly ago: number | null; readonly values: Readonly<Record<string, unknown>> };

const ids = ["w1", "w2", "w3", "w4", "r", "g", "ghost"];
const which = fc.nat(20);
const thingIndex = fc.nat(ids.length - 1);
const value = fc.oneof(
  { weight: 8, arbitrary: fc.constantFrom(0.5, 0.95, 1, 1.5, 2.5, 3.5, -1, 13, 120, 5_000) },
  { weight: 1, arbitrary: fc.constantFrom(null, "1", true, Number.POSITIVE_INFINITY) },
);
const ago = fc.oneof(
  { weight: 6, arbitrary: fc.constantFrom(0, null) },
  { weight: 3, arbitrary: fc.integer({ min: -7, max: 30 }).map((minutes) => minutes * minute) },
  { weight: 1, arbitrary: fc.constantFrom(-10 * minute, 2 * hour, 40 * 24 * hour) },
);
const values = fc.dictionary(fc.constantFrom("turbidity", "turbidity", "temperature", "rainfall", "iron"), value, {
  minKeys: 1,
  maxKeys: 3,
  noNullPrototype: true,
});
const element = fc.record({ ago, values });
const last = fc.constantFrom("readings", "heartbeat", "status", "firmware");

const step: fc.Arbitrary<Step> = fc.oneof(
  {
    weight: 8,
    arbitrary: fc.record({
      kind: fc.constant("run" as const),
      things: fc.integer({ min: 1, max: 4 }),
      minutes: fc.integer({ min: 1, max: 8 }),
      turbidity: fc.constantFrom(0.5, 0.95, 1.5, 2.5, 3.5, 120, -5),
      temperature: fc.constantFrom(null, 5, 20, 35),
    }),
  },
  {
    weight: 6,
    arbitrary: fc.record({
      kind: fc.constant("pass" as const),
      seconds: fc.integer({ min: 1, max: 90 }),
      ticking: fc.constant(true),
    }),
  },
  {
    weight: 1,
    arbitrary: fc.record({
      kind: fc.constant("pass" as const),
      seconds: fc.integer({ min: 5, max: 600 }),
      ticking: fc.boolean(),
    }),
  },
  {
    weight: 10,
    arbitrary: fc.record({
      kind: fc.constant("say" as const),
      thing: thingIndex,
      elements: fc.array(element, { minLength: 1, maxLength: 4 }),
      array: fc.boolean(),
    }),
  },
  {
    weight: 2,
    arbitrary: fc.record({
      kind: fc.constantFrom("beat" as const, "birth" as const, "will" as const),
      thing: thingIndex,
    }),
  },
  {
    weight: 1,
    arbitrary: fc.record({
      kind: fc.constant("raw" as const),
      thing: thingIndex,
      last,
      bytes: fc.uint8Array({ maxLength: 20 }),
    }),
  },
  {
    weight: 2,
    arbitrary: fc.record({
      kind: fc.constant("order" as const),
      verb: fc.constantFrom("acknowledge" as const, "shelve" as const, "unshelve" as const, "comment" as const),
      which,
      key: fc.nat(5),
    }),
  },
  { weight: 1, arbitrary: fc.record({ kind: fc.constant("replay" as const), which }) },
  { weight: 1, arbitrary: fc.record({ kind: fc.constant("register" as const), which: fc.nat(registries.length - 1) }) },
  { weight: 1, arbitrary: fc.record({ kind: fc.constant("find" as const), active: fc.boolean() }) },
);
export const steps = fc.array(step, { minLength: 1, maxLength: 60, size: "max" });

const start: Instant = Date.parse("2026-11-23T02:00:00Z");
const bytes = new TextEncoder();

/** The journal of the steps, and a store that has all of it. */
export const happened = (
  happening: readonly Step[],
): { readonly entries: readonly Journaled[]; readonly store: MemoryStore } => {
  const entries: Journaled[] = [];
  let at = start;
  let current = registries[0] as (typeof registries)[number];
  const add = (entry: Entry): Seq => entries.push({ seq: entries.length + 1, entry });
  const send = (id: string, end: string, payload: Uint8Array): void => {
    const { street, kind: of } = current.things.find((one) => one.id === id) ?? { street: "xinghai", kind: "water" };
    add({ kind: "message", at, topic: `meizhen/${street}/${of}/${id}/${end}`, payload, principal: null, qos: 1 });
  };
  const known = (): MemoryStore => play(entries, ({ seq }) => (seq % 50 === 0 ? "commit" : "go on"));

  add({ kind: "registry", at, registry: current });
  for (const one of happening) {
    switch (one.kind) {
      case "pass":
        for (let second = 0; second < one.seconds; second++) {
          at += 1_000;
          if (one.ticking) add({ kind: "tick", at });
        }
        break;
      case "run":
        for (let minutes = 0; minutes < one.minutes; minutes++) {
          for (let second = 0; second < 60; second++) {
            at += 1_000;
            add({ kind: "tick", at });
          }
          const values = {
            turbidity: one.turbidity,
            ...(one.temperature === null ? {} : { temperature: one.temperature }),
          };
          for (const id of ids.slice(0, one.things))
            send(id, "readings", bytes.encode(JSON.stringify({ ts: at, values })));
        }
        break;
      case "say": {
        const said = one.elements.map(({ ago, values }) => ({ ...(ago === null ? {} : { ts: at - ago }), values }));
        send(ids[one.thing] as string, "readings", bytes.encode(jsonOf(one.array ? said : said[0])));
        break;
      }
      case "beat":
        send(ids[one.thing] as string, "heartbeat", new Uint8Array());
        break;
      case "birth":
      case "will":
        send(ids[one.thing] as string, "status", bytes.encode(one.kind === "birth" ? "online" : "offline"));
        break;
      case "raw":
        send(ids[one.thing] as string, one.last, one.bytes);
        break;
      case "order": {
        const alarm = pick(known().alarms(), one.which)?.id ?? ("w1.L.0" as AlarmId);
        add({
          kind: "command",
          at,
          by: "wang",
          key: one.key === 0 ? null : `${one.key}`,
          command: commandOf(one.verb, alarm, at),
        });
        break;
      }
      case "replay": {
        const rejection = pick(known().rejections, one.which);
        const { receivedAt, topic, path, raw } = rejection ?? {
          receivedAt: at,
          topic: "x",
          path: "",
          raw: new Uint8Array(),
        };
        const id = rejection?.id ?? ("0-0" as RejectionId);
        add({
          kind: "command",
          at,
          by: "wang",
          key: null,
          command: { kind: "replay", rejection: id, receivedAt, topic, path, raw },
        });
        break;
      }
      case "register":
        current = registries[one.which] as (typeof registries)[number];
        add({ kind: "registry", at, registry: current });
        break;
      case "find":
        add({ kind: "condition", at, limit: "storage" as LimitId, active: one.active, value: null, detail: "" });
    }
  }
  return { entries, store: known() };
};

/** JSON.stringify has no word for it, JSON.parse reads it. */
const jsonOf = (said: unknown): string =>
  JSON.stringify(said, (_, value) => (value === Number.POSITIVE_INFINITY ? "1e400" : value)).replaceAll(
    '"1e400"',
    "1e400",
  );

const pick = <T>(list: readonly T[], index: number): T | undefined => list[index % Math.max(1, list.length)];

const commandOf = (verb: "acknowledge" | "shelve" | "unshelve" | "comment", alarm: AlarmId, at: Instant): Command => {
  switch (verb) {
    case "acknowledge":
      return { kind: verb, alarm, note: "" };
    case "shelve":
      return { kind: verb, alarm, until: at + 3 * minute, reason: "works" };
    case "unshelve":
      return { kind: verb, alarm };
    case "comment":
      return { kind: verb, alarm, text: "seen" };
  }
};

/** Cuts by chance, the same for the same numbers: after each entry one of them decides. */
export const cutBy = (chances: readonly number[]): Cut => {
  return ({ seq }) =>
    (["go on", "go on", "go on", "commit", "restart"] as const)[(chances[seq % chances.length] ?? 0) % 5] ?? "go on";
};
export const chances = fc.array(fc.nat(4), { minLength: 1, maxLength: 40 });
