import type { FastifyRequest } from "fastify";
import { z } from "zod";
import { alarmJson } from "../codec/alarm.ts";
import type { Alarm, AlarmId, AlarmTransition } from "../domain/alarm.ts";
import type { Command } from "../domain/entry.ts";
import type { KindId, LimitId } from "../domain/thing.ts";
import { type DurationMs, day, hour, toIso } from "../domain/time.ts";
import { idempotencyKey } from "./command.ts";
import type { Desk } from "./desk.ts";
import { ofSight } from "./guard.ts";
import { type Principal, streetsOf } from "./principal.ts";
import { fault, notFound, Problem, type ProblemCode } from "./problem.ts";
import { commanding, everyRole, type Route, route } from "./route.ts";
import {
  alarmState,
  instant,
  iso,
  list,
  noBody,
  page,
  pageOf,
  prose,
  quality,
  streetId,
  text,
  thingId,
  word,
} from "./shape.ts";

/** Longer than this only an admin shelves (SEMANTICS 3.3), and nobody for more than a year. */
const shelvingMax: DurationMs = 8 * hour;
const shelvingMaxOfAdmin: DurationMs = 366 * day;
const noteLengthMax = 2_000;

export const alarmShape = z.strictObject({
  id: z.string(),
  thing: z.string(),
  kind: z.string(),
  street: z.string(),
  limit: z.string(),
  property: z.string(),
  priority: z.enum(["critical", "high", "medium", "low"]),
  state: alarmState,
  value: z.number().nullable(),
  setpoint: z.number().nullable(),
  unit: z.string(),
  quality: quality.nullable(),
  since: iso,
  raisedAt: iso,
  receivedAt: iso,
  clearedAt: iso.nullable(),
  count: z.int(),
  acknowledgedAt: iso.nullable(),
  acknowledgedBy: z.string().nullable(),
  shelvedUntil: iso.nullable(),
  outOfService: z.boolean(),
  suppressedBy: z.string().nullable(),
  late: z.boolean(),
  notes: z.array(z.string()),
  standard: z.string(),
  clause: z.string(),
  grade: z.string(),
  text,
  advice: text,
  responsible: z.array(z.strictObject({ person: z.string(), role: z.string() })),
});
const step = z.strictObject({
  at: iso,
  action: z.string(),
  by: z.string().nullable(),
  text: z.string(),
  state: alarmState,
  value: z.number().nullable(),
});
const detail = alarmShape.extend({
  history: z.array(step),
  deliveries: z.array(
    z.strictObject({ at: iso, channel: z.string(), to: z.string(), outcome: z.string(), detail: z.string() }),
  ),
});
const filters = z.strictObject({
  ...page,
  state: z.enum(["active", "all"]).default("active"),
  street: streetId.optional(),
  kind: word.optional(),
  thing: thingId.optional(),
  limitId: word.optional(),
  from: instant.optional(),
  to: instant.optional(),
});

export type AlarmJson = z.output<typeof alarmShape>;
/** Arrays of the domain are read-only, those of the shapes are not; nothing else differs. */
export const shownAlarm = (alarm: Alarm): AlarmJson => alarmJson(alarm) as unknown as AlarmJson;

/** GET `/alarms`, `/alarms/{alarm}`, and the four commands. */
export const alarmRoutes = (desk: Desk): readonly Route[] => [...reading(desk), ...writing(desk)];

const target = z.strictObject({ alarm: z.string().min(1).max(200) });

