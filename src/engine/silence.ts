import { heartbeatId } from "../domain/kind.ts";
import type { Instant } from "../domain/time.ts";
import { clear, raise, remark, suppress } from "./alarming.ts";
import { type Scene, touch } from "./district.ts";
import { flappingId, maintenance, propertySilentId, silentId } from "./maintenance.ts";
import { notDue, type Stream, stands, type ThingMemory } from "./memory.ts";
import { calmAt, setPresence } from "./presence.ts";
import { propertySilenceText, silenceText } from "./wording.ts";

// Silence (SEMANTICS 4): never an all-clear. Its clock is wall time as the ticks tell it, and it runs only while they
// flow: after a hole between them every thing has its whole interval anew.

/** Where a thing's silence is counted from. */
const basis = ({ district, thing }: Scene): Instant =>
  thing.heardAt === null ? notDue : Math.max(thing.heardAt, district.runningSince);

/** The tick at which the thing falls silent if nothing comes; a thing never heard of does not. */
export const silentAt = (scene: Scene): Instant => (scene.thing.silent ? notDue : basis(scene) + scene.table.silence);

export const fallSilentIfDue = (scene: Scene, now: Instant): void => {
  const { district, thing, table } = scene;
  if (silentAt(scene) > now) return;
  thing.silent = true;
  touch(district, thing);
  // a will has said so already
  if (thing.presence === "online") setPresence(scene, "silent");
  raiseSilence(scene, now);
  for (const [limit, alarm] of [...thing.alarms]) {
    if (stands(alarm) && alarm.setpoint !== null) remark(district, thing, limit, "not_seen", true);
  }
  if (table.thing.gateway !== null) district.gateways.add(table.thing.gateway);
};

/** The alarm of a silent thing, unless it flaps or stands already; that of a thing behind a gateway waits with its page. */
export const raiseSilence = (scene: Scene, now: Instant): void => {
  const { district, thing, table } = scene;
  if (stands(thing.alarms.get(flappingId)) || stands(thing.alarms.get(silentId))) return;
  const since = basis(scene);
  const { gateway } = table.thing;
  raise(district, thing, silenceTemplate(scene), {
    since,
    raisedAt: since + table.silence,
    value: null,
    quality: null,
    text: silenceText(table, district.tables.calendar, thing.lastSeen ?? since),
    notes: [],
    ...(gateway === null || thing.cutOff ? {} : { pageAt: now + table.interval, suppressedBy: cutOffBy(scene) }),
  });
};

export const silenceTemplate = ({ table }: Scene) =>
  maintenance(table, { limit: silentId, priority: table.kind.silence.priority });

/** The alarm of the gateway that explains the silence of what is behind it. */
const cutOffBy = ({ district, table }: Scene): string | null => {
  const gateway = table.thing.gateway === null ? undefined : district.things.get(table.thing.gateway);
  const alarm = gateway?.cutOff ? gateway.alarms.get(silentId) : undefined;
  return stands(alarm) ? alarm.id : null;
};

/** At a tick: it has calmed down; should it be silent, that shows now. */
export const calmIfDue = (scene: Scene, now: Instant): void => {
  const { district, thing } = scene;
  const at = calmAt(thing);
  if (at > now) return;
  const flapping = thing.alarms.get(flappingId);
  clear(district, thing, flappingId, { at: Math.max(at, flapping?.raisedAt ?? at) });
  if (!thing.silent) return;
  if (thing.alarms.get(silentId)?.suppressedBy === flapping?.id) suppress(district, thing, silentId, null, true);
  raiseSilence(scene, now);
};

/**
 * With each message of a thing: properties that it has reported before and has left out for three intervals while it
 * reported others. A heartbeat may be left out.
 */
export const watchProperties = (scene: Scene): void => {
  const { district, thing, table } = scene;
  const now = district.draft.at;
  if (now < thing.leftOutAt && !somethingLeftOut(thing)) return;
  // one that has not reported yet cannot be left out before this
  thing.leftOutAt = now + table.silence;
  for (const stream of thing.streams.values()) {
    const due = leftOutSince(scene, stream) + table.silence;
    if (stream.arrival === now) returned(scene, stream);
    else if (due <= now) leftOut(scene, stream);
    if (due > now && due < thing.leftOutAt) thing.leftOutAt = due;
  }
};

/** Whether some property's silence stands, which its next reading would end. */
const somethingLeftOut = (thing: ThingMemory): boolean => {
  for (const limit of thing.alarms.keys()) if (limit.startsWith("silent-")) return true;
  return false;
};

const leftOutSince = ({ district, thing }: Scene, { arrival, property }: Stream): Instant =>
  arrival < 0 || property.id === heartbeatId ? notDue : Math.max(arrival, district.runningSince, thing.backAt);

const leftOut = (scene: Scene, stream: Stream): void => {
  const { district, thing, table } = scene;
  const { property } = stream;
  const limit = propertySilentId(property.id);
  if (stands(thing.alarms.get(limit))) return;
  const { priority } = table.kind.silence;
  const since = leftOutSince(scene, stream);
  raise(district, thing, maintenance(table, { limit, property: property.id, priority }), {
    since,
    raisedAt: since + table.silence,
    value: null,
    quality: null,
    text: propertySilenceText(table, property, district.tables.calendar, stream.arrival),
    notes: [],
  });
};

const returned = ({ district, thing }: Scene, stream: Stream): void => {
  const limit = propertySilentId(stream.property.id);
  if (stands(thing.alarms.get(limit))) clear(district, thing, limit, { at: stream.arrival });
};
