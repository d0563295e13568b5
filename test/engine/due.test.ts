import fc from "fast-check";
import { expect, test } from "vitest";
import { createDueHeap } from "../../src/engine/due.ts";
import { createPending } from "../../src/engine/pending.ts";

test("what is due comes out in order of time, and nothing before its time", () => {
  const steps = fc.array(fc.tuple(fc.nat(50), fc.nat(60)), { maxLength: 200 });
  fc.assert(
    fc.property(steps, (pushes) => {
      const heap = createDueHeap<number>();
      let model: number[] = [];
      for (const [at, now] of pushes) {
        heap.push(at, at);
        model.push(at);
        if (now % 3 !== 0) continue;
        const due = model.filter((one) => one <= now).sort((one, other) => one - other);
        model = model.filter((one) => one > now);
        const popped: number[] = [];
        for (let item = heap.pop(now); item !== undefined; item = heap.pop(now)) popped.push(item);
        expect(popped).toEqual(due);
        expect(heap.size()).toBe(model.length);
      }
    }),
  );
});

test("what is pending is found by its time, few or many", () => {
  fc.assert(
    fc.property(
      fc.uniqueArray(fc.nat(500), { maxLength: 100 }),
      fc.array(fc.nat(500), { maxLength: 30 }),
      (times, asked) => {
        const pending = createPending();
        for (const [index, time] of times.entries()) {
          pending.add({ datastream: 1, time, value: time, quality: 1, seq: 1, receivedAt: 1 });
          const probe = asked[index % Math.max(1, asked.length)] ?? 0;
          expect(pending.at(probe)?.value).toBe(times.slice(0, index + 1).includes(probe) ? probe : undefined);
        }
        pending.clear();
        for (const time of times) expect(pending.at(time)).toBeUndefined();
      },
    ),
  );
});
