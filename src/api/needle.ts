import type { DatastreamId, Observation } from "../domain/change.ts";
import type { Thing, ThingId } from "../domain/thing.ts";
import type { DurationMs, Instant } from "../domain/time.ts";
import type { Change, ChangeId, Knowledge, Point } from "../ports.ts";
import type { Directory } from "./directory.ts";
import { encode, type Frame, type LiveClient } from "./live-client.ts";
import { pointJson, unitOf } from "./thing.ts";

/** A property moves at most four times a second on a console; what comes between is passed over for the newest. */
export const needleInterval: DurationMs = 250;
type ObservationsChange = Extract<Change, { kind: "observations" }>;

/** One property that somebody watches. */
type Needle = {
  readonly thing: Thing;
  readonly property: string;
  readonly watchers: ReadonlySet<LiveClient>;
  /** Phenomenon time of the newest value seen. */
  newest: Instant;
  /** Monotonic time at which it last moved. */
  movedAt: number;
  waiting: Observation | null;
};

/** The newest values of the things that clients have asked for: one state for all clients, each frame encoded once. */
export type Needles = {
  watch(client: LiveClient): void;
  unwatch(client: LiveClient): void;
  watched(): boolean;
  /** Takes a commit's observations; values whose time has come go out, under the commit's id. */
  take(change: ObservationsChange, now: number): void;
  /** Whether something waits for its quarter of a second. */
  waiting(): boolean;
  /** Sends what has waited long enough, under the place up to which all events have been given. */
  release(position: ChangeId, now: number): void;
  /** The newest value of everything that this client watches, for one that was away. */
  snapshot(client: LiveClient): readonly Frame[];
};

export const createNeedles = (knowledge: Knowledge, directory: Directory): Needles => {
  const watchers = new Map<string, Set<LiveClient>>();
  const needles = new Map<DatastreamId, Needle>();
  const waiting = new Set<Needle>();
  let numbered: DatastreamId = 0;

  /** Datastreams get their numbers when they are first seen, so new ones may appear at any commit. */
  const number = (after: DatastreamId): void => {
    for (const { id, thing: thingId, property } of knowledge.datastreams(after)) {
      numbered = Math.max(numbered, id);
      const of = watchers.get(thingId);
      const thing = directory.thing(thingId);
      if (of === undefined || thing === undefined || needles.has(id)) continue;
      const newest = Number.NEGATIVE_INFINITY;
      needles.set(id, { thing, property, watchers: of, newest, movedAt: Number.NEGATIVE_INFINITY, waiting: null });
    }
  };
  const forget = (thing: string): void => {
    watchers.delete(thing);
    for (const [id, needle] of needles) {
      if (needle.thing.id !== thing) continue;
      needles.delete(id);
      waiting.delete(needle);
    }
  };
  const move = (needle: Needle, id: ChangeId, now: number): void => {
    const { waiting: newest } = needle;
    waiting.delete(needle);
    needle.waiting = null;
    needle.movedAt = now;
    if (newest === null) return;
    const frame = observationFrame(id, needle.thing, needle.property, newest, directory);
    // a client that is catching up must not be given this place in the feed before what lies behind it
    for (const client of needle.watchers) if (client.state === "live") client.give(frame);
  };
  return {
    watch(client) {
      for (const thing of client.things) {
        const of = watchers.get(thing);
        if (of === undefined) watchers.set(thing, new Set([client]));
        else of.add(client);
      }
      number(0);
    },
    unwatch(client) {
      for (const thing of client.things) {
        const of = watchers.get(thing);
        of?.delete(client);
        if (of?.size === 0) forget(thing);
      }
    },
    watched: () => watchers.size > 0,
    take(change, now) {
      const touched = new Set<Needle>();
      for (const observation of change.observations) {
        if (observation.datastream > numbered) number(numbered);
        const needle = needles.get(observation.datastream);
        // an older value does not turn the needle back; one of the same time is the same reading judged anew
        if (needle === undefined || observation.time < needle.newest) continue;
        needle.newest = observation.time;
        needle.waiting = observation;
        touched.add(needle);
      }
      for (const needle of touched) {
        if (now - needle.movedAt >= needleInterval) move(needle, change, now);
        else waiting.add(needle);
      }
    },
    waiting: () => waiting.size > 0,
    release(position, now) {
      for (const needle of [...waiting]) if (now - needle.movedAt >= needleInterval) move(needle, position, now);
    },
    snapshot: (client) => snapshot(client, knowledge, directory),
  };
};

const snapshot = ({ things }: LiveClient, knowledge: Knowledge, directory: Directory): readonly Frame[] => {
  if (things.size === 0) return [];
  return knowledge.statuses([...things] as ThingId[]).flatMap(({ thing: id, latest }) => {
    const thing = directory.thing(id);
    if (thing === undefined) return [];
    return Object.entries(latest).map(([property, point]) => observationFrame(null, thing, property, point, directory));
  });
};

const observationFrame = (
  id: ChangeId | null,
  thing: Thing,
  property: string,
  point: Point,
  directory: Directory,
): Frame =>
  encode(
    id,
    "observation",
    { thing: thing.id, property, unit: unitOf(directory, thing, property), points: [pointJson(point)], next: null },
    thing.street,
  );
