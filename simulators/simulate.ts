import { mkdir, writeFile } from "node:fs/promises";
import { dirname } from "node:path";
import { z } from "zod";
import { toIso } from "../src/domain/time.ts";
import { systemClock } from "../src/platform/clock.ts";
import { numberText, readArguments } from "./arguments.ts";
import { openConnections } from "./connections.ts";
import { createDistrict } from "./district.ts";
import { type Expectation, expectations } from "./expectation.ts";
import { runFleet } from "./fleet.ts";
import { loadCredentials, loadRegistry, loadScenario } from "./folder.ts";
import { sendHistory } from "./history.ts";
import { runCommand } from "./run.ts";
import { durationText } from "./stamp.ts";
import { terminal } from "./terminal.ts";

const schema = z.object({
  scenario: z.string().default("usual"),
  seed: numberText
    .pipe(
      z
        .int()
        .min(0)
        .max(2 ** 31),
    )
    .default(1),
  speed: numberText.pipe(z.number().positive().max(10_000)).default(1),
  broker: z.string().default("mqtt://127.0.0.1:1883"),
  devices: z.string().default("./devices"),
  credentials: z.string().optional(),
  duration: durationText.optional(),
  history: numberText.pipe(z.number().min(0).max(168)).default(0),
  save: z.string().optional(),
});

/** Endless scenarios foresee their alarms so far ahead. */
const foresightMs = 3_600_000;

/** `npm run simulate`: a district over real MQTT; prints and saves the alarms that it should cause. */
const simulate = async (argv: readonly string[], signal: AbortSignal): Promise<number> => {
  const given = readArguments(argv, schema);
  const registry = await loadRegistry(given.devices);
  const scenario = await loadScenario(given.scenario, registry);
  const credentials = await loadCredentials(given.credentials);
  const duration = given.duration ?? scenario.duration;
  if (given.speed > 1 && duration === null) {
    terminal.error("--speed: above 1 the past is sent, so it needs an end: give --duration PT2H");
    return 2;
  }
  const now = systemClock.now();
  // Nothing may lie in the future: faster than time, the run begins so far back that it ends now.
  const zero = given.speed > 1 ? Math.floor(now - (duration as number) * (1 - 1 / given.speed)) : now;
  const until = duration === null ? Number.POSITIVE_INFINITY : zero + duration;
  const district = createDistrict(registry, scenario, given.seed, zero);
  const expected = expectations(district, Math.min(until, zero + foresightMs));
  const file = given.save ?? `data/simulated/${scenario.name.replace(/[^a-z0-9-]/gi, "-")}-${given.seed}.json`;
  await announce(expected, file);

  const broker = { url: given.broker, credentials, clientPrefix: `sim-${given.seed}` };
  const connections = await openConnections(district, broker, signal);
  try {
    if (given.history > 0) {
      const sent = await sendHistory({ district, connections, until: zero, hours: given.history });
      terminal.line(`history of ${given.history} h: ${sent.messages} messages, ${sent.readings} readings`);
    }
    terminal.line(`${district.devices.length} things report; stop with Ctrl-C`);
    const onEvent = (at: number, sentence: string) => terminal.line(`${toIso(at)} ${sentence}`);
    const summary = await runFleet({
      district,
      connections,
      clock: systemClock,
      from: zero,
      speed: given.speed,
      until,
      onEvent,
      signal,
    });
    terminal.line(`sent ${summary.messages} messages, acknowledged ${summary.acknowledged}`);
    return signal.aborted || summary.acknowledged === summary.messages ? 0 : 1;
  } finally {
    await connections.close();
  }
};

/** The alarms that should come, for people and, as JSON, for programs that score what came. */
const announce = async (expected: readonly Expectation[], file: string): Promise<void> => {
  const alarms = expected.map((one) => ({ ...one, since: toIso(one.since), raisedAt: toIso(one.raisedAt) }));
  await mkdir(dirname(file), { recursive: true });
  await writeFile(file, `${JSON.stringify({ alarms }, null, 2)}\n`);
  terminal.line(`alarms that this should cause (${alarms.length}), also in ${file}:`);
  for (const { thing, limit, since, raisedAt } of alarms)
    terminal.line(`  ${raisedAt} ${thing} ${limit} (since ${since})`);
};

await runCommand(simulate);
