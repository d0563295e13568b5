import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { existsSync, mkdirSync, mkdtempSync, readFileSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createInterface } from "node:readline";
import type { Entry, Journaled, Seq } from "../../src/domain/entry.ts";
import type { Damage } from "../../src/journal/segment.ts";
import { type JournalOptions, type OwnedJournal, openJournal } from "../../src/journal/sqlite.ts";
import { createTelemetry } from "../../src/platform/telemetry.ts";
import type { FaultName } from "./faulty-worker.ts";

/** Journals, and processes that append to them, for the tests of this room. */

export const never = new AbortController().signal;
export const workerNamed = (name: "faulty" | "hasty" | "mortal" | "unsynced"): URL =>
  new URL(`./${name}-worker.ts`, import.meta.url);

export const temporaryFolder = (name = "journal"): string => mkdtempSync(join(tmpdir(), `meizhen-${name}-`));

/** Log lines of a journal opened by `open`, as objects. */
type Told = { readonly event: string } & Record<string, unknown>;

export const open = async (directory: string, options: Partial<JournalOptions> = {}) => {
  const told: Told[] = [];
  const write = (line: string) => void told.push(JSON.parse(line));
  const telemetry = createTelemetry({ level: "debug", thread: "test", write });
  const fatal = Promise.withResolvers<Error>();
  const onFatal = (error: Error) => fatal.resolve(error);
  const journal = await openJournal({ directory, bytesMax: 2 ** 30, telemetry, onFatal, ...options });
  return { journal, told, fatal: fatal.promise, close: () => journal.close(AbortSignal.abort()) };
};

export const planFaults = (directory: string, plan: Record<number, FaultName>): void => {
  mkdirSync(directory, { recursive: true });
  writeFileSync(join(directory, "faults.json"), JSON.stringify(plan));
};

export const numbered = (number: number, bytes = 40): Entry => ({
  ...{ kind: "message", at: 1_000, topic: "meizhen/xinghai/water/wt-1/readings" },
  ...{ payload: Buffer.from(String(number).padEnd(bytes)), principal: null, qos: 1 },
});
export const tick = (at: number): Entry => ({ kind: "tick", at });
export const numberOf = ({ entry }: Journaled): number =>
  entry.kind === "message" ? Number(Buffer.from(entry.payload).toString()) : -1;

/** Everything after `after`; payloads are views, good until the next page only in name: they are kept here. */
export const readAll = async (journal: Pick<OwnedJournal, "read">, after: Seq = 0): Promise<Journaled[]> => {
  const entries: Journaled[] = [];
  for (;;) {
    const page = await journal.read(entries.at(-1)?.seq ?? after, 5_000);
    if (page.length === 0) return entries;
    entries.push(...page);
  }
};

export const covers = (damages: readonly Damage[], seq: Seq): boolean =>
  damages.some(({ first, last }) => first <= seq && seq <= last);

/** A process under load. */
export type Load = {
  readonly child: ChildProcess;
  /** Its first line. */
  readonly answer: string;
  readonly exited: Promise<number | null>;
  /** Number to seq of everything that was acknowledged to it, by its own file. */
  acknowledged(): Map<number, Seq>;
};

type LoadOptions = {
  readonly first?: number;
  readonly worker?: URL;
  readonly count?: number;
  readonly acknowledged?: string;
};

export const startLoad = async (directory: string, options: LoadOptions = {}): Promise<Load> => {
  const notes = options.acknowledged ?? join(directory, "acknowledged.txt");
  mkdirSync(directory, { recursive: true });
  const given = {
    ...{ directory, acknowledged: notes, first: options.first ?? 0, count: options.count ?? Number.POSITIVE_INFINITY },
    ...(options.worker === undefined ? {} : { worker: options.worker.href }),
  };
  const parameters = Object.entries(given).map(([name, value]) => `--${name}=${value}`);
  const child = spawn(process.execPath, [join(import.meta.dirname, "load-process.ts"), ...parameters], {
    stdio: ["ignore", "pipe", "inherit"],
  });
  const exited = once(child, "exit").then(([code]) => code as number | null);
  const lines = createInterface({ input: child.stdout as NodeJS.ReadableStream });
  const answer = await Promise.race([
    once(lines, "line").then(([line]) => String(line)),
    exited.then((code) => `exited with ${code}`),
  ]);
  return { child, answer, exited, acknowledged: () => readAcknowledged(notes) };
};

const readAcknowledged = (path: string): Map<number, Seq> => {
  const lines = existsSync(path) ? readFileSync(path, "utf8").split("\n").slice(0, -1) : [];
  return new Map(lines.map((line) => line.split(" ").map(Number) as [number, Seq]));
};
