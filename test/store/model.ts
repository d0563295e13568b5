import type { Alarm, AlarmTransition } from "../../src/domain/alarm.ts";
import { calendarOf } from "../../src/domain/calendar.ts";
import type { EventOf, Observation } from "../../src/domain/change.ts";
import { day, hourOf } from "../../src/domain/time.ts";
import type { Bucket, Knowledge, LedgerHour, Page, PageRequest } from "../../src/ports.ts";
import { things } from "./happening.ts";
import type { Applied } from "./world.ts";

// Knowledge, told plainly: what the store must answer, computed from all the changes there are, with no table at all.

const { dayOf } = calendarOf("Asia/Shanghai");

/** Every page of a list, `limit` at a time. */
export const allOf = <Item>(list: (page: PageRequest) => Page<Item>, limit = 3): Item[] => {
  const items: Item[] = [];
  let cursor: string | null = null;
  do {
    const page: Page<Item> = list({ limit, cursor });
    if (page.items.length > limit) throw new Error("a page above its limit");
    if (page.next !== null && page.items.length < limit) throw new Error("a short page that is not the last");
    items.push(...page.items);
    cursor = page.next;
  } while (cursor !== null);
  return items;
};

const bucketsOf = (observations: readonly Observation[], spanOf: (time: number) => number): Bucket[] => {
  const spans = Map.groupBy(observations, ({ time }) => spanOf(time));
  return [...spans]
    .sort(([one], [other]) => one - other)
    .map(([time, inside]) => {
      const used = inside.filter(({ value, quality }) => value !== null && quality !== 4 && quality !== 9);
      const values = used.map(({ value }) => value as number);
      return {
        time,
        mean: values.length === 0 ? null : values.reduce((sum, value) => sum + value, 0) / values.length,
        min: values.length === 0 ? null : Math.min(...values),
        max: values.length === 0 ? null : Math.max(...values),
        count: inside.length,
        good: inside.filter(({ quality }) => quality === 1).length,
      };
    });
};

export type Model = ReturnType<typeof modelOf>;

