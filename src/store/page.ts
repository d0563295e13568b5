import type { Page, PageRequest } from "../ports.ts";
import { StoreError } from "./errors.ts";

/** Rows of a page at most, whatever is asked. */
const pageMax = 10_000;

/** How many rows to read for a page: one more than it holds, to see whether another follows. */
export const rowsFor = ({ limit }: PageRequest): number => {
  if (!Number.isInteger(limit) || limit < 1 || limit > pageMax)
    throw new StoreError("store_invalid", `a page of ${limit}; 1 to ${pageMax}`);
  return limit + 1;
};

type Place = readonly (string | number)[];

/** The rows as a page; `placeOf` the last one is where the next page begins. */
export const pageOf = <Row, Item>(
  rows: readonly Row[],
  { limit }: PageRequest,
  itemOf: (row: Row) => Item,
  placeOf: (row: Row) => Place,
): Page<Item> => {
  const shown = rows.slice(0, limit);
  const last = shown.at(-1);
  const more = rows.length > limit && last !== undefined;
  return { items: shown.map(itemOf), next: more ? encodePlace(placeOf(last)) : null };
};

const encodePlace = (place: Place): string => Buffer.from(JSON.stringify(place)).toString("base64url");

/** The place in a cursor of ours, checked against the types it must have; null: from the beginning. */
export const placeIn = <const Types extends readonly ("string" | "number")[]>(
  { cursor }: PageRequest,
  types: Types,
): { readonly [K in keyof Types]: Types[K] extends "string" ? string : number } | null => {
  if (cursor === null) return null;
  const place = parse(cursor);
  const fits =
    Array.isArray(place) && place.length === types.length && types.every((type, at) => typeof place[at] === type);
  if (!fits) throw new StoreError("cursor_invalid", "the cursor is none that this list gave");
  return place as never;
};

const parse = (cursor: string): unknown => {
  try {
    return JSON.parse(Buffer.from(cursor, "base64url").toString());
  } catch {
    return undefined;
  }
};
