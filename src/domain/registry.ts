import type { Kind } from "./kind.ts";
import type { Priority } from "./limit.ts";
import type { GridId, PersonId, StreetId, Text, Thing } from "./thing.ts";
import type { DurationMs } from "./time.ts";

export type Person = {
  readonly id: PersonId;
  readonly name: Text;
  readonly language: "zh" | "en";
  /** Channel name to address: email, phone, webhook… */
  readonly channels: Readonly<Record<string, string>>;
};

export type Street = {
  readonly id: StreetId;
  readonly name: Text /** 街(路)长 */;
  readonly chief: PersonId;
  readonly taskForce: PersonId;
};
export type Grid = {
  readonly id: GridId;
  readonly street: StreetId;
  readonly name: Text /** 网格长 */;
  readonly chief: PersonId;
};
export type Department = {
  readonly id: string;
  readonly name: Text;
  readonly queue: string;
  readonly liaison: PersonId;
};

/** Whom an alarm reaches next when nobody has acknowledged it for this long since it was raised. */
export type EscalationStep = {
  readonly to: "gridChief" | "streetChief" | "taskForce" | "office" | "leader";
  readonly after: DurationMs;
};
export type Escalation = { readonly priority: Priority; readonly steps: readonly EscalationStep[] };

/** A unit of 污水零直排: an urban village, an industrial park, an old estate. */
export type Unit = { readonly id: string; readonly street: StreetId; readonly type: string; readonly name: Text };
/** A public entrance of a village that must be under a camera, whether it has one or not (plan §6). */
export type Entrance = { readonly id: string; readonly street: StreetId; readonly name: Text };

/** One target of the plan, with its clause and the words quoted from it. */
export type TargetDefinition = {
  readonly id: string;
  readonly name: Text;
  readonly clause: string;
  readonly quote: string;
  /** Percent. */
  readonly goal: number;
  /** Of the alarm `target` of a street that misses it, and how long it must miss it. */
  readonly priority?: Priority;
  readonly delay?: DurationMs;
};

/** All that the devices folder says, as one journal entry: plain JSON. */
export type Registry = {
  /** SHA-256 of the canonical JSON of the rest: a registry equal to the last one is not journaled again. */
  readonly version: string;
  /** Of single observations; an older reading is refused. The one setting that decides what is stored, so it is an entry. */
  readonly retention: DurationMs;
  readonly district: { readonly id: string; readonly name: Text /** IANA zone */; readonly zone: string };
  readonly streets: readonly Street[];
  readonly grids: readonly Grid[];
  readonly people: readonly Person[];
  readonly departments: readonly Department[];
  /** Whom an alarm reaches beyond the street, in order. */
  readonly office: PersonId;
  readonly leader: PersonId;
  readonly escalation?: readonly Escalation[];
  readonly units?: readonly Unit[];
  readonly entrances?: readonly Entrance[];
  readonly targets: readonly TargetDefinition[];
  readonly kinds: readonly Kind[];
  readonly things: readonly Thing[];
};
