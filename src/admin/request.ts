import { parseArgs } from "node:util";
import type { Entry } from "../domain/entry.ts";
import type { Clock, Journal, Knowledge } from "../ports.ts";

export type AdminPorts = {
  readonly journal: Pick<Journal, "append">;
  readonly knowledge: Knowledge;
  readonly clock: Clock;
  readonly randomBytes: (length: number) => Uint8Array;
  readonly hashPassword: (password: string) => Promise<string>;
  readonly signal: AbortSignal;
};

export type AdminAnswer = { readonly ok: boolean; readonly code?: string; readonly lines: readonly string[] };

export class AdminError extends Error {
  readonly code: "usage" | "unknown" | "exists" | "invalid";
  constructor(code: AdminError["code"], message: string) {
    super(message);
    this.code = code;
  }
}

export type Arguments = { readonly id: string; readonly options: Readonly<Record<string, string | undefined>> };

/** `ID --option value…`; any other word is a fault. */
export const readArguments = (argv: readonly string[], options: readonly string[]): Arguments => {
  const known = Object.fromEntries(options.map((name) => [name, { type: "string" as const }]));
  try {
    const { values, positionals } = parseArgs({
      args: [...argv],
      options: known,
      allowPositionals: true,
      strict: true,
    });
    if (positionals.length !== 1) throw new Error("expected exactly one name");
    return { id: positionals[0] as string, options: values as Readonly<Record<string, string | undefined>> };
  } catch (error) {
    throw new AdminError("usage", (error as Error).message);
  }
};

/** Appends and waits until it has been applied, so that what is asked next already knows of it. */
export const carryOut = async (entry: Entry, { journal, knowledge, signal }: AdminPorts): Promise<void> => {
  const seq = await journal.append([entry]);
  await knowledge.waitPast(seq - 1, signal);
};

/** Columns padded to their widest cell. */
export const table = (rows: readonly (readonly string[])[]): string[] => {
  const widths = rows[0]?.map((_, column) => Math.max(...rows.map((row) => row[column]?.length ?? 0))) ?? [];
  return rows.map((row) =>
    row
      .map((cell, column) => cell.padEnd(widths[column] ?? 0))
      .join("  ")
      .trimEnd(),
  );
};