const reading = ({ knowledge, clock }: Desk): readonly Route[] => [
  route({
    method: "GET",
    path: "/api/v1/alarms",
    access: everyRole,
    summary: "Alarms, newest first; active: all but normal",
    query: filters,
    answer: list(alarmShape),
    handle: ({ query, principal }) => {
      const streets = streetsOf(principal, query.street);
      if (streets?.length === 0) return { items: [], next: null };
      const { state, thing, from, to } = query;
      const filter = {
        state,
        streets,
        now: clock.now(),
        ...(query.kind === undefined ? {} : { kind: query.kind as KindId }),
        ...(thing === undefined ? {} : { thing }),
        ...(query.limitId === undefined ? {} : { limit: query.limitId as LimitId }),
        ...(from === undefined ? {} : { from }),
        ...(to === undefined ? {} : { to }),
      };
      const { items, next } = knowledge.alarms(filter, pageOf(query));
      return { items: items.map(shownAlarm), next };
    },
  }),
  route({
    method: "GET",
    path: "/api/v1/alarms/:alarm",
    access: everyRole,
    summary: "One alarm with its history and what was sent about it",
    params: target,
    answer: detail,
    errors: ["not_found"],
    handle: ({ params, principal }) => {
      const alarm = ofSight(principal, knowledge.alarm(params.alarm as AlarmId), "such alarm");
      return { ...shownAlarm(alarm), history: knowledge.history(alarm.id).map(shownStep), deliveries: [] };
    },
  }),
];

const shownStep = ({ at, action, by, text: said, alarm }: AlarmTransition): z.output<typeof step> => ({
  at: toIso(at),
  action,
  by,
  text: said,
  state: alarm.state,
  value: alarm.value,
});

const common: readonly ProblemCode[] = ["not_found", "alarm_state", "not_journaling", "not_applied", "busy"];

type AlarmCommand = Exclude<Command, { kind: "replay" }>;

/** `POST /alarms/{alarm}/{verb}` with a body of its own, made into a command. */
const verb = <B extends z.ZodType>(
  desk: Desk,
  name: "acknowledge" | "shelve" | "unshelve" | "comment",
  summary: string,
  body: B,
  command: (alarm: AlarmId, given: z.output<B>, principal: Principal) => AlarmCommand,
): Route =>
  route({
    method: "POST",
    path: `/api/v1/alarms/:alarm/${name}`,
    access: commanding,
    summary,
    params: target,
    body,
    answer: alarmShape,
    errors: name === "shelve" ? [...common, "shelving_too_long"] : common,
    handle: async ({ params, body: given, principal, request }) => {
      const alarm = ofSight(principal, desk.knowledge.alarm(params.alarm as AlarmId), "such alarm");
      return await order(desk, principal, request, name, command(alarm.id, given as z.output<B>, principal));
    },
  });

const writing = (desk: Desk): readonly Route[] => [
  verb(
    desk,
    "acknowledge",
    "Take an alarm on",
    z.strictObject({ note: prose(noteLengthMax).default("") }).nullish(),
    (alarm, given) => ({ kind: "acknowledge", alarm, note: given?.note ?? "" }),
  ),
  verb(
    desk,
    "shelve",
    "Keep an alarm unheard until a time, for a reason",
    z.strictObject({ until: instant, reason: prose(noteLengthMax).trim().min(1) }),
    (alarm, { until, reason }, principal) => {
      const duration = until - desk.clock.now();
      if (duration <= 0) throw fault("body.until", "is past");
      if (duration > shelvingMax && principal.role !== "admin") throw new Problem("shelving_too_long");
      if (duration > shelvingMaxOfAdmin) throw fault("body.until", "is more than a year ahead");
      return { kind: "shelve", alarm, until, reason };
    },
  ),
  verb(desk, "unshelve", "Hear an alarm again", noBody, (alarm) => ({
    kind: "unshelve",
    alarm,
  })),
  verb(
    desk,
    "comment",
    "Write into an alarm's history",
    z.strictObject({ text: prose(noteLengthMax).trim().min(1) }),
    (alarm, given) => ({ kind: "comment", alarm, text: given.text }),
  ),
];

/** The alarm as it is after the command. */
const order = async (
  { commands, knowledge }: Desk,
  principal: Principal,
  request: FastifyRequest,
  name: string,
  command: AlarmCommand,
): Promise<AlarmJson> => {
  const outcome = await commands.carryOut({
    by: principal.username,
    scope: `${name} ${command.alarm}`,
    key: idempotencyKey(request.headers["idempotency-key"]),
    command,
  });
  if (outcome.status === "conflict")
    throw new Problem("alarm_state", outcome.detail === "" ? undefined : outcome.detail);
  const alarm = knowledge.alarm(command.alarm);
  if (outcome.status === "not_found" || alarm === null) throw notFound("such alarm");
  return shownAlarm(alarm);
};
