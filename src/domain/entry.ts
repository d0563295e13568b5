import type { Account, Credential, Session } from "./access.ts";
import type { AlarmId } from "./alarm.ts";
import type { Registry } from "./registry.ts";
import type { RejectionId } from "./rejection.ts";
import type { LimitId, ThingId } from "./thing.ts";
import type { Instant } from "./time.ts";

/** Place of an entry in the journal: grows, may skip, is never given twice. */
export type Seq = number;

/** What a person asks for; answered by a CommandOutcome under the entry's seq. */
export type Command =
  | { readonly kind: "acknowledge"; readonly alarm: AlarmId; readonly note: string }
  | { readonly kind: "shelve"; readonly alarm: AlarmId; readonly until: Instant; readonly reason: string }
  | { readonly kind: "unshelve"; readonly alarm: AlarmId }
  | { readonly kind: "comment"; readonly alarm: AlarmId; readonly text: string }
  /** Carries the rejected message itself, so that the engine needs no store to replay it. */
  | {
      readonly kind: "replay";
      readonly rejection: RejectionId;
      readonly receivedAt: Instant;
      readonly topic: string;
      readonly path: string;
      readonly raw: Uint8Array;
    };

/**
 * Everything that happens. If it is not an entry, it did not happen. `at` is the wall time of the journaling thread,
 * and never goes back along the journal.
 */
export type Entry =
  /** A PUBLISH as it came, not yet looked into. `principal` is the credential's id; null: anonymous on loopback. */
  | {
      readonly kind: "message";
      readonly at: Instant;
      readonly topic: string;
      readonly payload: Uint8Array;
      readonly principal: string | null;
      readonly qos: 0 | 1 | 2;
    }
  /** The timekeeper's second. */
  | { readonly kind: "tick"; readonly at: Instant }
  /** The devices folder as read at a start (or SIGHUP) at which it differed from the last. */
  | { readonly kind: "registry"; readonly at: Instant; readonly registry: Registry }
  | {
      readonly kind: "credential";
      readonly at: Instant;
      readonly by: string;
      readonly id: string;
      readonly credential: Credential | null;
    }
  | {
      readonly kind: "account";
      readonly at: Instant;
      readonly by: string;
      readonly username: string;
      readonly account: Account | null;
    }
  | { readonly kind: "session"; readonly at: Instant; readonly tokenHash: string; readonly session: Session | null }
  | {
      readonly kind: "command";
      readonly at: Instant;
      readonly by: string;
      /** `Idempotency-Key` of the request, if it had one. */
      readonly key: string | null;
      readonly command: Command;
    }
  /** A fact about the house itself (historian away, ledger off by n, disk full…) that begins or ends; raises the alarm `limit` of `house`. */
  | {
      readonly kind: "condition";
      readonly at: Instant;
      readonly limit: LimitId;
      readonly active: boolean;
      readonly value: number | null;
      readonly detail: string;
    }
  /** A consumer of changes has carried out all of them up to `through`; `dead` are those it had to put aside. */
  | {
      readonly kind: "delivered";
      readonly at: Instant;
      readonly consumer: string;
      readonly through: Seq;
      readonly dead: readonly DeadLetter[];
    };

/** Something that a receiver outside will never take, kept for a person. */
export type DeadLetter = {
  readonly consumer: string;
  readonly thing: ThingId | "";
  readonly reason: string;
  /** The line, message or request as it was sent. */
  readonly body: string;
};

export type EntryKind = Entry["kind"];
export type EntryOf<K extends EntryKind> = Extract<Entry, { kind: K }>;
/** An entry with its place. */
export type Journaled = { readonly seq: Seq; readonly entry: Entry };
