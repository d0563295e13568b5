import { z } from "zod";
import type { Property } from "../domain/kind.ts";
import { type Condition, type Grade, type Limit, rounded } from "../domain/limit.ts";
import type { Quality } from "../domain/quality.ts";
import { at, durationSchema, idSchema, listAt, type Path, prioritySchema, type Source, textSchema } from "./source.ts";

type AttributeValues = { readonly id: string; readonly values: readonly { readonly id: string }[] };

const monthDay = z.string().regex(/^(0[1-9]|1[0-2])-(0[1-9]|[12]\d|3[01])$/, "expected a day as 11-01");
const propertyId = z.string().min(1);
const conditionSchema = z.union(
  [
    z
      .strictObject({ attribute: z.string(), oneOf: z.array(z.string()).min(1) })
      .transform(({ attribute, oneOf }): Condition => ({ kind: "attribute", attribute, oneOf })),
    z
      .strictObject({ property: propertyId, above: z.number().optional(), atMost: z.number().optional() })
      .refine(({ above, atMost }) => above !== undefined || atMost !== undefined, "expected above, atMost or both")
      .transform((given): Condition => ({ kind: "property", ...given }) as Condition),
    z.strictObject({ dry: durationSchema }).transform(({ dry }): Condition => ({ kind: "dry", duration: dry })),
    z
      .strictObject({ season: z.strictObject({ from: monthDay, to: monthDay }) })
      .transform(({ season }): Condition => ({ kind: "season", ...season })),
  ],
  "expected {attribute, oneOf}, {property, above, atMost}, {dry} or {season: {from, to}}",
);

/** Flags that may enter a limit (SEMANTICS 2.4): 4 does only from beyond the measuring range, 9 never. */
const entering = z.union([z.literal(1), z.literal(2), z.literal(3)]);
const labelSchema = z.enum(["provisional", "indicative", "superseded-unchecked"]);
const gradeSchema = z.enum(["V1", "V2", "K", "ours", "superseded-unchecked"]);

const limitSchema = z
  .strictObject({
    id: idSchema,
    name: textSchema,
    property: propertyId,
    above: z.number().optional(),
    below: z.number().optional(),
    deadband: z.number().min(0).default(0),
    onDelay: durationSchema,
    offDelay: durationSchema,
    priority: prioritySchema,
    statistic: z.enum(["instant", "hourlyMean", "dailyMean"]).default("instant"),
    when: z.array(conditionSchema).max(10).default([]),
    accepts: z.array(entering).min(1).default([1, 2, 3]),
    compliance: z.boolean().default(true),
    labels: z.array(labelSchema).default([]),
    standard: z.string().min(1).max(200),
    clause: z.string().max(200),
    grade: gradeSchema,
    advice: textSchema,
  })
  .refine(
    ({ above, below }) => (above === undefined) !== (below === undefined),
    "expected one setpoint, above or below, and not both",
  );
type Written = z.output<typeof limitSchema>;

/** A family of limits is written once; what differs stands in its rows. */
const familySchema = z.looseObject({ id: z.string(), rows: z.array(z.looseObject({ id: z.string() })).min(1) });

/** The limits of a kind, families spread out; faults are reported, and an ill-formed limit is left out. */
export const readLimits = (
  source: Source,
  properties: readonly Property[],
  attributes: readonly AttributeValues[],
): readonly Limit[] => {
  const seen = new Set<string>();
  return spread(source).flatMap(({ value, path }) => {
    const written = at({ ...source, value }, [], rebased(path));
    if (written === undefined) return [];
    if (seen.has(written.id)) source.report([...path, "id"], "duplicate", `a second ${written.id}`);
    seen.add(written.id);
    reportContradictions(source, path, written, properties);
    reportConditions(source, path, written.when, properties, attributes);
    return [toLimit(written)];
  });

  /** The schema, with the place of the limit put before its issues. */
  function rebased(path: Path): z.ZodType<Written> {
    return z.unknown().transform((given, context) => {
      const result = limitSchema.safeParse(given);
      if (result.success) return result.data;
      for (const issue of result.error.issues) context.addIssue({ ...issue, path: [...path, ...issue.path] } as never);
      return z.NEVER;
    }) as unknown as z.ZodType<Written>;
  }
};

