/** Where the simulators write: results to stdout, progress and faults to stderr. The one file that does. */
export type Terminal = {
  line(text: string): void;
  error(text: string): void;
  /** Overwrites itself on a terminal; one line each time elsewhere. */
  progress(text: string): void;
  /** Ends a progress line. */
  done(): void;
};

export const terminal: Terminal = {
  line: (text) => process.stdout.write(`${text}\n`),
  error: (text) => process.stderr.write(`${text}\n`),
  progress: (text) => process.stderr.write(process.stderr.isTTY ? `\r\x1b[K${text}` : `${text}\n`),
  done: () => void (process.stderr.isTTY && process.stderr.write("\r\x1b[K")),
};
