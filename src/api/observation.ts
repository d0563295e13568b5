import type { FastifyReply } from "fastify";
import { z } from "zod";
import type { DatastreamId } from "../domain/change.ts";
import { heartbeatId } from "../domain/kind.ts";
import { type DurationMs, day, hour, instantMax, minute, second, toIso } from "../domain/time.ts";
import type { Bucket, PageRequest, Point } from "../ports.ts";
import { csv } from "./csv.ts";
import type { Desk } from "./desk.ts";
import { ofSight } from "./guard.ts";
import { fault } from "./problem.ts";
import { everyRole, type Route, route } from "./route.ts";
import { instant, iso, page, pageOf, quality, thingId, word } from "./shape.ts";
import { pointJson, unitOf } from "./thing.ts";

const statistics = ["mean", "min", "max", "count", "good"] as const;
type Statistic = (typeof statistics)[number];
/** The longest bucket: a leap year. */
const everyMax: DurationMs = 366 * day;

const duration = /^P(?:(\d{1,4})W)?(?:(\d{1,4})D)?(?:T(?=\d)(?:(\d{1,5})H)?(?:(\d{1,6})M)?(?:(\d{1,8})S)?)?$/;

/** `PT1M` and longer; an hour and a day of the district are those of the roll-ups. */
export const parseEvery = (text: string): "hour" | "day" | DurationMs | undefined => {
  const found = duration.exec(text);
  if (found === null) return undefined;
  const [weeks, days, hours, minutes, seconds] = found.slice(1).map((digits) => Number(digits ?? 0)) as [
    number,
    number,
    number,
    number,
    number,
  ];
  const total = (weeks * 7 + days) * day + hours * hour + minutes * minute + seconds * second;
  if (total < minute || total > everyMax) return undefined;
  if (total === hour) return "hour";
  return days === 1 && total === day ? "day" : total;
};

const every = z
  .string()
  .max(40)
  .transform((given, context) => {
    const parsed = parseEvery(given);
    if (parsed !== undefined) return parsed;
    context.addIssue({
      code: "custom",
      message: "expected an ISO 8601 duration of weeks, days, hours, minutes, seconds from PT1M to P366D, as PT15M",
    });
    return z.NEVER;
  })
  .meta({ format: "duration", pattern: duration.source });
const agg = z
  .string()
  .max(40)
  .transform((given, context) => {
    const asked = given.split(",");
    if (asked.every((one): one is Statistic => (statistics as readonly string[]).includes(one))) return asked;
    context.addIssue({ code: "custom", message: `expected some of ${statistics.join(",")}` });
    return z.NEVER;
  })
  .meta({ pattern: `^(${statistics.join("|")})(,(${statistics.join("|")}))*$` });
const question = z
  .strictObject({
    ...page,
    property: word,
    from: instant.optional(),
    to: instant.optional(),
    every: every.optional(),
    agg: agg.optional(),
    format: z.enum(["json", "csv"]).default("json"),
  })
  .refine(({ agg: asked, every: width }) => asked === undefined || width !== undefined, {
    path: ["agg"],
    message: "needs `every`",
  });

const raw = z.strictObject({ time: iso, value: z.number().nullable(), quality });
const bucket = z.strictObject({
  time: iso,
  mean: z.number().nullable().optional(),
  min: z.number().nullable().optional(),
  max: z.number().nullable().optional(),
  count: z.int().optional(),
  good: z.int().optional(),
});
export const seriesShape = z.strictObject({
  thing: z.string(),
  property: z.string(),
  unit: z.string(),
  points: z.union([z.array(raw), z.array(bucket)]),
  next: z.string().nullable(),
});
type Series = z.output<typeof seriesShape>;

/** GET `/things/{thing}/observations`. */
export const observationRoutes = (desk: Desk): readonly Route[] => [
  route({
    method: "GET",
    path: "/api/v1/things/:thing/observations",
    access: everyRole,
    summary: "Observations of one property in order of time, single or by intervals",
    params: z.strictObject({ thing: thingId }),
    query: question,
    answer: seriesShape,
    media: ["text/csv"],
    errors: ["not_found"],
    handle: ({ params, query, principal, reply }) => {
      const thing = ofSight(principal, desk.directory.thing(params.thing), "such thing");
      const known = query.property === heartbeatId || desk.directory.property(thing, query.property) !== undefined;
      const datastream = desk.knowledge.datastream(thing.id, query.property);
      if (!known && datastream === undefined)
        throw fault("query.property", `${thing.kind} has no property ${query.property}`);
      const { property } = query;
      const unit = unitOf(desk.directory, thing, property);
      const found = datastream === undefined ? nothing : read(desk, datastream, query);
      const series = { thing: thing.id, property, unit, ...found };
      return query.format === "csv" ? sendCsv(reply, series, query) : series;
    },
  }),
];

const nothing = { points: [], next: null };

type Question = z.output<typeof question>;

const read = ({ knowledge }: Desk, datastream: DatastreamId, query: Question): Pick<Series, "points" | "next"> => {
  const { from = 0, to = instantMax } = query;
  const request: PageRequest = pageOf(query);
  if (query.every === undefined) {
    const { items, next } = knowledge.observations(datastream, from, to, request);
    return { points: items.map((point: Point) => pointJson(point)), next };
  }
  const { items, next } = knowledge.buckets(datastream, from, to, query.every, request);
  return { points: items.map((one) => bucketJson(one, query.agg ?? statistics)), next };
};

const bucketJson = (of: Bucket, asked: readonly Statistic[]): z.output<typeof bucket> => ({
  time: toIso(of.time),
  ...Object.fromEntries(asked.map((statistic) => [statistic, of[statistic]])),
});

/** The cursor of the next page is in `X-Next-Cursor`, and its address in `Link` (RFC 8288). */
const sendCsv = (reply: FastifyReply, series: Series, { every: width, agg: asked }: Question): FastifyReply => {
  const columns = width === undefined ? ["value", "quality"] : (asked ?? statistics);
  const rows = series.points.map((point) => {
    const cells = point as Readonly<Record<string, number | string | null>>;
    return [
      cells.time ?? "",
      series.thing,
      series.property,
      series.unit,
      ...columns.map((name) => cells[name] ?? null),
    ];
  });
  if (series.next !== null) {
    const address = new URL(reply.request.url, "http://house");
    address.searchParams.set("cursor", series.next);
    reply.header("x-next-cursor", series.next);
    reply.header("link", `<${address.pathname}${address.search}>; rel="next"`);
  }
  return reply
    .type("text/csv; charset=utf-8")
    .header("content-disposition", `attachment; filename="${series.thing}-${series.property}.csv"`)
    .send(csv([["time", "thing", "property", "unit", ...columns], ...rows]));
};
