import { createHash } from "node:crypto";
import type { Kind } from "../domain/kind.ts";
import type { Registry } from "../domain/registry.ts";
import type { Thing } from "../domain/thing.ts";
import type { DurationMs } from "../domain/time.ts";
import { type Row, readFleet } from "./fleet.ts";
import { type KindReading, readKind } from "./kind.ts";
import { readSite, type SiteNames, type SiteReading } from "./site.ts";
import { type Fault, openYaml } from "./source.ts";

export type { Fault } from "./source.ts";

/** The folder as the registry it says, or everything that is wrong with it. */
export type DevicesReading =
  | { readonly kind: "registry"; readonly registry: Registry }
  | { readonly kind: "faults"; readonly faults: readonly Fault[] };

/** More things than one house takes (one street of 10,000 each, with room). */
const thingsMax = 50_000;
/** A folder that is wrong in more places than this is wrong as a whole; what is cut off is told. */
const faultsMax = 500;

const noSite: SiteReading = { site: null, names: null };

/** The files of the folder that are read (a kind's README shows that there is a kind); cases are for the tests. */
export const isDevicesFile = (path: string): boolean =>
  path === "site.yaml" || /^fleet\/[^/]+\.csv$/.test(path) || /^kinds\/[^/]+\/(kind\.yaml|README\.md)$/.test(path);

/**
 * Reads a devices folder: paths within it (with `/`) to their text. Nothing is taken from a folder with a fault, and
 * all faults are told at once, by file and line. `retention` becomes part of the registry.
 */
export const readDevices = (files: ReadonlyMap<string, string>, retention: DurationMs): DevicesReading => {
  const faults: Fault[] = [];
  const siteText = files.get("site.yaml");
  if (siteText === undefined) missing("site.yaml", faults);
  const site = siteText === undefined ? noSite : readSite("site.yaml", siteText, faults);
  const kinds = readKinds(files, faults);
  const things = readThings(files, faults);
  for (const { kind } of kinds.values()) reportQueue(files, kind, site.names, faults);
  const known = new Map(things.map((row) => [row.thing.id as string, row.thing]));
  reportDuplicates(things);
  for (const row of things) reportReferences(row, site.names, kindNames(files), known);
  for (const row of things) reportAttributes(row, kinds.get(row.thing.kind)?.kind);
  if (things.length > thingsMax) things[thingsMax]?.report("", "contradiction", `expected at most ${thingsMax} things`);
  if (faults.length > 0 || site.site === null) return { kind: "faults", faults: ordered(faults) };
  const rest = {
    retention,
    ...site.site,
    kinds: [...kinds.values()].map(({ kind }) => kind).sort(byId),
    things: things.map(({ thing }) => withDefaults(thing, kinds.get(thing.kind))).sort(byId),
  };
  return { kind: "registry", registry: { version: versionOf(rest), ...rest } };
};

/** SHA-256 of the canonical JSON: keys in order of code points, no white space. */
const versionOf = (rest: Omit<Registry, "version">): string =>
  createHash("sha256").update(canonical(rest)).digest("hex");

const canonical = (value: unknown): string =>
  JSON.stringify(value, (_, inner: unknown) =>
    typeof inner === "object" && inner !== null && !Array.isArray(inner)
      ? Object.fromEntries(Object.entries(inner).sort(([a], [b]) => (a < b ? -1 : 1)))
      : inner,
  );

const byId = (a: { id: string }, b: { id: string }): number => (a.id < b.id ? -1 : a.id > b.id ? 1 : 0);

const ordered = (faults: readonly Fault[]): readonly Fault[] => {
  const sorted = [...faults].sort((a, b) => (a.file === b.file ? a.line - b.line : a.file < b.file ? -1 : 1));
  if (sorted.length <= faultsMax) return sorted;
  const more = sorted.length - faultsMax;
  const cut = { file: "", line: 1, path: "", code: "shape", message: `and ${more} more faults` } as const;
  return [...sorted.slice(0, faultsMax), cut];
};

const missing = (file: string, faults: Fault[]): void => {
  faults.push({ file, line: 1, path: "", code: "missing_file", message: `expected a file ${file}` });
};

