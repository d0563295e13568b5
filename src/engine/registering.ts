import type { Registry } from "../domain/registry.ts";
import { houseId, type LimitId } from "../domain/thing.ts";
import { clear, suppress } from "./alarming.ts";
import { type District, memoryOf, touch } from "./district.ts";
import { clockId, faultId, flappingId, propertySilentId, silentId } from "./maintenance.ts";
import { createStream, never, notDue, stands, type ThingMemory } from "./memory.ts";
import { createTables, type ThingTable } from "./registry.ts";
import { loadStream, saveStream } from "./saved.ts";
import { wakeAgain } from "./waking.ts";

/** Before the first registry entry: nothing is registered. */
export const noRegistry: Registry = {
  version: "",
  retention: 0,
  district: { id: "", name: { zh: "", en: "" }, zone: "UTC" },
  streets: [],
  grids: [],
  people: [],
  departments: [],
  office: "" as Registry["office"],
  leader: "" as Registry["leader"],
  targets: [],
  kinds: [],
  things: [],
};

/**
 * A new registry: things and limits that go on keep what is known of them; the alarm of a limit that is no more, or
 * no longer applies to its thing, returns with that cause (SEMANTICS 2.5).
 */
export const applyRegistry = (district: District, registry: Registry): void => {
  district.draft.event({ kind: "registry", registry });
  bind(district, registry);
  for (const thing of inOrder(district)) {
    endWhatIsNoMore(district, thing);
    touch(district, thing);
  }
  for (const thing of inOrder(district)) liftWhatHasNoCause(district, thing);
  for (const gateway of district.tables.behind.keys()) district.gateways.add(gateway);
};

/** Gives every thing its part of the registry, and has it looked at anew. Changes nothing that is known. */
export const bind = (district: District, registry: Registry): void => {
  district.tables = createTables(registry);
  district.due.clear();
  for (const id of district.tables.things.keys()) memoryOf(district, id);
  for (const thing of inOrder(district)) {
    bindThing(thing, district.tables.things.get(thing.id) ?? null);
    wakeAgain(district, thing);
  }
};

/** By id, so that what is told does not depend on who was heard of first. */
const inOrder = ({ things }: District): readonly ThingMemory[] =>
  [...things.values()].sort((one, other) => (one.id < other.id ? -1 : 1));

const bindThing = (thing: ThingMemory, table: ThingTable | null): void => {
  const before = thing.streams;
  for (const [name, stream] of before) {
    if (stream.id === 0) continue;
    thing.retired.set(name, saveStream(stream));
    thing.retiredPending.set(name, stream.pending);
  }
  thing.table = table;
  thing.streams = new Map();
  thing.wakeAt = notDue;
  thing.leftOutAt = never;
  thing.unsettled = true;
  for (const property of table?.properties ?? []) {
    const stream = createStream(thing, property, table);
    const saved = thing.retired.get(property.id);
    if (saved !== undefined) loadStream(stream, saved);
    stream.pending = thing.retiredPending.get(property.id) ?? stream.pending;
    thing.retired.delete(property.id);
    thing.retiredPending.delete(property.id);
    thing.streams.set(property.id, stream);
  }
};

const endWhatIsNoMore = (district: District, thing: ThingMemory): void => {
  if (thing.id === houseId) return;
  if (thing.table === null) {
    thing.silent = false;
    thing.cutOff = false;
  }
  const going = goingOn(thing);
  for (const [limit, alarm] of [...thing.alarms]) {
    if (stands(alarm) && !going.has(limit)) {
      clear(district, thing, limit, { at: district.draft.at, note: "no_longer_applies" });
    }
  }
};

/** Limits whose alarms have something behind them still. */
const goingOn = ({ table, streams }: ThingMemory): ReadonlySet<LimitId> => {
  if (table === null) return new Set();
  const going = new Set<LimitId>([silentId, flappingId, faultId, clockId]);
  for (const { property, judgements } of streams.values()) {
    going.add(propertySilentId(property.id));
    for (const { phase, table: limit } of judgements) {
      if (phase === "active" || phase === "leaving") going.add(limit.limit.id);
    }
  }
  return going;
};

/** An alarm is heard again when what suppressed it stands no longer. */
const liftWhatHasNoCause = (district: District, thing: ThingMemory): void => {
  for (const [limit, { suppressedBy }] of [...thing.alarms]) {
    if (suppressedBy === null) continue;
    const [by, cause] = suppressedBy.split(".", 2) as [ThingMemory["id"], LimitId];
    const alarm = district.things.get(by)?.alarms.get(cause);
    if (!stands(alarm) || alarm.id !== suppressedBy) suppress(district, thing, limit, null, limit === silentId);
  }
};
