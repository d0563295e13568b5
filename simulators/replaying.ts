import type { Thing, ThingId } from "../src/domain/thing.ts";
import type { DurationMs, Instant } from "../src/domain/time.ts";
import type { Clock } from "../src/ports.ts";
import { type Batch, createBatch } from "./batch.ts";
import type { Mapped, Mapping } from "./mapping.ts";
import type { Publisher } from "./publisher.ts";
import type { Row, Series } from "./series.ts";
import { createStamp } from "./stamp.ts";

export type ReplayOptions = {
  readonly series: Series;
  readonly mapping: Mapping;
  readonly zone: string;
  /** Added to every time. */
  readonly shift: DurationMs;
  /** Cells that mean that there was no value. */
  readonly missing: ReadonlySet<string>;
  readonly missingAs: "null" | "skip";
  /** Rows before it are read, for the order of their times, and not sent. */
  readonly fromRow: number;
  readonly elementsMax: number;
  /** Recorded time that passes in a second; null: as fast as it is acknowledged. */
  readonly speed: number | null;
  readonly publisher: Publisher;
  readonly clock: Clock;
  readonly onProgress: (counts: ReplayCounts) => void;
  readonly signal: AbortSignal;
};

export type ReplayCounts = {
  /** Rows read from `fromRow` on. */
  rows: number;
  /** Rows whose time cannot be read, and cells that are no value of their property: not sent, or sent as missing. */
  badTimes: number;
  badCells: number;
  missing: number;
  readings: number;
  messages: number;
  acknowledgedReadings: number;
  /** Everything through this row is acknowledged. */
  acknowledgedRow: number;
};

/** Bytes of a payload, with room below the 64 KiB of SURFACE section 4. */
const payloadBytesMax = 60_000;
const progressMs = 1_000;

/** Sends a series over MQTT in arrays, in its order; ends when everything is acknowledged, or with the signal. */
export const replay = async (options: ReplayOptions): Promise<ReplayCounts> => {
  const { series, mapping, publisher, clock, signal } = options;
  const counts = emptyCounts(options.fromRow - 1);
  const batches = new Map<ThingId, Batch>(thingsOf(mapping).map((thing) => [thing.id, createBatch(thing)]));
  // Messages of one connection are acknowledged in order, so each thing is known through a row, and all through the least.
  const through = new Map([...batches.keys()].map((id) => [id, options.fromRow - 1]));
  const send = async (id: ThingId, batch: Batch): Promise<void> => {
    if (batch.size === 0) return;
    counts.messages++;
    await publisher.publish(
      batch.take((readings, row) => {
        counts.acknowledgedReadings += readings;
        through.set(id, row);
        counts.acknowledgedRow = Math.min(...through.values());
      }),
    );
  };
  const sendAll = async () => {
    for (const [id, batch] of batches) await send(id, batch);
  };
  const pace = createPace(options, sendAll);
  const stamp = createStamp(options.zone);
  let told = clock.now();
  try {
    for await (const row of series.rows()) {
      const recorded = stamp(row.cells[mapping.time] ?? "");
      if (row.number < options.fromRow) continue;
      counts.rows++;
      if (recorded === null) {
        counts.badTimes++;
        continue;
      }
      await pace(recorded);
      for (const [id, batch] of batches) {
        collect({ options, counts, batch }, id, row, recorded + options.shift);
        if (batch.size >= options.elementsMax || batch.bytes >= payloadBytesMax) await send(id, batch);
      }
      if (clock.now() - told >= progressMs) {
        told = clock.now();
        options.onProgress(counts);
      }
    }
    await sendAll();
    await publisher.drain();
  } catch (error) {
    if (!signal.aborted) throw error;
  }
  return counts;
};

const emptyCounts = (acknowledgedRow: number): ReplayCounts => ({
  rows: 0,
  badTimes: 0,
  badCells: 0,
  missing: 0,
  readings: 0,
  messages: 0,
  acknowledgedReadings: 0,
  acknowledgedRow,
});

const thingsOf = ({ columns }: Mapping): readonly Thing[] => [
  ...new Map(columns.map(({ thing }) => [thing.id, thing])).values(),
];

/** Waits until a recorded time is due; what was collected is sent before waiting. */
const createPace = ({ speed, clock, signal }: ReplayOptions, flush: () => Promise<void>) => {
  let origin: { readonly recorded: Instant; readonly at: number } | null = null;
  return async (recorded: Instant): Promise<void> => {
    if (speed === null) return;
    origin ??= { recorded, at: clock.monotonic() };
    const wait = origin.at + (recorded - origin.recorded) / speed - clock.monotonic();
    if (wait < 1) return;
    await flush();
    await clock.sleep(wait, signal);
  };
};

type Collecting = { readonly options: ReplayOptions; readonly counts: ReplayCounts; readonly batch: Batch };

/** One row's element for one thing; none when it has no value for it. */
const collect = ({ options, counts, batch }: Collecting, id: ThingId, row: Row, at: Instant): void => {
  const values: string[] = [];
  for (const column of options.mapping.columns) {
    if (column.thing.id !== id) continue;
    const value = cellValue(row.cells[column.index] ?? "", column, options.missing, counts);
    if (value === null) counts.missing++;
    if (value !== null || options.missingAs === "null") values.push(`"${column.property.id}":${value}`);
  }
  if (values.length === 0) return;
  counts.readings += values.length;
  batch.add(`{"ts":${at},"values":{${values.join(",")}}}`, values.length, row.number);
};

/** As JSON; null: missing. */
const cellValue = (
  cell: string,
  { property }: Mapped,
  missing: ReadonlySet<string>,
  counts: ReplayCounts,
): string | null => {
  if (missing.has(cell)) return null;
  if (property.type === "boolean" && /^(true|false)$/i.test(cell)) return cell.toLowerCase();
  const value = Number(cell);
  if (Number.isFinite(value)) return String(value);
  counts.badCells++;
  return null;
};
