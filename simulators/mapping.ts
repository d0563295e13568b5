import type { Property } from "../src/domain/kind.ts";
import type { Registry } from "../src/domain/registry.ts";
import type { Thing } from "../src/domain/thing.ts";

/** One column of a series and the property of a thing that it holds. */
export type Mapped = { readonly index: number; readonly thing: Thing; readonly property: Property };

/** What is read of a row. */
export type Mapping = { readonly time: number; readonly columns: readonly Mapped[] };

type Asked = {
  readonly registry: Registry;
  readonly columns: readonly string[];
  readonly time: string;
  readonly thing: string;
  /** `COLUMN=property,…`; `COLUMN=property@thing` for another thing than the one of `--thing`. */
  readonly map: string;
};

/** Reads `--map` against the file and the district; every fault goes to `faults`. */
export const readMapping = (asked: Asked, faults: string[]): Mapping => {
  const time = asked.columns.indexOf(asked.time);
  if (time < 0) faults.push(`--time: no column ${asked.time}; there are ${asked.columns.join(", ")}`);
  const columns = asked.map.split(",").flatMap((part) => readPair(asked, part.trim(), faults));
  const seen = new Set<string>();
  for (const { thing, property } of columns) {
    const name = `${property.id}@${thing.id}`;
    if (seen.has(name)) faults.push(`--map: ${name} is given twice; a thing has one value of a property at a time`);
    seen.add(name);
  }
  return { time, columns };
};

const readPair = (asked: Asked, part: string, faults: string[]): readonly Mapped[] => {
  const [, column, name, other] = /^(.+)=([^=@]+)(?:@([a-z0-9-]+))?$/.exec(part) ?? [];
  if (column === undefined || name === undefined) {
    faults.push(`--map: expected COLUMN=property or COLUMN=property@thing, not ${part}`);
    return [];
  }
  const index = asked.columns.indexOf(column);
  if (index < 0) faults.push(`--map: no column ${column}; there are ${asked.columns.join(", ")}`);
  const id = other ?? asked.thing;
  const thing = asked.registry.things.find((one) => one.id === id);
  if (thing === undefined) faults.push(`${other === undefined ? "--thing" : "--map"}: no thing ${id}`);
  const kind = asked.registry.kinds.find((one) => one.id === thing?.kind);
  const property = kind?.properties.find((one) => one.id === name);
  if (kind !== undefined && property === undefined) {
    faults.push(
      `--map: ${kind.id} has no property ${name}; there are ${kind.properties.map((one) => one.id).join(", ")}`,
    );
  }
  return index < 0 || thing === undefined || property === undefined ? [] : [{ index, thing, property }];
};
