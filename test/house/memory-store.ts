import type { Alarm, AlarmId, AlarmTransition } from "../../src/domain/alarm.ts";
import type {
  Changes,
  CommandOutcome,
  Datastream,
  DatastreamId,
  Event,
  Observation,
  ThingState,
} from "../../src/domain/change.ts";
import type { Seq } from "../../src/domain/entry.ts";
import type { Registry } from "../../src/domain/registry.ts";
import type { Rejection, RejectionId } from "../../src/domain/rejection.ts";
import type { ThingId } from "../../src/domain/thing.ts";
import { hourOf, type Instant } from "../../src/domain/time.ts";
import type { RejectionRow, Store } from "../../src/ports.ts";

export type LedgerLine = { received: number; stored: number; duplicate: number; rejected: number };

/** As much of the port as the fold and the applier ask for, and everything that was ever committed. */
export type MemoryStore = Pick<
  Store,
  "commit" | "cursor" | "engineState" | "registry" | "observationAt" | "alarm" | "rejection" | "commandByKey"
> & {
  readonly observations: readonly Observation[];
  readonly events: readonly Event[];
  readonly rejections: readonly Rejection[];
  readonly datastreams: readonly Datastream[];
  readonly duplicates: Changes["duplicates"];
  transitions(): readonly AlarmTransition[];
  alarms(): readonly Alarm[];
  /** By thing and hour. */
  ledger(): ReadonlyMap<string, LedgerLine>;
  things(): ReadonlyMap<ThingId, ThingState>;
  command(seq: Seq): CommandOutcome | null;
  /** The next commits throw this. */
  failing: Error | null;
};

export const createMemoryStore = (): MemoryStore => {
  const values = new Map<string, number | null>();
  const alarms = new Map<AlarmId, Alarm>();
  const outcomes: CommandOutcome[] = [];
  const replayed = new Map<RejectionId, Instant>();
  const things = new Map<ThingId, ThingState>();
  const lines = new Map<string, LedgerLine>();
  const streams = new Map<DatastreamId, Datastream>();
  const transitions: AlarmTransition[] = [];
  const observations: Observation[] = [];
  const events: Event[] = [];
  const rejections: Rejection[] = [];
  const duplicates: Changes["duplicates"][number][] = [];
  let district: string | null = null;
  let registry: Registry | null = null;
  let cursor = 0;

  const count = (thing: string, at: Instant, outcome: keyof LedgerLine, readings: number): void => {
    const key = `${thing} ${hourOf(at)}`;
    const line = lines.get(key) ?? { received: 0, stored: 0, duplicate: 0, rejected: 0 };
    line[outcome] += readings;
    lines.set(key, line);
  };
  const thingOf = (datastream: DatastreamId): ThingId => {
    const stream = streams.get(datastream);
    if (stream === undefined) throw new Error(`datastream ${datastream} was never announced`);
    return stream.thing;
  };

  const project = (event: Event): void => {
    events.push(event);
    if (event.kind === "alarm") {
      alarms.set(event.transition.alarm.id, event.transition.alarm);
      transitions.push(event.transition);
    } else if (event.kind === "registry") registry = event.registry;
    else if (event.kind === "command") outcomes.push(event.outcome);
    else if (event.kind === "replayed") {
      replayed.set(event.rejection, event.at);
      count(event.thing, event.rejectedAt, "rejected", -1);
    }
  };

  const store: MemoryStore = {
    observations,
    events,
    rejections,
    duplicates,
    get datastreams() {
      return [...streams.values()];
    },
    failing: null,
    transitions: () => transitions,
    alarms: () => [...alarms.values()],
    ledger: () => lines,
    things: () => things,
    command: (seq) => outcomes.find((outcome) => outcome.seq === seq) ?? null,
    commit(changes, through) {
      if (store.failing !== null) throw store.failing;
      if (through <= cursor) throw new Error(`${through} is not past ${cursor}`);
      for (const stream of changes.datastreams) streams.set(stream.id, stream);
      for (const { thing, hour, readings } of changes.received) count(thing, hour, "received", readings);
      for (const rejection of changes.rejections) {
        rejections.push(rejection);
        count(rejection.thing, rejection.receivedAt, "rejected", 1);
      }
      for (const event of changes.events) project(event);
      for (const observation of changes.observations) {
        const key = `${observation.datastream} ${observation.time}`;
        if (values.has(key)) throw new Error(`${key} was stored before`);
        values.set(key, observation.value);
        observations.push(observation);
        count(thingOf(observation.datastream), observation.receivedAt, "stored", 1);
      }
      for (const duplicate of changes.duplicates) {
        duplicates.push(duplicate);
        count(thingOf(duplicate.datastream), duplicate.receivedAt, "duplicate", 1);
      }
      for (const state of changes.things) things.set(state.thing, state);
      district = changes.district ?? district;
      cursor = through;
    },
    cursor: () => cursor,
    registry: () => registry,
    engineState: () => ({ district, things: [...things.values()], datastreams: [...streams.values()] }),
    observationAt(datastream, time) {
      const value = values.get(`${datastream} ${time}`);
      return value === undefined ? undefined : { value };
    },
    alarm: (id) => alarms.get(id) ?? null,
    rejection(id): RejectionRow | null {
      const rejection = rejections.find((one) => one.id === id);
      return rejection === undefined ? null : { ...rejection, replayedAt: replayed.get(id) ?? null };
    },
    commandByKey: (by, key) => outcomes.find((outcome) => outcome.by === by && outcome.key === key) ?? null,
  };
  return store;
};
