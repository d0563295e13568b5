import { setImmediate } from "node:timers/promises";
import { createObservationEncoder, type ObservationEncoder } from "../codec/line-batch.ts";
import type { Seq } from "../domain/entry.ts";
import type { LimitId } from "../domain/thing.ts";
import { type DurationMs, hour, hourOf, type Instant, instantMax, second, toIso } from "../domain/time.ts";
import type { Telemetry } from "../platform/telemetry.ts";
import type { Clock, Historian, Journal, Knowledge } from "../ports.ts";
import { type Away, createDelivery, type Delivery } from "./delivery.ts";
import { createTail, createWindow, isForgotten, type LineSource } from "./line-source.ts";
import { createProgress, type Progress } from "./progress.ts";

/**
 * The forwarder writes committed changes into the historian and nothing else: it reads the feed behind its cursor,
 * encodes bounded batches, keeps one write in flight while it encodes the next, and has the cursor moved by `delivered`
 * entries when lines are in.
 *
 * Delivery guarantee: at least once, in the order of the feed; a line written twice is one point. A historian that was
 * never filled, or was away for longer than the feed reaches back, is filled from the window of single observations;
 * what that no longer holds is told as an alarm with its range.
 */

/** The name of its cursor. */
const historianConsumer = "historian";
/** Alarms of the house: the historian takes nothing; readings are gone that it never had. */
const historianLimit = "historian" as LimitId;
const historianGapLimit = "historian-gap" as LimitId;

/** Waits so long for more before a small write: at rest four requests a second, not one for each commit. */
const linger = 250;
/** Measured: with one turn a batch is still half unsent when encoding begins, and the two no longer overlap. */
const flushTurns = 4;
/** A journal that takes nothing does not hold up the stop of the house. */
const finishing = 1_000;

export type ForwarderParts = {
  readonly knowledge: Knowledge;
  readonly journal: Pick<Journal, "append">;
  readonly historian: Historian;
  readonly clock: Clock;
  /** From 0 (included) to 1 (not), for jitter. */
  readonly random: () => number;
  readonly telemetry: Telemetry;
};

export type ForwarderStatus = {
  /** `filling`: writing the window again; `waiting`: InfluxDB takes nothing. */
  readonly state: "starting" | "filling" | "following" | "waiting";
  readonly away: Away | null;
  /** Everything up to here is in the historian. */
  readonly through: Seq | null;
};

export type Forwarder = {
  readonly name: "forwarder";
  /** Until the signal; rejects with its reason. */
  run(signal: AbortSignal): Promise<void>;
  status(): ForwarderStatus;
};

export const createForwarder = (parts: ForwarderParts): Forwarder => {
  let state: "starting" | "filling" | "following" = "starting";
  let through: Seq | null = null;
  let delivery: Delivery | null = null;
  return {
    name: "forwarder",
    status() {
      const away = delivery?.away() ?? null;
      return { state: away === null ? state : "waiting", away, through };
    },
    async run(signal) {
      const { knowledge, journal, clock } = parts;
      state = "starting";
      const consumed = knowledge.consumed(historianConsumer);
      const progress = createProgress(journal, clock, historianConsumer, consumed);
      const conditions = createConditions(parts);
      const behind = createBehind(parts);
      delivery = createDelivery({ ...parts, consumer: historianConsumer, ...conditions, onHold: behind.tell });
      const run: Run = { ...parts, delivery, progress, behind, encoder: encoderOf(knowledge, consumed) };
      const said = (seq: Seq) => {
        through = seq;
      };
      try {
        if (await delivery.prepare(signal)) conditions.onPresent();
        let position = consumed;
        for (;;) {
          // noted before anything is read: what is forgotten from here on is found by the tail
          const lookedAt = clock.now();
          if (position === null || isForgotten(knowledge, position)) {
            state = "filling";
            position = await fill(run, position, signal);
          }
          state = "following";
          position = await follow(run, position, lookedAt, said, signal);
        }
      } finally {
        // what was accepted is recorded also when the house stops
        await within(finishing, clock, async () => {
          await progress.record();
          await conditions.settled();
        });
      }
    },
  };
};

type Run = ForwarderParts & {
  readonly delivery: Delivery;
  readonly progress: Progress;
  readonly behind: Behind;
  readonly encoder: ObservationEncoder;
};

/** The age of the oldest reading that InfluxDB does not have, which grows while nothing moves. */
type Behind = { oldest(instant: Instant | null): void; tell(): void };
const createBehind = ({ clock, telemetry }: Pick<ForwarderParts, "clock" | "telemetry">): Behind => {
  let waitingSince: Instant | null = null;
  const tell = (): void => {
    const age = waitingSince === null ? 0 : Math.max(0, clock.now() - waitingSince);
    telemetry.historianBehind({ value: age / second });
  };
  return {
    tell,
    oldest(instant) {
      waitingSince = instant;
      tell();
    },
  };
};

/** Follows the feed; answers the place at which it finds that a part of it is gone. */
const follow = async (
  run: Run,
  start: Seq,
  lookedAt: Instant,
  said: (through: Seq) => void,
  signal: AbortSignal,
): Promise<Seq> => {
  const { knowledge, progress, clock } = run;
  const tail = createTail(knowledge, run.encoder, clock, start, lookedAt);
  let position = start;
  for (;;) {
    position = await pump(run, tail, position, said, signal);
    if (tail.lost()) return position;
    position = Math.max(position, tail.head());
    progress.note(position, [], false);
    said(position);
    run.behind.oldest(null);
    await progress.recordIfDue();
    if (!progress.waiting()) await knowledge.waitPast(position, signal);
    await clock.sleep(linger, signal);
  }
};

