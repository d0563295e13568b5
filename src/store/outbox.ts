import { unpackObservations } from "../codec/observations.ts";
import type { Event } from "../domain/change.ts";
import type { Seq } from "../domain/entry.ts";
import type { Instant } from "../domain/time.ts";
import type { Change, ChangeId, Knowledge, StoredDeadLetter } from "../ports.ts";
import type { Database } from "./database.ts";
import { pageOf, placeIn, rowsFor } from "./page.ts";
import { progressOf, type Source } from "./source.ts";

type ChangeRow = {
  readonly seq: Seq;
  readonly n: number;
  readonly through: Seq;
  readonly kind: string;
  readonly body: Uint8Array | string;
};

type OutboxQueries =
  | "cursor"
  | "appliedAt"
  | "changesAfter"
  | "oldestChange"
  | "consumed"
  | "consumedAt"
  | "deadLetters";

/** The feed of changes and how far its consumers are. */
export const outboxQueries = ({ db, view }: Source): Pick<Knowledge, OutboxQueries> => ({
  cursor: () => view(() => progressOf(db).seq),
  appliedAt: () => view(() => progressOf(db).at),
  changesAfter: (after, limit, kinds) => view(() => changesAfter(db, after, limit, kinds)),
  oldestChange: () => view(() => asId(db.first<ChangeId>("SELECT seq, n FROM change ORDER BY seq, n LIMIT 1"))),
  consumed: (consumer) => view(() => consumerOf(db, consumer)?.through ?? null),
  consumedAt: (consumer) => view(() => consumerOf(db, consumer)?.at ?? null),
  deadLetters: (consumer, page) =>
    view(() => {
      const [seq, n, place] = placeIn(page, ["number", "number", "number"]) ?? [Number.MAX_SAFE_INTEGER, 0, 0];
      const rows = db.all<DeadLetterRow>(outboxSql.deadLetters, consumer, seq, n, place, rowsFor(page));
      const itemOf = ({ n: _n, place: _place, ...letter }: DeadLetterRow): StoredDeadLetter => letter;
      return pageOf(rows, page, itemOf, (row) => [row.seq, row.n, row.place]);
    }),
});

type DeadLetterRow = StoredDeadLetter & { readonly n: number; readonly place: number };

const asId = (row: ChangeId | undefined): ChangeId | null => (row === undefined ? null : { ...row });

const consumerOf = (db: Database, name: string) =>
  db.first<{ through: Seq; at: Instant }>("SELECT through, at FROM consumer WHERE name = ?", name);

const changesAfter = (
  db: Database,
  after: ChangeId,
  limit: number,
  kinds: readonly Change["kind"][] | undefined,
): readonly Change[] => {
  const { page, rest } = outboxSql.changes(kinds);
  const wanted = kinds ?? [];
  const rows = [...db.all<ChangeRow>(page, after.seq, after.n, ...wanted, limit)];
  const last = rows.at(-1);
  // A commit is never cut: its packed observations stand behind its last event, so whoever took a part of it could
  // not say by a seq how far it came.
  if (last !== undefined && rows.length >= limit)
    rows.push(...db.all<ChangeRow>(rest, last.seq, last.n, last.through, ...wanted));
  return rows.map(changeOf);
};

const changeOf = ({ seq, n, kind, body }: ChangeRow): Change =>
  kind === "observations"
    ? { kind, seq, n, observations: unpackObservations(body as Uint8Array) }
    : (JSON.parse(body as string) as Event);

/** With no observations wanted, the index of events alone is read: they are a hundredth of the feed. */
const kindClause = (kinds: readonly Change["kind"][] | undefined): string => {
  if (kinds === undefined) return "";
  const list = kinds.map(() => "?").join(", ");
  return kinds.includes("observations")
    ? ` AND kind IN (${list})`
    : ` AND kind <> 'observations' AND kind IN (${list})`;
};

export const outboxSql = {
  changes: (kinds: readonly Change["kind"][] | undefined) => {
    const select = "SELECT seq, n, through, kind, body FROM change WHERE (seq, n) > (?, ?)";
    const order = "ORDER BY seq, n";
    return {
      page: `${select}${kindClause(kinds)} ${order} LIMIT ?`,
      rest: `${select} AND seq <= ?${kindClause(kinds)} ${order}`,
    };
  },
  deadLetters: `SELECT consumer, seq, n, place, at, thing, reason, body FROM dead_letter
    WHERE consumer = ? AND (seq, n, place) < (?, ?, ?) ORDER BY seq DESC, n DESC, place DESC LIMIT ?`,
} as const;
