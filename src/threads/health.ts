import type { Blocked } from "../journal/sqlite.ts";
import type { HealthCause, HouseHealth } from "./thread.ts";

/** What each part of the house says it suffers from, put together. */
export type HealthBoard = {
  set(part: string, causes: readonly HealthCause[]): void;
  /** Blocked: nothing can be journaled, acknowledgements wait. */
  setJournal(blocked: Blocked | null): void;
  current(): HouseHealth;
  /** Called now and at every change. */
  onChange(listener: (health: HouseHealth) => void): void;
};

export const createHealthBoard = (): HealthBoard => {
  const parts = new Map<string, readonly HealthCause[]>();
  const listeners: ((health: HouseHealth) => void)[] = [];
  let told = "";
  const current = (): HouseHealth => ({ ready: !parts.has("journal"), causes: [...parts.values()].flat() });
  const tell = (): void => {
    const health = current();
    const text = JSON.stringify(health);
    if (text === told) return;
    told = text;
    for (const listener of listeners) listener(health);
  };
  return {
    current,
    set(part, causes) {
      if (causes.length === 0) parts.delete(part);
      else parts.set(part, causes);
      tell();
    },
    setJournal(blocked) {
      if (blocked === null) parts.delete("journal");
      else parts.set("journal", [{ code: blocked.reason, detail: blocked.detail, since: blocked.since }]);
      tell();
    },
    onChange(listener) {
      listeners.push(listener);
      listener(current());
    },
  };
};
