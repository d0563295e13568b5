import {
  addLine,
  batchLinesMax,
  emptyBatch,
  isFull,
  type LineBatch,
  type ObservationEncoder,
} from "../codec/line-batch.ts";
import { encodeTransition, LineProtocolError } from "../codec/lineprotocol.ts";
import type { AlarmId, AlarmTransition } from "../domain/alarm.ts";
import type { DatastreamId, Observation } from "../domain/change.ts";
import type { Seq } from "../domain/entry.ts";
import { type Instant, minute } from "../domain/time.ts";
import type { Change, ChangeId, Clock, Knowledge } from "../ports.ts";

/** Lines with what is known once they are written. */
export type SourceBatch = LineBatch & {
  /** Every change up to here is in this batch or one before it; null: nothing new is known. */
  through: Seq | null;
  /** Arrival of the oldest observation in it. */
  oldest: Instant | null;
};

/** Where batches come from; null: none for now. */
export type LineSource = { next(): SourceBatch | null };

const newBatch = (): SourceBatch => ({ ...emptyBatch(), through: null, oldest: null });

const kinds: readonly Change["kind"][] = ["observations", "alarm", "registry"];
/** Changes a page, for commits of thousands of observations and of one; memory is bounded by the larger. */
const pageMin = 2;
const pageMax = 32;
/** Behind every change of its seq. */
const behind = (seq: Seq): ChangeId => ({ seq, n: Number.MAX_SAFE_INTEGER });

/**
 * The feed of changes from `start` on, as lines. A seq is passed (`through`) when all of a commit is in batches: behind
 * its packed observations, which stand last, or at the end of a page, which never cuts a commit. A place within a
 * commit would be another place in a store rebuilt with other commits. `lookedAt`: when nothing behind `start` was missing.
 */
export const createTail = (
  knowledge: Knowledge,
  encoder: ObservationEncoder,
  clock: Clock,
  start: Seq,
  lookedAt: Instant,
) => {
  let place = behind(start);
  let head = start;
  let page: readonly Change[] = [];
  let index = 0;
  let offset = 0;
  let limit = pageMin;
  let lastRead = lookedAt;
  let lost = false;

  /** Reads the next page; false: there is none, or part of the feed is gone. */
  const turn = (batch: SourceBatch): boolean => {
    // what was there when we last looked cannot have been forgotten since, unless we were away for long
    const now = clock.now();
    if (now - lastRead > minute) lost = isForgotten(knowledge, place.seq);
    lastRead = now;
    if (lost) return false;
    head = knowledge.cursor();
    page = knowledge.changesAfter(place, limit, kinds);
    index = 0;
    const last = page.at(-1);
    if (last !== undefined) {
      place = { seq: last.seq, n: last.n };
      limit = nextLimit(page);
      return true;
    }
    if (head > place.seq) place = behind(head);
    batch.through = head;
    return false;
  };

  /** Takes one change, or the part of it that there is room for. */
  const take = (change: Change, batch: SourceBatch): void => {
    if (change.kind === "observations") {
      batch.oldest ??= change.observations[offset]?.receivedAt ?? null;
      offset = encoder.encode(change.observations, offset, batch);
      if (offset < change.observations.length) return;
      offset = 0;
      batch.through = change.seq;
    } else if (change.kind === "registry") encoder.learn(change.registry);
    else if (change.kind === "alarm") addTransition(batch, change.transition);
    index++;
    if (index === page.length) batch.through = change.seq;
  };

  return {
    /** Null: at the end of the feed with nothing to write and nothing new to say. */
    next(): SourceBatch | null {
      const batch = newBatch();
      while (!isFull(batch)) {
        const change = page[index];
        if (change !== undefined) take(change, batch);
        else if (!turn(batch)) break;
      }
      return batch.lines.length > 0 || batch.dead.length > 0 ? batch : null;
    },
    /** Everything up to here has been looked at, when `next` answered null. */
    head: (): Seq => head,
    /** Changes behind this place are gone from the feed. */
    lost: (): boolean => lost,
  };
};

/** Whether the feed no longer holds everything after `seq`. */
export const isForgotten = (knowledge: Knowledge, seq: Seq): boolean => {
  const oldest = knowledge.oldestChange();
  return oldest === null ? knowledge.cursor() > seq : oldest.seq > seq + 1;
};

/** About a batch a page: commits are large under load and tiny at rest. */
const nextLimit = (page: readonly Change[]): number => {
  const observations = page.reduce(
    (sum, change) => sum + (change.kind === "observations" ? change.observations.length : 1),
    0,
  );
  return Math.min(pageMax, Math.max(pageMin, Math.ceil((batchLinesMax * page.length) / observations)));
};

/** Remarks are part of an alarm's history, and move nothing in it. */
const silent: ReadonlySet<AlarmTransition["action"]> = new Set(["comment", "note"]);

const addTransition = (batch: SourceBatch, transition: AlarmTransition): void => {
  if (silent.has(transition.action)) return;
  try {
    addLine(batch, encodeTransition(transition));
  } catch (error) {
    if (!(error instanceof LineProtocolError)) throw error;
    const { alarm } = transition;
    batch.dead.push({ consumer: "historian", thing: alarm.thing, reason: error.message, body: alarm.id });
  }
};

/** Everything that the store still holds of `from` (included) to `to` (not), as lines: observations, then alarms. */
export const createWindow = (
  knowledge: Knowledge,
  encoder: ObservationEncoder,
  clock: Clock,
  from: Instant,
  to: Instant,
): LineSource => {
  const observations = createScan(knowledge, encoder, from, to);
  const alarms = createAlarmScan(knowledge, clock, from, to);
  return { next: () => observations.next() ?? alarms.next() };
};

const createScan = (knowledge: Knowledge, encoder: ObservationEncoder, from: Instant, to: Instant): LineSource => {
  let after: { datastream: DatastreamId; time: Instant } | null = null;
  let page: readonly Observation[] = [];
  let offset = 0;
  let ended = false;
  const turn = (): boolean => {
    if (ended) return false;
    page = knowledge.scan(from, to, after, batchLinesMax);
    offset = 0;
    const last = page.at(-1);
    ended = last === undefined;
    if (last !== undefined) after = { datastream: last.datastream, time: last.time };
    return !ended;
  };
  return {
    next() {
      const batch = newBatch();
      while (!isFull(batch)) {
        if (offset < page.length) offset = encoder.encode(page, offset, batch);
        else if (!turn()) break;
      }
      return batch.lines.length > 0 || batch.dead.length > 0 ? batch : null;
    },
  };
};

const alarmsPage = 200;

/** The histories of all alarms, whose transitions fell between `from` and `to`. */
const createAlarmScan = (knowledge: Knowledge, clock: Clock, from: Instant, to: Instant): LineSource => {
  let cursor: string | null = null;
  let ended = false;
  let ids: AlarmId[] = [];
  const turn = (): boolean => {
    if (ended) return false;
    const page = knowledge.alarms({ state: "all", streets: null, now: clock.now() }, { limit: alarmsPage, cursor });
    ids = page.items.map(({ id }) => id);
    cursor = page.next;
    ended = cursor === null;
    return ids.length > 0;
  };
  return {
    next() {
      const batch = newBatch();
      while (!isFull(batch)) {
        const id = ids.pop();
        if (id === undefined) {
          if (!turn()) break;
          continue;
        }
        const history = knowledge.history(id).filter(({ at }) => at >= from && at < to);
        for (const transition of history) addTransition(batch, transition);
      }
      return batch.lines.length > 0 || batch.dead.length > 0 ? batch : null;
    },
  };
};
