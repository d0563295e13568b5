import type { Instant } from "../domain/time.ts";
import { pageWaiting, unshelve } from "./alarming.ts";
import { type District, type Scene, wakeAt } from "./district.ts";
import { judgeAtTick, judgementsDue } from "./judging.ts";
import { notDue, type ThingMemory } from "./memory.ts";
import { calmAt } from "./presence.ts";
import { calmIfDue, fallSilentIfDue, silentAt } from "./silence.ts";

// What time alone brings about: a tick looks at the things whose time has come, and at no others. A thing may be looked
// at too early, never too late: then nothing happens, and it is looked at again.

export const lookAround = (district: District, now: Instant): void => {
  const due: ThingMemory[] = [];
  for (let thing = district.due.pop(now); thing !== undefined; thing = district.due.pop(now)) {
    // it was looked at since it was put there, or is in the list already
    if (thing.wakeAt > now) continue;
    thing.wakeAt = notDue;
    due.push(thing);
  }
  // by id, because the order of a heap depends on its history, and a restart forgets that
  due.sort((one, other) => (one.id < other.id ? -1 : 1));
  for (const thing of due) {
    look(district, thing, now);
    wakeAgain(district, thing);
  }
};

const look = (district: District, thing: ThingMemory, now: Instant): void => {
  for (const [limit, until] of [...thing.shelves]) if (until <= now) unshelve(district, thing, limit, null);
  const { table } = thing;
  if (table !== null) {
    const scene: Scene = { district, thing, table };
    judgeAtTick(scene, now);
    calmIfDue(scene, now);
    fallSilentIfDue(scene, now);
  }
  pageWaiting(district, thing, now);
};

/** Puts the thing where its next time is. */
export const wakeAgain = (district: District, thing: ThingMemory): void => {
  let next = notDue;
  for (const until of thing.shelves.values()) next = Math.min(next, until);
  for (const at of thing.waiting.values()) next = Math.min(next, at);
  const { table } = thing;
  if (table !== null) {
    const scene: Scene = { district, thing, table };
    next = Math.min(next, silentAt(scene), calmAt(thing), judgementsDue(scene));
  }
  wakeAt(district, thing, next);
};
