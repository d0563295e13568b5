import { parseTopic } from "../../src/codec/topic.ts";
import { type Alarm, type AlarmAction, type AlarmId, nextState } from "../../src/domain/alarm.ts";
import type { Changes, CommandOutcome, Datastream, Event, Observation } from "../../src/domain/change.ts";
import type { EntryOf, Journaled, Seq } from "../../src/domain/entry.ts";
import type { Quality } from "../../src/domain/quality.ts";
import type { Registry } from "../../src/domain/registry.ts";
import type { Rejection, RejectionId } from "../../src/domain/rejection.ts";
import type { KindId, LimitId, Presence, PropertyId, ThingId } from "../../src/domain/thing.ts";
import { hourOf, type Instant } from "../../src/domain/time.ts";

// Not the engine: a clerk that turns entries into changes by the letter, so that the API meets every kind of change
// without waiting for delays, quality tests and silence. It raises an alarm for each value above 1
// (but a pH), at once.

type Draft = { -readonly [K in keyof Changes]: Changes[K] extends readonly (infer T)[] ? T[] : Changes[K] };
type Unplaced = Event extends infer E ? (E extends Event ? Omit<E, "seq" | "n" | "at"> : never) : never;

export const createClerk = (registry: Registry) => {
  const datastreams = new Map<string, Datastream>();
  const frontier = new Map<string, Map<number, number | null>>();
  const alarms = new Map<AlarmId, Alarm>();
  const replayed = new Set<RejectionId>();

  const apply = (entries: readonly Journaled[]): Changes => {
    const draft: Draft = {
      datastreams: [],
      observations: [],
      duplicates: [],
      received: [],
      rejections: [],
      events: [],
      things: [],
      district: null,
    };
    for (const { seq, entry } of entries) {
      let n = 0;
      const emit = (event: Unplaced): void => void draft.events.push({ seq, n: n++, at: entry.at, ...event } as Event);
      if (entry.kind === "registry") emit({ kind: "registry", registry: entry.registry });
      else if (entry.kind === "account") emit({ kind: "account", username: entry.username, account: entry.account });
      else if (entry.kind === "session") emit({ kind: "session", tokenHash: entry.tokenHash, session: entry.session });
      else if (entry.kind === "command") command(seq, entry, emit);
      else if (entry.kind === "message") message(seq, entry, draft, emit);
    }
    return draft as Changes;
  };

  const message = (seq: Seq, entry: EntryOf<"message">, draft: Draft, emit: (event: Unplaced) => void): void => {
    const topic = parseTopic(entry.topic);
    const thing = registry.things.find(({ id }) => id === topic?.thing);
    if (topic?.last === "status" && thing !== undefined) {
      const presence = Buffer.from(entry.payload).toString() as Presence;
      draft.things.push({ thing: thing.id, presence, lastSeen: entry.at, body: "{}" });
      emit({ kind: "presence", thing: thing.id, presence, lastSeen: entry.at });
      return;
    }
    const hour = hourOf(entry.at);
    const parsed = parse(entry.payload);
    if (thing === undefined || parsed === undefined) {
      draft.received.push({ thing: thing?.id ?? "", hour, readings: 1 });
      draft.rejections.push(rejection(seq, entry, thing?.id ?? "", thing === undefined ? "thing_unknown" : "not_json"));
      return;
    }
    const values = Object.entries(parsed.values);
    draft.received.push({ thing: thing.id, hour, readings: values.length });
    for (const [property, value] of values) {
      const stream = datastreamOf(thing.id, property, draft);
      const time = parsed.ts ?? entry.at;
      const seen = frontier.get(`${thing.id} ${property}`) ?? new Map<number, number | null>();
      frontier.set(`${thing.id} ${property}`, seen);
      const reading = { datastream: stream.id, time, value, seq, receivedAt: entry.at };
      if (seen.has(time)) draft.duplicates.push({ ...reading, conflict: seen.get(time) !== value });
      else {
        const quality: Quality = value === null ? 9 : value > 90 ? 4 : 1;
        draft.observations.push({ ...reading, quality } satisfies Observation);
        seen.set(time, value);
        if (value !== null && value > 1 && property !== "ph")
          raise(seq, entry.at, thing.id, property, value, time, emit);
      }
    }
    draft.things.push({ thing: thing.id, presence: "online", lastSeen: entry.at, body: "{}" });
  };

  const datastreamOf = (thing: ThingId, property: string, draft: Draft): Datastream => {
    const key = `${thing} ${property}`;
    const found = datastreams.get(key) ?? { id: datastreams.size + 1, thing, property: property as PropertyId };
    if (!datastreams.has(key)) draft.datastreams.push(found);
    datastreams.set(key, found);
    return found;
  };

  const raise = (
    seq: Seq,
    at: Instant,
    thing: ThingId,
    property: string,
    value: number,
    since: Instant,
    emit: (event: Unplaced) => void,
  ): void => {
    const alarm = newAlarm(registry, thing, property, value, since, at);
    if (alarms.has(alarm.id)) return;
    alarms.set(alarm.id, alarm);
    emit(transition(seq, at, "raise", null, "", alarm));
  };

  const command = (seq: Seq, { at, by, key, command }: EntryOf<"command">, emit: (event: Unplaced) => void) => {
    const end = (status: CommandOutcome["status"], alarm: AlarmId | null, detail = ""): void =>
      emit({ kind: "command", outcome: { seq, key, by, status, alarm, detail } });
    if (command.kind === "replay") {
      if (replayed.has(command.rejection)) return end("conflict", null, "it has been replayed");
      replayed.add(command.rejection);
      emit({ kind: "replayed", rejection: command.rejection, rejectedAt: command.receivedAt, thing: "" });
      return end("done", null);
    }
    const alarm = alarms.get(command.alarm);
    if (alarm === undefined) return end("not_found", null);
    const next = decide(alarm, command, by, at);
    if (next === undefined) return end("conflict", alarm.id, `it is ${alarm.state}`);
    alarms.set(alarm.id, next);
    const said =
      "note" in command ? command.note : "reason" in command ? command.reason : "text" in command ? command.text : "";
    emit(transition(seq, at, command.kind, by, said, next));
    end("done", alarm.id);
  };
  return { apply, datastreams, alarms };
};

