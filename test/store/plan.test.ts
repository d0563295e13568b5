import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, expect, test } from "vitest";
import type { LimitId } from "../../src/domain/thing.ts";
import type { AlarmFilter } from "../../src/ports.ts";
import { openForWriting } from "../../src/store/database.ts";
import { ledgerSql } from "../../src/store/ledger.ts";
import { memorySql } from "../../src/store/memory.ts";
import { mergeSql } from "../../src/store/merge.ts";
import { outboxSql } from "../../src/store/outbox.ts";
import { alarmSql, rejectionSql } from "../../src/store/queries-alarms.ts";
import { bucketSql } from "../../src/store/queries-buckets.ts";
import { observationSql } from "../../src/store/queries-observations.ts";
import { thingSql } from "../../src/store/queries-things.ts";
import { retentionSql } from "../../src/store/retention.ts";
import { streets, things } from "./happening.ts";

// A query that is asked often must find its rows by an index, in the order in which they are given: SQLite says so.

const folder = mkdtempSync(join(tmpdir(), "meizhen-plan-"));
const db = openForWriting(join(folder, "store.db"));
afterAll(() => {
  db.close();
  rmSync(folder, { recursive: true, force: true });
});

const planOf = (sql: string): string[] =>
  db.all<{ detail: string }>(`EXPLAIN QUERY PLAN ${sql}`).map(({ detail }) => detail);
const alarms = (filter: Partial<AlarmFilter>) =>
  alarmSql.list({ state: "all", streets: null, now: 0, ...filter }, [1, "a"], 50).sql;

const plans: readonly [string, string, RegExp][] = [
  ["observations by range", observationSql.range, /^SEARCH observation USING PRIMARY KEY \(datastream=\? AND time>/],
  ["the newest observation", observationSql.latest, /^SEARCH observation USING PRIMARY KEY \(datastream=\?\)/],
  [
    "an observation at a time",
    observationSql.at,
    /^SEARCH observation USING PRIMARY KEY \(datastream=\? AND time=\?\)/,
  ],
  ["whether one is stored", memorySql.stored, /^SEARCH observation USING PRIMARY KEY \(datastream=\? AND time=\?\)/],
  [
    "hours of a roll-up",
    bucketSql.rolled.rollup_hour,
    /^SEARCH rollup_hour USING INDEX rollup_hour_datastream \(datastream=\? AND time>/,
  ],
  [
    "days of a roll-up",
    bucketSql.rolled.rollup_day,
    /^SEARCH rollup_day USING INDEX rollup_day_datastream \(datastream=\? AND time>/,
  ],
  [
    "the row that a merge goes on with",
    mergeSql.stored.rollup_hour,
    /^SEARCH rollup_hour USING PRIMARY KEY \(time=\? AND datastream=\?\)/,
  ],
  ["active alarms", alarms({ state: "active" }), /^SEARCH alarm USING INDEX alarm_active \(\(raised_at,id\)</],
  [
    "active alarms of a street",
    alarms({ state: "active", streets }),
    /^SEARCH alarm USING INDEX alarm_active \(\(raised_at,id\)</,
  ],
  ["all alarms", alarms({}), /^SEARCH alarm USING INDEX alarm_raised \(\(raised_at,id\)</],
  [
    "alarms of a thing",
    alarms({ thing: things[0]! }),
    /^SEARCH alarm USING INDEX alarm_thing \(thing=\? AND \(raised_at,id\)</,
  ],
  [
    "alarms of a limit",
    alarms({ limit: "x" as LimitId }),
    /^SEARCH alarm USING INDEX alarm_limit \(limit_id=\? AND \(raised_at,id\)</,
  ],
  ["how many alarms a thing has", thingSql.activeAlarms, /^SEARCH alarm USING INDEX alarm_active_thing \(thing=\?\)/],
  [
    "history of an alarm",
    alarmSql.history,
    /^SEARCH transition USING INDEX sqlite_autoindex_transition_1 \(alarm=\?\)/,
  ],
  ["rejections", rejectionSql.list([]), /^SEARCH rejection USING INDEX sqlite_autoindex_rejection_1 \(\(seq,n\)</],
  [
    "rejections of a street",
    rejectionSql.list(["street"]),
    /^SEARCH rejection USING INDEX rejection_street \(street=\? AND \(seq,n\)</,
  ],
  [
    "rejections of a thing",
    rejectionSql.list(["thing"]),
    /^SEARCH rejection USING INDEX rejection_thing \(thing=\? AND \(seq,n\)</,
  ],
  ["the ledger", ledgerSql.ofThing, /^SEARCH ledger USING INDEX ledger_thing \(thing=\? AND hour>/],
  ["remainders", ledgerSql.remainders, /^SCAN ledger USING INDEX ledger_remainder$/],
  ["a command by its key", thingSql.commandByKey, /^SEARCH command USING INDEX command_key \(by=\? AND key=\?\)/],
  ["a session", thingSql.session, /^SEARCH session USING INDEX sqlite_autoindex_session_1 \(token_hash=\?\)/],
  ["the feed", outboxSql.changes(undefined).page, /^SEARCH change USING INDEX sqlite_autoindex_change_1 \(\(seq,n\)>/],
  ["the feed of alarms", outboxSql.changes(["alarm"]).page, /^SEARCH change USING INDEX change_event \(\(seq,n\)>/],
  [
    "dead letters",
    outboxSql.deadLetters,
    /^SEARCH dead_letter USING INDEX sqlite_autoindex_dead_letter_1 \(consumer=\? AND \(seq,n,place\)</,
  ],
  [
    "what is to be forgotten",
    retentionSql.observations,
    /^SEARCH observation USING PRIMARY KEY \(datastream=\? AND time</,
  ],
];

test.for(plans)("%s: found by an index, in order", ([, sql, expected]) => {
  const plan = planOf(sql);
  expect(plan[0]).toMatch(expected);
  expect(plan.filter((step) => /TEMP B-TREE/.test(step))).toEqual([]);
});

test("without its index the plan of active alarms is another", () => {
  db.exec("BEGIN; DROP INDEX alarm_active");
  expect(planOf(alarms({ state: "active" }))[0]).not.toMatch(/alarm_active /);
  db.exec("ROLLBACK");
});
