import { z } from "zod";
import type { StreetId } from "../domain/thing.ts";
import { type Instant, toIso } from "../domain/time.ts";
import type { Desk } from "./desk.ts";
import type { Directory } from "./directory.ts";
import { type Principal, sees } from "./principal.ts";
import { notFound } from "./problem.ts";
import { everyRole, type Route, route } from "./route.ts";
import { iso, list, streetId, text } from "./shape.ts";

const month = z.string().regex(/^\d{4}-(0[1-9]|1[0-2])$/, "expected a month as 2026-11");
const verdict = z.enum(["met", "missed", "unknown"]);
const figure = z.strictObject({
  id: z.string(),
  name: text,
  clause: z.string(),
  quote: z.string(),
  goal: z.number(),
  unit: z.literal("%"),
  value: z.number().nullable(),
  capture: z.number(),
  state: verdict,
  expected: z.int(),
  received: z.int(),
  valid: z.int(),
  streets: z.array(
    z.strictObject({ street: z.string(), value: z.number().nullable(), capture: z.number(), state: verdict }),
  ),
});
const report = z.strictObject({
  month,
  street: z.string().nullable(),
  generatedAt: iso,
  targets: z.array(figure),
});

/** GET `/targets`, `/reports`. */
export const figureRoutes = ({ directory, clock }: Desk): readonly Route[] => [
  route({
    method: "GET",
    path: "/api/v1/targets",
    access: everyRole,
    summary: "The plan's targets: goal, value and verdict for the district and each street",
    query: z.strictObject({ month: month.optional() }),
    answer: list(figure),
    handle: ({ principal }) => ({ items: figures(directory, principal, null), next: null }),
  }),
  route({
    method: "GET",
    path: "/api/v1/reports",
    access: everyRole,
    summary: "The figures of a month's bulletin",
    query: z.strictObject({ street: streetId.optional(), month: month.optional() }),
    answer: report,
    errors: ["not_found"],
    handle: ({ query, principal }) => {
      const { street = null } = query;
      const known = street === null || directory.registry()?.streets.some(({ id }) => id === street);
      if (!known || (street !== null && !sees(principal, street))) throw notFound("such street");
      return {
        month: query.month ?? monthOf(clock.now(), directory.registry()?.district.zone ?? "Asia/Shanghai"),
        street,
        generatedAt: toIso(clock.now()),
        targets: figures(directory, principal, street),
      };
    },
  }),
];

/** Nothing computes the figures yet, and a figure that is not computed is unknown, never met. */
const unknown = { value: null, capture: 0, state: "unknown" } as const;

const figures = (directory: Directory, principal: Principal, street: StreetId | null): z.output<typeof figure>[] => {
  const registry = directory.registry();
  const streets = (registry?.streets ?? []).filter(
    ({ id }) => sees(principal, id) && (street === null || id === street),
  );
  return (registry?.targets ?? []).map(({ id, name, clause, quote, goal }) => ({
    ...{ id, name, clause, quote, goal, unit: "%" as const, ...unknown, expected: 0, received: 0, valid: 0 },
    streets: streets.map((one) => ({ street: one.id, ...unknown })),
  }));
};

/** The calendar month of the district's zone. */
const monthOf = (now: Instant, zone: string): string => {
  const parts = new Intl.DateTimeFormat("en", { timeZone: zone, year: "numeric", month: "2-digit" }).formatToParts(now);
  const of = (type: string) => parts.find((part) => part.type === type)?.value ?? "";
  return `${of("year")}-${of("month")}`;
};
