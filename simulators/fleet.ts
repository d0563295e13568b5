import type { ThingId } from "../src/domain/thing.ts";
import type { Instant } from "../src/domain/time.ts";
import type { Clock } from "../src/ports.ts";
import type { Connections } from "./connections.ts";
import type { District } from "./district.ts";

export type FleetOptions = {
  readonly district: District;
  readonly connections: Connections;
  readonly clock: Clock;
  /** Everything due after this simulated instant is sent. */
  readonly from: Instant;
  /** Simulated time that passes in a second of the clock. */
  readonly speed: number;
  /** The simulated instant that it ends at; Infinity: when the signal aborts. */
  readonly until: Instant;
  /** Each fault as it begins or ends, each connection as it breaks. */
  readonly onEvent?: (at: Instant, sentence: string) => void;
  readonly signal: AbortSignal;
};

export type FleetSummary = { readonly messages: number; readonly acknowledged: number };

/** The longest nap, so that a clock that is set is noticed. */
const napMs = 1_000;
/** Instants are looked at in slices no coarser than this, so that devices keep their order among each other. */
const sliceMs = 5_000;

/** Lets the whole district report as time passes, and ends with everything acknowledged that was sent. */
export const runFleet = async (options: FleetOptions): Promise<FleetSummary> => {
  const { district, connections, clock, speed, signal } = options;
  const began = clock.now();
  const simulated = () => Math.min(options.until, options.from + (clock.now() - began) * speed);
  const counts = { messages: 0, acknowledged: 0 };
  const gateways = district.devices.filter(({ thing }) => thing.kind === "gateway").map(({ thing }) => thing.id);
  let down: ReadonlySet<ThingId> = new Set();
  let done = options.from;
  try {
    while (done < options.until) {
      const through = Math.min(simulated(), done + sliceMs * Math.max(1, speed));
      if (through > done) {
        tell(options, done, through);
        const broken = gateways.filter((gateway) => district.isDown(gateway, through));
        for (const gateway of down) if (!broken.includes(gateway)) connections.restore(gateway);
        await sendSlice(options, done, through, counts);
        for (const gateway of broken) if (!down.has(gateway)) await connections.cut(gateway);
        down = new Set(broken);
        done = through;
      }
      const lag = simulated() - done;
      if (lag <= 0) await clock.sleep(Math.min(napMs, nextDue(district, done, options.until) / speed), signal);
    }
    await connections.drain();
  } catch (error) {
    if (!signal.aborted) throw error;
  }
  return counts;
};

/** Milliseconds of simulated time until anything is due, at least one. */
const nextDue = ({ devices }: District, after: Instant, until: Instant): number => {
  const horizon = Math.min(until, after + napMs);
  let next = horizon;
  for (const device of devices) next = Math.min(next, device.due(after, horizon)[0] ?? horizon);
  return Math.max(1, next - after);
};

const sendSlice = async (
  { district, connections }: FleetOptions,
  after: Instant,
  through: Instant,
  counts: { messages: number; acknowledged: number },
): Promise<void> => {
  const sayings = district.devices.flatMap((device) =>
    device.says(after, through).map((saying) => ({ device, saying })),
  );
  sayings.sort((a, b) => a.saying.at - b.saying.at);
  for (const { device, saying } of sayings) {
    counts.messages++;
    await connections.send(device, saying, () => counts.acknowledged++);
  }
};

const tell = ({ district, onEvent }: FleetOptions, after: Instant, through: Instant): void => {
  for (const fault of district.scenario.faults) {
    const [from, to] = [district.zero + fault.from, district.zero + fault.to];
    if (from > after && from <= through) onEvent?.(from, `${fault.say} (${fault.things.join(", ")})`);
    if (to > after && to <= through) onEvent?.(to, `over: ${fault.say} (${fault.things.join(", ")})`);
  }
};
