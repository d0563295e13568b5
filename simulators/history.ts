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
  let [messages, readings] = [0, 0];
  // Rain first: what is judged by dry weather finds it known.
  const devices = [...district.devices].sort((a, b) => rank(a) - rank(b));
  for (const device of devices) {
    const back = rank(device) === 0 ? Math.max(hours, rainHours) : hours;
    for (const part of parts(device.says(until - back * hour, until).filter((saying) => "values" in saying))) {
      messages++;
      readings += part.reduce((sum, saying) => sum + ("values" in saying ? Object.keys(saying.values).length : 1), 0);
      await connections.send(device, part);
    }
  }
  await connections.drain();
  return { messages, readings };
};

const rank = ({ kind }: Device): number => (kind.id === "rain" ? 0 : 1);

/** Runs of sayings that each fit one message. */
const parts = (sayings: readonly Saying[]): readonly (readonly Saying[])[] => {
  const found: Saying[][] = [];
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
