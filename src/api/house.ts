import { AggregatorRegistry } from "prom-client";
import { z } from "zod";
import { toIso } from "../domain/time.ts";
import type { Desk, Health } from "./desk.ts";
import { problemBody, problemType } from "./problem.ts";
import { type Route, route } from "./route.ts";
import { iso } from "./shape.ts";

const readiness = z.strictObject({
  ready: z.boolean(),
  causes: z.array(z.strictObject({ code: z.string(), detail: z.string(), since: iso.nullable() })),
});

/** What anybody may ask: `/healthz`, `/readyz`, `/metrics`. */
export const houseRoutes = ({ health, metrics }: Desk): readonly Route[] => [
  route({
    method: "GET",
    path: "/healthz",
    access: "public",
    summary: "200 while the process lives",
    answer: z.strictObject({ alive: z.literal(true) }),
    handle: () => ({ alive: true as const }),
  }),
  route({
    method: "GET",
    path: "/readyz",
    access: "public",
    summary: "200 while readings are journaled; 503 with the causes while they are not",
    answer: readiness,
    errors: ["not_ready"],
    handle: ({ reply }) => {
      const shown = healthJson(health());
      if (shown.ready) return shown;
      const message = shown.causes.map(({ detail }) => detail).join("; ") || "nothing can be journaled";
      const body = { ...problemBody({ code: "not_ready", message, faults: [] }), ...shown };
      return reply.code(503).type(problemType).send(body);
    },
  }),
  route({
    method: "GET",
    path: "/metrics",
    access: "public",
    summary: "Prometheus text of all threads together",
    answer: z.string(),
    media: ["text/plain"],
    handle: async ({ reply }) => {
      type Metrics = Parameters<typeof AggregatorRegistry.aggregate>[0];
      const all = AggregatorRegistry.aggregate((await metrics()) as unknown as Metrics);
      return reply.type(all.contentType).send(await all.metrics());
    },
  }),
];

/** As `/readyz` and the live event `health` show it. */
export const healthJson = ({ ready, causes }: Health): z.output<typeof readiness> => ({
  ready,
  causes: causes.map(({ code, detail, since }) => ({ code, detail, since: since === undefined ? null : toIso(since) })),
});
