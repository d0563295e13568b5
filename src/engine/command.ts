import { type Alarm, nextState } from "../domain/alarm.ts";
import type { CommandOutcome } from "../domain/change.ts";
import type { Command, EntryOf } from "../domain/entry.ts";
import { tell, turn, unshelve } from "./alarming.ts";
import { type District, findAlarm, touch, wakeAt } from "./district.ts";
import { keyOf } from "./draft.ts";
import type { ThingMemory } from "./memory.ts";
import { replay } from "./replay.ts";

/** How a command ended: what its answer says, without who asked. */
export type Ending = Pick<CommandOutcome, "status" | "alarm" | "detail">;

type Asked = EntryOf<"command">;
type Of<K extends Command["kind"]> = Extract<Command, { kind: K }>;

/** Carries a command out and answers it; a key that was used before is answered as it was, and nothing is done again. */
export const applyCommand = (district: District, asked: Asked): void => {
  const { by, key } = asked;
  const { seq } = district.draft;
  const before = key === null ? null : earlier(district, by, key);
  const ending = before ?? carryOut(district, asked);
  const { status, alarm, detail } = ending;
  district.draft.event({ kind: "command", outcome: { seq, key, by, status, alarm, detail } });
};

const earlier = ({ draft, known }: District, by: string, key: string): CommandOutcome | null =>
  draft.outcomes.get(keyOf(by, key)) ?? known.commandByKey(by, key);

const carryOut = (district: District, { by, command }: Asked): Ending => {
  if (command.kind === "replay") return replay(district, command);
  const alarm = findAlarm(district, command.alarm);
  if (alarm === null) return { status: "not_found", alarm: command.alarm, detail: "there is no such alarm" };
  const thing = district.things.get(alarm.thing);
  const live = thing?.alarms.get(alarm.limit)?.id === alarm.id ? thing : undefined;
  const refusal = onAlarm(district, alarm, live, by, command);
  if (refusal !== undefined) return { status: "conflict", alarm: alarm.id, detail: refusal };
  return { status: "done", alarm: alarm.id, detail: "" };
};

/** Undefined: it was done; else why the state forbids it. `live`: the memory that holds the occurrence, if one does. */
const onAlarm = (
  district: District,
  alarm: Alarm,
  live: ThingMemory | undefined,
  by: string,
  command: Exclude<Command, Of<"replay">>,
): string | undefined => {
  switch (command.kind) {
    case "acknowledge":
      return acknowledge(district, alarm, live, by, command.note);
    case "shelve":
      return shelve(district, alarm, live, by, command);
    case "unshelve":
      if (live === undefined || alarm.shelvedUntil === null) return "it is not shelved";
      unshelve(district, live, alarm.limit, by);
      return undefined;
    case "comment":
      tell(district, alarm, { action: "comment", at: district.draft.at, by, text: command.text });
      return undefined;
  }
};

const acknowledge = (
  district: District,
  alarm: Alarm,
  live: ThingMemory | undefined,
  by: string,
  text: string,
): string | undefined => {
  const state = nextState(alarm.state, "acknowledge");
  if (state === undefined) return `it is ${alarm.state}`;
  const { at } = district.draft;
  const next: Alarm = { ...alarm, state, acknowledgedAt: at, acknowledgedBy: by };
  const step = { action: "acknowledge", at, by, text } as const;
  if (live === undefined) tell(district, next, step);
  else {
    live.waiting.delete(alarm.limit);
    turn(district, live, next, step);
  }
  return undefined;
};

/** Who may shelve for how long is the API's question; that it ends, and in the future, is ours. */
const shelve = (
  district: District,
  alarm: Alarm,
  live: ThingMemory | undefined,
  by: string,
  { until, reason }: Of<"shelve">,
): string | undefined => {
  const { at } = district.draft;
  if (live === undefined) return `it is ${alarm.state}, and over`;
  if (until <= at) return "the end of shelving is past";
  live.shelves.set(alarm.limit, until);
  live.waiting.delete(alarm.limit);
  touch(district, live);
  wakeAt(district, live, until);
  turn(district, live, { ...alarm, shelvedUntil: until }, { action: "shelve", at, by, text: reason });
  return undefined;
};
