import type { Alarm, AlarmId } from "../../src/domain/alarm.ts";
import type { Changes, Event, Observation } from "../../src/domain/change.ts";
import type { Registry } from "../../src/domain/registry.ts";
import type { Rejection, RejectionId } from "../../src/domain/rejection.ts";
import type { LimitId, PropertyId, ThingId } from "../../src/domain/thing.ts";
import { hour, hourOf, minute } from "../../src/domain/time.ts";

import { type Happening, kindOf, properties, type Step, start, streetOf, things } from "./happening.ts";

// A made-up journal: entries with what applying each of them changes. The store sees it in any batches.

export const registry: Registry = {
  version: "v1",
  retention: 30 * 24 * hour,
  district: { id: "district", name: { zh: "区", en: "District" }, zone: "Asia/Shanghai" },
  streets: [],
  grids: [],
  people: [],
  departments: [],
  office: "office",
  leader: "leader",
  targets: [],
  kinds: [],
  things: things.map((id) => ({ id, kind: kindOf(id), street: streetOf(id) })),
} as never;

/** One entry as applied. */
export type Applied = { readonly seq: number; readonly at: number; readonly changes: Changes };

export const nothing: Changes = {
  datastreams: [],
  observations: [],
  duplicates: [],
  received: [],
  rejections: [],
  events: [],
  things: [],
  district: null,
};

/** The changes of a run of entries, as the engine would hand them over at once. */
export const together = (applied: readonly Applied[]): Changes => {
  const all = <K extends Exclude<keyof Changes, "district">>(key: K): Changes[K] =>
    applied.flatMap(({ changes }) => changes[key] as readonly unknown[]) as never;
  const states = new Map(applied.flatMap(({ changes }) => changes.things.map((state) => [state.thing, state])));
  return {
    datastreams: all("datastreams"),
    observations: all("observations"),
    duplicates: all("duplicates"),
    received: all("received"),
    rejections: all("rejections"),
    events: all("events"),
    things: [...states.values()],
    district: applied.findLast(({ changes }) => changes.district !== null)?.changes.district ?? null,
  };
};

/** An engine that knows enough to make changes which belong together. */
export const apply = (steps: readonly Step[]): readonly Applied[] => {
  const world = {
    seq: 1,
    at: start,
    datastreams: new Map<string, number>(),
    stored: new Map<string, Observation>(),
    rejections: [] as Rejection[],
    replayed: new Set<string>(),
    alarms: new Map<string, Alarm>(),
  };
  const first: Applied = {
    seq: 1,
    at: start,
    changes: { ...nothing, events: [{ kind: "registry", seq: 1, n: 0, at: start, registry }] },
  };
  return [
    first,
    ...steps.map(({ after, skip, happening }) => {
      world.seq += 1 + skip;
      world.at += after;
      return { seq: world.seq, at: world.at, changes: { ...nothing, ...changesOf(world, happening) } };
    }),
  ];
};

type World = {
  seq: number;
  at: number;
  datastreams: Map<string, number>;
  stored: Map<string, Observation>;
  rejections: Rejection[];
  replayed: Set<string>;
  alarms: Map<string, Alarm>;
};

const changesOf = (world: World, happening: Happening): Partial<Changes> => {
  const { seq, at } = world;
  const event = (body: object): Event => ({ seq, n: 0, at, ...body }) as Event;
  switch (happening.kind) {
    case "tick":
      return { district: JSON.stringify({ tick: at }) };
    case "reading": {
      const thing = things[happening.thing] as ThingId;
      const stored = store(world, thing, happening.property, happening.step, happening.value, happening.quality, at);
      const state = { thing, presence: "online" as const, lastSeen: at, body: JSON.stringify({ seq }) };
      return { ...stored, received: [{ thing, hour: hourOf(at), readings: 1 }], things: [state] };
    }
    case "rejection":
      return reject(world, (things[happening.thing] ?? "") as ThingId | "", happening.count);
    case "replay": {
      const rejection = world.rejections[happening.which];
      if (rejection === undefined || world.replayed.has(rejection.id)) return {};
      world.replayed.add(rejection.id);
      const thing = rejection.thing === "" ? (things[happening.thing] as ThingId) : rejection.thing;
      const stored = store(world, thing, 0, 40 + happening.which, 1, 1, rejection.receivedAt);
      const gone = event({
        kind: "replayed",
        rejection: rejection.id,
        rejectedAt: rejection.receivedAt,
        thing: rejection.thing,
      });
      const moved =
        rejection.thing === ""
          ? [
              { thing: "" as const, hour: hourOf(rejection.receivedAt), readings: -1 },
              { thing, hour: hourOf(rejection.receivedAt), readings: 1 },
            ]
          : [];
      return { ...stored, events: [gone], received: moved };
    }
    case "alarm":
      return transition(world, happening);
    case "delivered": {
      const dead = Array.from({ length: happening.dead }, (_, index) => ({
        consumer: happening.consumer,
        thing: things[0],
        reason: "400",
        body: `line ${index}`,
      }));
      return { events: [event({ kind: "delivered", consumer: happening.consumer, through: seq - 1, dead })] };
    }
    case "command":
      return {
        events: [
          event({
            kind: "command",
            outcome: { seq, key: happening.key, by: "wang", status: "done", alarm: null, detail: `${seq}` },
          }),
        ],
      };
    case "session": {
      const session = { tokenHash: `t${happening.who}`, username: "wang", createdAt: at, expiresAt: at + hour };
      return {
        events: [event({ kind: "session", tokenHash: session.tokenHash, session: happening.ends ? null : session })],
      };
    }
    case "credential": {
      const id = things[happening.who] as ThingId;
      const credential = happening.gone ? null : { id, role: "thing", things: [id], secrets: [], changedAt: at };
      return { events: [event({ kind: "credential", id, credential })] };
    }
  }
};

