import { z } from "zod";
import type { Desk } from "./desk.ts";
import { sees } from "./principal.ts";
import { everyRole, type Route, route } from "./route.ts";
import { text } from "./shape.ts";

const named = z.strictObject({ id: z.string(), name: text });
const site = z.strictObject({
  district: named.extend({ zone: z.string() }).nullable(),
  streets: z.array(named),
  grids: z.array(named.extend({ street: z.string() })),
  people: z.array(named),
});

/** GET `/site`: the words behind the ids that other answers carry. Nobody's address is among them. */
export const siteRoutes = ({ directory }: Desk): readonly Route[] => [
  route({
    method: "GET",
    path: "/api/v1/site",
    access: everyRole,
    summary: "The district's streets and grids in sight, and its people, by name",
    answer: site,
    handle: ({ principal }) => {
      const registry = directory.registry();
      return {
        district: registry?.district ?? null,
        streets: (registry?.streets ?? [])
          .filter(({ id }) => sees(principal, id))
          .map(({ id, name }) => ({ id, name })),
        grids: (registry?.grids ?? [])
          .filter(({ street }) => sees(principal, street))
          .map(({ id, name, street }) => ({ id, name, street })),
        people: (registry?.people ?? []).map(({ id, name }) => ({ id, name })),
      };
    },
  }),
];
