import { z } from "zod";
import type { Registry } from "../domain/registry.ts";
import type { PersonId, StreetId } from "../domain/thing.ts";
import {
  at,
  durationSchema,
  type Fault,
  type Item,
  idSchema,
  idsAt,
  listAt,
  openYaml,
  prioritySchema,
  reportDuplicates,
  type Source,
  textSchema,
} from "./source.ts";

/** What `site.yaml` says: the registry without kinds and things. */
type Site = Omit<Registry, "version" | "retention" | "kinds" | "things">;

/** The site, or null where it is too broken to be one; and the names in it, null where nothing can be told of them. */
export type SiteReading = { readonly site: Site | null; readonly names: SiteNames | null };

/** What fleet and kinds refer to. */
export type SiteNames = {
  /** Street, grid and queue ids, those of ill-formed elements included. */
  readonly streets: ReadonlySet<string>;
  /** Grid to its street; null where that is not known. */
  readonly grids: ReadonlyMap<string, string | null>;
  readonly queues: ReadonlySet<string>;
};

const brandedId = idSchema as unknown as z.ZodType<never>;
const zone = z.string().refine(isZone, "expected an IANA time zone as Asia/Shanghai");
const districtSchema = z.strictObject({ id: idSchema, name: textSchema, zone });
const streetSchema = z.strictObject({ id: brandedId, name: textSchema, chief: brandedId, taskForce: brandedId });
const gridSchema = z.strictObject({ id: brandedId, street: brandedId, name: textSchema, chief: brandedId });
const personSchema = z.strictObject({
  id: brandedId,
  name: textSchema,
  language: z.enum(["zh", "en"]).default("zh"),
  channels: z.record(z.string().regex(/^[a-z][a-z0-9]{0,31}$/), z.string().min(1).max(500)).default({}),
});
const departmentSchema = z.strictObject({ id: idSchema, name: textSchema, queue: idSchema, liaison: brandedId });
const step = z.strictObject({
  to: z.enum(["gridChief", "streetChief", "taskForce", "office", "leader"]),
  after: durationSchema,
});
const escalationSchema = z.strictObject({ priority: prioritySchema, steps: z.array(step).min(1).max(5) });
const targetSchema = z.strictObject({
  id: idSchema,
  name: textSchema,
  clause: z.string().min(1).max(100),
  quote: z.string().min(1).max(1_000),
  goal: z.number().min(0).max(100),
  priority: prioritySchema.default("medium"),
  delay: durationSchema.default(3_600_000),
});
const unitSchema = z.strictObject({ id: idSchema, street: brandedId, type: idSchema, name: textSchema });
const entranceSchema = z.strictObject({ id: idSchema, street: brandedId, name: textSchema });
const keys = [
  ...["district", "streets", "grids", "people", "departments", "office", "leader"],
  ...["escalation", "units", "entrances", "targets"],
];

/** Reads `site.yaml`; every fault goes to `faults`. */
export const readSite = (file: string, text: string, faults: Fault[]): SiteReading => {
  const source = openYaml(file, text, faults);
  if (source === null) return { site: null, names: null };
  const district = at(source, ["district"], districtSchema);
  const site = {
    streets: listAt(source, ["streets"], streetSchema),
    grids: listAt(source, ["grids"], gridSchema),
    people: listAt(source, ["people"], personSchema),
    departments: listAt(source, ["departments"], departmentSchema),
    escalation: listAt(source, ["escalation"], escalationSchema),
    units: listAt(source, ["units"], unitSchema),
    entrances: listAt(source, ["entrances"], entranceSchema),
    targets: listAt(source, ["targets"], targetSchema),
  };
  const office = at(source, ["office"], brandedId);
  const leader = at(source, ["leader"], brandedId);
  reportUnknownKeys(source);
  reportNames(source, site, [office, leader]);
  return {
    site: district && office && leader ? { district, office, leader, ...values(site) } : null,
    names: {
      streets: idsAt(source, ["streets"]),
      grids: new Map([
        ...[...idsAt(source, ["grids"])].map((id) => [id, null] as const),
        ...site.grids.map(({ value }) => [value.id as string, value.street as string] as const),
      ]),
      queues: new Set(site.departments.map(({ value }) => value.queue)),
    },
  };
};

type Lists = {
  readonly streets: readonly Item<{ id: StreetId; chief: PersonId; taskForce: PersonId }>[];
  readonly grids: readonly Item<{ id: string; street: StreetId; chief: PersonId }>[];
  readonly people: readonly Item<{ id: PersonId }>[];
  readonly departments: readonly Item<{ id: string; queue: string; liaison: PersonId }>[];
  readonly escalation: readonly Item<{ priority: string }>[];
  readonly units: readonly Item<{ id: string; street: StreetId }>[];
  readonly entrances: readonly Item<{ id: string; street: StreetId }>[];
  readonly targets: readonly Item<{ id: string }>[];
};

/** The same record with the elements alone. */
const values = <T extends Record<string, readonly Item<unknown>[]>>(
  lists: T,
): { [K in keyof T]: T[K][number]["value"][] } =>
  Object.fromEntries(Object.entries(lists).map(([key, items]) => [key, items.map((item) => item.value)])) as never;

const reportUnknownKeys = (source: Source): void => {
  const value = source.value as Record<string, unknown> | null;
  for (const key of Object.keys(value ?? {})) {
    if (!keys.includes(key)) source.report([key], "shape", `no such key: ${key}`);
  }
};

/** Duplicates, and every name that refers to nothing. */
const reportNames = (source: Source, site: Lists, top: readonly (string | undefined)[]): void => {
  for (const items of [
    site.streets,
    site.grids,
    site.people,
    site.departments,
    site.units,
    site.entrances,
    site.targets,
  ]) {
    reportDuplicates(source, items);
  }
  reportDuplicates(
    source,
    site.escalation.map(({ value, path }) => ({ value: { id: value.priority }, path })),
  );
  const people = idsAt(source, ["people"]);
  const streets = idsAt(source, ["streets"]);
  const check = (known: ReadonlySet<string>, what: string, items: readonly Item<object>[], ...fields: string[]) => {
    for (const { value, path } of items) {
      for (const field of fields) {
        const id = (value as Record<string, string>)[field] as string;
        if (!known.has(id)) source.report([...path, field], "unknown", `no ${what} ${id}`);
      }
    }
  };
  check(people, "person", site.streets, "chief", "taskForce");
  check(people, "person", site.grids, "chief");
  check(people, "person", site.departments, "liaison");
  for (const items of [site.grids, site.units, site.entrances]) check(streets, "street", items, "street");
  for (const [index, field] of ["office", "leader"].entries()) {
    const id = top[index];
    if (id !== undefined && !people.has(id)) source.report([field], "unknown", `no person ${id}`);
  }
  if (streets.size === 0) source.report(["streets"], "shape", "expected at least one street");
};

function isZone(name: string): boolean {
  try {
    new Intl.DateTimeFormat("en", { timeZone: name });
    return true;
  } catch {
    return false;
  }
}
