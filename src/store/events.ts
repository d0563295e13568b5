import type { Event, EventOf } from "../domain/change.ts";
import type { RejectionId } from "../domain/rejection.ts";
import type { Database } from "./database.ts";
import { StoreError } from "./errors.ts";
import type { LedgerTally } from "./ledger.ts";

/** What each kind of event means for the tables, besides its row in the feed. */
type Projection<K extends Event["kind"]> = (db: Database, event: EventOf<K>, ledger: LedgerTally) => void;

export const projectEvent = (db: Database, event: Event, ledger: LedgerTally): void =>
  (projections[event.kind] as Projection<Event["kind"]>)(db, event, ledger);

/** `{seq}-{n}`; undefined for anything else. */
export const rejectionPlace = (id: RejectionId): readonly [seq: number, n: number] | undefined => {
  const match = /^(\d{1,16})-(\d{1,9})$/.exec(id);
  return match === null ? undefined : [Number(match[1]), Number(match[2])];
};

const upsertAlarm = `INSERT INTO alarm
  (id, thing, kind, street, limit_id, state, late, raised_at, received_at, cleared_at, body)
  VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?) ON CONFLICT (id) DO UPDATE SET state = excluded.state, late = excluded.late,
  street = excluded.street, raised_at = excluded.raised_at, received_at = excluded.received_at,
  cleared_at = excluded.cleared_at, body = excluded.body`;

const alarm: Projection<"alarm"> = (db, { seq, n, transition }) => {
  const now = transition.alarm;
  db.run(
    upsertAlarm,
    ...[now.id, now.thing, now.kind, now.street, now.limit, now.state, now.late ? 1 : 0],
    ...[now.raisedAt, now.receivedAt, now.clearedAt, JSON.stringify(now)],
  );
  db.run(
    "INSERT INTO transition (alarm, seq, n, body) VALUES (?, ?, ?, ?)",
    now.id,
    seq,
    n,
    JSON.stringify(transition),
  );
};

const registry: Projection<"registry"> = (db, { registry }) => {
  db.run(
    "INSERT OR REPLACE INTO registry (id, version, body) VALUES (0, ?, ?)",
    registry.version,
    JSON.stringify(registry),
  );
  db.run("DELETE FROM registered_thing");
  for (const { id, street } of registry.things)
    db.run("INSERT INTO registered_thing (id, street) VALUES (?, ?)", id, street);
  db.run(moveRejections);
};

/** A thing may move to another street, and its rejections with it. */
const moveRejections = `UPDATE rejection SET street = ifnull((SELECT street FROM registered_thing WHERE id = thing), '')
  WHERE street <> ifnull((SELECT street FROM registered_thing WHERE id = thing), '')`;

const credential: Projection<"credential"> = (db, { id, credential }) => {
  if (credential === null) db.run("DELETE FROM credential WHERE id = ?", id);
  else db.run("INSERT OR REPLACE INTO credential (id, body) VALUES (?, ?)", id, JSON.stringify(credential));
};

const account: Projection<"account"> = (db, { username, account }) => {
  if (account === null) db.run("DELETE FROM account WHERE username = ?", username);
  else db.run("INSERT OR REPLACE INTO account (username, body) VALUES (?, ?)", username, JSON.stringify(account));
};

const session: Projection<"session"> = (db, { tokenHash, session }) => {
  if (session === null) db.run("DELETE FROM session WHERE token_hash = ?", tokenHash);
  else
    db.run(
      "INSERT OR REPLACE INTO session (token_hash, username, created_at, expires_at) VALUES (?, ?, ?, ?)",
      ...[tokenHash, session.username, session.createdAt, session.expiresAt],
    );
};

const command: Projection<"command"> = (db, { at, outcome }) => {
  db.run(
    "INSERT OR REPLACE INTO command (seq, at, by, key, body) VALUES (?, ?, ?, ?, ?)",
    ...[outcome.seq, at, outcome.by, outcome.key, JSON.stringify(outcome)],
  );
};

/** SEMANTICS 6: it leaves `rejected` of its own hour, once; what it became is counted as observations of that arrival. */
const replayed: Projection<"replayed"> = (db, { at, rejection, rejectedAt, thing }, ledger) => {
  const place = rejectionPlace(rejection);
  if (place === undefined) throw new StoreError("store_invalid", `${rejection} is no id of a rejection`);
  const sql = "SELECT replayed_at FROM rejection WHERE seq = ? AND n = ?";
  const before = db.first<{ replayed_at: number | null }>(sql, ...place);
  if (before !== undefined && before.replayed_at !== null) return;
  db.run("UPDATE rejection SET replayed_at = ? WHERE seq = ? AND n = ?", at, ...place);
  ledger.add(thing, rejectedAt, "rejected", -1);
};

const delivered: Projection<"delivered"> = (db, { seq, n, at, consumer, through, dead }) => {
  db.run("INSERT OR REPLACE INTO consumer (name, through, at) VALUES (?, ?, ?)", consumer, through, at);
  for (const [place, { thing, reason, body }] of dead.entries())
    db.run(
      "INSERT INTO dead_letter (consumer, seq, n, place, at, thing, reason, body) VALUES (?, ?, ?, ?, ?, ?, ?, ?)",
      ...[consumer, seq, n, place, at, thing, reason, body],
    );
};

/** Presence is part of the thing's state, which the same commit brings. */
const presence: Projection<"presence"> = () => {};

const projections: { readonly [K in Event["kind"]]: Projection<K> } = {
  alarm,
  presence,
  registry,
  credential,
  account,
  session,
  command,
  replayed,
  delivered,
};
