import type { Instant } from "../domain/time.ts";

/** Instants at which somebody wants to be looked at, earliest first; a binary heap, so a tick costs what is due. */
export type DueHeap<T> = {
  push(at: Instant, item: T): void;
  /** The earliest item, if its time has come. */
  pop(now: Instant): T | undefined;
  clear(): void;
  size(): number;
};

type Node<T> = { readonly at: Instant; readonly item: T };

export const createDueHeap = <T>(): DueHeap<T> => {
  const nodes: Node<T>[] = [];
  const at = (place: number): Instant => (nodes[place] as Node<T>).at;
  const swap = (one: number, other: number): void => {
    const kept = nodes[one] as Node<T>;
    nodes[one] = nodes[other] as Node<T>;
    nodes[other] = kept;
  };
  const sink = (): void => {
    for (let place = 0; ; ) {
      const left = 2 * place + 1;
      if (left >= nodes.length) return;
      const least = left + 1 < nodes.length && at(left + 1) < at(left) ? left + 1 : left;
      if (at(place) <= at(least)) return;
      swap(place, least);
      place = least;
    }
  };
  return {
    push(instant, item) {
      let place = nodes.push({ at: instant, item }) - 1;
      while (place > 0) {
        const parent = (place - 1) >> 1;
        if (at(parent) <= at(place)) return;
        swap(parent, place);
        place = parent;
      }
    },
    pop(now) {
      const first = nodes[0];
      if (first === undefined || first.at > now) return undefined;
      const last = nodes.pop() as Node<T>;
      if (nodes.length > 0) {
        nodes[0] = last;
        sink();
      }
      return first.item;
    },
    clear() {
      nodes.length = 0;
    },
    size: () => nodes.length,
  };
};