const decide = (
  alarm: Alarm,
  command: Exclude<EntryOf<"command">["command"], { kind: "replay" }>,
  by: string,
  at: Instant,
): Alarm | undefined => {
  if (command.kind === "comment") return alarm;
  if (command.kind === "shelve") return { ...alarm, shelvedUntil: command.until };
  if (command.kind === "unshelve") return alarm.shelvedUntil === null ? undefined : { ...alarm, shelvedUntil: null };
  const state = nextState(alarm.state, "acknowledge");
  return state === undefined ? undefined : { ...alarm, state, acknowledgedAt: at, acknowledgedBy: by };
};

const transition = (seq: Seq, at: Instant, action: AlarmAction, by: string | null, text: string, alarm: Alarm) =>
  ({ kind: "alarm", transition: { seq, n: 0, at, action, by, text, page: true, alarm } }) as const;

const parse = (payload: Uint8Array): { ts?: number; values: Record<string, number | null> } | undefined => {
  try {
    return JSON.parse(Buffer.from(payload).toString());
  } catch {
    return undefined;
  }
};

const rejection = (
  seq: Seq,
  { at, topic, payload }: EntryOf<"message">,
  thing: ThingId | "",
  reason: Rejection["reason"],
): Rejection => ({
  id: `${seq}-0` as RejectionId,
  seq,
  n: 0,
  receivedAt: at,
  topic,
  thing,
  reason,
  path: "",
  detail: `it is ${reason}`,
  raw: payload,
});

const newAlarm = (
  registry: Registry,
  id: ThingId,
  property: string,
  value: number,
  since: Instant,
  at: Instant,
): Alarm => {
  const thing = registry.things.find((one) => one.id === id);
  if (thing === undefined) throw new Error(`no thing ${id}`);
  return {
    id: `${id}.${property}-high.${since}` as AlarmId,
    thing: id,
    kind: thing.kind as KindId,
    street: thing.street,
    limit: `${property}-high` as LimitId,
    property: property as PropertyId,
    priority: "high",
    state: "unacknowledged",
    value,
    setpoint: 1,
    unit: "NTU",
    quality: 1,
    since,
    raisedAt: since,
    receivedAt: at,
    clearedAt: null,
    count: 1,
    acknowledgedAt: null,
    acknowledgedBy: null,
    shelvedUntil: null,
    outOfService: false,
    suppressedBy: null,
    late: false,
    notes: [],
    standard: "GB 5749-2022",
    clause: "表1",
    grade: "V1",
    text: { zh: "浑浊度高", en: "turbidity is high" },
    advice: { zh: "冲洗管道", en: "flush the main" },
    responsible: [{ person: "leader" as never, role: "网格长" }],
  };
};