const store = (
  world: World,
  thing: ThingId,
  property: number,
  step: number,
  value: number | null,
  quality: Observation["quality"],
  receivedAt: number,
): Partial<Changes> => {
  const name = properties[property] as PropertyId;
  const key = `${thing}/${name}`;
  const known = world.datastreams.get(key);
  const datastream = known ?? world.datastreams.size + 1;
  world.datastreams.set(key, datastream);
  const datastreams = known === undefined ? [{ id: datastream, thing, property: name }] : [];
  const time = start - 5 * hour + step * 10 * minute;
  const before = world.stored.get(`${key}/${time}`);
  const reading = { datastream, time, value, seq: world.seq, receivedAt };
  if (before !== undefined) return { datastreams, duplicates: [{ ...reading, conflict: before.value !== value }] };
  const observation = { ...reading, quality: value === null ? (9 as const) : quality };
  world.stored.set(`${key}/${time}`, observation);
  return { datastreams, observations: [observation] };
};

const reject = (world: World, thing: ThingId | "", count: number): Partial<Changes> => {
  const { seq, at } = world;
  const rejections = Array.from(
    { length: count },
    (_, n): Rejection => ({
      id: `${seq}-${n}` as RejectionId,
      seq,
      n,
      receivedAt: at,
      topic: `meizhen/x/water/${thing}/readings`,
      thing,
      reason: n === 0 ? "value_type" : "shape",
      path: `[${n}]`,
      detail: "a sentence",
      raw: Uint8Array.of(1, 2, seq & 255),
    }),
  );
  world.rejections.push(...rejections);
  return { rejections, received: [{ thing, hour: hourOf(at), readings: count }] };
};

const next = { raise: "unacknowledged", clear: "returned-unacknowledged", acknowledge: "acknowledged" } as const;

const transition = (
  world: World,
  { thing, limit, action, late }: Extract<Happening, { kind: "alarm" }>,
): Partial<Changes> => {
  const { seq, at } = world;
  const id = things[thing] as ThingId;
  const name = `limit-${limit}` as LimitId;
  const open = world.alarms.get(`${id}/${name}`);
  if (open === undefined && action !== "raise") return {};
  const state = action === "acknowledge" && open?.clearedAt !== null ? "normal" : next[action];
  const alarm: Alarm = {
    ...(open ?? raised(id, name, at, late)),
    state,
    clearedAt: action === "clear" ? at : action === "raise" ? null : (open?.clearedAt ?? null),
  };
  if (state === "normal") world.alarms.delete(`${id}/${name}`);
  else world.alarms.set(`${id}/${name}`, alarm);
  return {
    events: [
      { kind: "alarm", seq, n: 0, at, transition: { seq, n: 0, at, action, by: null, text: "", page: true, alarm } },
    ],
  };
};

const raised = (thing: ThingId, limit: LimitId, at: number, late: boolean): Alarm => ({
  id: `${thing}.${limit}.${at}` as AlarmId,
  thing,
  kind: kindOf(thing),
  street: streetOf(thing),
  limit,
  property: properties[0] as PropertyId,
  priority: "high",
  state: "unacknowledged",
  value: 1.5,
  setpoint: 1,
  unit: "NTU",
  quality: 1,
  since: at,
  raisedAt: at,
  receivedAt: at,
  clearedAt: null,
  count: 1,
  acknowledgedAt: null,
  acknowledgedBy: null,
  shelvedUntil: null,
  outOfService: false,
  suppressedBy: null,
  late,
  notes: [],
  standard: "GB 5749-2022",
  clause: "4.1",
  grade: "V1",
  text: { zh: "浊度", en: "Turbidity" },
  advice: { zh: "", en: "" },
  responsible: [],
});

/** What the engine makes of a condition of the house that begins or has ended. */
export const conditionAlarm = (seq: number, at: number, limit: string, clearedAt: number | null): Event => {
  const alarm = { ...raised("house" as ThingId, limit as LimitId, at, false), clearedAt };
  return {
    kind: "alarm",
    seq,
    n: 0,
    at,
    transition: { seq, n: 0, at, action: "raise", by: null, text: "", page: true, alarm },
  };
};
