import { resolve } from "node:path";
import { parseArgs } from "node:util";
import { parseTimestamp } from "./codec/timestamp.ts";
import { type Config, ConfigError } from "./config.ts";
import { type Instant, toIso } from "./domain/time.ts";
import { createInfluxHistorian } from "./historian/influx.ts";
import { backfill } from "./loops/backfill.ts";
import { systemClock as clock } from "./platform/clock.ts";
import { random } from "./platform/random.ts";
import { createTelemetry } from "./platform/telemetry.ts";
import type { Terminal } from "./platform/terminal.ts";
import { openWatermark } from "./platform/watermark.ts";
import { openKnowledge, storePath } from "./store/store.ts";

/**
 * Writes to InfluxDB again what the store holds of a time, beside a running service or without one: for a historian
 * that lost its last minutes, or a bucket that was deleted. Answers the exit code; 1 where lines were refused.
 */
export const backfillFromStore = async (
  argv: readonly string[],
  config: Config,
  terminal: Terminal,
): Promise<number> => {
  const { from, to } = readRange(argv);
  const url = config.INFLUX_URL;
  if (url === undefined)
    throw new ConfigError([{ name: "INFLUX_URL", source: "together", message: "is needed to write there" }]);
  const stop = new AbortController();
  terminal.onStop(() => stop.abort(new Error("stopped")));
  const path = storePath(resolve(config.MEIZHEN_DATA_DIR));
  const knowledge = openKnowledge({ path, watermark: openWatermark() });
  const historian = createInfluxHistorian({
    ...{ url, token: config.INFLUX_TOKEN ?? null, org: config.INFLUX_ORG ?? null },
    ...{ bucket: config.INFLUX_BUCKET ?? "meizhen", version: config.INFLUX_VERSION ?? null },
  });
  const telemetry = createTelemetry({ level: config.MEIZHEN_LOG_LEVEL, thread: "backfill" });
  let told = 0;
  const progress = ({ lines }: { readonly lines: number }) => {
    const now = clock.monotonic();
    if (now - told < 1_000) return;
    told = now;
    terminal.err(`${lines} lines written`);
  };
  try {
    const result = await backfill(
      { knowledge, historian, clock, random, telemetry },
      { from, to },
      progress,
      stop.signal,
    );
    terminal.out(`${result.lines} lines from ${toIso(from)} to ${toIso(to)} written, ${result.dead} refused`);
    for (const letter of result.letters) terminal.err(`${letter.reason}: ${letter.body}`);
    return result.dead === 0 ? 0 : 1;
  } finally {
    knowledge.close();
  }
};

const readRange = (argv: readonly string[]): { from: Instant; to: Instant } => {
  const fault = (message: string): never => {
    throw new ConfigError([{ name: "backfill", source: "command line", message }]);
  };
  const options = { from: { type: "string" }, to: { type: "string" } } as const;
  try {
    const { values } = parseArgs({ args: [...argv], options, strict: true });
    const from = parseTimestamp(values.from ?? "");
    const to = values.to === undefined ? clock.now() : parseTimestamp(values.to);
    if (from === undefined || to === undefined) return fault("expected --from and --to as 2026-11-23T08:00:00+08:00");
    return { from, to };
  } catch (error) {
    if (error instanceof ConfigError) throw error;
    return fault((error as Error).message);
  }
};
