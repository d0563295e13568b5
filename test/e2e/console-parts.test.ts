import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import fc from "fast-check";
import { expect, test } from "vitest";
import { type Cell, valueRange, withGaps } from "../../dashboards/console/src/charts/shape-of-line.ts";
import { createParser } from "../../dashboards/console/src/event-stream.ts";
import { en } from "../../dashboards/console/src/locale/en.ts";
import { zh } from "../../dashboards/console/src/locale/zh.ts";
import { apart, hull, projection } from "../../dashboards/console/src/map-layout.ts";
import { alarmStates } from "../../src/domain/alarm.ts";
import { reasons } from "../../src/domain/rejection.ts";

// The parts of the console that need no browser.

const texts = (catalog: object, path = ""): [string, string][] =>
  Object.entries(catalog).flatMap(([key, value]): [string, string][] =>
    typeof value === "string" ? [[`${path}${key}`, value]] : texts(value as object, `${path}${key}.`),
  );
const slots = (text: string): string[] => [...new Set(text.match(/\{\w+\}/g))].sort();

test("the Chinese and the English catalog have the same keys, each with a text and the same places to fill", () => {
  const [chinese, english] = [new Map(texts(zh)), new Map(texts(en))];
  expect([...english.keys()].sort()).toEqual([...chinese.keys()].sort());
  for (const [key, text] of chinese) {
    expect(text, key).not.toBe("");
    expect(english.get(key), key).not.toBe("");
    // an English plural may leave its number out of one of its forms
    expect(slots(english.get(key) ?? ""), key).toEqual(slots(text));
  }
});

const source = join(import.meta.dirname, "../../dashboards/console/src");
const files = readdirSync(source, { recursive: true, withFileTypes: true })
  .filter((entry) => entry.isFile() && /\.(vue|ts)$/.test(entry.name))
  .map((entry) => readFileSync(join(entry.parentPath, entry.name), "utf8"));

