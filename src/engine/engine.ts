import type { Changes } from "../domain/change.ts";
import type { Entry, EntryKind, EntryOf, Journaled } from "../domain/entry.ts";
import type { Registry } from "../domain/registry.ts";
import type { Instant } from "../domain/time.ts";
import type { Knowledge } from "../ports.ts";
import { applyCommand } from "./command.ts";
import { type District, holeMax, type Known, memoryOf } from "./district.ts";
import { createDraft } from "./draft.ts";
import { createDueHeap } from "./due.ts";
import { settleGateways } from "./gateway.ts";
import { applyCondition } from "./house.ts";
import { never } from "./memory.ts";
import { createMessages } from "./message.ts";
import { applyRegistry, bind, noRegistry } from "./registering.ts";
import { createTables } from "./registry.ts";
import { loadThing, saveThing } from "./saved.ts";
import { lookAround } from "./waking.ts";

// The fold: entries in, changes out. It has no clock (ticks are entries), no randomness and no I/O; what it forgets it
// asks of what it was given as `known`, and only about the past. So the changes of a run of entries are the same
// however the run is cut into batches, and whether or not the program was restarted between two of them: that is what
// makes the store rebuildable, and every id the same when it is rebuilt.
//
//   message  -> message -> intake -> screening -> judging -> limit-alarm -> alarming
//   tick     -> waking  -> judging, silence, gateway
//   command  -> command, replay
//   registry -> registering
//   condition -> house

export type Engine = {
  /** In the order of the journal. Throws only where a bug shows. */
  apply(journaled: Journaled): void;
  /** About how many changes there are to take, so that a batch can be bounded. */
  size(): number;
  /** All that has changed since the last time. The next `apply` may come when the store has it. */
  take(): Changes;
};

/** As the store gives it; null: nothing was ever applied. */
export type EngineState = ReturnType<Knowledge["engineState"]>;

type DistrictState = { readonly v: 1; readonly lastTick: Instant | null; readonly runningSince: Instant | null };

export const createEngine = (given: {
  readonly known: Known;
  readonly state: EngineState | null;
  readonly registry: Registry | null;
}): Engine => {
  const district = createDistrict(given.known);
  load(district, given.state, given.registry);
  const messages = createMessages(district);
  const appliers: { readonly [K in EntryKind]: (entry: EntryOf<K>) => void } = {
    message: (entry) => messages.apply(entry),
    tick: ({ at }) => applyTick(district, at),
    registry: ({ registry }) => {
      applyRegistry(district, registry);
      messages.forgetRoutes();
    },
    command: (entry) => applyCommand(district, entry),
    condition: (entry) => applyCondition(district, entry),
    credential: ({ id, credential }) => district.draft.event({ kind: "credential", id, credential }),
    account: ({ username, account }) => district.draft.event({ kind: "account", username, account }),
    session: ({ tokenHash, session }) => district.draft.event({ kind: "session", tokenHash, session }),
    delivered: ({ consumer, through, dead }) => district.draft.event({ kind: "delivered", consumer, through, dead }),
  };
  return {
    apply(journaled) {
      district.draft.begin(journaled);
      (appliers[journaled.entry.kind] as (entry: Entry) => void)(journaled.entry);
      settleGateways(district);
    },
    size: () => district.draft.size(),
    take: () => take(district),
  };
};

const createDistrict = (known: Known): District => ({
  tables: createTables(noRegistry),
  things: new Map(),
  known,
  draft: createDraft(),
  due: createDueHeap(),
  gateways: new Set(),
  lastTick: null,
  runningSince: never,
  changed: false,
  touched: [],
  nextDatastream: 1,
});

const load = (district: District, state: EngineState | null, registry: Registry | null): void => {
  if (state?.district != null) {
    const { lastTick, runningSince } = JSON.parse(state.district) as DistrictState;
    district.lastTick = lastTick;
    district.runningSince = runningSince ?? never;
  }
  const alarmOf = district.known.alarm.bind(district.known);
  for (const thing of state?.things ?? []) loadThing(memoryOf(district, thing.thing), thing, alarmOf);
  for (const { id } of state?.datastreams ?? []) district.nextDatastream = Math.max(district.nextDatastream, id + 1);
  bind(district, registry ?? noRegistry);
};

/** The timekeeper's second. After a hole between ticks every clock of silence starts anew (SEMANTICS 4.2). */
const applyTick = (district: District, at: Instant): void => {
  if (district.lastTick === null || at - district.lastTick > holeMax) district.runningSince = at;
  district.lastTick = at;
  district.changed = true;
  lookAround(district, at);
};

const take = (district: District): Changes => {
  const { touched, lastTick, runningSince } = district;
  const things = touched.map((thing) => {
    thing.touched = false;
    for (const stream of thing.streams.values()) stream.pending.clear();
    thing.retiredPending.clear();
    return saveThing(thing);
  });
  touched.length = 0;
  const state: DistrictState = { v: 1, lastTick, runningSince: runningSince === never ? null : runningSince };
  const changes = { ...district.draft.take(), things, district: district.changed ? JSON.stringify(state) : null };
  district.changed = false;
  return changes;
};
