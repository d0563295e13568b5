/** Where a command speaks to a person: `main.ts` gives it standard output and standard error. */
export type Terminal = {
  readonly out: (line: string) => void;
  readonly err: (line: string) => void;
  /** Registers what a signal to stop calls. */
  readonly onStop: (stop: () => void) => void;
};
