import { alarmJson, alarmTopic } from "../codec/alarm.ts";
import type { Credential } from "../domain/access.ts";
import type { Alarm } from "../domain/alarm.ts";
import type { Seq } from "../domain/entry.ts";
import { day, type Instant } from "../domain/time.ts";
import type { ChangeId, Clock, Knowledge, Page } from "../ports.ts";

/** The broker as this loop needs it. */
export type Announced = {
  applyCredential(id: string, credential: Credential | null): void;
  /** A retained message for observers; null takes it away. */
  announce(topic: string, payload: Uint8Array | null): void;
};

/** A normal alarm's retained message stays this long (SURFACE section 4). */
const normalStays = day;
const pageLimit = 500;

/**
 * Tells the broker what has changed: credentials, and the topic of each alarm. Everything is announced again at start,
 * so a broker that begins empty knows it all.
 */
export const createAnnouncer = (ports: { knowledge: Knowledge; broker: Announced; clock: Clock }) => {
  const { knowledge, broker, clock } = ports;
  /** Topics of normal alarms and when they go. */
  const leaving = new Map<string, Instant>();

  const announce = (alarm: Alarm): void => {
    const topic = alarmTopic(alarm);
    const until = (alarm.clearedAt ?? alarm.receivedAt) + normalStays;
    if (alarm.state !== "normal") leaving.delete(topic);
    else if (until > clock.now()) leaving.set(topic, until);
    else {
      leaving.delete(topic);
      broker.announce(topic, null);
      return;
    }
    broker.announce(topic, new TextEncoder().encode(JSON.stringify(alarmJson(alarm))));
  };

  const forgetOld = (): void => {
    const now = clock.now();
    for (const [topic, until] of leaving) {
      if (until > now) continue;
      leaving.delete(topic);
      broker.announce(topic, null);
    }
  };

  const announceAll = (): Seq => {
    const from = knowledge.cursor();
    const told = new Set<string>();
    // of the occurrences of one limit the active one speaks, else the newest
    for (const state of ["active", "all"] as const) {
      let cursor: string | null = null;
      do {
        const now = clock.now();
        const filter = { state, streets: null, now, ...(state === "all" ? { clearedSince: now - normalStays } : {}) };
        const page: Page<Alarm> = knowledge.alarms(filter, { limit: pageLimit, cursor });
        for (const alarm of page.items) {
          const topic = alarmTopic(alarm);
          if (!told.has(topic)) announce(alarm);
          told.add(topic);
        }
        cursor = page.next;
      } while (cursor !== null);
    }
    for (const credential of knowledge.credentials()) broker.applyCredential(credential.id, credential);
    return from;
  };

  const follow = (after: ChangeId): ChangeId => {
    let last = after;
    for (;;) {
      const changes = knowledge.changesAfter(last, pageLimit, ["alarm", "credential"]);
      for (const change of changes) {
        if (change.kind === "alarm") announce(change.transition.alarm);
        else if (change.kind === "credential") broker.applyCredential(change.id, change.credential);
        last = { seq: change.seq, n: change.n };
      }
      if (changes.length < pageLimit) return last;
    }
  };

  return {
    async run(signal: AbortSignal): Promise<void> {
      const from = announceAll();
      let place: ChangeId = { seq: from, n: Number.MAX_SAFE_INTEGER };
      let cursor = from;
      for (;;) {
        await knowledge.waitPast(cursor, signal);
        cursor = knowledge.cursor();
        place = follow(place);
        // everything up to the cursor has been looked at; the next page need not begin before it
        place = place.seq >= cursor ? place : { seq: cursor, n: Number.MAX_SAFE_INTEGER };
        forgetOld();
      }
    },
  };
};
