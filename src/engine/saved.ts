import type { Alarm, AlarmId } from "../domain/alarm.ts";
import type { ThingState } from "../domain/change.ts";
import type { LimitId } from "../domain/thing.ts";
import type { Instant } from "../domain/time.ts";
import { idleJudgement, type Judgement } from "./judgement.ts";
import { never, type SavedJudgement, type SavedStream, type Stream, type ThingMemory } from "./memory.ts";

// What the fold remembers, as the store keeps it between two runs of the program. Alarms are not in it: the same
// transaction has them in their own table, so only their ids stand here.

type SavedThing = {
  /** Version of this shape. */
  readonly v: 1;
  readonly heard: Instant | null;
  readonly back?: Instant;
  readonly silent?: 1;
  readonly cutOff?: 1;
  readonly streams: readonly (readonly [property: string, SavedStream])[];
  readonly alarms?: readonly AlarmId[];
  readonly shelves?: readonly (readonly [LimitId, Instant])[];
  readonly waiting?: readonly (readonly [LimitId, Instant])[];
  readonly lags?: readonly number[];
  readonly turns?: readonly Instant[];
};

export const saveThing = (thing: ThingMemory): ThingState => {
  const saved: SavedThing = {
    v: 1,
    heard: thing.heardAt,
    ...(thing.backAt === never ? {} : { back: thing.backAt }),
    ...(thing.silent ? { silent: 1 } : {}),
    ...(thing.cutOff ? { cutOff: 1 } : {}),
    streams: savedStreams(thing),
    ...(thing.alarms.size === 0 ? {} : { alarms: [...thing.alarms.values()].map(({ id }) => id) }),
    ...(thing.shelves.size === 0 ? {} : { shelves: [...thing.shelves] }),
    ...(thing.waiting.size === 0 ? {} : { waiting: [...thing.waiting] }),
    ...(thing.lags.length === 0 ? {} : { lags: thing.lags }),
    ...(thing.turns.length === 0 ? {} : { turns: thing.turns }),
  };
  return { thing: thing.id, presence: thing.presence, lastSeen: thing.lastSeen, body: JSON.stringify(saved) };
};

const savedStreams = ({ streams, retired }: ThingMemory): readonly (readonly [string, SavedStream])[] => {
  const saved: (readonly [string, SavedStream])[] = [];
  // nothing was ever stored of a stream without a number
  for (const [name, stream] of streams) if (stream.id !== 0) saved.push([name, saveStream(stream)]);
  for (const entry of retired) saved.push(entry);
  return saved;
};

/** Into a fresh memory. Its streams are all retired until the registry says which properties it has. */
export const loadThing = (
  thing: ThingMemory,
  { presence, lastSeen, body }: ThingState,
  alarmOf: (id: AlarmId) => Alarm | null,
): void => {
  const saved = JSON.parse(body) as SavedThing;
  thing.presence = presence;
  thing.lastSeen = lastSeen;
  thing.heardAt = saved.heard;
  thing.backAt = saved.back ?? never;
  thing.silent = saved.silent === 1;
  thing.cutOff = saved.cutOff === 1;
  thing.retired = new Map(saved.streams);
  for (const id of saved.alarms ?? []) {
    const alarm = alarmOf(id);
    // one transaction wrote both
    if (alarm === null) throw new Error(`the store lacks ${id}, which ${thing.id} has`);
    thing.alarms.set(alarm.limit, alarm);
  }
  for (const [limit, until] of saved.shelves ?? []) thing.shelves.set(limit, until);
  for (const [limit, at] of saved.waiting ?? []) thing.waiting.set(limit, at);
  thing.lags = [...(saved.lags ?? [])];
  thing.turns = [...(saved.turns ?? [])];
};

export const saveStream = (stream: Stream): SavedStream => {
  const judgements = stream.judgements.filter(({ phase, pastCleared }) => phase !== "idle" || pastCleared !== 0);
  return {
    s: [
      stream.id,
      finite(stream.frontier),
      stream.value,
      stream.quality,
      finite(stream.arrival),
      finite(stream.undated),
    ],
    ...(stream.failingSince === null ? {} : { f: stream.failingSince }),
    ...(judgements.length === 0 ? {} : { j: judgements.map(saveJudgement) }),
    ...(stream.late === null || stream.late.size === 0 ? {} : { l: [...stream.late.values()].map(saveJudgement) }),
    ...(stream.window === null ? {} : { w: stream.window.save() }),
    ...(stream.rainfall === null ? {} : { r: stream.rainfall.save() }),
  };
};

/** Into a fresh stream; judgements of limits that it does not have are left out. */
export const loadStream = (stream: Stream, saved: SavedStream): void => {
  const [id, frontier, value, quality, arrival, undated] = saved.s;
  stream.id = id;
  stream.frontier = frontier ?? never;
  stream.value = value;
  stream.quality = quality;
  stream.arrival = arrival ?? never;
  stream.undated = undated ?? never;
  stream.failingSince = saved.f ?? null;
  for (const kept of saved.j ?? []) {
    const judgement = stream.judgements.find(({ table }) => table.limit.id === kept[0]);
    if (judgement !== undefined) loadJudgement(judgement, kept);
  }
  for (const kept of saved.l ?? []) {
    const table = stream.judgements.find((judgement) => judgement.table.limit.id === kept[0])?.table;
    if (table === undefined) continue;
    stream.late ??= new Map();
    const run = idleJudgement(table);
    loadJudgement(run, kept);
    stream.late.set(kept[0], run);
  }
  if (saved.w !== undefined) stream.window?.load(saved.w);
  if (saved.r !== undefined) stream.rainfall?.load(saved.r);
};

const finite = (instant: Instant): Instant | null => (Number.isFinite(instant) ? instant : null);

const saveJudgement = (judgement: Judgement): SavedJudgement => {
  const { table, phase, since, left, last, arrival, value, quality, pastSince, pastCleared } = judgement;
  const [beyond, unknown] = [judgement.beyond ? 1 : 0, judgement.unknown ? 1 : 0] as const;
  return [table.limit.id, phase, since, left, last, arrival, value, quality, beyond, unknown, pastSince, pastCleared];
};

const loadJudgement = (judgement: Judgement, saved: SavedJudgement): void => {
  judgement.phase = saved[1];
  judgement.since = saved[2];
  judgement.left = saved[3];
  judgement.last = saved[4];
  judgement.arrival = saved[5];
  judgement.value = saved[6];
  judgement.quality = saved[7];
  judgement.beyond = saved[8] === 1;
  judgement.unknown = saved[9] === 1;
  judgement.pastSince = saved[10];
  judgement.pastCleared = saved[11];
};
