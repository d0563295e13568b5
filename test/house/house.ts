import { expect } from "vitest";
import type { Alarm } from "../../src/domain/alarm.ts";
import type { CommandOutcome } from "../../src/domain/change.ts";
import type { Command, Entry, Journaled, Seq } from "../../src/domain/entry.ts";
import type { Registry } from "../../src/domain/registry.ts";
import type { LimitId, ThingId } from "../../src/domain/thing.ts";
import { type Instant, second } from "../../src/domain/time.ts";
import { createEngine, type Engine, type EngineState } from "../../src/engine/engine.ts";
import { registry as someRegistry } from "./district.ts";
import { createMemoryStore, type MemoryStore } from "./memory-store.ts";

// The house on a virtual clock: what devices, people and the timekeeper do becomes a journal, and the journal is folded.
// Every answer is asked of three runs that must agree: all of it in one batch, each entry in its own, and with the
// engine thrown away and begun again from the store between batches.

/** `10:02`, `10:02:30`, `+1 02:00` (a day later), in the district. */
export const clock = (text: string): Instant => {
  const [, later = "0", time] = /^(?:\+(\d+) )?(.*)$/.exec(text) as unknown as [string, string | undefined, string];
  const date = new Date(Date.UTC(2026, 10, 23 + Number(later))).toISOString().slice(0, 10);
  const instant = Date.parse(`${date}T${time.length === 5 ? `${time}:00` : time}+08:00`);
  if (Number.isNaN(instant)) throw new Error(`${text} is no time`);
  return instant;
};
/** As `clock` reads it, without seconds where there are none. */
export const told = (instant: Instant | null): string | null => {
  if (instant === null) return null;
  const iso = new Date(instant + 8 * 3_600_000).toISOString();
  const days = Math.floor((instant - clock("00:00")) / 86_400_000);
  const time = iso
    .slice(11)
    .replace(/(:00)?\.000Z$/, "")
    .replace("Z", "");
  return days === 0 ? time : `${days > 0 ? "+" : ""}${days} ${time}`;
};

type Said = Readonly<Record<string, number | boolean | null>>;

/** What happens at one moment; each method answers the same moment, so that several can be said of it. */
export type Moment = {
  /** A reading measured at this moment, and received at once. */
  reads(property: string, value: number | boolean | null, thing?: string): Moment;
  /** Several properties, or a time of its own. */
  says(values: Said, more?: { thing?: string; measured?: string | null }): Moment;
  /** One array: `[measured, values]`. */
  dumps(elements: readonly (readonly [measured: string, values: Said])[], thing?: string): Moment;
  beats(thing?: string): Moment;
  status(said: string, thing?: string): Moment;
  sends(topic: string, payload: string | Uint8Array): Moment;
  asks(command: Command, by?: string, key?: string): Seq;
  finds(limit: string, active: boolean, value?: number): Moment;
  registers(registry: Registry): Moment;
};

export type Shown = Pick<
  Alarm,
  "id" | "state" | "count" | "late" | "notes" | "value" | "suppressedBy" | "priority" | "text"
> & {
  readonly since: string | null;
  readonly raised: string | null;
  readonly received: string | null;
  readonly cleared: string | null;
  readonly shelved: string | null;
};

export type House = {
  /** Time passes second by second until then. */
  at(time: string): Moment;
  /** The service is down from now to then: no ticks, nothing received. */
  down(until: string): void;
  /** The newest occurrence of a limit. */
  alarm(limit: string, thing?: string): Shown | undefined;
  alarms(limit: string, thing?: string): readonly Shown[];
  /** `10:04 raise L, paged`. */
  story(limit?: string, thing?: string): readonly string[];
  outcome(seq: Seq): Pick<CommandOutcome, "status" | "detail">;
  presence(thing?: string): string | undefined;
  /** Everything, as the first run has it. */
  store(): MemoryStore;
  entries(): readonly Journaled[];
};

const plain = new TextEncoder();

