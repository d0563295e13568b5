import type { ThingId } from "../domain/thing.ts";
import { hourOf, type Instant } from "../domain/time.ts";
import type { Knowledge, LedgerHour } from "../ports.ts";
import type { Database } from "./database.ts";
import type { Source } from "./source.ts";

type Outcome = "received" | "stored" | "duplicate" | "rejected";
type Counts = Record<Outcome, number>;

/** The row that adds up all things of an hour, so that the district's ledger costs no scan; no thing has this id. */
const everything = "*";
/** Hours of one answer: eleven years. */
const hoursMax = 100_000;

/** What one commit adds to the ledger. */
export type LedgerTally = {
  add(thing: ThingId | "", at: Instant, outcome: Outcome, readings: number): void;
  /** Adds it to the database's rows. */
  write(db: Database): void;
};

export const createLedgerTally = (): LedgerTally => {
  const hours = new Map<Instant, Map<string, Counts>>();
  let hour = Number.NaN;
  let things = new Map<string, Counts>();
  return {
    add(thing, at, outcome, readings) {
      // readings come in runs of one hour
      if (!(at >= hour && at < hour + 3_600_000)) {
        hour = hourOf(at);
        things = hours.get(hour) ?? new Map();
        hours.set(hour, things);
      }
      let counts = things.get(thing);
      if (counts === undefined) {
        counts = { received: 0, stored: 0, duplicate: 0, rejected: 0 };
        things.set(thing, counts);
      }
      counts[outcome] += readings;
    },
    write(db) {
      for (const [hour, things] of hours) {
        const total = { received: 0, stored: 0, duplicate: 0, rejected: 0 };
        for (const [thing, counts] of things) {
          writeCounts(db, hour, thing, counts);
          for (const outcome of ["received", "stored", "duplicate", "rejected"] as const)
            total[outcome] += counts[outcome];
        }
        writeCounts(db, hour, everything, total);
      }
    },
  };
};

const writeCounts = (db: Database, hour: Instant, thing: string, counts: Counts): void => {
  const { received, stored, duplicate, rejected } = counts;
  db.run(ledgerSql.add, hour, thing, received, stored, duplicate, rejected);
};

const columns = "hour, received, stored, duplicate, rejected";

export const ledgerSql = {
  add: `INSERT INTO ledger (hour, thing, received, stored, duplicate, rejected) VALUES (?, ?, ?, ?, ?, ?)
    ON CONFLICT (hour, thing) DO UPDATE SET received = received + excluded.received, stored = stored + excluded.stored,
    duplicate = duplicate + excluded.duplicate, rejected = rejected + excluded.rejected`,
  // the newest hours, should there be more than an answer holds
  ofThing: `SELECT ${columns} FROM ledger WHERE thing = ? AND hour >= ? AND hour < ? ORDER BY hour DESC LIMIT ?`,
  remainders: `SELECT thing, ${columns} FROM ledger
    WHERE received <> stored + duplicate + rejected AND thing <> '${everything}' ORDER BY hour, thing LIMIT ?`,
} as const;

export const ledgerQueries = ({ db, view }: Source): Pick<Knowledge, "ledger" | "remainders"> => ({
  ledger: ({ thing, from, to }) =>
    view(() =>
      db
        .all<LedgerHour>(
          ledgerSql.ofThing,
          thing ?? everything,
          from === undefined ? Number.MIN_SAFE_INTEGER : hourOf(from),
          to ?? Number.MAX_SAFE_INTEGER,
          hoursMax,
        )
        .map((row) => ({ ...row }))
        .reverse(),
    ),
  remainders: (limit) =>
    view(() => db.all<LedgerHour & { thing: ThingId | "" }>(ledgerSql.remainders, limit).map((row) => ({ ...row }))),
});
