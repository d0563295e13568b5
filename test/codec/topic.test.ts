import fc from "fast-check";
import { expect, test } from "vitest";
import { parseTopic, topicBytesMax } from "../../src/codec/topic.ts";

test("a topic says street, kind, thing and what it carries", () => {
  const parsed = { street: "xinghai", kind: "water", thing: "water-xinghai-1", last: "readings" };
  expect(parseTopic("meizhen/xinghai/water/water-xinghai-1/readings")).toEqual(parsed);
  expect(parseTopic("meizhen/xinghai/water/water-xinghai-1/readings")).toEqual(parsed);
});

test.each(["heartbeat", "status", "firmware", "alarms/turbidity", "a/b/c/d"])(
  "what follows the thing may be %s",
  (last) => {
    expect(parseTopic(`meizhen/s/k/t/${last}`)?.last).toBe(last);
  },
);

test.each([
  "",
  "meizhen",
  "meizhen/s/k/t",
  "meizhen/s/k/t/",
  "meizhen//k/t/readings",
  "/meizhen/s/k/t/readings",
  "meizhen/s/k/t/readings/",
  "Meizhen/s/k/t/readings",
  "other/s/k/t/readings",
  "$SYS/x/new/clients",
  "$share/g/meizhen/s/k/t/readings",
  "meizhen/$SYS/k/t/readings",
  "meizhen/+/k/t/readings",
  "meizhen/s/k/t/#",
  "meizhen/s/k/../readings",
  "meizhen/s/k/t t/readings",
  "meizhen/s/k/t\u0000/readings",
  "meizhen/s/k/t\n/readings",
  "meizhen/s/k/t/readings\n",
  "meizhen/s/k/\u202et/readings",
  "meizhen/s/k/\ud800/readings",
  "meizhen/s/k/街/readings",
  `meizhen/s/k/${"t".repeat(65)}/readings`,
  "meizhen/s/k/t/a/b/c/d/e",
  `meizhen/${"s".repeat(64)}/${"k".repeat(64)}/${"t".repeat(64)}/${"l".repeat(64)}`,
])("%j is refused", (topic) => {
  expect(parseTopic(topic)).toBeNull();
});

test("no other text than 5 to 8 levels of the allowed characters is read", () => {
  const text = fc.oneof(
    fc.string({ unit: "binary" }),
    fc.array(fc.string({ maxLength: 5 }), { maxLength: 9 }).map((levels) => ["meizhen", ...levels].join("/")),
    fc.stringMatching(/^meizhen(\/[a-z$+#.-]{0,3}){3,8}$/),
  );
  fc.assert(
    fc.property(text, (topic) => {
      const levels = topic.split("/");
      const allowed =
        levels.length >= 5 &&
        levels.length <= 8 &&
        levels[0] === "meizhen" &&
        topic.length <= topicBytesMax &&
        levels.slice(1).every((level) => level.length > 0 && level.length <= 64 && !/[^A-Za-z0-9_-]/.test(level));
      expect(parseTopic(topic) !== null).toBe(allowed);
    }),
    { numRuns: 2_000 },
  );
});

test("more topics than are remembered are read all the same", () => {
  for (let n = 0; n < 30_000; n++) parseTopic(`meizhen/s/k/thing-${n}/readings`);
  expect(parseTopic("meizhen/s/k/thing-3/readings")?.thing).toBe("thing-3");
});
