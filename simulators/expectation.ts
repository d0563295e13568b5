import { breached, type Limit } from "../src/domain/limit.ts";
import type { Instant } from "../src/domain/time.ts";
import type { Device, District } from "./district.ts";

/** An alarm that the scenario should cause, by reasoning of the simulators' own: no code of the engine takes part. */
export type Expectation = {
  readonly thing: string;
  readonly limit: string;
  /** Phenomenon time of the reading that enters the limit; of `silent`: the last thing heard. */
  readonly since: Instant;
  /** When it is due to be raised. */
  readonly raisedAt: Instant;
};

/** Silent after so many intervals (SEMANTICS 4.1). */
const silentIntervals = 3;

/** All alarms that the faults of a scenario name as caused, due by `until`, in order of being due. */
export const expectations = (district: District, until: Instant): readonly Expectation[] => {
  const { scenario, zero, devices } = district;
  const found = scenario.faults.flatMap((fault) =>
    fault.things.flatMap((id) =>
      fault.causes.flatMap((cause): readonly Expectation[] => {
        const device = devices.find(({ thing }) => thing.id === id) as Device;
        const window = { from: zero + fault.from, to: Math.min(until, zero + fault.to) };
        const limit = device.kind.limits.find((one) => one.id === cause);
        const one = limit === undefined ? silence(device, window) : breach(device, limit, window);
        return one === null || one.raisedAt > until ? [] : [one];
      }),
    ),
  );
  return found.sort((a, b) => a.raisedAt - b.raisedAt);
};

type Window = { readonly from: Instant; readonly to: Instant };

const silence = ({ thing, every, due }: Device, { from, to }: Window): Expectation | null => {
  const last = due(from - every - 1, from - 1).at(-1) as Instant;
  const raisedAt = last + silentIntervals * every;
  return raisedAt > to ? null : { thing: thing.id, limit: "silent", since: last, raisedAt };
};

/** The first run of readings outside the limit that lasts its on-delay. */
const breach = (device: Device, limit: Limit, { from, to }: Window): Expectation | null => {
  let since: Instant | null = null;
  for (const saying of device.says(from - 1, to)) {
    if (!("values" in saying)) continue;
    const value = Number(saying.values[limit.property] ?? Number.NaN);
    if (Number.isNaN(value)) continue;
    if (since !== null && saying.at >= since + limit.onDelay) break;
    const holds: boolean = breached(limit, value, since !== null);
    since = holds ? (since ?? saying.at) : null;
  }
  if (since === null || since + limit.onDelay > to) return null;
  return { thing: device.thing.id, limit: limit.id, since, raisedAt: since + limit.onDelay };
};
