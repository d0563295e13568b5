import { hour, type Instant } from "../src/domain/time.ts";
import { type Connections, payloadOf } from "./connections.ts";
import type { Device, District, Saying } from "./district.ts";

export type HistoryOptions = {
  readonly district: District;
  readonly connections: Connections;
  /** The last instant of it; what is live begins right after. */
  readonly until: Instant;
  readonly hours: number;
};

export type HistorySummary = { readonly messages: number; readonly readings: number };

/** SURFACE section 4: elements of a message, and bytes with room below 64 KiB. */
const elementsMax = 1_000;
const bytesMax = 60_000;
/** Rain is told further back than the rest: dry weather is "no rain for 48 h", and unknown when nobody measured it. */
const rainHours = 50;

/**
 * Sends the past of every thing, each as one array where it fits (so that its newest element is recent, and no clock
 * looks wrong), and ends when all of it is acknowledged: what is live comes after it, in order. The district is as
 * usual in it, so that nobody is paged, but for faults of the scenario that begin before its zero.
 */
export const sendHistory = async ({ district, connections, until, hours }: HistoryOptions): Promise<HistorySummary> => {
  const counts = { messages: 0, readings: 0 };
  const isRain = ({ kind }: Device) => kind.id === "rain";
  const tell = async (devices: readonly Device[], back: number): Promise<void> => {
    for (const device of devices) {
      const past = device.says(until - back * hour, until).filter(isReading);
      for (const part of parts(past)) {
        counts.messages++;
        counts.readings += part.reduce((sum, { values }) => sum + Object.keys(values).length, 0);
        await connections.send(device, part);
      }
    }
    await connections.drain();
  };
  // Rain before all else, over other connections than the rest: what is judged by dry weather must find it known.
  await tell(district.devices.filter(isRain), Math.max(hours, rainHours));
  await tell(
    district.devices.filter((device) => !isRain(device)),
    hours,
  );
  return counts;
};

type Reading = Extract<Saying, { readonly values: unknown }>;
const isReading = (saying: Saying): saying is Reading => "values" in saying;

/** Runs of sayings that each fit one message. */
const parts = (sayings: readonly Reading[]): readonly (readonly Reading[])[] => {
  const found: Reading[][] = [];
  let bytes = bytesMax;
  for (const saying of sayings) {
    const size = payloadOf(saying).length + 1;
    const last = found.at(-1);
    if (last === undefined || bytes + size > bytesMax || last.length === elementsMax) {
      found.push([saying]);
      bytes = size + 2;
    } else {
      last.push(saying);
      bytes += size;
    }
  }
  return found;
};
