import type { SQLInputValue } from "node:sqlite";
import type { Alarm, AlarmTransition } from "../domain/alarm.ts";
import type { RejectionId } from "../domain/rejection.ts";
import { day } from "../domain/time.ts";
import type { AlarmFilter, Knowledge, Page, PageRequest, RejectionRow } from "../ports.ts";
import type { Database } from "./database.ts";
import { rejectionPlace } from "./events.ts";
import { pageOf, placeIn, rowsFor } from "./page.ts";
import type { Source } from "./source.ts";

/** A late alarm that is over leaves the active ones after this, counted from its arrival (SURFACE section 5). */
export const lateStays = 7 * day;
/** Transitions of one alarm that are shown: the newest. */
const historyMax = 1_000;

export const alarmQueries = ({ db, view }: Source): Pick<Knowledge, "alarms" | "alarm" | "history"> => ({
  alarms: (filter, page) => view(() => alarms(db, filter, page)),
  alarm: (id) => view(() => bodyOf<Alarm>(db.first<Body>("SELECT body FROM alarm WHERE id = ?", id))),
  history: (id) =>
    view(() =>
      db
        .all<Body>(alarmSql.history, id, historyMax)
        .map(({ body }) => JSON.parse(body) as AlarmTransition)
        .reverse(),
    ),
});

type Body = { readonly body: string };
const bodyOf = <T>(row: Body | undefined): T | null => (row === undefined ? null : (JSON.parse(row.body) as T));

const alarms = (db: Database, filter: AlarmFilter, page: PageRequest): Page<Alarm> => {
  const after = placeIn(page, ["number", "string"]);
  const { sql, values } = alarmSql.list(filter, after, rowsFor(page));
  const items = db.all<Body>(sql, ...values).map(({ body }) => JSON.parse(body) as Alarm);
  return pageOf(
    items,
    page,
    (alarm) => alarm,
    ({ raisedAt, id }) => [raisedAt, id],
  );
};

/** All but normal; a late one that is over only for its seven days. */
export const activeClause = `state <> 'normal' AND NOT (late = 1 AND state = 'returned-unacknowledged' AND received_at <= ?)`;

export const alarmSql = {
  list(filter: AlarmFilter, after: readonly [number, string] | null, limit: number) {
    const clauses: string[] = [];
    const values: SQLInputValue[] = [];
    const where = (clause: string, ...given: readonly SQLInputValue[]) => {
      clauses.push(clause);
      values.push(...given);
    };
    if (filter.state === "active") where(activeClause, filter.now - lateStays);
    if (filter.streets !== null) where(`street IN (${filter.streets.map(() => "?").join(", ")})`, ...filter.streets);
    if (filter.kind !== undefined) where("kind = ?", filter.kind);
    if (filter.thing !== undefined) where("thing = ?", filter.thing);
    if (filter.limit !== undefined) where("limit_id = ?", filter.limit);
    if (filter.from !== undefined) where("raised_at >= ?", filter.from);
    if (filter.to !== undefined) where("raised_at < ?", filter.to);
    if (filter.clearedSince !== undefined) where("state = 'normal' AND cleared_at >= ?", filter.clearedSince);
    if (after !== null) where("(raised_at, id) < (?, ?)", ...after);
    const condition = clauses.length === 0 ? "" : `WHERE ${clauses.join(" AND ")}`;
    return {
      sql: `SELECT body FROM alarm ${condition} ORDER BY raised_at DESC, id DESC LIMIT ?`,
      values: [...values, limit],
    };
  },
  history: "SELECT body FROM transition WHERE alarm = ? ORDER BY seq DESC, n DESC LIMIT ?",
} as const;

type RejectionQueries = "rejections" | "rejection";
type RejectionColumns = Omit<RejectionRow, "id"> & { readonly seq: number; readonly n: number };

export const rejectionQueries = ({ db, view }: Source): Pick<Knowledge, RejectionQueries> => ({
  rejections: ({ reason, thing, streets }, page) =>
    view(() => {
      const after = placeIn(page, ["number", "number"]) ?? [Number.MAX_SAFE_INTEGER, 0];
      // one run of an index for each street; together they are newest first again
      const rows = (streets ?? [undefined]).flatMap((street) => {
        const given = { ...(street && { street }), ...(thing !== undefined && { thing }), ...(reason && { reason }) };
        const sql = rejectionSql.list(Object.keys(given));
        return db.all<RejectionColumns>(sql, ...Object.values(given), ...after, rowsFor(page));
      });
      const newestFirst = rows.toSorted((one, other) => other.seq - one.seq || other.n - one.n).slice(0, rowsFor(page));
      return pageOf(newestFirst, page, rejectionOf, ({ seq, n }) => [seq, n]);
    }),
  rejection: (id) =>
    view(() => {
      const place = rejectionPlace(id);
      const row = place && db.first<RejectionColumns>(rejectionSql.one, ...place);
      return row === undefined ? null : rejectionOf(row);
    }),
});

const rejectionOf = ({ seq, n, ...row }: RejectionColumns): RejectionRow => ({
  id: `${seq}-${n}` as RejectionId,
  ...row,
});

const rejectionSelect = `SELECT seq, n, received_at AS receivedAt, topic, thing, reason, path, detail,
  (SELECT raw FROM rejected_message WHERE rejected_message.seq = rejection.seq) AS raw, replayed_at AS replayedAt
  FROM rejection`;

export const rejectionSql = {
  list: (columns: readonly string[]) => {
    const given = columns.map((column) => `${column} = ? AND `).join("");
    return `${rejectionSelect} WHERE ${given}(seq, n) < (?, ?) ORDER BY seq DESC, n DESC LIMIT ?`;
  },
  one: `${rejectionSelect} WHERE seq = ? AND n = ?`,
} as const;
