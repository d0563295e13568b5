import { alarmRoutes } from "./alarm.ts";
import type { Desk } from "./desk.ts";
import { figureRoutes } from "./figure.ts";
import { houseRoutes } from "./house.ts";
import { kindRoutes } from "./kind.ts";
import { ledgerRoutes } from "./ledger.ts";
import { liveRoutes } from "./live.ts";
import { observationRoutes } from "./observation.ts";
import { rejectionRoutes } from "./rejection.ts";
import type { Route } from "./route.ts";
import { sessionRoutes } from "./session.ts";
import { siteRoutes } from "./site.ts";
import { thingRoutes } from "./thing.ts";

/** Every address that answers, with who may: the one table that the server, the OpenAPI document and the tests read. */
export const routes = (desk: Desk): readonly Route[] => [
  ...sessionRoutes(desk),
  ...siteRoutes(desk),
  ...kindRoutes(desk),
  ...thingRoutes(desk),
  ...observationRoutes(desk),
  ...alarmRoutes(desk),
  ...rejectionRoutes(desk),
  ...ledgerRoutes(desk),
  ...figureRoutes(desk),
  ...liveRoutes(desk),
  ...houseRoutes(desk),
];
