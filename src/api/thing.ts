import { z } from "zod";
import { heartbeatId } from "../domain/kind.ts";
import type { Thing, ThingId } from "../domain/thing.ts";
import { toIso } from "../domain/time.ts";
import type { Knowledge, ThingStatus } from "../ports.ts";
import type { Desk } from "./desk.ts";
import type { Directory } from "./directory.ts";
import { ofSight } from "./guard.ts";
import { sees } from "./principal.ts";
import { everyRole, type Route, route } from "./route.ts";
import { iso, list, page, presence, quality, streetId, text, thingId, word } from "./shape.ts";

/** Things whose status is read at one time while a filter by presence looks for a page of them. */
const slice = 500;
/** Things that one request looks through; beyond it the page ends early, with a cursor. */
const lookedThroughMax = 5_000;

const latest = z.strictObject({ value: z.number().nullable(), unit: z.string(), quality, time: iso });
export const thingShape = z.strictObject({
  id: z.string(),
  kind: z.string(),
  street: z.string(),
  grid: z.string(),
  name: text,
  location: z.strictObject({ longitude: z.number(), latitude: z.number() }).nullable(),
  gateway: z.string().nullable(),
  attributes: z.record(z.string(), z.string()),
  presence,
  lastSeen: iso.nullable(),
  latest: z.record(z.string(), latest),
  activeAlarms: z.int(),
});
export type ThingJson = z.output<typeof thingShape>;

const filters = z.strictObject({
  ...page,
  kind: word.optional(),
  street: streetId.optional(),
  presence: presence.optional(),
  q: z.string().max(100).optional(),
});
type Filters = z.output<typeof filters>;

/** GET `/things`, `/things/{thing}`. */
export const thingRoutes = ({ directory, knowledge }: Desk): readonly Route[] => [
  route({
    method: "GET",
    path: "/api/v1/things",
    access: everyRole,
    summary: "Things, by id",
    query: filters,
    answer: list(thingShape),
    handle: ({ query, principal }) => {
      const candidates = directory
        .things()
        .filter((thing) => sees(principal, thing.street) && matches(thing, query))
        .filter(({ id }) => query.cursor === undefined || id > query.cursor);
      return thingPage(candidates, query, { directory, knowledge });
    },
  }),
  route({
    method: "GET",
    path: "/api/v1/things/:thing",
    access: everyRole,
    summary: "One thing with its latest values",
    params: z.strictObject({ thing: thingId }),
    answer: thingShape,
    errors: ["not_found"],
    handle: ({ params, principal }) => {
      const thing = ofSight(principal, directory.thing(params.thing), "such thing");
      return thingJson(thing, knowledge.statuses([thing.id])[0], directory);
    },
  }),
];

/** Everything but presence, which is known to the store alone. */
const matches = (thing: Thing, { kind, street, q }: Filters): boolean =>
  (kind === undefined || thing.kind === kind) &&
  (street === undefined || thing.street === street) &&
  (q === undefined || searchable(thing).includes(q.toLowerCase()));

const searchable = ({ id, name, attributes }: Thing): string =>
  [id, name.zh, name.en, ...Object.values(attributes)].join("\n").toLowerCase();

const thingPage = (
  candidates: readonly Thing[],
  { limit, presence: wanted }: Filters,
  ports: { readonly directory: Directory; readonly knowledge: Knowledge },
): { items: ThingJson[]; next: string | null } => {
  const items: ThingJson[] = [];
  let looked = 0;
  while (looked < candidates.length && looked < lookedThroughMax) {
    const some = candidates.slice(looked, looked + (wanted === undefined ? limit : slice));
    const statuses = statusById(ports.knowledge, some);
    for (const thing of some) {
      looked += 1;
      const shown = thingJson(thing, statuses.get(thing.id), ports.directory);
      if (wanted === undefined || shown.presence === wanted) items.push(shown);
      if (items.length === limit) return { items, next: looked < candidates.length ? thing.id : null };
    }
  }
  return { items, next: looked < candidates.length ? (candidates[looked - 1]?.id ?? null) : null };
};

export const statusById = (knowledge: Knowledge, things: readonly Thing[]): ReadonlyMap<ThingId, ThingStatus> =>
  new Map(knowledge.statuses(things.map(({ id }) => id)).map((status) => [status.thing, status]));

/** A thing as every answer shows it; one of which nothing was ever heard has no status. */
export const thingJson = (thing: Thing, status: ThingStatus | undefined, directory: Directory): ThingJson => ({
  id: thing.id,
  kind: thing.kind,
  street: thing.street,
  grid: thing.grid,
  name: thing.name,
  location: thing.location,
  gateway: thing.gateway,
  attributes: { ...thing.attributes },
  presence: status?.presence ?? "never",
  lastSeen: status?.lastSeen == null ? null : toIso(status.lastSeen),
  latest: Object.fromEntries(
    Object.entries(status?.latest ?? {}).map(([property, point]) => [
      property,
      { ...pointJson(point), unit: unitOf(directory, thing, property) },
    ]),
  ),
  activeAlarms: status?.activeAlarms ?? 0,
});

export const pointJson = (point: { time: number; value: number | null; quality: z.output<typeof quality> }) => ({
  time: toIso(point.time),
  value: point.value,
  quality: point.quality,
});

/** UCUM; a property that its kind no longer has keeps its values, without a unit. */
export const unitOf = (directory: Directory, thing: Thing, property: string): string =>
  directory.property(thing, property)?.unit ?? (property === heartbeatId ? "1" : "");
