import type { Changes } from "../domain/change.ts";
import type { Seq } from "../domain/entry.ts";
import { StoreError } from "./errors.ts";

/** Rows of one commit: what the applier may take from the engine at once, with room. */
const changesMax = 1_000_000;
/** Characters of one JSON body: a registry of 10,000 things takes some five million. */
const bodyCharactersMax = 64 * 2 ** 20;

export const isEmpty = (changes: Changes): boolean =>
  changes.observations.length === 0 &&
  changes.events.length === 0 &&
  changes.things.length === 0 &&
  changes.district === null &&
  changes.duplicates.length === 0 &&
  changes.received.length === 0 &&
  changes.rejections.length === 0 &&
  changes.datastreams.length === 0;

/** Refuses what only a bug can have made, before anything is written. */
export const checkChanges = (changes: Changes, before: Seq, through: Seq): void => {
  if (!Number.isSafeInteger(through) || through <= before)
    throw new StoreError("store_order", `a commit through ${through} does not follow ${before}`);
  const rows =
    changes.observations.length + changes.events.length + changes.rejections.length + changes.duplicates.length;
  if (rows > changesMax) throw new StoreError("store_oversized", `${rows} rows in one commit; ${changesMax} at most`);
  const place = (what: string, seq: Seq): void => {
    if (!(seq > before && seq <= through) || !Number.isInteger(seq))
      throw new StoreError("store_invalid", `${what} at seq ${seq} in a commit of ${before} to ${through}`);
  };
  for (const { datastream, time, value, quality, seq, receivedAt } of changes.observations) {
    place("an observation", seq);
    if (!Number.isSafeInteger(time) || !Number.isSafeInteger(receivedAt) || !(value === null || Number.isFinite(value)))
      throw new StoreError("store_invalid", `datastream ${datastream}: ${value} at ${time}, received ${receivedAt}`);
    if (!(quality === 1 || quality === 2 || quality === 3 || quality === 4 || quality === 9))
      throw new StoreError("store_invalid", `datastream ${datastream}: flag ${quality}`);
  }
  for (const { seq, kind } of changes.events) place(kind, seq);
  for (const { seq, id, n } of changes.rejections) {
    place("a rejection", seq);
    if (id !== `${seq}-${n}`) throw new StoreError("store_invalid", `rejection ${id} at ${seq}-${n}`);
  }
  for (const { thing, body } of changes.things) bounded(thing, body);
  bounded("district", changes.district ?? "");
};

const bounded = (what: string, body: string): void => {
  if (body.length > bodyCharactersMax)
    throw new StoreError("store_oversized", `the state of ${what} has ${body.length} characters`);
};
