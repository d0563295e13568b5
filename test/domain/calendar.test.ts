import fc from "fast-check";
import { expect, test } from "vitest";
import { calendarOf } from "../../src/domain/calendar.ts";
import { hour, toIso } from "../../src/domain/time.ts";

const at = (text: string) => Date.parse(text);

test("a day of Shanghai begins at 16:00 UTC", () => {
  const { dayOf, nextDay, offsetAt } = calendarOf("Asia/Shanghai");
  expect(toIso(dayOf(at("2026-11-23T15:59:59.999Z")))).toBe("2026-11-22T16:00:00.000Z");
  expect(toIso(dayOf(at("2026-11-23T16:00:00.000Z")))).toBe("2026-11-23T16:00:00.000Z");
  expect(toIso(nextDay(at("2026-11-23T16:00:00.000Z")))).toBe("2026-11-24T16:00:00.000Z");
  expect(offsetAt(at("2026-11-23T16:00:00.000Z"))).toBe(8 * hour);
});

test("a day of Berlin has 25 hours when summer time ends and 23 when it begins", () => {
  const { dayOf, nextDay } = calendarOf("Europe/Berlin");
  const length = (text: string) => (nextDay(at(text)) - dayOf(at(text))) / hour;
  expect(length("2017-10-29T12:00:00Z")).toBe(25);
  expect(length("2018-03-25T12:00:00Z")).toBe(23);
  expect(length("2018-03-26T12:00:00Z")).toBe(24);
  // both passes of the repeated hour belong to it
  expect(dayOf(at("2017-10-29T00:30:00Z"))).toBe(dayOf(at("2017-10-29T01:30:00Z")));
});

test("a day without a midnight begins at its first instant, and a date left out is no day", () => {
  expect(toIso(calendarOf("America/Sao_Paulo").dayOf(at("2018-11-04T12:00:00Z")))).toBe("2018-11-04T03:00:00.000Z");
  const apia = calendarOf("Pacific/Apia");
  const before = at("2011-12-30T09:00:00Z");
  expect(toIso(apia.nextDay(before))).toBe("2011-12-30T10:00:00.000Z");
  expect(toIso(apia.nextDay(apia.nextDay(before)))).toBe("2011-12-31T10:00:00.000Z");
});

test("every instant lies in its day, and days touch", () => {
  const zones = ["Asia/Shanghai", "Europe/Berlin", "America/New_York", "Asia/Kathmandu", "Australia/Lord_Howe", "UTC"];
  const instant = fc.integer({ min: at("2000-01-01T00:00:00Z"), max: at("2037-12-31T00:00:00Z") });
  fc.assert(
    fc.property(fc.constantFrom(...zones), instant, (zone, now) => {
      const { dayOf, nextDay } = calendarOf(zone);
      const [start, end] = [dayOf(now), nextDay(now)];
      expect(start).toBeLessThanOrEqual(now);
      expect(end).toBeGreaterThan(now);
      expect(dayOf(start)).toBe(start);
      expect(dayOf(end)).toBe(end);
      expect(nextDay(start - 1)).toBe(start);
    }),
    { numRuns: 60 },
  );
});

test("a zone that nobody knows is refused", () => {
  expect(() => calendarOf("Asia/Nowhere")).toThrow(RangeError);
});
