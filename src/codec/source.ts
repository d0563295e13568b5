import { isCollection, isNode, LineCounter, type ParsedNode, parseDocument } from "yaml";
import { z } from "zod";
import { parseDuration } from "../domain/time.ts";

/** What can be wrong with a devices folder. */
export type FaultCode =
  /** A file that must be there is not. */
  | "missing_file"
  /** No YAML, no CSV. */
  | "syntax"
  /** Not what the field holds: type, range, unknown or missing key. */
  | "shape"
  /** A name that has another meaning in the house. */
  | "reserved"
  | "duplicate"
  /** Refers to something that is not there. */
  | "unknown"
  /** Nobody would hear its alarms. */
  | "unroutable"
  /** Each part is well-formed, and together they make no sense. */
  | "contradiction";

/** One thing wrong, at a place that a person finds: what was expected there. */
export type Fault = {
  /** Within the devices folder, with `/`. */
  readonly file: string;
  /** From 1. */
  readonly line: number;
  /** As `limits[3].deadband`, or the column of a fleet file. */
  readonly path: string;
  readonly code: FaultCode;
  readonly message: string;
};

export type Path = readonly (string | number)[];

/** One file taken apart, with the way back from a value to its line; faults found in it are told to `report`. */
export type Source = {
  readonly file: string;
  readonly value: unknown;
  report(path: Path, code: FaultCode, message: string): void;
};

/** `limits[3].deadband` */
const pathText = (path: Path): string =>
  path.reduce<string>((text, part) => {
    if (typeof part === "number") return `${text}[${part}]`;
    return text === "" ? part : `${text}.${part}`;
  }, "");

/** A YAML file; null when it cannot be read as YAML at all. */
export const openYaml = (file: string, text: string, faults: Fault[]): Source | null => {
  const lines = new LineCounter();
  const document = parseDocument(text, { lineCounter: lines, prettyErrors: false });
  for (const error of document.errors) {
    faults.push({ file, line: lines.linePos(error.pos[0]).line, path: "", code: "syntax", message: error.message });
  }
  if (document.errors.length > 0) return null;
  const lineOf = (path: Path): number => {
    const start = nearest(document.contents, path)?.range?.[0];
    return start === undefined ? 1 : lines.linePos(start).line;
  };
  return {
    file,
    // Anchors are few in such files; a bomb of aliases is refused by the parser's own bound (100).
    value: document.toJS(),
    report: (path, code, message) => faults.push({ file, line: lineOf(path), path: pathText(path), code, message }),
  };
};

/** The node at the path, or the innermost one above it that exists. */
const nearest = (root: ParsedNode | null, path: Path): ParsedNode | null => {
  let node = root;
  for (const part of path) {
    const next: unknown = isCollection(node) ? node.get(part, true) : undefined;
    if (!isNode(next)) return node;
    node = next as ParsedNode;
  }
  return node;
};

/** The value at a path of the source, checked; undefined when it is not of that shape, which is reported. */
export const at = <T>(source: Source, path: Path, schema: z.ZodType<T>): T | undefined => {
  const result = schema.safeParse(reach(source.value, path));
  if (result.success) return result.data;
  for (const issue of result.error.issues) reportIssue(source, path, issue);
  return undefined;
};

const reportIssue = (source: Source, path: Path, issue: z.core.$ZodIssue): void => {
  const place = [...path, ...issue.path.map((part) => (typeof part === "symbol" ? String(part) : part))];
  if (issue.code === "unrecognized_keys") {
    for (const key of issue.keys) source.report([...place, key], "shape", `no such key: ${key}`);
    return;
  }
  source.report(place, "shape", issue.message);
};

/** One well-formed element of a list, and where it stands. */
export type Item<T> = { readonly value: T; readonly path: Path };

/** A list read element by element, so that one bad element does not hide the others; absent: empty. */
export const listAt = <T>(source: Source, path: Path, schema: z.ZodType<T>): readonly Item<T>[] => {
  const list = reach(source.value, path) ?? [];
  if (!Array.isArray(list)) {
    source.report(path, "shape", "expected a list");
    return [];
  }
  return list.flatMap((_, index) => {
    const value = at(source, [...path, index], schema);
    return value === undefined ? [] : [{ value, path: [...path, index] }];
  });
};

/** Ids of all elements of a list, ill-formed ones included: what refers to those is not unknown. */
export const idsAt = (source: Source, path: Path): ReadonlySet<string> => {
  const list = reach(source.value, path);
  return new Set(Array.isArray(list) ? list.map((element) => String(reach(element, ["id"]))) : []);
};

/** Reports every id of the items that was there before. */
export const reportDuplicates = (source: Source, items: readonly Item<{ readonly id: string }>[]): void => {
  const seen = new Set<string>();
  for (const { value, path } of items) {
    if (seen.has(value.id)) source.report([...path, "id"], "duplicate", `a second ${value.id}`);
    seen.add(value.id);
  }
};

const reach = (value: unknown, path: Path): unknown =>
  path.reduce<unknown>(
    (inner, part) => (isRecord(inner) && Object.hasOwn(inner, part) ? inner[part] : undefined),
    value,
  );

const isRecord = (value: unknown): value is Record<string | number, unknown> =>
  typeof value === "object" && value !== null;

/** Shapes that the files share. */
export const idSchema = z.string().regex(/^[a-z0-9-]{1,64}$/, "expected an id of a-z, 0-9 and -, at most 64");
/** A text in both languages; neither empty, neither a novel. */
export const textSchema = z.strictObject({ zh: z.string().min(1).max(1_000), en: z.string().min(1).max(1_000) });
export const durationSchema = z.string().transform((text, context) => {
  const duration = parseDuration(text);
  if (duration !== undefined) return duration;
  context.addIssue({ code: "custom", message: `expected an ISO 8601 duration as PT2M or P1DT12H, not ${text}` });
  return z.NEVER;
});
export const prioritySchema = z.enum(["critical", "high", "medium", "low"]);