/** Writes the whole window again, and answers the place of the feed that it stood for. */
const fill = async (run: Run, position: Seq | null, signal: AbortSignal): Promise<Seq> => {
  const { knowledge, encoder, clock, progress } = run;
  const start = knowledge.cursor();
  const registry = knowledge.registry();
  if (registry !== null) encoder.learn(registry);
  if (position !== null) await tellMissing(run);
  const window = createWindow(knowledge, encoder, clock, 0, instantMax);
  await pump(run, window, position ?? 0, () => {}, signal);
  progress.note(start, [], true);
  await progress.record();
  return start;
};

/** Delivers a source to its end, encoding the next batch while one is on its way; answers the place it came to. */
const pump = async (
  { delivery, progress, behind }: Run,
  source: LineSource,
  start: Seq,
  said: (through: Seq) => void,
  signal: AbortSignal,
): Promise<Seq> => {
  let position = start;
  for (let batch = source.next(); batch !== null; ) {
    if (batch.oldest !== null) behind.oldest(batch.oldest);
    const writing = delivery.deliver(batch.lines, signal);
    // a failure while encoding must not leave the write unwatched
    writing.catch(() => {});
    // a megabyte leaves in several turns of the event loop; this thread is busy again only when it has
    for (let turn = 0; turn < flushTurns; turn++) await setImmediate();
    const following = source.next();
    const dead = await writing;
    progress.note(batch.through, [...batch.dead, ...dead], true);
    position = Math.max(position, batch.through ?? position);
    said(position);
    await progress.recordIfDue();
    batch = following;
  }
  return position;
};

/** What the encoder knows at a place of the feed: the registry as it was there, as far as the feed tells. */
const encoderOf = (knowledge: Knowledge, position: Seq | null): ObservationEncoder => {
  const encoder = createObservationEncoder(historianConsumer, (after) => knowledge.datastreams(after));
  const current = knowledge.registry();
  if (current !== null) encoder.learn(current);
  let place = { seq: 0, n: 0 };
  for (;;) {
    // registries are large and rare: one at a time
    const [change] = knowledge.changesAfter(place, 1, ["registry"]);
    if (change?.kind !== "registry" || change.seq > (position ?? Number.POSITIVE_INFINITY)) return encoder;
    encoder.learn(change.registry);
    place = { seq: change.seq, n: change.n };
  }
};

/** Readings that came after the historian's cursor and are older than the window are gone for it: an alarm says so. */
const tellMissing = async ({ knowledge, journal, clock, telemetry }: Run): Promise<void> => {
  const since = knowledge.consumedAt(historianConsumer);
  if (since === null) return;
  const window = knowledge.oldestObservation() ?? clock.now();
  // hours by arrival that lie wholly between the two
  const [from, to] = [hourOf(since) + hour, hourOf(window)];
  if (to <= from) return;
  const readings = knowledge.ledger({ from, to }).reduce((sum, { stored }) => sum + stored, 0);
  if (readings === 0) return;
  const detail = `${readings} readings that arrived from ${toIso(from)} to ${toIso(to)} are gone from the store and were never written`;
  telemetry.historianMissing({ from: toIso(from), to: toIso(to), readings }, detail);
  const entry = { kind: "condition", at: clock.now(), limit: historianGapLimit, value: readings, detail } as const;
  // it does not go on: it is there until somebody has acknowledged it
  await journal.append([
    { ...entry, active: true },
    { ...entry, active: false },
  ]);
};

/** The alarm `historian` of the house. Entries are appended in order without holding up the writes. */
const createConditions = ({ knowledge, journal, clock, telemetry }: ForwarderParts) => {
  let appending: Promise<unknown> = Promise.resolve();
  // an alarm left by a process that died while InfluxDB was away
  let standing = stands(knowledge, clock.now());
  const append = (active: boolean, value: number | null, detail: string): void => {
    const entry = { kind: "condition", at: clock.now(), limit: historianLimit, active, value, detail } as const;
    appending = appending.then(
      () => journal.append([entry]),
      () => journal.append([entry]),
    );
    appending.catch((error: unknown) =>
      telemetry.warned({ room: "historian" }, `alarm not journaled: ${String(error)}`),
    );
  };
  return {
    settled: () => appending,
    onAway({ since, reason }: Away): void {
      standing = true;
      append(
        true,
        Math.round((clock.now() - since) / second),
        `InfluxDB takes no writes since ${toIso(since)}: ${reason}`,
      );
    },
    onPresent(): void {
      if (standing) append(false, null, "InfluxDB takes writes again");
      standing = false;
    },
  };
};

/** Runs it for at most `duration`; a failure is told by whoever reads the cursor next, as lines written again. */
const within = async (duration: DurationMs, clock: Clock, work: () => Promise<void>): Promise<void> => {
  const enough = new AbortController();
  const done = work().catch(() => {});
  await Promise.race([done, clock.sleep(duration, enough.signal).catch(() => {})]);
  enough.abort();
};

const stands = (knowledge: Knowledge, now: Instant): boolean => {
  const filter = { state: "active", streets: null, limit: historianLimit, now } as const;
  return knowledge.alarms(filter, { limit: 1, cursor: null }).items.length > 0;
};
