import { z } from "zod";
import type { Kind } from "../domain/kind.ts";
import type { Limit } from "../domain/limit.ts";
import type { Desk } from "./desk.ts";
import { notFound } from "./problem.ts";
import { everyRole, type Route, route } from "./route.ts";
import { list, page, text, word } from "./shape.ts";

const property = z.strictObject({
  id: z.string(),
  name: text,
  unit: z.string(),
  type: z.enum(["number", "boolean"]),
  span: z.array(z.number()).length(2),
});
const limit = z.strictObject({
  id: z.string(),
  name: text,
  property: z.string(),
  above: z.number().optional(),
  below: z.number().optional(),
  deadband: z.number(),
  onDelayMs: z.int(),
  offDelayMs: z.int(),
  priority: z.enum(["critical", "high", "medium", "low"]),
  statistic: z.enum(["instant", "hourlyMean", "dailyMean"]),
  when: z.array(z.looseObject({ kind: z.string() })),
  compliance: z.boolean(),
  labels: z.array(z.string()),
  standard: z.string(),
  clause: z.string(),
  grade: z.string(),
  advice: text,
});
const named = z.strictObject({ id: z.string(), name: text });
const kind = z.strictObject({
  kind: z.string(),
  name: text,
  level: z.enum(["bronze", "silver", "gold"]),
  everyMs: z.int(),
  queue: z.string(),
  /** Columns of the fleet file, with the words for what they may say; no values: anything. */
  attributes: z.array(named.extend({ values: z.array(named) })),
  properties: z.array(property),
  limits: z.array(limit),
});

/** GET `/kinds`, `/kinds/{kind}`. */
export const kindRoutes = ({ directory }: Desk): readonly Route[] => [
  route({
    method: "GET",
    path: "/api/v1/kinds",
    access: everyRole,
    summary: "Kinds of devices, by id",
    query: z.strictObject(page),
    answer: list(kind),
    handle: ({ query }) => {
      const rest = directory.kinds().filter(({ id }) => query.cursor === undefined || id > query.cursor);
      const items = rest.slice(0, query.limit);
      return { items: items.map(shown), next: rest.length > items.length ? (items.at(-1)?.id ?? null) : null };
    },
  }),
  route({
    method: "GET",
    path: "/api/v1/kinds/:kind",
    access: everyRole,
    summary: "One kind of devices",
    params: z.strictObject({ kind: word }),
    answer: kind,
    errors: ["not_found"],
    handle: ({ params }) => {
      const found = directory.kind(params.kind);
      if (found === undefined) throw notFound("such kind");
      return shown(found);
    },
  }),
];

const shown = (of: Kind): z.output<typeof kind> => ({
  kind: of.id,
  name: of.name,
  level: of.level,
  everyMs: of.every,
  queue: of.queue,
  attributes: (of.attributes ?? []).map(({ id, name, values }) => ({
    id,
    name,
    values: values.map((one) => ({ id: one.id, name: one.name })),
  })),
  properties: of.properties.map(({ id, name, unit, type, span }) => ({
    id,
    name,
    unit,
    type,
    span: [span[0], span[1]],
  })),
  limits: of.limits.map(shownLimit),
});

const shownLimit = (of: Limit): z.output<typeof limit> => ({
  id: of.id,
  name: of.name,
  property: of.property,
  ...(of.direction === "high" ? { above: of.setpoint } : { below: of.setpoint }),
  deadband: of.deadband,
  onDelayMs: of.onDelay,
  offDelayMs: of.offDelay,
  priority: of.priority,
  statistic: of.statistic,
  when: of.when.map((condition) => ({ ...condition })),
  compliance: of.compliance,
  labels: [...of.labels],
  standard: of.standard,
  clause: of.clause,
  grade: of.grade,
  advice: of.advice,
});