/** Names of all folders under `kinds/`, broken ones included. */
const kindNames = (files: ReadonlyMap<string, string>): ReadonlySet<string> =>
  new Set([...files.keys()].flatMap((path) => /^kinds\/([^/]+)\//.exec(path)?.[1] ?? []));

const readKinds = (files: ReadonlyMap<string, string>, faults: Fault[]): ReadonlyMap<string, KindReading> => {
  const kinds = new Map<string, KindReading>();
  for (const name of kindNames(files)) {
    const file = `kinds/${name}/kind.yaml`;
    const text = files.get(file);
    if (text === undefined) missing(file, faults);
    const reading = text === undefined ? null : readKind(file, name, text, faults);
    if (reading !== null) kinds.set(name, reading);
  }
  return kinds;
};

const readThings = (files: ReadonlyMap<string, string>, faults: Fault[]): readonly Row[] =>
  [...files.keys()]
    .filter((path) => /^fleet\/[^/]+\.csv$/.test(path))
    .sort()
    .flatMap((path) => readFleet(path, files.get(path) as string, faults));

/** Plan §26: every department has one named contact; a kind without a department would be nobody's work. */
const reportQueue = (
  files: ReadonlyMap<string, string>,
  kind: Kind,
  names: SiteNames | null,
  faults: Fault[],
): void => {
  if (names === null || names.queues.has(kind.queue)) return;
  const file = `kinds/${kind.id}/kind.yaml`;
  const source = openYaml(file, files.get(file) as string, faults);
  source?.report(["queue"], "unroutable", `no department with a liaison works the queue ${kind.queue}`);
};

const reportDuplicates = (things: readonly Row[]): void => {
  const seen = new Set<string>();
  for (const row of things) {
    if (seen.has(row.thing.id)) row.report("id", "duplicate", `a second ${row.thing.id}`);
    seen.add(row.thing.id);
  }
};

/** Plan §20: every thing has a 网格长 and a 街(路)长, through its grid and its street. */
const reportReferences = (
  row: Row,
  names: SiteNames | null,
  kinds: ReadonlySet<string>,
  things: ReadonlyMap<string, Thing>,
): void => {
  const { thing, report } = row;
  if (!kinds.has(thing.kind)) report("kind", "unknown", `no kind ${thing.kind || "given"}`);
  if (thing.street === "") report("street", "unroutable", "expected a street: without it there is no 街(路)长");
  if (thing.grid === "") report("grid", "unroutable", "expected a grid: without it there is no 网格长");
  if (names !== null) reportPlace(row, names);
  if (thing.gateway === null) return;
  const gateway = things.get(thing.gateway);
  if (gateway === undefined) report("gateway", "unknown", `no gateway ${thing.gateway}`);
  else if (gateway.kind !== "gateway") report("gateway", "contradiction", `${thing.gateway} is a ${gateway.kind}`);
  else if (thing.kind === "gateway") report("gateway", "contradiction", "a gateway stands behind no other");
};

const reportPlace = ({ thing, report }: Row, { streets, grids }: SiteNames): void => {
  if (thing.street !== "" && !streets.has(thing.street)) report("street", "unknown", `no street ${thing.street}`);
  const street = grids.get(thing.grid);
  if (thing.grid !== "" && street === undefined) report("grid", "unknown", `no grid ${thing.grid}`);
  if (street === undefined || street === null || thing.street === "" || street === thing.street) return;
  report("grid", "contradiction", `the grid ${thing.grid} is in ${street}, not in ${thing.street}`);
};

const reportAttributes = ({ thing, report }: Row, kind: Kind | undefined): void => {
  for (const { id, values } of kind?.attributes ?? []) {
    const value = thing.attributes[id];
    const known = values.map((one) => one.id);
    if (value === undefined || known.length === 0 || known.includes(value)) continue;
    report(id, "unknown", `expected one of ${known.join(", ")}, not ${value}`);
  }
};

const withDefaults = (thing: Thing, reading: KindReading | undefined): Thing => ({
  ...thing,
  attributes: { ...reading?.defaults, ...thing.attributes },
});
