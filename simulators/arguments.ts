import { type ParseArgsOptionsConfig, parseArgs } from "node:util";
import { z } from "zod";

/** Wrong arguments: every fault, for exit code 2. */
export class ArgumentsError extends Error {
  readonly code = "arguments_invalid";
  readonly faults: readonly string[];
  constructor(faults: readonly string[]) {
    super(faults.join("\n"));
    this.faults = faults;
  }
}

/** `--name value` by the fields of a schema (camelCase there, kebab-case here) and `_` for what has no name. */
export const readArguments = <S extends z.ZodObject>(argv: readonly string[], schema: S): z.output<S> => {
  const names = Object.keys(schema.shape).filter((name) => name !== "_");
  const options: ParseArgsOptionsConfig = Object.fromEntries(names.map((name) => [kebab(name), { type: "string" }]));
  const given = parsed(argv, options);
  const values = Object.fromEntries(names.map((name) => [name, given.values[kebab(name)]]));
  const result = schema.safeParse({ ...values, ...("_" in schema.shape ? { _: given.positionals } : {}) });
  const faults = [...given.faults];
  if (!result.success) {
    for (const { path, message } of result.error.issues) faults.push(`${shown(path)}: ${message}`);
  }
  if (faults.length > 0 || !result.success) throw new ArgumentsError(faults);
  return result.data;
};

const kebab = (name: string): string => name.replace(/[A-Z]/g, (letter) => `-${letter.toLowerCase()}`);
const shown = (path: readonly PropertyKey[]): string =>
  path[0] === "_" ? "file" : `--${kebab(String(path[0] ?? ""))}`;

const parsed = (argv: readonly string[], options: ParseArgsOptionsConfig) => {
  // Not strict, so that every unknown name is told and not the first alone.
  const { values, positionals, tokens } = parseArgs({
    args: [...argv],
    options,
    strict: false,
    allowPositionals: true,
    tokens: true,
  });
  const faults = tokens.flatMap((token) => {
    if (token.kind !== "option") return [];
    if (!(token.name in options)) return [`${token.rawName}: no such option`];
    return token.value === undefined ? [`${token.rawName}: expected a value`] : [];
  });
  return { values: values as Record<string, string | undefined>, positionals, faults };
};

/** Numbers as text, for schemas of arguments. */
export const numberText = z.string().transform((text, context) => {
  const value = text.trim() === "" ? Number.NaN : Number(text);
  if (Number.isFinite(value)) return value;
  context.addIssue({ code: "custom", message: `expected a number, not ${text}` });
  return z.NEVER;
});
