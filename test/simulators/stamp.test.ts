import fc from "fast-check";
import { expect, test } from "vitest";
import { createStamp } from "../../simulators/stamp.ts";
import { hour, minute } from "../../src/domain/time.ts";

/** Local time of a zone as a recorder without offsets writes it. */
const written = (instant: number, zone: string): string =>
  new Intl.DateTimeFormat("sv-SE", { timeZone: zone, dateStyle: "short", timeStyle: "medium" }).format(instant);

const zones = ["Europe/Berlin", "Asia/Shanghai", "America/New_York", "Australia/Lord_Howe", "UTC"];

test("a series in order is read back to its instants, the hour that stands twice included", () => {
  const start = fc.integer({
    min: Date.parse("2016-01-01T00:00:00Z") / 1000,
    max: Date.parse("2021-01-01T00:00:00Z") / 1000,
  });
  fc.assert(
    fc.property(fc.constantFrom(...zones), start, (zone, seconds) => {
      const stamp = createStamp(zone);
      // every quarter of an hour over 30 hours: an hour that stands twice is entered from before it
      for (let index = 0; index < 120; index++) {
        const instant = (seconds + index * 900) * 1000;
        if (index === 0 && written(instant, zone) === written(instant + hour, zone)) return;
        if (index === 0 && written(instant - hour, zone) === written(instant, zone)) return;
        expect(stamp(written(instant, zone))).toBe(instant);
      }
    }),
    { numRuns: 60 },
  );
});

test("the end of summer time of 2016 in Berlin: the first 02:00 is at 00:00Z, the second at 01:00Z", () => {
  const stamp = createStamp("Europe/Berlin");
  const read = [
    "2016-10-30 01:59:00",
    "2016-10-30 02:00:00",
    "2016-10-30 02:59:00",
    "2016-10-30 02:00:00",
    "2016-10-30 02:59:00",
    "2016-10-30 03:00:00",
  ];
  expect(read.map((text) => new Date(stamp(text) as number).toISOString().slice(11, 16))).toEqual([
    "23:59",
    "00:00",
    "00:59",
    "01:00",
    "01:59",
    "02:00",
  ]);
});

test("a local time that summer time leaves out counts as if the clock had not been put forward yet", () => {
  const stamp = createStamp("Europe/Berlin");
  expect(stamp("2016-03-27 02:30:00")).toBe(Date.parse("2016-03-27T01:30:00Z"));
});

test.each([
  ["2026-11-23T08:00:00+08:00", "2026-11-23T00:00:00.000Z"],
  ["2026-11-23T00:00:00.2509Z", "2026-11-23T00:00:00.250Z"],
  ["2026-11-23 08:00", "2026-11-23T00:00:00.000Z"],
  ["2026-11-23", "2026-11-22T16:00:00.000Z"],
  ["7/2/2021 0:15", "2021-07-01T16:15:00.000Z"],
  ["1752537658000.0", "2025-07-15T00:00:58.000Z"],
])("%s is %s", (text, instant) => {
  expect(new Date(createStamp("Asia/Shanghai")(text) as number).toISOString()).toBe(instant);
});

test.each(["", "yesterday", "2021-02-30 00:00", "2021-13-01", "2021-01-01 24:30", "1752537658", "12:00", "-5"])(
  "%s is no time",
  (text) => {
    expect(createStamp("UTC")(text)).toBeNull();
  },
);

test("minutes that are missing do not shift the second of the two hours", () => {
  const stamp = createStamp("Europe/Berlin");
  const minutes = [0, 10, 50, 5, 20].map((one) => `2016-10-30 02:${String(one).padStart(2, "0")}:00`);
  const base = Date.parse("2016-10-30T00:00:00Z");
  expect(minutes.map((text) => ((stamp(text) as number) - base) / minute)).toEqual([0, 10, 50, 65, 80]);
});
