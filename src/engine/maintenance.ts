import type { Priority } from "../domain/limit.ts";
import type { LimitId, PropertyId, Text } from "../domain/thing.ts";
import type { Template } from "./alarming.ts";
import type { ThingTable } from "./registry.ts";

/** Limits that every thing has beside those of its kind. */
export const silentId = "silent" as LimitId;
export const flappingId = "flapping" as LimitId;
export const faultId = "fault" as LimitId;
export const clockId = "clock" as LimitId;
/** Of one property that a thing leaves out. */
export const propertySilentId = (property: PropertyId): LimitId =>
  `silent-${property.toLowerCase().replaceAll(/[^a-z0-9-]/g, "-")}` as LimitId;

type About = {
  readonly limit: LimitId;
  readonly property?: PropertyId;
  readonly priority: Priority;
  readonly advice?: Text;
};

/** Alarms about a thing itself rather than what it measures: no standard, no setpoint. */
export const maintenance = ({ thing, kind, responsible }: ThingTable, about: About): Template => ({
  kind: thing.kind,
  street: thing.street,
  limit: about.limit,
  property: about.property ?? "",
  priority: about.priority,
  setpoint: null,
  unit: "",
  standard: "",
  clause: "",
  grade: "ours",
  advice: about.advice ?? kind.silence.advice,
  responsible,
});