export const modelOf = (applied: readonly Applied[]) => {
  const changes = applied.map(({ changes }) => changes);
  const events = changes.flatMap(({ events }) => events);
  const only = <K extends (typeof events)[number]["kind"]>(kind: K) =>
    events.filter((event) => event.kind === kind) as unknown as EventOf<K>[];
  const datastreams = changes.flatMap(({ datastreams }) => datastreams);
  const observations = changes.flatMap(({ observations }) => observations);
  const duplicates = changes.flatMap(({ duplicates }) => duplicates);
  const rejections = changes.flatMap(({ rejections }) => rejections);
  const thingOf = (datastream: number) => datastreams.find(({ id }) => id === datastream)?.thing ?? "";
  const now = applied.at(-1)?.at ?? 0;

  const transitions = only("alarm").map(({ transition }) => transition);
  const alarms = [...new Map(transitions.map(({ alarm }) => [alarm.id, alarm])).values()].sort(
    (one, other) => other.raisedAt - one.raisedAt || (one.id < other.id ? 1 : -1),
  );
  const active = (alarm: Alarm, at: number): boolean =>
    alarm.state !== "normal" &&
    !(alarm.late && alarm.state === "returned-unacknowledged" && alarm.receivedAt <= at - 7 * day);

  const ledger = (thing: string | undefined): LedgerHour[] => {
    const rows = new Map<number, LedgerHour>();
    const add = (of: string, at: number, outcome: Exclude<keyof LedgerHour, "hour">, readings: number) => {
      if (thing !== undefined && of !== thing) return;
      const at0 = hourOf(at);
      const row = rows.get(at0) ?? { hour: at0, received: 0, stored: 0, duplicate: 0, rejected: 0 };
      rows.set(at0, { ...row, [outcome]: row[outcome] + readings });
    };
    for (const { thing, hour, readings } of changes.flatMap(({ received }) => received))
      add(thing, hour, "received", readings);
    for (const { datastream, receivedAt } of observations) add(thingOf(datastream), receivedAt, "stored", 1);
    for (const { datastream, receivedAt } of duplicates) add(thingOf(datastream), receivedAt, "duplicate", 1);
    for (const { thing, receivedAt } of rejections) add(thing, receivedAt, "rejected", 1);
    for (const { thing, rejectedAt } of only("replayed")) add(thing, rejectedAt, "rejected", -1);
    return [...rows.values()].sort((one, other) => one.hour - other.hour);
  };

  const statusOf = (thing: string) => {
    const state = changes.flatMap((one) => one.things).findLast((one) => one.thing === thing);
    const latest = datastreams
      .filter((one) => one.thing === thing)
      .flatMap(({ id, property }) => {
        const newest = observations
          .filter(({ datastream }) => datastream === id)
          .sort((one, other) => other.time - one.time)[0];
        return newest === undefined
          ? []
          : [[property, { time: newest.time, value: newest.value, quality: newest.quality }]];
      });
    return {
      thing,
      presence: state?.presence ?? "never",
      lastSeen: state?.lastSeen ?? null,
      activeAlarms: alarms.filter((alarm) => alarm.thing === thing && active(alarm, now)).length,
      latest: Object.fromEntries(latest),
    };
  };

  const rejectionRows = rejections
    .map(({ seq, n, ...rejection }) => ({
      ...rejection,
      replayedAt: only("replayed").find((event) => event.rejection === rejection.id)?.at ?? null,
      place: [seq, n] as const,
    }))
    .sort((one, other) => other.place[0] - one.place[0] || other.place[1] - one.place[1])
    .map(({ place: _, ...row }) => row);

  return {
    cursor: applied.at(-1)?.seq ?? 0,
    datastreams,
    series: (id: number) =>
      observations.filter(({ datastream }) => datastream === id).sort((one, other) => one.time - other.time),
    buckets: (id: number, spanOf: (time: number) => number) =>
      bucketsOf(
        observations.filter(({ datastream }) => datastream === id),
        spanOf,
      ),
    dayOf,
    events,
    observations,
    alarms,
    active: (at: number) => alarms.filter((alarm) => active(alarm, at)),
    history: (id: string): AlarmTransition[] => transitions.filter(({ alarm }) => alarm.id === id),
    rejectionRows,
    ledger,
    statusOf,
    conflicts: (id: number) => duplicates.filter(({ datastream, conflict }) => datastream === id && conflict),
    consumed: (consumer: string) => only("delivered").findLast((event) => event.consumer === consumer),
    sessions: new Map(only("session").map(({ tokenHash, session }) => [tokenHash, session])),
    credentials: new Map(only("credential").map(({ id, credential }) => [id, credential])),
    commands: only("command").map(({ outcome }) => outcome),
    dead: (consumer: string) =>
      only("delivered")
        .filter((event) => event.consumer === consumer)
        .flatMap(({ seq, at, dead }) => dead.map((letter) => ({ ...letter, seq, at }))),
  };
};

const wide = [0, Number.MAX_SAFE_INTEGER] as const;

/** Everything that knowledge answers, for comparing two stores. */
export const dump = (knowledge: Knowledge) => {
  const { datastreams, things: states, district } = knowledge.engineState();
  const alarms = allOf((page) => knowledge.alarms({ state: "all", streets: null, now: 0 }, page), 50);
  return {
    cursor: knowledge.cursor(),
    datastreams,
    states,
    district,
    registry: knowledge.registry(),
    credentials: knowledge.credentials(),
    accounts: knowledge.accounts(),
    series: datastreams.map(({ id }) => ({
      points: allOf((page) => knowledge.observations(id, ...wide, page), 50),
      hours: allOf((page) => knowledge.buckets(id, ...wide, "hour", page), 50),
      days: allOf((page) => knowledge.buckets(id, ...wide, "day", page), 50),
      conflicts: allOf((page) => knowledge.conflicts(id, page), 50),
    })),
    scanned: knowledge.scan(...wide, null, 10_000),
    alarms,
    histories: alarms.map(({ id }) => knowledge.history(id)),
    rejections: allOf((page) => knowledge.rejections({ streets: null }, page), 50),
    ledger: [undefined, "" as const, ...things].map((thing) => knowledge.ledger(thing === undefined ? {} : { thing })),
    statuses: knowledge.statuses(things),
    events: knowledge.changesAfter({ seq: 0, n: -1 }, 10_000).filter(({ kind }) => kind !== "observations"),
    consumed: knowledge.consumed("historian"),
    dead: allOf((page) => knowledge.deadLetters("historian", page), 50),
  };
};
