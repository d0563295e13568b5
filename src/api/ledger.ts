import { z } from "zod";
import { parseTopic } from "../codec/topic.ts";
import type { Seq } from "../domain/entry.ts";
import type { ThingId } from "../domain/thing.ts";
import { type Instant, toIso } from "../domain/time.ts";
import type { Journal, LedgerHour } from "../ports.ts";
import type { Desk } from "./desk.ts";
import type { Directory } from "./directory.ts";
import { type Principal, sees } from "./principal.ts";
import { notFound, Problem } from "./problem.ts";
import { everyRole, type Route, route } from "./route.ts";
import { instant, iso, thingId } from "./shape.ts";

/** Hours in one answer, the newest; the sums are over all of them. */
const hoursMax = 1_000;
/** The journal's tail is read in pages, and so many entries of it at most. */
const tailPage = 5_000;
const tailMax = 200_000;
/** Readings of the store that fell between two commits are read again; so often at most. */
const attemptsMax = 20;

const counts = { received: z.int(), stored: z.int(), duplicate: z.int(), rejected: z.int() };
const ledger = z.strictObject({
  ...counts,
  pending: z.int(),
  /** False: the tail was longer than is counted, so `received` and `pending` are at least that. */
  pendingComplete: z.boolean(),
  remainder: z.int(),
  hours: z.array(z.strictObject({ hour: iso, ...counts, remainder: z.int() })),
});

/** Whose readings: of one thing (or of none that is known), of the things in sight, or of all. */
type Scope =
  | { readonly kind: "thing"; readonly thing: ThingId | "" }
  | { readonly kind: "things"; readonly things: ReadonlySet<string> }
  | { readonly kind: "all" };

/** GET `/ledger`. */
export const ledgerRoutes = (desk: Desk): readonly Route[] => [
  route({
    method: "GET",
    path: "/api/v1/ledger",
    access: everyRole,
    summary: "What became of the readings, by the hour of their arrival",
    query: z.strictObject({ thing: thingId.optional(), from: instant.optional(), to: instant.optional() }),
    answer: ledger,
    errors: ["not_found", "busy"],
    handle: async ({ query: { thing, from, to }, principal }) => {
      const scope = scopeOf(desk.directory, principal, thing);
      const { cursor, hours } = consistent(desk, scope, from, to);
      const tail = await pending(desk.journal, cursor, { scope, from, to, directory: desk.directory });
      const sum = total(hours);
      const received = sum.received + tail.pending;
      return {
        ...sum,
        received,
        pending: tail.pending,
        pendingComplete: tail.complete,
        remainder: remainder(sum),
        hours: hours.slice(-hoursMax).map((hour) => ({
          ...{ hour: toIso(hour.hour), received: hour.received, stored: hour.stored },
          ...{ duplicate: hour.duplicate, rejected: hour.rejected, remainder: remainder(hour) },
        })),
      };
    },
  }),
];

const scopeOf = (directory: Directory, principal: Principal, thing: ThingId | undefined): Scope => {
  if (thing !== undefined) {
    const found = directory.thing(thing);
    if (found === undefined || !sees(principal, found.street)) throw notFound("such thing");
    return { kind: "thing", thing };
  }
  if (principal.streets === null) return { kind: "all" };
  const inSight = directory.things().filter(({ street }) => sees(principal, street));
  return { kind: "things", things: new Set(inSight.map(({ id }) => id)) };
};

type Hours = readonly LedgerHour[];

/** The ledger and the cursor of one and the same commit: the tail after that cursor is what is still pending. */
const consistent = (
  { knowledge }: Desk,
  scope: Scope,
  from: Instant | undefined,
  to: Instant | undefined,
): { readonly cursor: Seq; readonly hours: Hours } => {
  const range = { ...(from === undefined ? {} : { from }), ...(to === undefined ? {} : { to }) };
  const read = (): Hours => {
    if (scope.kind === "all") return knowledge.ledger(range);
    if (scope.kind === "thing") return knowledge.ledger({ ...range, thing: scope.thing });
    return merged([...scope.things].map((thing) => knowledge.ledger({ ...range, thing: thing as ThingId })));
  };
  for (let attempt = 0; attempt < attemptsMax; attempt += 1) {
    const cursor = knowledge.cursor();
    const hours = read();
    if (knowledge.cursor() === cursor) return { cursor, hours };
  }
  throw new Problem("busy", "the ledger moves too fast to be read whole", { retryAfter: 1 });
};

const merged = (lists: readonly Hours[]): Hours => {
  const byHour = Map.groupBy(lists.flat(), ({ hour }) => hour);
  return [...byHour].sort(([one], [other]) => one - other).map(([hour, parts]) => ({ hour, ...total(parts) }));
};

const total = (hours: Hours): Omit<LedgerHour, "hour"> => {
  const sum = (name: keyof LedgerHour) => hours.reduce((so, hour) => so + hour[name], 0);
  return { received: sum("received"), stored: sum("stored"), duplicate: sum("duplicate"), rejected: sum("rejected") };
};

/** What is pending counts on both sides, so it falls out. */
const remainder = ({ received, stored, duplicate, rejected }: Omit<LedgerHour, "hour">): number =>
  received - stored - duplicate - rejected;

type Tail = {
  readonly scope: Scope;
  readonly from: Instant | undefined;
  readonly to: Instant | undefined;
  readonly directory: Directory;
};

/** Messages journaled after the cursor; each is one reading until it is taken apart (SEMANTICS 6). */
const pending = async (
  journal: Pick<Journal, "read">,
  cursor: Seq,
  { scope, from = 0, to = Number.POSITIVE_INFINITY, directory }: Tail,
): Promise<{ pending: number; complete: boolean }> => {
  let count = 0;
  let after = cursor;
  for (let looked = 0; looked < tailMax; ) {
    const entries = await journal.read(after, tailPage);
    const last = entries.at(-1);
    if (last === undefined) return { pending: count, complete: true };
    for (const { entry } of entries) {
      if (entry.kind !== "message" || entry.at < from || entry.at >= to) continue;
      if (isReading(entry.topic, scope, directory)) count += 1;
    }
    after = last.seq;
    looked += entries.length;
  }
  return { pending: count, complete: false };
};

/** Whether a message on this topic is a reading of the scope; `/status` is none. */
const isReading = (topic: string, scope: Scope, directory: Directory): boolean => {
  const parsed = parseTopic(topic);
  if (parsed?.last === "status") return false;
  if (scope.kind === "all") return true;
  const thing = parsed === null ? undefined : directory.thing(parsed.thing)?.id;
  return scope.kind === "thing" ? (thing ?? "") === scope.thing : thing !== undefined && scope.things.has(thing);
};
