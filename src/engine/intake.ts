import type { Reading } from "../codec/payload.ts";
import { pathOf } from "../codec/payload.ts";
import type { Observation } from "../domain/change.ts";
import type { Quality } from "../domain/quality.ts";
import { type Instant, minute } from "../domain/time.ts";
import { announced, type Scene } from "./district.ts";
import { noteFlag } from "./fault.ts";
import { judgeReadings, type Taken } from "./judging.ts";
import type { Stream } from "./memory.ts";
import { screen } from "./screening.ts";

// Readings to observations (SEMANTICS 1): each one is stored, a duplicate, or refused; then what was stored is judged.

/** SEMANTICS 1.5. */
export const aheadMax = 5 * minute;
/** Milliseconds that a reading without a time is moved on at most to find one of its own. */
const undatedMax = 10_000;

export type Delivery = {
  readonly topic: string;
  readonly raw: Uint8Array;
  /** Arrival as the ledger counts it; of a replayed rejection, that of the rejection. */
  readonly receivedAt: Instant;
};

type Outcome = "stored" | "duplicate" | "refused";

/** Takes the readings of one message in order of their times; answers how many were stored. */
export const takeReadings = (scene: Scene, readings: Reading<Stream>[], delivery: Delivery): number => {
  if (readings.length > 1) sortByTime(readings);
  const taken: Taken[] = [];
  let stored = 0;
  for (const reading of readings) if (takeOne(scene, reading, delivery, taken) === "stored") stored++;
  if (taken.length > 0) judgeReadings(scene, taken);
  return stored;
};

const sortByTime = (readings: Reading<Stream>[]): void => {
  for (let place = 1; place < readings.length; place++) {
    if ((readings[place - 1] as Reading<Stream>).time <= (readings[place] as Reading<Stream>).time) continue;
    readings.sort((one, other) => one.time - other.time);
    return;
  }
};

const takeOne = (scene: Scene, reading: Reading<Stream>, delivery: Delivery, taken: Taken[]): Outcome => {
  const { district } = scene;
  const stream = reading.property;
  const { value } = reading;
  const arrival = district.draft.at;
  const { receivedAt } = delivery;
  const time = reading.dated ? reading.time : undatedTime(scene, stream, reading.time);
  if (time > arrival + aheadMax) {
    return refuse(scene, reading, delivery, "time_future", "more than 5 minutes ahead of the time of receipt");
  }
  if (time < arrival - district.tables.registry.retention) {
    return refuse(scene, reading, delivery, "time_too_old", "older than what is kept");
  }
  const inOrder = time > stream.frontier;
  if (!inOrder) {
    const before = valueAt(scene, stream, time);
    if (before !== undefined) {
      const { seq } = district.draft;
      const duplicate = { datastream: announced(district, stream), time, value, seq, receivedAt };
      district.draft.duplicates.push({ ...duplicate, conflict: before !== value });
      return "duplicate";
    }
  }
  const quality = screen(value, stream.property);
  const observation = {
    datastream: announced(district, stream),
    time,
    value,
    quality,
    seq: district.draft.seq,
    receivedAt,
  };
  district.draft.observations.push(observation);
  stream.pending.add(observation);
  stream.arrival = arrival;
  remember(scene, stream, observation, inOrder);
  if (value !== null && stream.judgements.length > 0) taken.push({ stream, observation, value, inOrder });
  return "stored";
};

/** What conditions and later readings will ask for. */
const remember = (scene: Scene, stream: Stream, { time, value, quality }: Observation, inOrder: boolean): void => {
  if (inOrder) {
    stream.frontier = time;
    stream.value = value;
    stream.quality = quality;
    noteFlag(scene, stream);
  }
  if (value === null || !usable(quality)) return;
  stream.window?.add(time, value);
  stream.rainfall?.add(time, value, scene.table.silence);
};

const usable = (quality: Quality): boolean => quality <= 3;

/** Without `ts`: the time of receipt, and equal milliseconds become successive ones (SURFACE section 4). */
const undatedTime = (scene: Scene, stream: Stream, receivedAt: Instant): Instant => {
  let time = Math.max(receivedAt, stream.undated + 1);
  for (let moved = 0; moved < undatedMax && time <= stream.frontier; moved++) {
    if (valueAt(scene, stream, time) === undefined) break;
    time++;
  }
  stream.undated = time;
  return time;
};

/** The stored value at exactly this time, which lies not beyond the frontier; undefined: none. */
const valueAt = ({ district }: Scene, stream: Stream, time: Instant): number | null | undefined => {
  if (time === stream.frontier) return stream.value;
  const pending = stream.pending.at(time);
  if (pending !== undefined) return pending.value;
  if (stream.id === 0) return undefined;
  return district.known.observationAt(stream.id, time)?.value;
};

const refuse = (
  { district, thing }: Scene,
  { element, name }: Reading<Stream>,
  { topic, raw, receivedAt }: Delivery,
  reason: "time_future" | "time_too_old",
  detail: string,
): Outcome => {
  const path = pathOf(element, name);
  district.draft.reject({ receivedAt, topic, thing: thing.id, reason, path, detail, raw });
  return "refused";
};
