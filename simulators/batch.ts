import type { Thing } from "../src/domain/thing.ts";
import { topicOf } from "./connections.ts";
import type { Message } from "./publisher.ts";

/** One array on its way for one thing. */
export type Batch = {
  add(element: string, readings: number, row: number): void;
  readonly size: number;
  readonly bytes: number;
  /** The message of what was added, and an empty batch again. */
  take(acknowledged: (readings: number, row: number) => void): Message;
};

/** Collects elements of one thing's messages; the bounds are the caller's. */
export const createBatch = (thing: Thing): Batch => {
  let elements: string[] = [];
  let [bytes, readings, row] = [2, 0, 0];
  return {
    add(element, more, number) {
      elements.push(element);
      bytes += element.length + 1;
      readings += more;
      row = number;
    },
    get size() {
      return elements.length;
    },
    get bytes() {
      return bytes;
    },
    take(acknowledged) {
      const [sent, last] = [readings, row];
      const payload = `[${elements.join(",")}]`;
      elements = [];
      [bytes, readings] = [2, 0];
      return { topic: `${topicOf(thing)}/readings`, payload, acknowledged: () => acknowledged(sent, last) };
    },
  };
};
