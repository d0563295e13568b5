import type { Datastream, DatastreamId, Observation } from "../domain/change.ts";
import type { DeadLetter } from "../domain/entry.ts";
import type { Registry } from "../domain/registry.ts";
import type { Thing, ThingId } from "../domain/thing.ts";
import { type Instant, instantMax } from "../domain/time.ts";
import { fieldKey, LineProtocolError, seriesKey } from "./lineprotocol.ts";

/**
 * The historian's hot path: observations to lines, about a microsecond a value. What escaping and the schema cost is
 * paid once a thing and once a datastream, and the values of one message become the fields of one line.
 */
export type ObservationEncoder = {
  /** From here on lines are tagged by this registry. A thing it no longer has keeps the tags it had. */
  learn(registry: Registry): void;
  /**
   * Adds the lines of `observations` from index `from` on until the batch is full; answers the first index not taken.
   * The values of one thing at one time that stand together share a line; one property never stands twice in it.
   */
  encode(observations: readonly Observation[], from: number, into: LineBatch): number;
};

/** Lines on their way, bounded by count and by bytes. */
export type LineBatch = {
  readonly lines: string[];
  /** Bytes of all lines with their newlines. */
  size: number;
  /** What cannot be written as a line. */
  readonly dead: DeadLetter[];
};

export const emptyBatch = (): LineBatch => ({ lines: [], size: 0, dead: [] });

/** InfluxDB's own advice is 5,000 lines a write; 1 MB keeps a batch of long lines under every default body limit. */
export const batchLinesMax = 5_000;
const batchSizeMax = 1_000_000;

export const isFull = (batch: LineBatch): boolean =>
  batch.lines.length >= batchLinesMax || batch.size >= batchSizeMax || batch.dead.length >= batchLinesMax;

export const addLine = (batch: LineBatch, line: string): void => {
  batch.lines.push(line);
  // counting bytes also makes one flat string of the pieces, here, while a write is on its way, and not between two
  batch.size += Buffer.byteLength(line) + 1;
};

/** How a thing's lines begin, with the space before the fields; or why it can have none, told once. */
type Series = { start: string; refusal: string | null; told: boolean };
/** One datastream's part of a line. */
type Fields = {
  readonly thing: ThingId;
  readonly series: Series;
  /** `{property}=` */
  readonly value: string;
  /** `{property}_qc=` */
  readonly flag: string;
};

/** `datastreams` answers those with a number above the given one, as the store knows them. */
export const createObservationEncoder = (
  consumer: string,
  datastreams: (after: DatastreamId) => readonly Datastream[],
): ObservationEncoder => {
  const series = new Map<ThingId, Series>();
  const fields: (Fields | undefined)[] = [];
  let newest: DatastreamId = -1;

  const seriesOf = (thing: ThingId): Series => {
    let found = series.get(thing);
    if (found === undefined) {
      found = refused("thing_unknown");
      series.set(thing, found);
    }
    return found;
  };

  const meet = (datastream: DatastreamId): Fields | undefined => {
    if (datastream <= newest) return undefined;
    for (const found of datastreams(newest)) {
      newest = Math.max(newest, found.id);
      fields[found.id] = fieldsOf(found, seriesOf(found.thing));
    }
    return fields[datastream];
  };

  return {
    learn(registry) {
      for (const thing of registry.things) Object.assign(seriesOf(thing.id), startOf(thing));
    },
    encode(observations, from, into) {
      let line = "";
      let open: Series | null = null;
      let time: Instant = 0;
      let first = from;
      let end = "";
      let index = from;
      for (; index < observations.length; index++) {
        const observation = observations[index] as Observation;
        const of = fields[observation.datastream] ?? meet(observation.datastream);
        const text = fieldsText(consumer, of, observation, into);
        if (text === null) {
          if (!isFull(into)) continue;
          index++;
          break;
        }
        if (open === of?.series && time === observation.time && !repeats(observations, first, index)) {
          line += `,${text}`;
          continue;
        }
        if (open !== null) addLine(into, `${line} ${end}`);
        open = null;
        if (isFull(into)) return index;
        if (time !== observation.time || end === "") end = String(observation.time);
        time = observation.time;
        open = (of as Fields).series;
        line = open.start + text;
        first = index;
      }
      if (open !== null) addLine(into, `${line} ${end}`);
      return index;
    },
  };
};

/** The fields of one observation as text; null: refused. */
const fieldsText = (
  consumer: string,
  of: Fields | undefined,
  observation: Observation,
  batch: LineBatch,
): string | null => {
  const refuse = (thing: ThingId | "", reason: string): null => {
    batch.dead.push({ consumer, thing, reason, body: JSON.stringify(observation) });
    return null;
  };
  if (of === undefined) return refuse("", "datastream_unknown");
  if (of.series.refusal !== null) {
    if (of.series.told) return null;
    of.series.told = true;
    return refuse(of.thing, `${of.series.refusal}: this and all later ones`);
  }
  const { value, quality, time } = observation;
  if (!Number.isInteger(time) || Math.abs(time) > instantMax) return refuse(of.thing, "time_range");
  if (value === null) return `${of.flag}${quality}i`;
  if (!Number.isFinite(value)) return refuse(of.thing, "not_finite");
  return `${of.value}${value},${of.flag}${quality}i`;
};

/** Whether the datastream at `index` stands already between `first` and it: a value flagged anew in the same commit. */
const repeats = (observations: readonly Observation[], first: number, index: number): boolean => {
  const { datastream } = observations[index] as Observation;
  for (let earlier = first; earlier < index; earlier++) {
    if ((observations[earlier] as Observation).datastream === datastream) return true;
  }
  return false;
};

const refused = (refusal: string): Series => ({ start: "", refusal, told: false });

const startOf = (thing: Thing): Series => {
  try {
    const tags = [
      ["grid", thing.grid],
      ["street", thing.street],
      ["thing", thing.id],
    ] as const;
    return { start: `${seriesKey(thing.kind, tags)} `, refusal: null, told: false };
  } catch (error) {
    if (error instanceof LineProtocolError) return refused(error.message);
    throw error;
  }
};

const fieldsOf = ({ thing, property }: Datastream, series: Series): Fields => {
  try {
    const key = fieldKey(property);
    return { thing, series, value: `${key}=`, flag: `${fieldKey(`${property}_qc`)}=` };
  } catch (error) {
    if (error instanceof LineProtocolError) return { thing, series: refused(error.message), value: "", flag: "" };
    throw error;
  }
};
