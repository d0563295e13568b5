import { toIso } from "../domain/time.ts";
import type { Change, Knowledge } from "../ports.ts";
import { shownAlarm } from "./alarm.ts";
import type { Directory } from "./directory.ts";
import { encode, type Frame } from "./live-client.ts";
import { statusById, thingJson } from "./thing.ts";

/** The events of a page of changes, in order; `data` has the shape of the GET of the same noun. */
export const createFrames =
  (knowledge: Knowledge, directory: Directory) =>
  (changes: readonly Change[]): readonly Frame[] => {
    const present = changes.flatMap((change) => (change.kind === "presence" ? [directory.thing(change.thing)] : []));
    const things = present.filter((thing) => thing !== undefined);
    const statuses = things.length === 0 ? new Map() : statusById(knowledge, [...new Set(things)]);
    return changes.flatMap((change) => {
      const id = { seq: change.seq, n: change.n };
      if (change.kind === "alarm") {
        const { alarm } = change.transition;
        return [encode(id, "alarm", shownAlarm(alarm), alarm.street)];
      }
      if (change.kind !== "presence") return [];
      const thing = directory.thing(change.thing);
      if (thing === undefined) return [];
      // the rest of the thing is as it is now; presence is what this event says
      const lastSeen = change.lastSeen === null ? null : toIso(change.lastSeen);
      const shown = { ...thingJson(thing, statuses.get(thing.id), directory), presence: change.presence, lastSeen };
      return [encode(id, "presence", shown, thing.street)];
    });
  };
