import { toIso } from "../src/domain/time.ts";
import { systemClock } from "../src/platform/clock.ts";
import type { Clock } from "../src/ports.ts";
import { openConnections } from "./connections.ts";
import { createDistrict } from "./district.ts";
import { type Expectation, expectations } from "./expectation.ts";
import { runFleet } from "./fleet.ts";
import { loadRegistry, loadScenario } from "./folder.ts";
import { sendHistory } from "./history.ts";

export type DemoOptions = {
  /** Where the house listens, as `mqtt://127.0.0.1:1883`; anonymous, on loopback. */
  readonly mqttUrl: string;
  /** A sentence for the terminal: what the simulated district does. Alarms are the house's to tell. */
  readonly onLine: (line: string) => void;
  /** Ends the show. */
  readonly signal: AbortSignal;
  readonly devices?: string;
  /** Of history, so that trends are not empty. */
  readonly hours?: number;
  readonly seed?: number;
  readonly clock?: Clock;
};

/** The story is told for so long; afterwards the district goes on as usual. */
const storyMs = 3_600_000;

/**
 * Shows the district: a few hours of the past first, then live at the pace of time with the faults of the scenario
 * `demo`, until the signal aborts. Rejects when the house cannot be reached.
 */
export const runDemo = async (options: DemoOptions): Promise<void> => {
  const { mqttUrl, onLine, signal, clock = systemClock, hours = 4, seed = 1 } = options;
  const registry = await loadRegistry(options.devices ?? "./devices");
  const scenario = await loadScenario("demo", registry);
  const zero = clock.now();
  const district = createDistrict(registry, scenario, seed, zero);
  const connections = await openConnections(
    district,
    { url: mqttUrl, credentials: null, clientPrefix: "demo" },
    signal,
  );
  try {
    const sent = await sendHistory({ district, connections, until: zero, hours });
    const seconds = ((clock.now() - zero) / 1000).toFixed(1);
    onLine(`${registry.things.length} things told their last ${hours} h: ${sent.readings} readings in ${seconds} s`);
    for (const { say } of scenario.faults.filter(({ from }) => from < 0)) onLine(`already under way: ${say}`);
    for (const one of expectations(district, zero + storyMs)) onLine(`to come: ${described(one)}`);
    const onEvent = (_: number, sentence: string) => onLine(sentence);
    await runFleet({
      district,
      connections,
      clock,
      from: zero,
      speed: 1,
      until: Number.POSITIVE_INFINITY,
      onEvent,
      signal,
    });
  } catch (error) {
    if (!signal.aborted) throw error;
  } finally {
    await connections.close();
  }
};

const described = ({ thing, limit, raisedAt }: Expectation): string =>
  `${toIso(raisedAt).slice(11, 19)}Z ${thing} ${limit}`;
