import { z } from "zod";
import { alarmStates } from "../domain/alarm.ts";
import type { StreetId, ThingId } from "../domain/thing.ts";
import { type Instant, instantMax } from "../domain/time.ts";
import type { PageRequest } from "../ports.ts";

/** Shapes that several routes share. Times are ISO 8601 in UTC on the way out, with any offset on the way in. */

const pageLimitMax = 1_000;
const pageLimitDefault = 50;
const cursorLengthMax = 512;

const isoPattern =
  /^\d{4}-(?:0[1-9]|1[0-2])-(?:0[1-9]|[12]\d|3[01])T(?:[01]\d|2[0-3]):[0-5]\d(?::[0-5]\d(?:[.,]\d{1,9})?)?(?:Z|[+-](?:[01]\d|2[0-3])(?::?[0-5]\d)?)$/;

/**
 * An instant with its offset; undefined for anything else, as 30 February. What lies before 1970 or beyond what can be
 * stored is taken for the first or the last instant: a question that reaches further than there is data is none the worse.
 */
export const parseInstant = (text: string): Instant | undefined => {
  // an unescaped + of a query arrives as a space
  const iso = text.replace(/ (?=\d{2}(:?\d{2})?$)/, "+");
  if (!isoPattern.test(iso)) return undefined;
  const [, whole = "", zone = ""] = /^(.*?)(Z|[+-][\d:]+)$/.exec(iso.replace(",", ".")) ?? [];
  // Date.parse wants +08:00 and seconds' fraction of milliseconds
  const offset = zone === "Z" ? zone : `${zone.slice(0, 3)}:${zone.replace(":", "").slice(3) || "00"}`;
  const local = whole.replace(/(\.\d{3})\d+$/, "$1");
  const instant = Date.parse(local + offset);
  const day = Number(iso.slice(8, 10));
  const exists = new Date(Date.parse(`${iso.slice(0, 10)}T00:00:00Z`)).getUTCDate() === day;
  return exists && !Number.isNaN(instant) ? Math.min(Math.max(0, instant), instantMax) : undefined;
};

export const instant = z
  .string()
  .max(40)
  .transform((text, context) => {
    const parsed = parseInstant(text);
    if (parsed !== undefined) return parsed;
    context.addIssue({ code: "custom", message: "expected ISO 8601 with an offset, as 2026-11-23T08:00:00+08:00" });
    return z.NEVER;
  })
  .meta({ format: "date-time" });

/** A time of ours on the way out. */
export const iso = z.iso.datetime();
export const text = z.strictObject({ zh: z.string(), en: z.string() });
export const quality = z.union([z.literal(1), z.literal(2), z.literal(3), z.literal(4), z.literal(9)]);
export const presence = z.enum(["online", "silent", "offline", "never"]);
export const alarmState = z.enum(alarmStates);

/** A name as devices, streets, kinds and properties have it, on the way in. */
const name = (pattern: RegExp) => z.string().regex(pattern, "not a name of this kind");
export const thingId = name(/^[a-z0-9-]{1,64}$/).transform((id) => id as ThingId);
export const streetId = name(/^[a-z0-9-]{1,64}$/).transform((id) => id as StreetId);
export const word = name(/^[A-Za-z0-9_.-]{1,64}$/);

/** What a person writes: no lone surrogate, no control character but the line feed and the tab. */
export const prose = (lengthMax: number) =>
  z
    .string()
    .max(lengthMax)
    .regex(printable, "holds characters that are not text")
    .refine((given) => given.isWellFormed(), "holds half a character");
// biome-ignore lint/suspicious/noControlCharactersInRegex: they are what is refused
const printable = /^[^\u0000-\u0008\u000b-\u001f\u007f]*$/;

export const page = {
  limit: z.coerce.number().int().min(1).max(pageLimitMax).default(pageLimitDefault),
  cursor: z
    .string()
    .max(cursorLengthMax)
    .regex(/^[\w-]+$/, "is none that this list gave")
    .optional(),
};

/** The body of what needs none: an empty object, or nothing at all. */
export const noBody = z.strictObject({}).nullish();

/** A list, and where it goes on. */
export const list = <T extends z.ZodType>(item: T) =>
  z.strictObject({ items: z.array(item), next: z.string().nullable() });

export const pageOf = (query: { limit: number; cursor?: string | undefined }): PageRequest => ({
  limit: query.limit,
  cursor: query.cursor ?? null,
});
