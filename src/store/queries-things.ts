import type { Account, Credential, Session } from "../domain/access.ts";
import type { CommandOutcome, Datastream, ThingState } from "../domain/change.ts";
import type { Presence, ThingId } from "../domain/thing.ts";
import type { Instant } from "../domain/time.ts";
import type { Knowledge, Point, ThingStatus } from "../ports.ts";
import { activeClause, lateStays } from "./queries-alarms.ts";
import { datastreamsOf, latestOf } from "./queries-observations.ts";
import { progressOf, type Source } from "./source.ts";

type ThingQueries =
  | "engineState"
  | "registry"
  | "credentials"
  | "accounts"
  | "session"
  | "command"
  | "commandByKey"
  | "statuses";

type Body = { readonly body: string };

/** Things as they are now, what the engine remembers of them, and who may do what. */
export const thingQueries = (source: Source): Pick<Knowledge, ThingQueries> => {
  const { db, view, registry } = source;
  const parsed = <T>(row: Body | undefined): T | null => (row === undefined ? null : (JSON.parse(row.body) as T));
  return {
    engineState: () =>
      view(() => ({
        district: db.first<Body>("SELECT body FROM district_state")?.body ?? null,
        things: db.all<ThingState>(thingSql.states).map((row) => ({ ...row })),
        datastreams: db
          .all<Datastream>("SELECT id, thing, property FROM datastream ORDER BY id")
          .map((row) => ({ ...row })),
      })),
    registry: () => view(registry),
    credentials: () =>
      view(() =>
        db.all<Body>("SELECT body FROM credential ORDER BY id").map(({ body }) => JSON.parse(body) as Credential),
      ),
    accounts: () =>
      view(() =>
        db.all<Body>("SELECT body FROM account ORDER BY username").map(({ body }) => JSON.parse(body) as Account),
      ),
    session: (tokenHash) =>
      view(() => {
        const row = db.first<Session>(thingSql.session, tokenHash);
        return row === undefined ? null : { ...row };
      }),
    command: (seq) => view(() => parsed<CommandOutcome>(db.first<Body>("SELECT body FROM command WHERE seq = ?", seq))),
    commandByKey: (by, key) => view(() => parsed<CommandOutcome>(db.first<Body>(thingSql.commandByKey, by, key))),
    statuses: (things) =>
      view(() => {
        const now = progressOf(db).at ?? 0;
        return things.map((thing) => statusOf(source, thing, now));
      }),
  };
};

type State = { readonly presence: Presence; readonly lastSeen: Instant | null };

/** `now`: the newest instant that was applied, for the seven days of a late alarm. */
const statusOf = ({ db, fresh }: Source, thing: ThingId, now: Instant): ThingStatus => {
  const state = db.first<State>(thingSql.state, thing);
  const latest: Record<string, Point> = {};
  for (const { id, property } of datastreamsOf(db, thing)) {
    const point = latestOf(db, fresh(), id);
    if (point !== undefined) latest[property] = point;
  }
  return {
    thing,
    presence: state?.presence ?? "never",
    lastSeen: state?.lastSeen ?? null,
    activeAlarms: db.first<{ alarms: number }>(thingSql.activeAlarms, thing, now - lateStays)?.alarms ?? 0,
    latest,
  };
};

export const thingSql = {
  states: "SELECT thing, presence, last_seen AS lastSeen, body FROM thing_state ORDER BY thing",
  state: "SELECT presence, last_seen AS lastSeen FROM thing_state WHERE thing = ?",
  activeAlarms: `SELECT count(*) AS alarms FROM alarm WHERE thing = ? AND ${activeClause}`,
  session: `SELECT token_hash AS tokenHash, username, created_at AS createdAt, expires_at AS expiresAt
    FROM session WHERE token_hash = ?`,
  // the outcome that the key was first answered with
  commandByKey: "SELECT body FROM command WHERE by = ? AND key = ? ORDER BY seq LIMIT 1",
} as const;
