import type { Account, Credential, Session } from "./access.ts";
import type { AlarmId, AlarmTransition } from "./alarm.ts";
import type { DeadLetter, Seq } from "./entry.ts";
import type { Quality } from "./quality.ts";
import type { Registry } from "./registry.ts";
import type { Rejection, RejectionId } from "./rejection.ts";
import type { Presence, PropertyId, ThingId } from "./thing.ts";
import type { Instant } from "./time.ts";

/** Number of a datastream (thing, property), given by the engine when it is first seen; never reused. */
export type DatastreamId = number;
export type Datastream = { readonly id: DatastreamId; readonly thing: ThingId; readonly property: PropertyId };

/** One stored reading. */
export type Observation = {
  readonly datastream: DatastreamId;
  /** Phenomenon time. */
  readonly time: Instant;
  /** null: missing, flag 9. */
  readonly value: number | null;
  readonly quality: Quality;
  readonly seq: Seq;
  /** Arrival, as the ledger counts it. */
  readonly receivedAt: Instant;
};

/** A reading that was there already; `conflict`: with another value, which is kept beside the first. */
export type Duplicate = {
  readonly datastream: DatastreamId;
  readonly time: Instant;
  readonly value: number | null;
  readonly seq: Seq;
  readonly receivedAt: Instant;
  readonly conflict: boolean;
};

/** Readings counted where messages are taken apart (ledger, SEMANTICS 6); thing is empty where none is known. */
export type Received = { readonly thing: ThingId | ""; readonly hour: Instant; readonly readings: number };

/** How a command ended; found under the seq of its entry. */
export type CommandOutcome = {
  readonly seq: Seq;
  readonly key: string | null;
  readonly by: string;
  readonly status: "done" | "conflict" | "not_found";
  readonly alarm: AlarmId | null;
  readonly detail: string;
};

/** Changes that are delivered one by one, in the order of their entries. */
export type Event = { readonly seq: Seq; readonly n: number; readonly at: Instant } & (
  | { readonly kind: "alarm"; readonly transition: AlarmTransition }
  | {
      readonly kind: "presence";
      readonly thing: ThingId;
      readonly presence: Presence;
      readonly lastSeen: Instant | null;
    }
  | { readonly kind: "registry"; readonly registry: Registry }
  | { readonly kind: "credential"; readonly id: string; readonly credential: Credential | null }
  | { readonly kind: "account"; readonly username: string; readonly account: Account | null }
  | { readonly kind: "session"; readonly tokenHash: string; readonly session: Session | null }
  | { readonly kind: "command"; readonly outcome: CommandOutcome }
  | {
      readonly kind: "replayed";
      readonly rejection: RejectionId;
      readonly rejectedAt: Instant;
      readonly thing: ThingId | "";
    }
  | {
      readonly kind: "delivered";
      readonly consumer: string;
      readonly through: Seq;
      readonly dead: readonly DeadLetter[];
    }
);
export type EventOf<K extends Event["kind"]> = Extract<Event, { kind: K }>;

/** What one thing's part of the engine remembers, for the next start. */
export type ThingState = {
  readonly thing: ThingId;
  readonly presence: Presence;
  readonly lastSeen: Instant | null;
  /** Opaque to the store: JSON of the engine. */
  readonly body: string;
};

/** All that applying a run of entries changed; committed in one transaction with the cursor. */
export type Changes = {
  readonly datastreams: readonly Datastream[];
  readonly observations: readonly Observation[];
  readonly duplicates: readonly Duplicate[];
  readonly received: readonly Received[];
  readonly rejections: readonly Rejection[];
  readonly events: readonly Event[];
  readonly things: readonly ThingState[];
  /** The engine's memory that belongs to no thing; null: unchanged. */
  readonly district: string | null;
};
