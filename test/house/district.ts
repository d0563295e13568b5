import type { Kind, Property } from "../../src/domain/kind.ts";
import type { Limit } from "../../src/domain/limit.ts";
import type { Registry } from "../../src/domain/registry.ts";
import type {
  GridId,
  KindId,
  LimitId,
  PersonId,
  PropertyId,
  StreetId,
  Text,
  Thing,
  ThingId,
} from "../../src/domain/thing.ts";
import { day, minute } from "../../src/domain/time.ts";

// A district made by hand, small enough to hold in the head: what SEMANTICS section 8 speaks of.

const text = (en: string): Text => ({ zh: en, en });

export const property = (id: string, more: Partial<Property> = {}): Property => ({
  id: id as PropertyId,
  name: text(id),
  unit: "NTU",
  type: "number",
  span: [0, 100],
  operatorSpan: null,
  possible: [0, 4000],
  ...more,
});

/** Limit L of section 8: turbidity above 1, deadband 0.1, onDelay 2 min, offDelay 5 min. */
export const limit = (
  more: Partial<Omit<Limit, "id" | "property">> & { id?: string; property?: string } = {},
): Limit => ({
  name: text("Turbidity"),
  direction: "high",
  setpoint: 1,
  deadband: 0.1,
  onDelay: 2 * minute,
  offDelay: 5 * minute,
  priority: "high",
  statistic: "instant",
  when: [],
  accepts: [1, 2, 3],
  compliance: true,
  labels: [],
  standard: "GB 5749-2022",
  clause: "表1",
  grade: "V1",
  advice: text("flush"),
  ...more,
  id: (more.id ?? "L") as LimitId,
  property: (more.property ?? "turbidity") as PropertyId,
});

export const kind = (id: string, more: Partial<Omit<Kind, "id">> = {}): Kind => ({
  name: text(id),
  level: "gold",
  every: minute,
  failAfter: 15 * minute,
  silence: { priority: "medium", advice: text("look") },
  queue: "services",
  properties: [
    property("turbidity"),
    property("ph", { unit: "[pH]", span: [0, 14], operatorSpan: [4, 11], possible: [0, 14] }),
  ],
  limits: [limit()],
  ...more,
  id: id as KindId,
});

export const thing = (
  id: string,
  more: Partial<Omit<Thing, "id" | "kind" | "gateway">> & { kind?: string; gateway?: string } = {},
): Thing => ({
  street: "xinghai" as StreetId,
  grid: "xinghai-jinhai" as GridId,
  name: text(id),
  location: null,
  every: null,
  attributes: {},
  ...more,
  id: id as ThingId,
  kind: (more.kind ?? "water") as KindId,
  gateway: (more.gateway ?? null) as ThingId | null,
});

export const registry = (more: Partial<Registry> = {}): Registry => ({
  version: "1",
  retention: 30 * day,
  district: { id: "zhenan", name: text("Zhenan"), zone: "Asia/Shanghai" },
  streets: [
    {
      id: "xinghai" as StreetId,
      name: text("Xinghai"),
      chief: "street-chief" as PersonId,
      taskForce: "task-force" as PersonId,
    },
  ],
  grids: [
    {
      id: "xinghai-jinhai" as GridId,
      street: "xinghai" as StreetId,
      name: text("Jinhai"),
      chief: "grid-chief" as PersonId,
    },
  ],
  people: [],
  departments: [{ id: "services", name: text("Services"), queue: "services", liaison: "liaison" as PersonId }],
  office: "office" as PersonId,
  leader: "leader" as PersonId,
  targets: [],
  kinds: [kind("water")],
  things: [thing("w1")],
  ...more,
});