test("every text that a page names is in the catalog", () => {
  const known = new Set(texts(zh).map(([key]) => key));
  const named = files.flatMap((text) => [...text.matchAll(/\bt\(\s*"([\w.-]+)"/g)].map((match) => match[1] as string));
  expect(named.length).toBeGreaterThan(100);
  expect(named.filter((key) => !known.has(key))).toEqual([]);
});

test("every reason of a rejection and every state of an alarm has its words", () => {
  for (const reason of reasons) expect(zh.reason).toHaveProperty(reason);
  for (const state of alarmStates) expect(zh.state).toHaveProperty([state]);
});

test("no page is written around the text nodes: nothing is set as markup", () => {
  for (const text of files) expect(text).not.toMatch(/v-html|innerHTML|insertAdjacentHTML|document\.write/);
});

const frame = (id: number, data: unknown): string =>
  `: beat\nid: ${id}-0\nevent: alarm\ndata: ${JSON.stringify(data)}\n\n`;

test("events are read the same however the stream is cut, and only a whole one moves the place", () => {
  fc.assert(
    fc.property(fc.array(fc.string(), { maxLength: 8 }), fc.array(fc.nat(400), { maxLength: 12 }), (data, cuts) => {
      const stream = data.map((one, index) => frame(index, one)).join("");
      const [events, places]: [unknown[], string[]] = [[], []];
      const parse = createParser(
        (event, given) => events.push([event, given]),
        (place) => places.push(place),
      );
      const at = [0, ...cuts.filter((cut) => cut < stream.length).sort((a, b) => a - b), stream.length];
      for (const [index, from] of at.slice(0, -1).entries()) parse(stream.slice(from, at[index + 1]));
      expect(events).toEqual(data.map((one) => ["alarm", one]));
      expect(places).toEqual(data.map((_, index) => `${index}-0`));
    }),
  );
  const places: string[] = [];
  createParser(
    () => {},
    (place) => places.push(place),
  )("id: 7-0\nevent: alarm\ndata: {}\n");
  expect(places).toEqual([]);
});

test("a beat without data moves the place, and data that is no JSON is passed over", () => {
  const [events, places]: [string[], string[]] = [[], []];
  const parse = createParser(
    (event) => events.push(event),
    (place) => places.push(place),
  );
  parse(": beat\nid: 5-0\n\nevent: alarm\ndata: {oops\n\nevent: reset\ndata: {}\n\n");
  expect([events, places]).toEqual([["reset"], ["5-0"]]);
});

test("a line breaks where more time lies between two points than a gap, and nowhere else", () => {
  fc.assert(
    fc.property(
      fc.array(fc.integer({ min: 1, max: 100 }), { maxLength: 40 }),
      fc.integer({ min: 1, max: 100 }),
      (steps, gap) => {
        const cells: Cell[] = steps.map((_, index) => [
          steps.slice(0, index + 1).reduce((sum, step) => sum + step, 0),
          1,
        ]);
        const drawn = withGaps(cells, gap);
        expect(drawn.filter(([, value]) => value !== null)).toEqual(cells);
        expect(drawn.length - cells.length).toBe(steps.slice(1).filter((step) => step > gap).length);
        expect(drawn.map(([at]) => at)).toEqual(drawn.map(([at]) => at).toSorted((a, b) => a - b));
      },
    ),
  );
});

test("the picture holds all data, and a limit that lies near it but not one far away", () => {
  fc.assert(
    fc.property(fc.array(fc.double({ min: 0, max: 1e4, noNaN: true }), { minLength: 1, maxLength: 30 }), (data) => {
      const range = valueRange(data, []);
      expect(range.min).toBeLessThanOrEqual(Math.min(...data));
      expect(range.max).toBeGreaterThanOrEqual(Math.max(...data));
      expect(range.min).toBeGreaterThanOrEqual(0);
    }),
  );
  expect(valueRange([0.3, 0.5], [1]).max).toBeGreaterThan(1);
  expect(valueRange([0.3, 0.31], [1000]).max).toBeLessThan(1);
});

const place = fc.record({
  longitude: fc.double({ min: 120.7, max: 120.9, noNaN: true }),
  latitude: fc.double({ min: 27.8, max: 28, noNaN: true }),
});

test("every place lies inside the map's frame, north above south and east to the right of west", () => {
  const box = { width: 640, height: 430, pad: 40 };
  fc.assert(
    fc.property(fc.array(place, { minLength: 2, maxLength: 30 }), (places) => {
      const project = projection(places, box);
      for (const { x, y } of places.map(project)) {
        expect(x).toBeGreaterThanOrEqual(box.pad - 1e-6);
        expect(x).toBeLessThanOrEqual(box.width - box.pad + 1e-6);
        expect(y).toBeGreaterThanOrEqual(box.pad - 1e-6);
        expect(y).toBeLessThanOrEqual(box.height - box.pad + 1e-6);
      }
    }),
  );
  const project = projection(
    [
      { longitude: 120.7, latitude: 27.8 },
      { longitude: 120.8, latitude: 27.9 },
    ],
    box,
  );
  const [southWest, northEast] = [
    project({ longitude: 120.7, latitude: 27.8 }),
    project({ longitude: 120.8, latitude: 27.9 }),
  ];
  expect(northEast.y).toBeLessThan(southWest.y);
  expect(northEast.x).toBeGreaterThan(southWest.x);
});

test("things at one place are moved apart until each can be seen, the same at every drawing", () => {
  const heap = Array.from({ length: 12 }, () => ({ x: 100, y: 100 }));
  const moved = apart(heap, 10);
  expect(moved).toEqual(apart(heap, 10));
  const nearest = Math.min(...moved.flatMap((a, i) => moved.slice(i + 1).map((b) => Math.hypot(a.x - b.x, a.y - b.y))));
  expect(nearest).toBeGreaterThan(3);
});

test("a hull holds every point that it was made from", () => {
  fc.assert(
    fc.property(
      fc.array(fc.record({ x: fc.integer({ min: 0, max: 50 }), y: fc.integer({ min: 0, max: 50 }) }), {
        minLength: 3,
        maxLength: 25,
      }),
      (spots) => {
        const edge = hull(spots);
        fc.pre(edge.length >= 3);
        for (const spot of spots)
          for (const [index, a] of edge.entries()) {
            const b = edge[(index + 1) % edge.length] as { x: number; y: number };
            expect((b.x - a.x) * (spot.y - a.y) - (b.y - a.y) * (spot.x - a.x)).toBeGreaterThanOrEqual(0);
          }
      },
    ),
  );
});
