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

/**
 * Written out by hand: this runs for every thing of every commit, and JSON.stringify of a value made for it took three
 * times as long.
 */
export const saveThing = (thing: ThingMemory): ThingState => {
  let body = `{"v":1,"heard":${thing.heardAt}`;
  if (thing.backAt !== never) body += `,"back":${thing.backAt}`;
  if (thing.silent) body += ',"silent":1';
  if (thing.cutOff) body += ',"cutOff":1';
  body += `,"streams":[${streamsText(thing)}]`;
  if (thing.alarms.size > 0) body += `,"alarms":${JSON.stringify([...thing.alarms.values()].map(({ id }) => id))}`;
  if (thing.shelves.size > 0) body += `,"shelves":${JSON.stringify([...thing.shelves])}`;
  if (thing.waiting.size > 0) body += `,"waiting":${JSON.stringify([...thing.waiting])}`;
  if (thing.lags.length > 0) body += `,"lags":[${thing.lags}]`;
  if (thing.turns.length > 0) body += `,"turns":[${thing.turns}]`;
  return { thing: thing.id, presence: thing.presence, lastSeen: thing.lastSeen, body: `${body}}` };
};

const streamsText = ({ streams, retired }: ThingMemory): string => {
  let text = "";
  for (const stream of streams.values()) {
    // nothing was ever stored of a stream without a number
    if (stream.id === 0) continue;
    const { id, frontier, value, quality, arrival, undated, nameText } = stream;
    const numbers = `${id},${finite(frontier)},${value},${quality},${finite(arrival)},${finite(undated)}`;
    text += `${text === "" ? "" : ","}[${nameText},{"s":[${numbers}]${isPlain(stream) ? "" : moreText(stream)}}]`;
  }
  for (const entry of retired) text += `${text === "" ? "" : ","}${JSON.stringify(entry)}`;
  return text;
};

/** Nothing to tell but its newest reading, as of most streams at most times. */
const isPlain = ({ judgements, failingSince, late, window, rainfall }: Stream): boolean => {
  if (failingSince !== null || late !== null || window !== null || rainfall !== null) return false;
  for (const judgement of judgements) if (isWorthSaving(judgement)) return false;
  return true;
};
const isWorthSaving = ({ phase, pastCleared }: Judgement): boolean => phase !== "idle" || pastCleared !== 0;

const moreText = (stream: Stream): string => {
  const { s: _, ...more } = saveStream(stream);
  const text = JSON.stringify(more).slice(1, -1);
  return text === "" ? "" : `,${text}`;
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
  const judgements = stream.judgements.filter(isWorthSaving);
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
  // of an idle one nothing else is ever read again
  if (phase === "idle") return [table.limit.id, phase, 0, 0, 0, 0, 0, 1, 0, 0, pastSince, pastCleared];
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
