import type { Alarm } from "../domain/alarm.ts";
import { type Calendar, calendarOf } from "../domain/calendar.ts";
import { heartbeatId, type Kind, type Property } from "../domain/kind.ts";
import type { Condition, Limit } from "../domain/limit.ts";
import type { Registry, Street } from "../domain/registry.ts";
import type { PropertyId, Thing, ThingId } from "../domain/thing.ts";
import { type DurationMs, minute } from "../domain/time.ts";
import { responsibleFor, responsibleForHouse } from "./routing.ts";

// The registry as the engine needs it: every question that a reading could ask has been answered before, so that
// judging a reading searches nothing.

export type LimitTable = {
  readonly limit: Limit;
  readonly property: Property;
  readonly high: boolean;
  readonly setpoint: number;
  /** Setpoints of one property, side and statistic: the outer one suppresses the inner (SEMANTICS 2.6). */
  readonly side: string;
  /** What is asked at each reading; attributes that the thing has are settled when the tables are made. */
  readonly conditions: readonly Condition[];
};

export type ThingTable = {
  readonly thing: Thing;
  readonly kind: Kind;
  readonly street: Street | undefined;
  readonly interval: DurationMs;
  /** Without an entry for this long it is silent; a gap longer than this gives no all-clear. */
  readonly silence: DurationMs;
  /** What arrives later than this after it was measured is backlog. */
  readonly backlog: DurationMs;
  readonly properties: readonly Property[];
  /** Those of single readings that apply to it by its attributes; of one side the outermost first. */
  readonly limits: readonly LimitTable[];
  /** Properties whose recent values some condition asks for. */
  readonly watched: ReadonlySet<PropertyId>;
  readonly responsible: Alarm["responsible"];
  /** Rain gauges of its street. */
  readonly gauges: readonly ThingId[];
};

export type Tables = {
  readonly registry: Registry;
  readonly calendar: Calendar;
  readonly things: ReadonlyMap<ThingId, ThingTable>;
  /** The things behind each gateway. */
  readonly behind: ReadonlyMap<ThingId, readonly ThingId[]>;
  readonly responsibleForHouse: Alarm["responsible"];
};

/** SEMANTICS 4.1. */
const silentIntervals = 3;
/** SEMANTICS 1.4. */
const backlogMin: DurationMs = 15 * minute;
/** What measures rain, and how much since the reading before (SURFACE section 3). */
export const rainKind = "rain";
export const rainProperty = "rainfall";

const heartbeat: Property = {
  id: heartbeatId,
  name: { zh: "心跳", en: "Heartbeat" },
  unit: "1",
  type: "number",
  span: [0, 1],
  operatorSpan: null,
  possible: [0, 1],
};

export const createTables = (registry: Registry): Tables => {
  const kinds = new Map(registry.kinds.map((kind) => [kind.id, kindTable(kind)]));
  const streets = new Map(registry.streets.map((street) => [street.id, street]));
  const gauges = new Map<string, ThingId[]>();
  const behind = new Map<ThingId, ThingId[]>();
  for (const { id, kind, street, gateway } of registry.things) {
    if (kind === rainKind) append(gauges, street, id);
    if (gateway !== null) append(behind, gateway, id);
  }
  const things = new Map<ThingId, ThingTable>();
  for (const thing of registry.things) {
    const kind = kinds.get(thing.kind);
    // the folder is checked before it becomes an entry; an unknown kind is a thing without limits nowhere
    if (kind === undefined) continue;
    const place = { street: streets.get(thing.street), gauges: gauges.get(thing.street) ?? [] };
    things.set(thing.id, thingTable(registry, thing, kind, place));
  }
  const calendar = calendarOf(registry.district.zone);
  return { registry, calendar, things, behind, responsibleForHouse: responsibleForHouse(registry) };
};

const append = <K, V>(lists: Map<K, V[]>, key: K, value: V): void => {
  const list = lists.get(key);
  if (list === undefined) lists.set(key, [value]);
  else list.push(value);
};

type KindTable = {
  readonly kind: Kind;
  readonly properties: readonly Property[];
  readonly limits: readonly LimitTable[];
  readonly watched: ReadonlySet<PropertyId>;
};

const kindTable = (kind: Kind): KindTable => {
  const declared = kind.properties.some(({ id }) => id === heartbeatId);
  const properties = declared ? kind.properties : [...kind.properties, heartbeat];
  const byId = new Map(properties.map((property) => [property.id, property]));
  const limits = kind.limits.flatMap((limit): LimitTable[] => {
    const property = byId.get(limit.property);
    // hourly and daily means are judged when their period closes: another table than this one
    return property === undefined || limit.statistic !== "instant" ? [] : [limitTable(limit, property)];
  });
  const named = limits.flatMap(({ conditions }) => conditions);
  const watched = new Set(named.flatMap((condition) => (condition.kind === "property" ? [condition.property] : [])));
  return { kind, properties, limits: limits.toSorted(outermostFirst), watched };
};

const limitTable = (limit: Limit, property: Property): LimitTable => ({
  limit,
  property,
  high: limit.direction === "high",
  setpoint: limit.setpoint,
  side: `${limit.property} ${limit.direction} ${limit.statistic}`,
  conditions: limit.when.filter((condition) => condition.kind !== "attribute"),
});

/** Sides keep together; equal setpoints stand in the order of their ids. */
const outermostFirst = (one: LimitTable, other: LimitTable): number => {
  if (one.side !== other.side) return one.side < other.side ? -1 : 1;
  if (one.setpoint !== other.setpoint) return (one.high ? 1 : -1) * (other.setpoint - one.setpoint);
  return one.limit.id < other.limit.id ? -1 : 1;
};

const thingTable = (
  registry: Registry,
  thing: Thing,
  { kind, properties, limits, watched }: KindTable,
  place: { readonly street: Street | undefined; readonly gauges: readonly ThingId[] },
): ThingTable => {
  const interval = thing.every ?? kind.every;
  return {
    thing,
    kind,
    ...place,
    interval,
    silence: silentIntervals * interval,
    backlog: Math.max(backlogMin, 3 * interval),
    properties,
    limits: limits.flatMap((table) => forThing(thing, table)),
    watched,
    responsible: responsibleFor(registry, thing, kind.queue),
  };
};

/**
 * The limit as it stands for a thing: gone where an attribute says that it does not apply. What the thing does not say
 * of itself stays among the conditions, and is unknown at each reading (SEMANTICS 2.5).
 */
const forThing = (thing: Thing, table: LimitTable): LimitTable[] => {
  const open = [...table.conditions];
  for (const condition of table.limit.when) {
    if (condition.kind !== "attribute") continue;
    const { attribute, oneOf } = condition;
    const value = Object.hasOwn(thing.attributes, attribute) ? thing.attributes[attribute] : undefined;
    if (value === undefined || value === "") open.push(condition);
    else if (!oneOf.includes(value)) return [];
  }
  return [open.length === table.conditions.length ? table : { ...table, conditions: open }];
};
