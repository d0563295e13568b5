import { type Document, isNode, LineCounter, parseDocument } from "yaml";
import { z } from "zod";
import type { Registry } from "../src/domain/registry.ts";
import { type DurationMs, type Instant, parseDuration } from "../src/domain/time.ts";
import { createWeather, type Shower, type Weather } from "./weather.ts";

/** One thing wrong in the simulated district. Times count from the scenario's zero. */
export type Fault = {
  /** What a person is told when it begins. */
  readonly say: string;
  readonly things: readonly string[];
  readonly from: DurationMs;
  /** Infinity: it stays. */
  readonly to: DurationMs;
  readonly effect: Effect;
  /** Limits that must raise on each of the things (`silent` among them), beside `gateway` silence. */
  readonly causes: readonly string[];
};

export type Effect =
  /** Readings take these values, reached within `ramp`; with `event` the device also reports at once when it begins and ends. */
  | {
      readonly kind: "set";
      readonly values: Readonly<Record<string, number | boolean>>;
      readonly ramp: DurationMs;
      readonly event: boolean;
    }
  /** Readings stay what they were when it began. */
  | { readonly kind: "freeze" }
  /** These properties are left out. */
  | { readonly kind: "omit"; readonly properties: readonly string[] }
  /** Nothing is sent. */
  | { readonly kind: "silent" }
  /** A gateway's connection breaks: it and all behind it are gone; its will tells. */
  | { readonly kind: "down" }
  /** Beside its readings the device sends these payloads, once each at the beginning. */
  | { readonly kind: "garbage"; readonly payloads: readonly string[] };

export type Scenario = {
  readonly name: string;
  /** null: until it is stopped. */
  readonly duration: DurationMs | null;
  readonly rain: "usual" | "none";
  readonly showers: readonly {
    readonly street: string;
    readonly from: DurationMs;
    readonly to: DurationMs;
    readonly rate: number;
  }[];
  readonly faults: readonly Fault[];
};

export class ScenarioError extends Error {
  readonly code = "scenario_invalid";
  readonly faults: readonly string[];
  constructor(faults: readonly string[]) {
    super(faults.join("\n"));
    this.faults = faults;
  }
}

/** An ISO 8601 duration; a minus before it: before the zero. */
const offset = z.string().transform((text, context): DurationMs => {
  const sign = text.startsWith("-") ? -1 : 1;
  const duration = parseDuration(sign < 0 ? text.slice(1) : text);
  if (duration !== undefined) return sign * duration;
  context.addIssue({ code: "custom", message: `expected an ISO 8601 duration as PT2M or -PT2M, not ${text}` });
  return z.NEVER;
});
const effectSchema = z.union(
  [
    z
      .strictObject({
        set: z.record(z.string(), z.union([z.number(), z.boolean()])),
        ramp: offset.default(0),
        event: z.boolean().default(false),
      })
      .transform(({ set, ...rest }): Effect => ({ kind: "set", values: set, ...rest })),
    z.literal("freeze").transform((): Effect => ({ kind: "freeze" })),
    z
      .strictObject({ omit: z.array(z.string()).min(1) })
      .transform(({ omit }): Effect => ({ kind: "omit", properties: omit })),
    z.literal("silent").transform((): Effect => ({ kind: "silent" })),
    z.literal("down").transform((): Effect => ({ kind: "down" })),
    z
      .strictObject({ garbage: z.array(z.string()).min(1) })
      .transform(({ garbage }): Effect => ({ kind: "garbage", payloads: garbage })),
  ],
  "expected {set, ramp, event}, {omit}, {garbage}, silent, freeze or down",
);
const faultSchema = z
  .strictObject({
    say: z.string(),
    things: z.array(z.string()).min(1),
    from: offset,
    for: offset.optional(),
    effect: effectSchema,
    causes: z.array(z.string()).default([]),
  })
  .transform(
    ({ for: length, ...rest }): Fault => ({
      ...rest,
      to: length === undefined ? Number.POSITIVE_INFINITY : rest.from + length,
    }),
  );
const showerSchema = z
  .strictObject({ street: z.string(), from: offset, for: offset, rate: z.number().positive() })
  .transform(({ for: length, ...rest }) => ({ ...rest, to: rest.from + length }));
const scenarioSchema = z.strictObject({
  duration: offset.nullable().default(null),
  rain: z.enum(["usual", "none"]).default("usual"),
  showers: z.array(showerSchema).default([]),
  faults: z.array(faultSchema).default([]),
});

/** Reads a scenario file and checks it against the district; ScenarioError with every fault. */
export const readScenario = (name: string, text: string, registry: Registry): Scenario => {
  const lines = new LineCounter();
  const document = parseDocument(text, { lineCounter: lines });
  if (document.errors.length > 0) throw new ScenarioError(document.errors.map(({ message }) => message));
  const result = scenarioSchema.safeParse(document.toJS() ?? {});
  if (!result.success) {
    throw new ScenarioError(
      result.error.issues.map(
        ({ path, message }) => `line ${lineOf(document, lines, path)}: ${path.join(".")}: ${message}`,
      ),
    );
  }
  const faults = strangers(result.data.faults, registry);
  if (faults.length > 0) throw new ScenarioError(faults);
  return { name, ...result.data };
};

const lineOf = (document: Document, lines: LineCounter, path: readonly PropertyKey[]): number => {
  for (let length = path.length; length > 0; length--) {
    const node = document.getIn(path.slice(0, length), true);
    if (isNode(node) && node.range) return lines.linePos(node.range[0]).line;
  }
  return 1;
};

/** Things, properties and limits that the district does not have. */
const strangers = (faults: readonly Fault[], registry: Registry): string[] => {
  const things = new Map(registry.things.map((thing) => [thing.id as string, thing]));
  const kinds = new Map(registry.kinds.map((kind) => [kind.id, kind]));
  return faults.flatMap((fault) =>
    fault.things.flatMap((id) => {
      const thing = things.get(id);
      const kind = thing && kinds.get(thing.kind);
      if (thing === undefined || kind === undefined) return [`no thing ${id}`];
      const named = fault.effect.kind === "set" ? Object.keys(fault.effect.values) : [];
      return [
        ...named.filter((name) => !kind.properties.some(({ id }) => id === name)).map((name) => `${id} has no ${name}`),
        ...fault.causes
          .filter((cause) => cause !== "silent" && !kind.limits.some((limit) => limit.id === cause))
          .map((cause) => `${kind.id} has no limit ${cause}`),
        ...(fault.effect.kind === "down" && thing.kind !== "gateway" ? [`${id} is no gateway`] : []),
      ];
    }),
  );
};

/** The weather of a scenario whose zero is at this instant. */
export const weatherOf = (scenario: Scenario, seed: number, zero: Instant): Weather =>
  createWeather(seed, {
    rain: scenario.rain,
    showers: scenario.showers.map((shower): Shower => ({ ...shower, from: zero + shower.from, to: zero + shower.to })),
  });
