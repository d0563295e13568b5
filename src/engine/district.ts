import type { Alarm, AlarmId } from "../domain/alarm.ts";
import type { DatastreamId } from "../domain/change.ts";
import { houseId, type ThingId } from "../domain/thing.ts";
import type { DurationMs, Instant } from "../domain/time.ts";
import type { Knowledge } from "../ports.ts";
import type { Draft } from "./draft.ts";
import type { DueHeap } from "./due.ts";
import { createThingMemory, notDue, type Stream, type ThingMemory } from "./memory.ts";
import type { Tables, ThingTable } from "./registry.ts";

/**
 * What the fold asks the store for, and only of what lies behind: readings behind a frontier, alarms that are over,
 * rejections and commands of the past. What the batch holds back is asked first, so answers do not depend on batches.
 */
export type Known = Pick<Knowledge, "observationAt" | "alarm" | "rejection" | "commandByKey">;

/** All that the fold remembers, and the changes that it is making. */
export type District = {
  tables: Tables;
  readonly things: Map<ThingId, ThingMemory>;
  readonly known: Known;
  readonly draft: Draft;
  /** Who wants to be looked at when. */
  readonly due: DueHeap<ThingMemory>;
  /** Gateways behind which something fell silent or came back with this entry. */
  readonly gateways: Set<ThingId>;
  lastTick: Instant | null;
  /** Since when ticks have followed each other without a hole: the clock of silence starts there at the earliest. */
  runningSince: Instant;
  /** Of which the district's state or a thing's has to be committed. */
  changed: boolean;
  readonly touched: ThingMemory[];
  nextDatastream: DatastreamId;
};

/** A thing and what the registry says of it: what every step of judging works on. */
export type Scene = { readonly district: District; readonly thing: ThingMemory; readonly table: ThingTable };

/** A hole between ticks longer than this is our own absence (SEMANTICS 4.2): ten of them are missing. */
export const holeMax: DurationMs = 10_000;

export const touch = (district: District, thing: ThingMemory): void => {
  if (thing.touched) return;
  thing.touched = true;
  district.touched.push(thing);
};

/** Has the thing looked at when a tick reaches `at`, unless it will be before. */
export const wakeAt = (district: District, thing: ThingMemory, at: Instant): void => {
  if (at >= thing.wakeAt || at === notDue) return;
  thing.wakeAt = at;
  district.due.push(at, thing);
};

/** The memory of a thing, made when there is none. */
export const memoryOf = (district: District, id: ThingId): ThingMemory => {
  const known = district.things.get(id);
  if (known !== undefined) return known;
  const made = createThingMemory(id);
  if (id === houseId) made.presence = "online";
  district.things.set(id, made);
  return made;
};

/** Gives the stream its number with the first reading that is stored. */
export const announced = (district: District, stream: Stream): DatastreamId => {
  if (stream.id === 0) {
    stream.id = district.nextDatastream++;
    district.draft.datastreams.push({ id: stream.id, thing: stream.thing.id, property: stream.property.id });
  }
  return stream.id;
};

/** An alarm by its id, live or over, as it is after the entries applied so far. */
export const findAlarm = (district: District, id: AlarmId): Alarm | null => {
  const [thing, limit] = id.split(".", 2) as [ThingId, Alarm["limit"]];
  const live = district.things.get(thing)?.alarms.get(limit);
  if (live?.id === id) return live;
  return district.draft.alarms.get(id) ?? district.known.alarm(id);
};
