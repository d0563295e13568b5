import type { Alarm, AlarmId } from "../domain/alarm.ts";
import type { Changes, CommandOutcome, Datastream, Duplicate, Event, Observation, Received } from "../domain/change.ts";
import type { Journaled, Seq } from "../domain/entry.ts";
import type { Reason, Rejection, RejectionId } from "../domain/rejection.ts";
import type { ThingId } from "../domain/thing.ts";
import { hourOf, type Instant } from "../domain/time.ts";

type Unplaced = Event extends infer E ? (E extends Event ? Omit<E, "seq" | "n" | "at"> : never) : never;

/** What was refused of the message, or of one reading in it. */
export type Refusal = {
  readonly receivedAt: Instant;
  readonly topic: string;
  readonly thing: ThingId | "";
  readonly reason: Reason;
  readonly path: string;
  readonly detail: string;
  readonly raw: Uint8Array;
};

/**
 * The changes of a batch as they grow. `n` counts the events, and apart from them the rejections, of one entry, so
 * that neither depends on where a batch began.
 */
export type Draft = {
  readonly observations: Observation[];
  readonly duplicates: Duplicate[];
  readonly datastreams: Datastream[];
  /** The newest state of every alarm that changed in this batch, beside those that memory holds. */
  readonly alarms: ReadonlyMap<AlarmId, Alarm>;
  /** Outcomes of this batch by who asked and under which key. */
  readonly outcomes: ReadonlyMap<string, CommandOutcome>;
  readonly rejections: ReadonlyMap<RejectionId, Rejection>;
  readonly replayed: ReadonlySet<RejectionId>;
  readonly seq: Seq;
  /** Wall time of the entry that is being applied. */
  readonly at: Instant;
  begin(entry: Journaled): void;
  event(event: Unplaced): void;
  /** As `event`, for an alarm, whose transition repeats the place. */
  alarm(transition: Omit<Extract<Unplaced, { kind: "alarm" }>["transition"], "seq" | "n">): void;
  reject(refusal: Refusal): void;
  received(thing: ThingId | "", at: Instant, readings: number): void;
  size(): number;
  /** All but the states, which the engine adds; the draft is empty again. */
  take(): Omit<Changes, "things" | "district">;
};

export const keyOf = (by: string, key: string): string => `${by} ${key}`;

export const createDraft = (): Draft => {
  let events: Event[] = [];
  const receivedOf = new Map<ThingId | "", Map<Instant, number>>();
  const alarms = new Map<AlarmId, Alarm>();
  const outcomes = new Map<string, CommandOutcome>();
  const rejections = new Map<RejectionId, Rejection>();
  const replayed = new Set<RejectionId>();
  let n = 0;
  let refused = 0;

  const push = (event: Unplaced): void => {
    events.push({ seq: draft.seq, n: n++, at: draft.at, ...event } as Event);
  };
  const draft = {
    observations: [] as Observation[],
    duplicates: [] as Duplicate[],
    datastreams: [] as Datastream[],
    alarms,
    outcomes,
    rejections,
    replayed,
    seq: 0,
    at: 0,
    begin({ seq, entry }: Journaled) {
      draft.seq = seq;
      draft.at = entry.at;
      n = 0;
      refused = 0;
    },
    event(event: Unplaced) {
      if (event.kind === "command" && event.outcome.key !== null) {
        outcomes.set(keyOf(event.outcome.by, event.outcome.key), event.outcome);
      }
      if (event.kind === "replayed") replayed.add(event.rejection);
      push(event);
    },
    alarm(transition: Parameters<Draft["alarm"]>[0]) {
      alarms.set(transition.alarm.id, transition.alarm);
      push({ kind: "alarm", transition: { seq: draft.seq, n, ...transition } });
    },
    reject(refusal: Refusal) {
      const id = `${draft.seq}-${refused}` as RejectionId;
      rejections.set(id, { id, seq: draft.seq, n: refused++, ...refusal });
    },
    received(thing: ThingId | "", at: Instant, readings: number) {
      const hours = receivedOf.get(thing) ?? new Map<Instant, number>();
      if (hours.size === 0) receivedOf.set(thing, hours);
      const hour = hourOf(at);
      hours.set(hour, (hours.get(hour) ?? 0) + readings);
    },
    size: () => draft.observations.length + draft.duplicates.length + rejections.size + events.length,
    take() {
      const taken = {
        observations: draft.observations,
        duplicates: draft.duplicates,
        datastreams: draft.datastreams,
        events,
        rejections: [...rejections.values()],
        received: allReceived(receivedOf),
      };
      draft.observations = [];
      draft.duplicates = [];
      draft.datastreams = [];
      events = [];
      for (const collection of [receivedOf, alarms, outcomes, rejections, replayed]) collection.clear();
      return taken;
    },
  };
  return draft;
};

const allReceived = (things: ReadonlyMap<ThingId | "", ReadonlyMap<Instant, number>>): readonly Received[] => {
  const all: Received[] = [];
  for (const [thing, hours] of things) {
    for (const [hour, readings] of hours) if (readings !== 0) all.push({ thing, hour, readings });
  }
  return all;
};
