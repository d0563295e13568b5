import type { Alarm } from "../domain/alarm.ts";
import { type Instant, toIso } from "../domain/time.ts";

const iso = (instant: Instant | null): string | null => (instant === null ? null : toIso(instant));

/** The alarm as every program outside sees it (SURFACE section 5): in the API, on the live view and on its topic. */
export const alarmJson = (alarm: Alarm) => ({
  ...alarm,
  since: toIso(alarm.since),
  raisedAt: toIso(alarm.raisedAt),
  receivedAt: toIso(alarm.receivedAt),
  clearedAt: iso(alarm.clearedAt),
  acknowledgedAt: iso(alarm.acknowledgedAt),
  shelvedUntil: iso(alarm.shelvedUntil),
});

/** Topic of an alarm: `meizhen/{street}/{kind}/{thing}/alarms/{limit}`; those of the house itself have no street. */
export const alarmTopic = (alarm: Pick<Alarm, "street" | "kind" | "thing" | "limit">): string =>
  `meizhen/${alarm.street === "" ? "district" : alarm.street}/${alarm.kind}/${alarm.thing}/alarms/${alarm.limit}`;
