import type { Presence } from "../domain/thing.ts";
import { hour, type Instant } from "../domain/time.ts";
import { clear, raise, remark, suppress } from "./alarming.ts";
import { type Scene, touch, wakeAt } from "./district.ts";
import { flappingId, maintenance, silentId } from "./maintenance.ts";
import { notDue, stands, type ThingMemory } from "./memory.ts";
import { flappingText } from "./wording.ts";

/** Changes of presence within an hour that make one alarm instead of one each (SEMANTICS 4.3). */
const flappingTurns = 15;
/** The alarm goes when no more than this many are left in the hour: well below, so that it does not flap itself. */
const calmTurns = 4;

/** Says how a thing is now, if that is new, and counts how often it changes. */
export const setPresence = (scene: Scene, presence: Presence): void => {
  const { district, thing } = scene;
  if (thing.presence === presence) return;
  const born = thing.presence === "never";
  thing.presence = presence;
  touch(district, thing);
  district.draft.event({ kind: "presence", thing: thing.id, presence, lastSeen: thing.lastSeen });
  if (born) return;
  thing.turns.push(district.draft.at);
  if (thing.turns.length > flappingTurns) thing.turns.shift();
  flapIfOften(scene);
};

/** The first sign of life: from here on it can fall silent. */
export const born = ({ district, thing, table }: Scene): void => {
  if (thing.heardAt !== null) return;
  thing.heardAt = district.draft.at;
  touch(district, thing);
  wakeAt(district, thing, thing.heardAt + table.silence);
};

/** Something of it was stored: it is online, and what silence had raised is cleared. */
export const heardFrom = (scene: Scene): void => {
  const { district, thing, table } = scene;
  const now = district.draft.at;
  thing.lastSeen = now;
  thing.heardAt = now;
  touch(district, thing);
  if (thing.presence !== "online") {
    thing.backAt = now;
    setPresence(scene, "online");
  }
  if (thing.silent) comeBack(scene, now);
  // it will be looked at too early, and again then: that costs less than to move it with each message
  wakeAt(district, thing, now + table.silence);
};

const comeBack = ({ district, thing, table }: Scene, now: Instant): void => {
  thing.silent = false;
  if (!thing.cutOff) clear(district, thing, silentId, { at: now });
  for (const limit of [...thing.alarms.keys()]) remark(district, thing, limit, "not_seen", false);
  if (table.thing.gateway !== null) district.gateways.add(table.thing.gateway);
};

const flapIfOften = ({ district, thing, table }: Scene): void => {
  const now = district.draft.at;
  const { turns } = thing;
  const since = turns[turns.length - flappingTurns];
  if (since === undefined || now - since > hour || stands(thing.alarms.get(flappingId))) return;
  const alarm = raise(district, thing, maintenance(table, { limit: flappingId, priority: "low" }), {
    since,
    raisedAt: now,
    value: turns.length,
    quality: null,
    text: flappingText(table, turns.length),
    notes: [],
  });
  if (stands(thing.alarms.get(silentId))) suppress(district, thing, silentId, alarm.id);
  wakeAt(district, thing, calmAt(thing));
};

/** When it has changed so little for an hour that it is calm. */
export const calmAt = (thing: ThingMemory): Instant => {
  if (!stands(thing.alarms.get(flappingId))) return notDue;
  return (thing.turns[thing.turns.length - calmTurns - 1] ?? 0) + hour;
};
