import type { Alarm } from "../domain/alarm.ts";
import type { DatastreamId } from "../domain/change.ts";
import type { Property } from "../domain/kind.ts";
import type { Quality } from "../domain/quality.ts";
import type { LimitId, Presence, PropertyId, ThingId } from "../domain/thing.ts";
import type { Instant } from "../domain/time.ts";
import { idleJudgement, type Judgement } from "./judgement.ts";
import { createPending, type Pending } from "./pending.ts";
import { createRainfall, createWindow, type Rainfall, type SavedRainfall, type Window } from "./recent.ts";
import { type LimitTable, rainKind, rainProperty, type ThingTable } from "./registry.ts";

// What the fold remembers, mutable and all of it bounded: by the registry (things, properties, limits), or by a number
// that stands beside it.

/** One property of one thing. */
export type Stream = {
  readonly thing: ThingMemory;
  readonly property: Property;
  /** The property's id as JSON. */
  readonly nameText: string;
  /** As `property.type`: what the decoder asks. */
  readonly type: Property["type"];
  /** 0: nothing was ever stored. */
  id: DatastreamId;
  /** The newest phenomenon time that was judged, with its value and flag. */
  frontier: Instant;
  value: number | null;
  quality: Quality;
  /** When something was last stored of it. */
  arrival: Instant;
  /** The time last given to a reading that told none. */
  undated: Instant;
  /** Where a run of flag 4 began; null: there is none. */
  failingSince: Instant | null;
  readonly judgements: readonly Judgement[];
  /** Runs of late readings, by limit; made when there is one. */
  late: Map<LimitId, Judgement> | null;
  /** Only where a condition asks. */
  readonly window: Window | null;
  readonly rainfall: Rainfall | null;
  /** Stored since the last commit: what the store cannot be asked for yet. */
  pending: Pending;
};

/** A judgement that is not idle, or has been raised before. */
export type SavedJudgement = readonly [
  limit: LimitId,
  phase: Judgement["phase"],
  since: Instant,
  left: Instant,
  last: Instant,
  arrival: Instant,
  value: number,
  quality: Quality,
  beyond: 0 | 1,
  unknown: 0 | 1,
  pastSince: Instant,
  pastCleared: Instant,
];

/** A stream as it stands in the store, short because it is written with every commit that touches the thing. */
export type SavedStream = {
  /** id, frontier, value, quality, arrival, undated. */
  readonly s: readonly [DatastreamId, Instant | null, number | null, Quality, Instant | null, Instant | null];
  readonly f?: Instant;
  readonly j?: readonly SavedJudgement[];
  readonly l?: readonly SavedJudgement[];
  readonly w?: ReturnType<Window["save"]>;
  readonly r?: SavedRainfall;
};

export type ThingMemory = {
  readonly id: ThingId;
  /** null: it is no longer registered; what it was is kept in case it returns. */
  table: ThingTable | null;
  presence: Presence;
  /** Arrival of the last message of which something was stored. */
  lastSeen: Instant | null;
  /** Where its silence is counted from: `lastSeen`, or the birth of a thing never seen; null: never heard of. */
  heardAt: Instant | null;
  /** When it last became online; what it left out while it was away does not count. */
  backAt: Instant;
  /** Heard of nothing for its three intervals, whether or not an alarm says so. */
  silent: boolean;
  /** Of a gateway: most of what is behind it is silent. */
  cutOff: boolean;
  /** By property, those of the kind. */
  streams: Map<string, Stream>;
  /** As saved, of properties that the kind no longer has: in case they return. */
  retired: Map<string, SavedStream>;
  /** As `pending` of a stream, of those. */
  readonly retiredPending: Map<string, Pending>;
  /** Occurrences that are not normal, at most one of a limit; late ones of the past are the store's. */
  readonly alarms: Map<LimitId, Alarm>;
  /** Until when a limit is unheard. */
  readonly shelves: Map<LimitId, Instant>;
  /** When people are to hear of an alarm whose page waits. */
  readonly waiting: Map<LimitId, Instant>;
  /** a - t of its last messages, at most 20. */
  lags: number[];
  /** When its presence changed, at most the last 15. */
  turns: Instant[];
  /** The earliest instant at which it wants to be looked at that stands in the heap. Not part of the state. */
  wakeAt: Instant;
  /** Some limit may be between two states, which a tick could end. Not part of the state. */
  unsettled: boolean;
  /** Before this no property can have been left out for long enough. Not part of the state. */
  leftOutAt: Instant;
  /** Changed since the last commit. */
  touched: boolean;
};

export const never: Instant = Number.NEGATIVE_INFINITY;
export const notDue: Instant = Number.POSITIVE_INFINITY;

export const createThingMemory = (id: ThingId): ThingMemory => ({
  id,
  table: null,
  presence: "never",
  lastSeen: null,
  heardAt: null,
  backAt: never,
  silent: false,
  cutOff: false,
  streams: new Map(),
  retired: new Map(),
  retiredPending: new Map(),
  alarms: new Map(),
  shelves: new Map(),
  waiting: new Map(),
  lags: [],
  turns: [],
  wakeAt: notDue,
  unsettled: true,
  leftOutAt: never,
  touched: false,
});

export const createStream = (thing: ThingMemory, property: Property, table: ThingTable | null): Stream => ({
  thing,
  property,
  nameText: JSON.stringify(property.id),
  type: property.type,
  id: 0,
  frontier: never,
  value: null,
  quality: 2,
  arrival: never,
  undated: never,
  failingSince: null,
  judgements: limitsOf(table, property.id).map(idleJudgement),
  late: null,
  window: table?.watched.has(property.id) ? createWindow() : null,
  rainfall: table?.kind.id === rainKind && property.id === rainProperty ? createRainfall() : null,
  pending: createPending(),
});

const limitsOf = (table: ThingTable | null, property: PropertyId): readonly LimitTable[] =>
  table?.limits.filter((limit) => limit.limit.property === property) ?? [];

/** Whether it fell due: the alarm of the limit stands, however many people have seen it. */
export const stands = (alarm: Alarm | undefined): alarm is Alarm =>
  alarm !== undefined && (alarm.state === "unacknowledged" || alarm.state === "acknowledged");
