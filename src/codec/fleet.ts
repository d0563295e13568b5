import { parse } from "csv-parse/sync";
import type { GridId, KindId, StreetId, Thing, ThingId } from "../domain/thing.ts";
import { parseDuration, second } from "../domain/time.ts";
import type { Fault, FaultCode } from "./source.ts";

/** One row of a fleet file as a thing, and where it stands. */
export type Row = { readonly thing: Thing; report(column: string, code: FaultCode, message: string): void };

/** The first columns of every fleet file; what follows are attributes. */
const columns = [
  ...["id", "kind", "street", "grid", "name_zh", "name_en", "longitude", "latitude", "gateway", "every"],
] as const;

const idPattern = /^[a-z0-9-]{1,64}$/;
/** An attribute becomes a key of JSON and a word in conditions. */
const attributePattern = /^[a-z][a-zA-Z0-9_]{0,63}$/;

type Line = { readonly record: readonly string[]; readonly info: { readonly lines: number } };

/** Reads one fleet file; every fault goes to `faults`. A row is given back when it can be told which thing it is. */
export const readFleet = (file: string, text: string, faults: Fault[]): readonly Row[] => {
  const lines = split(file, text, faults);
  const header = lines[0];
  if (header === undefined) return [];
  const names = header.record;
  if (!headerHolds(file, names, faults)) return [];
  return lines.slice(1).flatMap(({ record, info }) => {
    const report = (path: string, code: FaultCode, message: string) =>
      faults.push({ file, line: info.lines, path, code, message });
    if (record.length !== names.length) {
      report("", "syntax", `expected ${names.length} columns as in the header, found ${record.length}`);
      return [];
    }
    const thing = readThing(new Map(names.map((name, index) => [name, record[index] as string])), report);
    return thing === null ? [] : [{ thing, report }];
  });
};

const split = (file: string, text: string, faults: Fault[]): readonly Line[] => {
  try {
    return parse(text, {
      info: true,
      bom: true,
      trim: true,
      skip_empty_lines: true,
      relax_column_count: true,
    }) as unknown as Line[];
  } catch (error) {
    const { lines = 1, message } = error as { lines?: number; message: string };
    faults.push({ file, line: lines, path: "", code: "syntax", message });
    return [];
  }
};

const headerHolds = (file: string, names: readonly string[], faults: Fault[]): boolean => {
  const before = faults.length;
  const report = (path: string, message: string) => faults.push({ file, line: 1, path, code: "shape", message });
  columns.forEach((name, index) => {
    if (names[index] !== name) report(names[index] ?? "", `expected column ${index + 1} to be ${name}`);
  });
  names.slice(columns.length).forEach((name, index, attributes) => {
    if (!attributePattern.test(name)) report(name, "expected an attribute of letters, digits and _");
    if (attributes.indexOf(name) !== index || (columns as readonly string[]).includes(name)) {
      report(name, "expected every column once");
    }
  });
  return faults.length === before;
};

type Report = Row["report"];

const readThing = (cells: ReadonlyMap<string, string>, report: Report): Thing | null => {
  const cell = (column: (typeof columns)[number]) => cells.get(column) as string;
  const id = cell("id");
  if (!idPattern.test(id)) {
    report("id", "shape", "expected an id of a-z, 0-9 and -, at most 64");
    return null;
  }
  if (id === "house") report("id", "reserved", "house is the service itself");
  for (const column of ["name_zh", "name_en"] as const) {
    if (cell(column) === "") report(column, "shape", "expected a name");
  }
  const attributes = [...cells].filter(
    ([name, value]) => value !== "" && !(columns as readonly string[]).includes(name),
  );
  return {
    id: id as ThingId,
    kind: cell("kind") as KindId,
    street: cell("street") as StreetId,
    grid: cell("grid") as GridId,
    name: { zh: cell("name_zh"), en: cell("name_en") },
    location: readLocation(cell("longitude"), cell("latitude"), report),
    gateway: cell("gateway") === "" ? null : (cell("gateway") as ThingId),
    every: readEvery(cell("every"), report),
    attributes: Object.fromEntries(attributes),
  };
};

/** Degrees of WGS 84; both or neither. A swapped pair shows, as 120 is no latitude. */
const readLocation = (longitude: string, latitude: string, report: Report): Thing["location"] => {
  if (longitude === "" && latitude === "") return null;
  const degrees = (column: string, text: string, most: number): number => {
    const value = text === "" ? Number.NaN : Number(text);
    if (!(Math.abs(value) <= most)) report(column, "shape", `expected degrees from -${most} to ${most}`);
    return value;
  };
  return { longitude: degrees("longitude", longitude, 180), latitude: degrees("latitude", latitude, 90) };
};

const readEvery = (text: string, report: Report): number | null => {
  if (text === "") return null;
  const every = parseDuration(text);
  if (every === undefined || every < second) {
    report("every", "shape", "expected an ISO 8601 duration of at least PT1S, as PT5M, or nothing");
    return null;
  }
  return every;
};
