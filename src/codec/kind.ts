import { z } from "zod";
import { heartbeatId, type Kind, type Property } from "../domain/kind.ts";
import type { Span } from "../domain/quality.ts";
import type { KindId, PropertyId } from "../domain/thing.ts";
import { minute } from "../domain/time.ts";
import { readLimits } from "./limits.ts";
import {
  at,
  durationSchema,
  type Fault,
  type Item,
  idSchema,
  listAt,
  openYaml,
  prioritySchema,
  reportDuplicates,
  type Source,
  textSchema,
} from "./source.ts";

/** A kind, and what the fleet must know of it: values that stand for an empty cell. */
export type KindReading = { readonly kind: Kind; readonly defaults: Readonly<Record<string, string>> };

/** Names that have another meaning: measurements of the historian, and the service itself. */
const reservedKinds: ReadonlySet<string> = new Set(["alarm", "target", "house"]);
/** Tags and the time column of the historian, which a field may not share. */
const reservedProperties: ReadonlySet<string> = new Set(["thing", "street", "grid", "time"]);

const spanSchema = z
  .tuple([z.number(), z.number()])
  .refine(([low, high]) => low < high, "expected [low, high] with low below high");
const propertySchema = z.strictObject({
  id: z.string().regex(/^[a-z][a-zA-Z0-9]{0,63}$/, "expected an id of letters and digits, beginning with a small one"),
  name: textSchema,
  unit: z.string().regex(/^[\x21-\x7e]{1,32}$/, "expected a UCUM code"),
  type: z.enum(["number", "boolean"]).default("number"),
  span: spanSchema,
  operatorSpan: spanSchema.nullable().default(null),
  possible: spanSchema.optional(),
});
const valueSchema = z.strictObject({ id: z.string().regex(/^[A-Za-z0-9-]{1,64}$/), name: textSchema });
const attributeSchema = z.strictObject({
  id: z.string().regex(/^[a-z][a-zA-Z0-9_]{0,63}$/),
  name: textSchema,
  values: z.array(valueSchema).max(100).default([]),
  default: z.string().optional(),
});
const silenceSchema = z.strictObject({ priority: prioritySchema, advice: textSchema });
const keys = ["name", "level", "every", "failAfter", "queue", "silence", "attributes", "properties", "limits"] as const;

/** Reads one `kind.yaml`; every fault goes to `faults`. Null where it is too broken to be a kind. */
export const readKind = (file: string, id: string, text: string, faults: Fault[]): KindReading | null => {
  const source = openYaml(file, text, faults);
  if (source === null) return null;
  reportReserved(source, id);
  const head = readHead(source);
  const properties = withHeartbeat(readProperties(source));
  const attributes = listAt(source, ["attributes"], attributeSchema);
  reportDuplicates(source, attributes);
  reportDefaults(source, attributes);
  const limits = readLimits(
    source,
    properties,
    attributes.map(({ value }) => value),
  );
  if (head === null) return null;
  const kind: Kind = {
    id: id as KindId,
    ...head,
    attributes: attributes.map(({ value }) => ({ id: value.id, name: value.name, values: value.values })),
    properties,
    limits,
  };
  return { kind, defaults: defaultsOf(attributes) };
};

const defaultsOf = (attributes: readonly Item<{ id: string; default?: string | undefined }>[]) =>
  Object.fromEntries(
    attributes.flatMap(({ value }) => (value.default === undefined ? [] : [[value.id, value.default]])),
  );

const reportReserved = (source: Source, id: string): void => {
  if (!idSchema.safeParse(id).success)
    source.report([], "shape", `expected a folder named of a-z, 0-9 and -, not ${id}`);
  if (reservedKinds.has(id)) source.report([], "reserved", `${id} is no name of a kind`);
  for (const key of Object.keys((source.value as Record<string, unknown> | null) ?? {})) {
    if (!(keys as readonly string[]).includes(key)) source.report([key], "shape", `no such key: ${key}`);
  }
};

const readHead = (source: Source) => {
  const name = at(source, ["name"], textSchema);
  const level = at(source, ["level"], z.enum(["bronze", "silver", "gold"]).default("bronze"));
  const every = at(source, ["every"], durationSchema);
  const failAfter = at(source, ["failAfter"], durationSchema.default(15 * minute));
  const queue = at(source, ["queue"], idSchema);
  const silence = at(source, ["silence"], silenceSchema);
  if (every !== undefined && every < 1_000) source.report(["every"], "shape", "expected at least PT1S");
  if (!name || !level || !every || failAfter === undefined || !queue || !silence) return null;
  return { name, level, every, failAfter, queue, silence };
};

/** Properties, each span inside the wider one: operator in measuring in possible. */
const readProperties = (source: Source): readonly Property[] => {
  const items = listAt(source, ["properties"], propertySchema);
  reportDuplicates(source, items);
  return items.map(({ value, path }) => {
    const { span, operatorSpan } = value;
    const possible = value.possible ?? span;
    if (operatorSpan !== null && !within(operatorSpan, span)) {
      source.report(
        [...path, "operatorSpan"],
        "contradiction",
        `expected it inside the measuring span ${span.join(" to ")}`,
      );
    }
    if (!within(span, possible)) {
      source.report(
        [...path, "possible"],
        "contradiction",
        `expected it to hold the measuring span ${span.join(" to ")}`,
      );
    }
    if (reservedProperties.has(value.id))
      source.report([...path, "id"], "reserved", `${value.id} is a tag of the historian`);
    return { ...value, id: value.id as PropertyId, possible };
  });
};

const within = (inner: Span, outer: Span): boolean => outer[0] <= inner[0] && inner[1] <= outer[1];

/** The property that every kind has; a folder may word it itself. */
const withHeartbeat = (properties: readonly Property[]): readonly Property[] =>
  properties.some(({ id }) => id === heartbeatId) ? properties : [...properties, heartbeat];

const heartbeat: Property = {
  id: heartbeatId,
  name: { zh: "心跳", en: "Heartbeat" },
  unit: "1",
  type: "boolean",
  span: [0, 1],
  operatorSpan: null,
  possible: [0, 1],
};

const reportDefaults = (
  source: Source,
  attributes: readonly Item<{ values: readonly { id: string }[]; default?: string | undefined }>[],
): void => {
  for (const { value, path } of attributes) {
    const known = value.values.map(({ id }) => id);
    if (value.default === undefined || known.length === 0 || known.includes(value.default)) continue;
    source.report([...path, "default"], "unknown", `expected one of ${known.join(", ")}`);
  }
};
