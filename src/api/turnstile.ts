/** Lets through a bounded number at a time, in order of arrival, while a bounded number waits. */
export type Turnstile = {
  /** undefined, at once, when too many wait already. */
  pass<T>(work: () => Promise<T>): Promise<T> | undefined;
};

export const createTurnstile = (options: { readonly atOnce: number; readonly waitingMax: number }): Turnstile => {
  const waiting: (() => void)[] = [];
  let inside = 0;
  const leave = (): void => {
    inside -= 1;
    waiting.shift()?.();
  };
  const enter = async <T>(work: () => Promise<T>): Promise<T> => {
    if (inside >= options.atOnce) await new Promise<void>((resolve) => waiting.push(resolve));
    inside += 1;
    try {
      return await work();
    } finally {
      leave();
    }
  };
  return { pass: (work) => (waiting.length >= options.waitingMax ? undefined : enter(work)) };
};
