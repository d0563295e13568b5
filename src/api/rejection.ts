import { z } from "zod";
import { type RejectionId, reasons } from "../domain/rejection.ts";
import type { ThingId } from "../domain/thing.ts";
import { toIso } from "../domain/time.ts";
import type { RejectionRow } from "../ports.ts";
import { idempotencyKey } from "./command.ts";
import type { Desk } from "./desk.ts";
import { type Principal, sees } from "./principal.ts";
import { notFound, Problem } from "./problem.ts";
import { commanding, everyRole, type Route, route } from "./route.ts";
import { iso, list, noBody, page, thingId } from "./shape.ts";

/** Of a raw message in a list; one rejection by its id shows all of it (up to 128 KiB). */
const rawCharactersMax = 4_096;
/** Raw messages held in memory at one time while a page is made: 25 of 128 KiB. */
const slice = 25;

const rejection = z.strictObject({
  id: z.string(),
  receivedAt: iso,
  topic: z.string(),
  thing: z.string(),
  reason: z.enum(reasons),
  path: z.string(),
  detail: z.string(),
  raw: z.string(),
  /** base64 where the bytes are no UTF-8. */
  rawEncoding: z.enum(["utf8", "base64"]),
  rawTruncated: z.boolean(),
  replayedAt: iso.nullable(),
});
type RejectionJson = z.output<typeof rejection>;

const one = z.strictObject({ rejection: z.string().regex(/^[\w.-]{1,64}$/, "not a rejection's id") });

/** GET `/rejections`, `/rejections/{rejection}`, POST `/rejections/{rejection}/replay`. */
export const rejectionRoutes = (desk: Desk): readonly Route[] => [
  route({
    method: "GET",
    path: "/api/v1/rejections",
    access: everyRole,
    summary: "Readings that were refused, newest first",
    query: z.strictObject({ ...page, reason: z.enum(reasons).optional(), thing: thingId.optional() }),
    answer: list(rejection),
    handle: ({ query, principal }) => {
      const filter = {
        streets: principal.streets,
        ...(query.reason === undefined ? {} : { reason: query.reason }),
        ...(query.thing === undefined ? {} : { thing: query.thing }),
      };
      if (principal.streets?.length === 0) return { items: [], next: null };
      const items: RejectionJson[] = [];
      let cursor = query.cursor ?? null;
      do {
        const limit = Math.min(slice, query.limit - items.length);
        const some = desk.knowledge.rejections(filter, { limit, cursor });
        items.push(...some.items.map((row) => shown(row, rawCharactersMax)));
        cursor = some.next;
      } while (cursor !== null && items.length < query.limit);
      return { items, next: cursor };
    },
  }),
  route({
    method: "GET",
    path: "/api/v1/rejections/:rejection",
    access: everyRole,
    summary: "One refused reading with its whole message",
    params: one,
    answer: rejection,
    errors: ["not_found"],
    handle: ({ params, principal }) => shown(find(desk, principal, params.rejection), Number.POSITIVE_INFINITY),
  }),
  replay(desk),
];

const replay = (desk: Desk): Route =>
  route({
    method: "POST",
    path: "/api/v1/rejections/:rejection/replay",
    access: commanding,
    summary: "Take a refused reading apart again, as it came",
    params: one,
    body: noBody,
    answer: rejection,
    errors: ["not_found", "already_replayed", "not_journaling", "not_applied", "busy"],
    handle: async ({ params, principal, request }) => {
      const { id, receivedAt, topic, path, raw } = find(desk, principal, params.rejection);
      const outcome = await desk.commands.carryOut({
        by: principal.username,
        scope: `replay ${id}`,
        key: idempotencyKey(request.headers["idempotency-key"]),
        command: { kind: "replay", rejection: id, receivedAt, topic, path, raw },
      });
      if (outcome.status === "conflict")
        throw new Problem("already_replayed", outcome.detail === "" ? undefined : outcome.detail);
      if (outcome.status === "not_found") throw notFound("such rejection");
      return shown(find(desk, principal, id), Number.POSITIVE_INFINITY);
    },
  });

/** Of a thing in sight; what belongs to no known thing is for those who see all streets. */
const find = ({ knowledge, directory }: Desk, principal: Principal, id: string): RejectionRow => {
  const row = knowledge.rejection(id as RejectionId);
  const street = row === null ? "" : (directory.thing(row.thing as ThingId)?.street ?? "");
  if (row === null || !sees(principal, street)) throw notFound("such rejection");
  return row;
};

const shown = (row: RejectionRow, charactersMax: number): RejectionJson => {
  const { encoding, text } = readable(row.raw);
  return {
    id: row.id,
    receivedAt: toIso(row.receivedAt),
    topic: row.topic,
    thing: row.thing,
    reason: row.reason,
    path: row.path,
    detail: row.detail,
    raw: text.length > charactersMax ? text.slice(0, charactersMax).toWellFormed() : text,
    rawEncoding: encoding,
    rawTruncated: text.length > charactersMax,
    replayedAt: row.replayedAt === null ? null : toIso(row.replayedAt),
  };
};

const decoder = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true });

const readable = (raw: Uint8Array): { encoding: "utf8" | "base64"; text: string } => {
  try {
    return { encoding: "utf8", text: decoder.decode(raw) };
  } catch {
    return { encoding: "base64", text: Buffer.from(raw.buffer, raw.byteOffset, raw.byteLength).toString("base64") };
  }
};
