import type { DatastreamId, Observation } from "../domain/change.ts";
import type { Instant } from "../domain/time.ts";

// Why observations are merged late. A commit of 500 readings of 1,000 datastreams changes 500 pages of a table that is
// ordered by (datastream, time), and each changed page is written whole to the WAL: measured 12.1 us a reading, against
// 2.4 us for 20 datastreams. A commit therefore writes its observations once, packed, as a row of the feed: that row
// is what makes them durable. They are kept here too, in memory, until there are `freshMax` of them; then all go into
// `observation` in its own order, together with their roll-ups, in one commit: 2.3 us a reading with 1,000 datastreams.
// Every connection has its own Fresh, read from the feed behind `progress.merged`; queries look into both places.

/** Observations not yet merged; a merge of so many took 22 to 33 ms with 1,000 datastreams, once in so many readings. */
export const freshMax = 16_384;
/**
 * While commits are small, so many: the larger merge held up an alarm for 59 to 73 ms among 2,000 readings a second.
 * It costs up to 2 us more a reading (1,000 datastreams), which only a house that catches up would feel.
 */
export const freshCalmMax = 4_096;
/** Observations of a commit from which on the house has more to do than to be prompt. */
export const commitLarge = 200;

type Stream = {
  /** In the order of arrival. */
  readonly items: Observation[];
  newest: Observation;
  /** In the order of time; undefined: not asked for since the last one was added. */
  sorted: readonly Observation[] | undefined;
  /** Made when somebody first looks for a time. */
  byTime: Map<Instant, Observation> | undefined;
};

export type Fresh = {
  count(): number;
  /** The time must not be there yet. */
  add(observation: Observation): void;
  clear(): void;
  find(datastream: DatastreamId, time: Instant): Observation | undefined;
  newest(datastream: DatastreamId): Observation | undefined;
  oldest(): Instant | null;
  /** In the order of arrival, which is the order of the journal. */
  arrived(datastream: DatastreamId): readonly Observation[];
  /** In the order of time, `from` included, `to` not. */
  between(datastream: DatastreamId, from: Instant, to: Instant): readonly Observation[];
  /** Those with anything, in order. */
  datastreams(): readonly DatastreamId[];
};

export const createFresh = (): Fresh => {
  const streams = new Map<DatastreamId, Stream>();
  let count = 0;
  const sortedOf = (stream: Stream): readonly Observation[] => {
    stream.sorted ??= stream.items.toSorted((one, other) => one.time - other.time);
    return stream.sorted;
  };
  return {
    count: () => count,
    add(observation) {
      count++;
      const stream = streams.get(observation.datastream);
      if (stream === undefined) {
        const made = { items: [observation], newest: observation, sorted: undefined, byTime: undefined };
        streams.set(observation.datastream, made);
        return;
      }
      stream.items.push(observation);
      stream.sorted = undefined;
      stream.byTime?.set(observation.time, observation);
      if (observation.time > stream.newest.time) stream.newest = observation;
    },
    clear() {
      streams.clear();
      count = 0;
    },
    find(datastream, time) {
      const stream = streams.get(datastream);
      if (stream === undefined || time > stream.newest.time) return undefined;
      stream.byTime ??= new Map(stream.items.map((item) => [item.time, item]));
      return stream.byTime.get(time);
    },
    newest: (datastream) => streams.get(datastream)?.newest,
    oldest() {
      let oldest: Instant | null = null;
      for (const { items } of streams.values())
        for (const { time } of items) if (oldest === null || time < oldest) oldest = time;
      return oldest;
    },
    arrived: (datastream) => streams.get(datastream)?.items ?? [],
    between(datastream, from, to) {
      const stream = streams.get(datastream);
      if (stream === undefined) return [];
      return sortedOf(stream).filter(({ time }) => time >= from && time < to);
    },
    datastreams: () => [...streams.keys()].sort((one, other) => one - other),
  };
};
