import type { FastifyReply } from "fastify";
import { z } from "zod";
import type { Desk } from "./desk.ts";
import { ofSight } from "./guard.ts";
import type { Outlet } from "./live-client.ts";
import { fault } from "./problem.ts";
import { everyRole, type Route, route } from "./route.ts";

const liveThingsMax = 50;
export const livePath = "/api/v1/live";

const things = z
  .string()
  .max(liveThingsMax * 65)
  .transform((given) => [...new Set(given.split(",").filter((id) => id !== ""))])
  .refine((ids) => ids.length <= liveThingsMax, `at most ${liveThingsMax} things`)
  .refine((ids) => ids.every((id) => /^[a-z0-9-]{1,64}$/.test(id)), "not ids of things");

/** GET `/live`. */
export const liveRoutes = ({ feed, directory }: Desk): readonly Route[] => [
  route({
    method: "GET",
    path: livePath,
    access: everyRole,
    summary: "Server-sent events: alarm, presence, target, health, reset, and observation for the things asked for",
    query: z.strictObject({ things: things.default([]) }),
    answer: z.string(),
    media: ["text/event-stream"],
    errors: ["not_found", "live_full", "live_per_user"],
    handle: ({ query, principal, request, reply }) => {
      for (const id of query.things) ofSight(principal, directory.thing(id), `thing ${id}`);
      const last = request.headers["last-event-id"];
      if (Array.isArray(last)) throw fault("headers.last-event-id", "is given more than once");
      const given = last === undefined || last === "" ? null : last;
      feed.join(principal, new Set(query.things), given, () => openStream(reply));
      return reply;
    },
  }),
];

/** From here on the response is the stream's; the headers that the hooks have set go with it. */
const openStream = (reply: FastifyReply): Outlet => {
  reply.hijack();
  const { raw } = reply;
  const headers = Object.entries(reply.getHeaders()).filter(([, value]) => value !== undefined);
  raw.writeHead(200, {
    ...(Object.fromEntries(headers) as Record<string, string>),
    "content-type": "text/event-stream; charset=utf-8",
    "cache-control": "no-store",
    // a proxy that collects the answer would hold back alarms
    "x-accel-buffering": "no",
    connection: "close",
  });
  raw.socket?.setNoDelay(true);
  raw.on("error", () => raw.destroy());
  return raw;
};
