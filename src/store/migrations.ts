// The schema of store.db, step by step. A step that has been released is never edited: add one. Each runs in a
// transaction of its own together with its number, so a crash leaves the one before or the one after.
//
// Observations live in two places: the newest ones in memory and, durable, in the packed rows of `change` behind
// `progress.merged`; the others in `observation`. See fresh.ts for the reason.
//
// Roll-ups and ledger are keyed by time first, so that what is written now lies on few pages, and are read through a
// second index whose columns never change. Roll-ups count what is merged.

const first = `
CREATE TABLE progress (id INTEGER PRIMARY KEY CHECK (id = 0), seq INTEGER NOT NULL, at INTEGER, merged INTEGER NOT NULL);
INSERT INTO progress VALUES (0, 0, NULL, 0);
CREATE TABLE clock (at INTEGER PRIMARY KEY, seq INTEGER NOT NULL);

CREATE TABLE datastream (
  id INTEGER PRIMARY KEY, thing TEXT NOT NULL, property TEXT NOT NULL, UNIQUE (thing, property));
CREATE TABLE observation (
  datastream INTEGER NOT NULL, time INTEGER NOT NULL, value REAL, quality INTEGER NOT NULL, seq INTEGER NOT NULL,
  delay INTEGER NOT NULL, PRIMARY KEY (datastream, time)) WITHOUT ROWID;
CREATE TABLE conflict (
  datastream INTEGER NOT NULL, time INTEGER NOT NULL, seq INTEGER NOT NULL, value REAL, received_at INTEGER NOT NULL,
  PRIMARY KEY (datastream, time, seq)) WITHOUT ROWID;
CREATE TABLE rollup_hour (
  time INTEGER NOT NULL, datastream INTEGER NOT NULL, count INTEGER NOT NULL, good INTEGER NOT NULL,
  used INTEGER NOT NULL, sum REAL NOT NULL, min REAL, max REAL, PRIMARY KEY (time, datastream)) WITHOUT ROWID;
CREATE INDEX rollup_hour_datastream ON rollup_hour (datastream, time);
CREATE TABLE rollup_day (
  time INTEGER NOT NULL, datastream INTEGER NOT NULL, count INTEGER NOT NULL, good INTEGER NOT NULL,
  used INTEGER NOT NULL, sum REAL NOT NULL, min REAL, max REAL, PRIMARY KEY (time, datastream)) WITHOUT ROWID;
CREATE INDEX rollup_day_datastream ON rollup_day (datastream, time);

CREATE TABLE change (
  seq INTEGER NOT NULL, n INTEGER NOT NULL, through INTEGER NOT NULL, at INTEGER NOT NULL, kind TEXT NOT NULL,
  body BLOB NOT NULL, PRIMARY KEY (seq, n));
CREATE INDEX change_event ON change (seq, n) WHERE kind <> 'observations';
CREATE TABLE consumer (name TEXT PRIMARY KEY, through INTEGER NOT NULL, at INTEGER NOT NULL);
CREATE TABLE dead_letter (
  consumer TEXT NOT NULL, seq INTEGER NOT NULL, n INTEGER NOT NULL, place INTEGER NOT NULL, at INTEGER NOT NULL,
  thing TEXT NOT NULL, reason TEXT NOT NULL, body TEXT NOT NULL, PRIMARY KEY (consumer, seq, n, place));
CREATE INDEX dead_letter_at ON dead_letter (at);

CREATE TABLE thing_state (thing TEXT PRIMARY KEY, presence TEXT NOT NULL, last_seen INTEGER, body TEXT NOT NULL);
CREATE TABLE district_state (id INTEGER PRIMARY KEY CHECK (id = 0), body TEXT NOT NULL);
CREATE TABLE registry (id INTEGER PRIMARY KEY CHECK (id = 0), version TEXT NOT NULL, body TEXT NOT NULL);
CREATE TABLE registered_thing (id TEXT PRIMARY KEY, street TEXT NOT NULL) WITHOUT ROWID;
CREATE TABLE credential (id TEXT PRIMARY KEY, body TEXT NOT NULL);
CREATE TABLE account (username TEXT PRIMARY KEY, body TEXT NOT NULL);
CREATE TABLE session (
  token_hash TEXT PRIMARY KEY, username TEXT NOT NULL, created_at INTEGER NOT NULL, expires_at INTEGER NOT NULL);
CREATE INDEX session_expires ON session (expires_at);
CREATE TABLE command (seq INTEGER PRIMARY KEY, at INTEGER NOT NULL, by TEXT NOT NULL, key TEXT, body TEXT NOT NULL);
CREATE INDEX command_key ON command (by, key, seq) WHERE key IS NOT NULL;

CREATE TABLE alarm (
  id TEXT PRIMARY KEY, thing TEXT NOT NULL, kind TEXT NOT NULL, street TEXT NOT NULL, limit_id TEXT NOT NULL,
  state TEXT NOT NULL, late INTEGER NOT NULL, raised_at INTEGER NOT NULL, received_at INTEGER NOT NULL,
  cleared_at INTEGER, body TEXT NOT NULL);
CREATE INDEX alarm_active ON alarm (raised_at, id) WHERE state <> 'normal';
CREATE INDEX alarm_active_thing ON alarm (thing) WHERE state <> 'normal';
CREATE INDEX alarm_cleared ON alarm (cleared_at) WHERE state = 'normal';
CREATE INDEX alarm_raised ON alarm (raised_at, id);
CREATE INDEX alarm_thing ON alarm (thing, raised_at, id);
CREATE INDEX alarm_limit ON alarm (limit_id, raised_at, id);
CREATE INDEX alarm_kind ON alarm (kind, raised_at, id);
CREATE TABLE transition (
  alarm TEXT NOT NULL, seq INTEGER NOT NULL, n INTEGER NOT NULL, body TEXT NOT NULL, PRIMARY KEY (alarm, seq, n));

CREATE TABLE rejected_message (seq INTEGER PRIMARY KEY, raw BLOB NOT NULL);
CREATE TABLE rejection (
  seq INTEGER NOT NULL, n INTEGER NOT NULL, received_at INTEGER NOT NULL, topic TEXT NOT NULL, thing TEXT NOT NULL,
  street TEXT NOT NULL, reason TEXT NOT NULL, path TEXT NOT NULL, detail TEXT NOT NULL, replayed_at INTEGER,
  PRIMARY KEY (seq, n));
CREATE INDEX rejection_thing ON rejection (thing, seq, n);
CREATE INDEX rejection_reason ON rejection (reason, seq, n);
CREATE INDEX rejection_street ON rejection (street, seq, n);

CREATE TABLE ledger (
  hour INTEGER NOT NULL, thing TEXT NOT NULL, received INTEGER NOT NULL, stored INTEGER NOT NULL,
  duplicate INTEGER NOT NULL, rejected INTEGER NOT NULL, PRIMARY KEY (hour, thing)) WITHOUT ROWID;
CREATE INDEX ledger_thing ON ledger (thing, hour);
CREATE INDEX ledger_remainder ON ledger (hour, thing) WHERE received <> stored + duplicate + rejected;
`;

export const migrations: readonly string[] = [first];