export const openHouse = (registry: Registry = someRegistry(), from = "09:59"): House => {
  const entries: Journaled[] = [];
  let now = clock(from);
  let played: { readonly length: number; readonly store: MemoryStore } | undefined;
  const append = (entry: Entry): Seq => {
    entries.push({ seq: entries.length + 1, entry });
    return entries.length;
  };
  append({ kind: "registry", at: now, registry });
  append({ kind: "tick", at: now });

  const passUntil = (then: Instant): void => {
    if (then < now) throw new Error(`${told(then)} is before ${told(now)}`);
    for (let at = now + second; at <= then; at += second) append({ kind: "tick", at });
    now = then;
  };
  const topicOf = (id: string, last: string): string => {
    const found = registry.things.find((thing) => thing.id === id);
    if (found === undefined) throw new Error(`${id} is not registered`);
    return `meizhen/${found.street}/${found.kind}/${id}/${last}`;
  };
  const send = (topic: string, payload: string | Uint8Array): void => {
    const bytes = typeof payload === "string" ? plain.encode(payload) : payload;
    append({ kind: "message", at: now, topic, payload: bytes, principal: null, qos: 1 });
  };
  const first = registry.things[0]?.id ?? "w1";
  const moment: Moment = {
    reads: (property, value, thing) => moment.says({ [property]: value }, thing === undefined ? {} : { thing }),
    says(values, { thing = first, measured } = {}) {
      const ts = measured === null ? undefined : measured === undefined ? now : clock(measured);
      send(topicOf(thing, "readings"), JSON.stringify({ ts, values }));
      return moment;
    },
    dumps(elements, thing = first) {
      const array = elements.map(([measured, values]) => ({ ts: clock(measured), values }));
      send(topicOf(thing, "readings"), JSON.stringify(array));
      return moment;
    },
    beats(thing = first) {
      send(topicOf(thing, "heartbeat"), "");
      return moment;
    },
    status(said, thing = first) {
      send(topicOf(thing, "status"), said);
      return moment;
    },
    sends(topic, payload) {
      send(topic, payload);
      return moment;
    },
    asks: (command, by = "wang", key) => append({ kind: "command", at: now, by, key: key ?? null, command }),
    finds(limit, active, value) {
      append({ kind: "condition", at: now, limit: limit as LimitId, active, value: value ?? null, detail: "found" });
      return moment;
    },
    registers(next) {
      registry = next;
      append({ kind: "registry", at: now, registry: next });
      return moment;
    },
  };
  const store = (): MemoryStore => {
    if (played?.length !== entries.length) played = { length: entries.length, store: playThrice(entries) };
    return played.store;
  };
  const shownAll = (limit: string, thing = first as string): readonly Shown[] =>
    store()
      .alarms()
      .filter((alarm) => alarm.limit === limit && alarm.thing === thing)
      .map(shown)
      .sort((one, other) => (one.id < other.id ? -1 : 1));
  return {
    at(time) {
      passUntil(clock(time));
      return moment;
    },
    down(until) {
      now = clock(until);
    },
    alarm: (limit, thing) => shownAll(limit, thing).at(-1),
    alarms: shownAll,
    story: (limit, thing) =>
      store()
        .transitions()
        .filter(
          ({ alarm }) =>
            (limit === undefined || alarm.limit === limit) && (thing === undefined || alarm.thing === thing),
        )
        .map(
          ({ at, action, page, alarm }) =>
            `${told(at)} ${action} ${alarm.thing}.${alarm.limit}${page ? ", paged" : ""}`,
        ),
    outcome: (seq) => {
      const { status, detail } = store().command(seq) as CommandOutcome;
      return { status, detail };
    },
    presence: (thing = first) =>
      store()
        .things()
        .get(thing as ThingId)?.presence,
    store,
    entries: () => entries,
  };
};

const shown = (alarm: Alarm): Shown => {
  const { id, state, count, late, notes, value, suppressedBy, priority, text } = alarm;
  const times = {
    since: told(alarm.since),
    raised: told(alarm.raisedAt),
    received: told(alarm.receivedAt),
    cleared: told(alarm.clearedAt),
    shelved: told(alarm.shelvedUntil),
  };
  return { id, state, count, late, notes, value, suppressedBy, priority, text, ...times };
};

/** Whether a batch ends behind this entry, and whether the engine is begun anew there. */
export type Cut = (journaled: Journaled) => "go on" | "commit" | "restart";

/** The journal through the fold into a fresh store. */
export const play = (entries: readonly Journaled[], cut: Cut): MemoryStore => {
  const store = createMemoryStore();
  return playOn(store, store.engineState(), entries, cut);
};

/** Goes on with a store that has entries already, from a state of the fold. */
export const playOn = (
  store: MemoryStore,
  state: EngineState,
  entries: readonly Journaled[],
  cut: Cut = () => "go on",
): MemoryStore => {
  const begin = (from: EngineState): Engine => createEngine({ known: store, state: from, registry: store.registry() });
  let engine = begin(state);
  for (const journaled of entries) {
    engine.apply(journaled);
    const verdict = cut(journaled);
    if (verdict === "go on" && journaled !== entries.at(-1)) continue;
    store.commit(engine.take(), journaled.seq);
    if (verdict === "restart") engine = begin(store.engineState());
  }
  return store;
};

/** All that can be seen from outside, in one value. */
export const knowledge = (store: MemoryStore) => ({
  observations: store.observations,
  duplicates: store.duplicates,
  datastreams: store.datastreams,
  rejections: store.rejections,
  events: store.events,
  ledger: [...store.ledger()].filter(([, line]) => Object.values(line).some((count) => count !== 0)).sort(),
  things: [...store.things().values()].sort((one, other) => (one.thing < other.thing ? -1 : 1)),
  district: store.engineState().district,
});

const playThrice = (entries: readonly Journaled[]): MemoryStore => {
  const inOne = play(entries, () => "go on");
  const runs = [
    play(entries, () => "commit"),
    // at every message, and now and then between ticks
    play(entries, ({ seq, entry }) =>
      entry.kind !== "tick" || seq % 61 === 0 ? "restart" : seq % 3 === 0 ? "commit" : "go on",
    ),
  ];
  for (const other of runs) expect(knowledge(other)).toEqual(knowledge(inOne));
  return inOne;
};
