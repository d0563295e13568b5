import { z } from "zod";
import { type Instant, toIso } from "../src/domain/time.ts";
import { systemClock } from "../src/platform/clock.ts";
import { ArgumentsError, numberText, readArguments } from "./arguments.ts";
import { loadCredentials, loadRegistry } from "./folder.ts";
import { type Mapping, readMapping } from "./mapping.ts";
import { openPublisher } from "./publisher.ts";
import { type ReplayCounts, replay } from "./replaying.ts";
import { runCommand } from "./run.ts";
import { openSeries, type Series, SeriesError } from "./series.ts";
import { createStamp } from "./stamp.ts";
import { terminal } from "./terminal.ts";

const schema = z.object({
  _: z.array(z.string()).length(1, "expected one file, .csv, .csv.gz or .json"),
  thing: z.string(),
  time: z.string(),
  map: z.string(),
  zone: z.string().optional(),
  shift: z
    .string()
    .refine(
      (text) => text === "now" || z.iso.datetime({ offset: true }).safeParse(text).success,
      "expected now, or an instant as 2026-11-23T08:00:00Z",
    )
    .optional(),
  broker: z.string().default("mqtt://127.0.0.1:1883"),
  speed: numberText.pipe(z.number().positive()).optional(),
  devices: z.string().default("./devices"),
  credentials: z.string().optional(),
  missing: z.string().default("NA,N/A,NULL,NaN,null"),
  missingAs: z.enum(["null", "skip"]).default("null"),
  batch: numberText.pipe(z.int().min(1).max(1_000)).default(200),
  window: numberText.pipe(z.int().min(1).max(200)).default(16),
  fromRow: numberText.pipe(z.int().min(1)).default(1),
});

/** `npm run replay`: a recorded series over real MQTT, acknowledged to the last row. */
const command = async (argv: readonly string[], signal: AbortSignal): Promise<number> => {
  const given = readArguments(argv, schema);
  const registry = await loadRegistry(given.devices);
  const credentials = await loadCredentials(given.credentials);
  const series = await openSeries(given._[0] as string).catch((error: unknown) => {
    throw error instanceof SeriesError ? new ArgumentsError([error.message]) : error;
  });
  const faults: string[] = [];
  const mapping = readMapping({ registry, columns: series.columns, ...given }, faults);
  const zone = given.zone ?? registry.district.zone;
  if (!isZone(zone)) faults.push(`--zone: no zone ${zone}`);
  const owner = mapping.columns[0]?.thing.gateway ?? mapping.columns[0]?.thing.id ?? "";
  const password = credentials?.get(owner);
  if (credentials !== null && password === undefined) faults.push(`--credentials: none for ${owner}`);
  if (faults.length > 0) throw new ArgumentsError(faults);

  const goal = given.shift === "now" ? systemClock.now() : given.shift === undefined ? null : Date.parse(given.shift);
  const shift = goal === null ? 0 : goal - (await lastTime(series, mapping, zone));
  const publisher = await openPublisher({
    url: given.broker,
    clientId: password === undefined ? `replay-${given.thing}`.slice(0, 64) : `${owner}:replay`,
    credential: password === undefined ? null : { username: owner, password },
    statusTopic: null,
    window: given.window,
    signal,
  });
  const began = systemClock.monotonic();
  try {
    const counts = await replay({
      ...{ series, mapping, zone, shift, publisher, clock: systemClock, signal },
      ...{ missingAs: given.missingAs, fromRow: given.fromRow, elementsMax: given.batch, speed: given.speed ?? null },
      missing: new Set(["", ...given.missing.split(",")]),
      onProgress: (now) =>
        terminal.progress(`row ${now.rows}: ${now.readings} readings, ${now.acknowledgedReadings} acknowledged`),
    });
    return summarize(counts, systemClock.monotonic() - began, signal.aborted, goal);
  } finally {
    await publisher.close();
  }
};

const summarize = (counts: ReplayCounts, tookMs: number, stopped: boolean, goal: Instant | null): number => {
  terminal.done();
  terminal.line(
    `rows ${counts.rows}, readings ${counts.readings}, acknowledged ${counts.acknowledgedReadings}, messages ${counts.messages}, ` +
      `missing ${counts.missing}, rows without a time ${counts.badTimes}, cells without a value ${counts.badCells}, ` +
      `${(tookMs / 1000).toFixed(1)} s`,
  );
  if (!stopped) return counts.acknowledgedReadings === counts.readings ? 0 : 1;
  const shift = goal === null ? "" : ` --shift ${toIso(goal)}`;
  terminal.line(
    `stopped; all through row ${counts.acknowledgedRow} is acknowledged. Go on: --from-row ${counts.acknowledgedRow + 1}${shift}`,
  );
  return 1;
};

/** The latest time of the file, which is where it is shifted to end. */
const lastTime = async (series: Series, { time }: Mapping, zone: string): Promise<Instant> => {
  const stamp = createStamp(zone);
  let last = Number.NEGATIVE_INFINITY;
  for await (const { cells } of series.rows()) last = Math.max(last, stamp(cells[time] ?? "") ?? last);
  if (last === Number.NEGATIVE_INFINITY) throw new ArgumentsError(["--time: no row has a time that can be read"]);
  return last;
};

const isZone = (name: string): boolean => {
  try {
    return new Intl.DateTimeFormat("en", { timeZone: name }) !== null;
  } catch {
    return false;
  }
};

await runCommand(command);