type Raw = { readonly value: Record<string, unknown>; readonly path: Path };

/** Every limit as it would stand alone, and where it is written: `rows` are laid over what they share. */
const spread = (source: Source): readonly Raw[] =>
  listAt(source, ["limits"], z.looseObject({})).flatMap(({ value, path }): Raw[] => {
    if (!("rows" in value)) return [{ value, path }];
    const family = at(source, path, familySchema);
    if (family === undefined) return [];
    const { rows, ...shared } = family;
    return rows.map((row, index) => ({ value: overlaid(shared, row), path: [...path, "rows", index] }));
  });

const overlaid = (shared: Record<string, unknown>, row: Record<string, unknown>): Record<string, unknown> => ({
  ...shared,
  ...row,
  id: `${shared.id}-${row.id}`,
  name: joined(shared.name, row.name),
  when: [...list(shared.when), ...list(row.when)],
});
const list = (value: unknown): unknown[] => (Array.isArray(value) ? value : value === undefined ? [] : [value]);
const joined = (shared: unknown, row: unknown): unknown => {
  const [common, own] = [textSchema.safeParse(shared), textSchema.safeParse(row)];
  if (!common.success || !own.success) return row ?? shared;
  return { zh: `${common.data.zh}(${own.data.zh})`, en: `${common.data.en} (${own.data.en})` };
};

/** Where the value must come back to must be a value that can be. */
const reportContradictions = (source: Source, path: Path, limit: Written, properties: readonly Property[]): void => {
  const property = properties.find(({ id }) => id === limit.property);
  if (property === undefined) {
    source.report([...path, "property"], "unknown", `no property ${limit.property}`);
    return;
  }
  const [low, high] = property.possible;
  const side = limit.above === undefined ? "below" : "above";
  const setpoint = (limit.above ?? limit.below) as number;
  if (setpoint < low || setpoint > high || (side === "above" ? setpoint === high : setpoint === low)) {
    source.report([...path, side], "contradiction", `no possible value is ${side} it: ${low} to ${high}`);
  }
  const left = rounded(side === "above" ? setpoint - limit.deadband : setpoint + limit.deadband);
  if (left < low || left > high) {
    source.report([...path, "deadband"], "contradiction", `never left: the value would have to reach ${left}`);
  }
};

const reportConditions = (
  source: Source,
  path: Path,
  when: readonly Condition[],
  properties: readonly Property[],
  attributes: readonly AttributeValues[],
): void => {
  for (const condition of when) {
    const report = (message: string) => source.report([...path, "when"], "unknown", message);
    if (condition.kind === "property" && !properties.some(({ id }) => id === condition.property)) {
      report(`no property ${condition.property}`);
    }
    if (condition.kind === "attribute") {
      const attribute = attributes.find(({ id }) => id === condition.attribute);
      if (attribute === undefined) report(`no attribute ${condition.attribute}`);
      const known = attribute?.values.map(({ id }) => id) ?? [];
      const odd = condition.oneOf.filter((value) => known.length > 0 && !known.includes(value));
      if (odd.length > 0) report(`${condition.attribute} is never ${odd.join(" or ")}, but ${known.join(", ")}`);
    }
  }
};

/** A number from knowledge is provisional, and one of a replaced text is marked so, wherever it shows. */
const labelsOf = ({ labels, grade }: Written): readonly string[] => {
  const byGrade: Partial<Record<Grade, string>> = { K: "provisional", "superseded-unchecked": "superseded-unchecked" };
  const own = byGrade[grade];
  return [...new Set(own === undefined ? labels : [...labels, own])];
};

const toLimit = (written: Written): Limit => {
  const { above, below, ...rest } = written;
  return {
    ...rest,
    id: rest.id as Limit["id"],
    property: rest.property as Limit["property"],
    direction: above === undefined ? "low" : "high",
    setpoint: (above ?? below) as number,
    accepts: rest.accepts as readonly Quality[],
    labels: labelsOf(written),
  };
};
