import { join } from "node:path";
import type { Watermark } from "../platform/watermark.ts";
import type { Knowledge, Store } from "../ports.ts";
import { openForReading, openForWriting } from "./database.ts";
import { createFresh, freshMax as freshDefault } from "./fresh.ts";
import { ledgerQueries } from "./ledger.ts";
import { outboxQueries } from "./outbox.ts";
import { createProjection } from "./projection.ts";
import { alarmQueries, rejectionQueries } from "./queries-alarms.ts";
import { bucketQueries } from "./queries-buckets.ts";
import { observationQueries } from "./queries-observations.ts";
import { thingQueries } from "./queries-things.ts";
import { createRetention } from "./retention.ts";
import { progressOf, readerSource, type Source, writerSource } from "./source.ts";

// store.db: knowledge derived from the journal. One connection writes (the apply thread's), any number read.
//
// Delivery guarantee: a commit is whole or not at all, and so is the cursor with it; SIGKILL loses no commit, a power cut
// may lose those since the last checkpoint, which the journal then gives again. Deleting the file gives the same
// knowledge as far as the journal reaches back: every id comes from a seq, every sum is added up in the order of seqs.
//
//   migrations  the tables            projection  commit        outbox      the feed and its consumers
//   database    connection, schema    events      one event     queries-*   answers for the API
//   fresh       not yet merged        merge       roll-ups      retention   forgetting, checkpoint
//   source      what a query reads    ledger      law 9         page        cursors of lists

/** Where the store lies in the data folder. */
export const storePath = (directory: string): string => join(directory, "store.db");

type StoreOptions = {
  /** Of store.db. */
  readonly path: string;
  /** The store's cursor, shared by the threads of the process. */
  readonly watermark: Watermark;
  /** Observations kept in memory before they are merged; tests merge sooner. */
  readonly freshMax?: number;
};

/** The writer: creates the file, migrates it, advances the watermark with every commit. One at a time. */
export const openStore = ({ path, watermark, freshMax = freshDefault }: StoreOptions): Store => {
  const db = openForWriting(path);
  const source = writerSource(db, createFresh());
  const projection = createProjection(source, freshMax);
  watermark.advance(progressOf(db).seq);
  return {
    ...queries(source),
    ...createRetention(source, projection),
    waitPast: (after, signal) => watermark.waitPast(after, signal),
    commit(changes, through, at) {
      projection.commit(changes, through, at);
      watermark.advance(through);
    },
    close() {
      try {
        projection.merge();
      } catch {
        // a full disk: what is fresh stays durable in the feed, and the next start reads it from there
      }
      db.close();
    },
  };
};

/** A reader with a connection of its own, in any thread, once the writer is open. */
export const openKnowledge = ({ path, watermark }: StoreOptions): Knowledge => {
  const db = openForReading(path);
  return {
    ...queries(readerSource(db)),
    waitPast: (after, signal) => watermark.waitPast(after, signal),
    close: () => db.close(),
  };
};

const queries = (source: Source): Omit<Knowledge, "waitPast" | "close"> => ({
  ...outboxQueries(source),
  ...thingQueries(source),
  ...observationQueries(source),
  ...bucketQueries(source),
  ...alarmQueries(source),
  ...rejectionQueries(source),
  ...ledgerQueries(source),
});
