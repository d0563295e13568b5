import { ArgumentsError } from "./arguments.ts";
import { terminal } from "./terminal.ts";

/** Runs a command of the terminal: 2 for wrong arguments, with every fault; 1 for a failure; Ctrl-C ends it in order. */
export const runCommand = async (
  command: (argv: readonly string[], signal: AbortSignal) => Promise<number>,
): Promise<void> => {
  const stop = new AbortController();
  for (const name of ["SIGINT", "SIGTERM"] as const) process.once(name, () => stop.abort(new Error(name)));
  try {
    process.exitCode = await command(process.argv.slice(2), stop.signal);
  } catch (error) {
    process.exitCode = told(error, stop.signal);
  }
};

const told = (error: unknown, signal: AbortSignal): number => {
  if (error instanceof ArgumentsError) {
    for (const fault of error.faults) terminal.error(fault);
    return 2;
  }
  if (signal.aborted && error === signal.reason) return 0;
  terminal.error(error instanceof Error ? describe(error) : String(error));
  return 1;
};

/** Connection failures arrive as AggregateError without a message. */
const describe = (error: Error): string => {
  const inner = error instanceof AggregateError ? error.errors.map(String).join("; ") : "";
  return [error.message, inner].filter(Boolean).join(": ") || error.name;
};
