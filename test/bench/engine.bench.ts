import { decodeReadings } from "../../src/codec/payload.ts";
import type { Entry, Journaled } from "../../src/domain/entry.ts";
import { minute } from "../../src/domain/time.ts";
import { createEngine } from "../../src/engine/engine.ts";
import { kind, limit, property, registry, thing } from "../house/district.ts";

// What it costs to take a message apart and to judge it: `node test/bench/engine.bench.ts`. Ten limits on every
// property, a commit's worth of states every 500 messages. Goals: decoding 3 us a message, judging 5 us a reading. `states` is what a commit writes of things.

const start = Date.parse("2026-11-23T02:00:00Z");
const properties = ["turbidity", "ph", "freeChlorine", "temperature", "conductivity"];
const limits = properties.flatMap((name) =>
  Array.from({ length: 10 }, (_, index) =>
    limit({
      id: `${name.toLowerCase()}-${index}`,
      property: name,
      direction: index < 5 ? "high" : "low",
      setpoint: index < 5 ? 10 + index : -10 - index,
    }),
  ),
);
const kinds = [
  kind("water", { every: minute, properties: properties.map((name) => property(name, { span: [-100, 100] })), limits }),
];
const bytes = new TextEncoder();

type Scene = { readonly name: string; readonly things: number; readonly values: number; readonly breaching: number };

const scenes: readonly Scene[] = [
  { name: "20 things, one value", things: 20, values: 1, breaching: 0 },
  { name: "20 things, five values", things: 20, values: 5, breaching: 0 },
  { name: "20 things, five values, 1 in 10 breaching", things: 20, values: 5, breaching: 0.1 },
  { name: "1,000 things, one value", things: 1_000, values: 1, breaching: 0 },
  { name: "10,000 things, one value", things: 10_000, values: 1, breaching: 0 },
  { name: "10,000 things, five values", things: 10_000, values: 5, breaching: 0 },
];

const messages = 100_000;
const batch = 500;
const nothingKnown = {
  observationAt: () => undefined,
  alarm: () => null,
  rejection: () => null,
  commandByKey: () => null,
};

const entriesOf = ({ things, values, breaching }: Scene): Journaled[] => {
  const entries: Journaled[] = [];
  const add = (entry: Entry) => entries.push({ seq: entries.length + 1, entry });
  let lastTick = 0;
  for (let n = 0; n < messages; n++) {
    const at = start + Math.floor((n * minute) / Math.max(things, 600));
    if (at - lastTick >= 1_000) {
      add({ kind: "tick", at });
      lastTick = at;
    }
    const said = properties.slice(0, values).map((name, index) => {
      const over = ((n * 7919 + index) % 1_000) / 1_000 < breaching;
      return [name, over ? 12.5 : Math.round(((n * 31 + index * 17) % 1_000) - 500) / 100];
    });
    const payload = bytes.encode(JSON.stringify({ ts: at, values: Object.fromEntries(said) }));
    add({
      kind: "message",
      at,
      topic: `meizhen/xinghai/water/w${n % things}/readings`,
      payload,
      principal: null,
      qos: 1,
    });
  }
  return entries;
};

const measure = (scene: Scene): void => {
  const entries = entriesOf(scene);
  const all = registry({ kinds, things: Array.from({ length: scene.things }, (_, index) => thing(`w${index}`)) });
  const engine = createEngine({ known: nothingKnown, state: null, registry: all });
  let [applying, taking, bytesOfStates] = [0, 0, 0];
  const warm = entries.length / 5;
  for (let from = 0; from < entries.length; from += batch) {
    const page = entries.slice(from, from + batch);
    const begun = performance.now();
    for (const journaled of page) engine.apply(journaled);
    const applied = performance.now();
    const { things } = engine.take();
    if (from < warm) continue;
    applying += applied - begun;
    taking += performance.now() - applied;
    for (const { body } of things) bytesOfStates += body.length;
  }
  const counted = messages * 0.8;
  const decoding = decodeAlone(entries);
  const per = (ms: number, what: number) => ((ms / what) * 1_000).toFixed(2).padStart(6);
  const readings = counted * scene.values;
  console.log(
    `${scene.name.padEnd(44)} message ${per(applying, counted)} us, decoding ${per(decoding, messages)} us, reading ` +
      `${per(applying, readings)} us, states ${per(taking, counted)} us and ${(bytesOfStates / counted).toFixed(0)} B a message`,
  );
};

const decodeAlone = (entries: readonly Journaled[]): number => {
  const known = new Map(properties.map((name) => [name, { type: "number" as const }]));
  const begun = performance.now();
  for (const { entry } of entries) if (entry.kind === "message") decodeReadings(entry.payload, known, entry.at);
  return performance.now() - begun;
};

const only = process.argv[2];
for (const scene of scenes) if (only === undefined || scene.name.startsWith(only)) measure(scene);
