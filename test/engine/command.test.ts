import { describe, expect, test } from "vitest";
import type { AlarmId } from "../../src/domain/alarm.ts";
import { clock, type House, openHouse } from "../house/house.ts";

// Commands of people (SEMANTICS 3, SURFACE 5): each is answered under its entry's seq, with the alarm as it is then.

const raised = (): { house: House; alarm: AlarmId } => {
  const house = openHouse();
  for (const time of ["10:00", "10:01", "10:02"]) house.at(time).reads("turbidity", 1.5);
  return { house, alarm: house.alarm("L")?.id as AlarmId };
};
const shelve = (alarm: AlarmId, until: string) =>
  ({ kind: "shelve", alarm, until: clock(until), reason: "works" }) as const;

describe("acknowledge", () => {
  test("is told with who and when, and refused the second time", () => {
    const { house, alarm } = raised();
    const first = house.at("10:02:10").asks({ kind: "acknowledge", alarm, note: "on my way" }, "li");
    const second = house.at("10:02:20").asks({ kind: "acknowledge", alarm, note: "" }, "wang");
    expect(house.outcome(first)).toEqual({ status: "done", detail: "" });
    expect(house.outcome(second)).toEqual({ status: "conflict", detail: "it is acknowledged" });
    expect(house.store().alarm(alarm)).toMatchObject({
      state: "acknowledged",
      acknowledgedBy: "li",
      acknowledgedAt: clock("10:02:10"),
    });
    expect(house.store().transitions().at(-1)).toMatchObject({
      action: "acknowledge",
      by: "li",
      text: "on my way",
      page: false,
    });
  });
  test("repeats its answer under the key of the first, and does nothing again", () => {
    const { house, alarm } = raised();
    house.at("10:02:10").asks({ kind: "acknowledge", alarm, note: "" }, "li", "k1");
    const again = house.at("10:02:20").asks({ kind: "acknowledge", alarm, note: "" }, "li", "k1");
    const other = house.at("10:02:30").asks({ kind: "acknowledge", alarm, note: "" }, "wang", "k1");
    expect(house.outcome(again).status).toBe("done");
    expect(house.outcome(other).status).toBe("conflict");
    expect(house.story("L").filter((line) => line.includes("acknowledge"))).toHaveLength(1);
  });
  test("of an alarm that has returned ends it", () => {
    const { house, alarm } = raised();
    for (const minute of ["03", "04", "05", "06", "07", "08"]) house.at(`10:${minute}`).reads("turbidity", 0.5);
    expect(house.outcome(house.at("10:09").asks({ kind: "acknowledge", alarm, note: "" })).status).toBe("done");
    expect(house.alarm("L")).toMatchObject({ state: "normal" });
    expect(house.outcome(house.at("10:10").asks({ kind: "acknowledge", alarm, note: "" })).status).toBe("conflict");
  });
  test("of no alarm is not found", () => {
    const { house } = raised();
    for (const id of ["w1.L.1", "w9.L.1", "nonsense", "", "__proto__.constructor.1"]) {
      expect(
        house.outcome(house.at("10:03").asks({ kind: "acknowledge", alarm: id as AlarmId, note: "" })).status,
      ).toBe("not_found");
    }
  });
});

describe("shelve and unshelve", () => {
  test("an end that is past is refused, and so is an alarm that is over", () => {
    const { house, alarm } = raised();
    expect(house.outcome(house.at("10:03").asks(shelve(alarm, "10:03"))).status).toBe("conflict");
    house.at("10:03").asks({ kind: "acknowledge", alarm, note: "" });
    for (const minute of ["04", "05", "06", "07", "08", "09"]) house.at(`10:${minute}`).reads("turbidity", 0.5);
    expect(house.alarm("L")).toMatchObject({ state: "normal" });
    expect(house.outcome(house.at("10:10").asks(shelve(alarm, "11:00"))).status).toBe("conflict");
    expect(house.outcome(house.at("10:10").asks({ kind: "unshelve", alarm })).status).toBe("conflict");
  });
  test("by hand it ends as by time: what holds is paged anew", () => {
    const { house, alarm } = raised();
    house.at("10:03").asks(shelve(alarm, "12:00"));
    expect(house.outcome(house.at("10:04").reads("turbidity", 1.5).asks({ kind: "unshelve", alarm })).status).toBe(
      "done",
    );
    expect(house.alarm("L")).toMatchObject({ state: "unacknowledged", shelved: null });
    expect(house.story("L").at(-1)).toBe("10:04 unshelve w1.L, paged");
    house.at("12:01");
    expect(house.story("L").filter((line) => line.includes("unshelve"))).toHaveLength(1);
  });
  test("shelved again it ends at the later time", () => {
    const { house, alarm } = raised();
    house.at("10:03").asks(shelve(alarm, "10:10"));
    house.at("10:04").asks(shelve(alarm, "10:20"));
    house.at("10:15");
    expect(house.alarm("L")).toMatchObject({ shelved: "10:20" });
    house.at("10:21");
    expect(house.alarm("L")).toMatchObject({ shelved: null });
  });
});

test("a comment is told with any alarm, and changes nothing", () => {
  const { house, alarm } = raised();
  const before = house.store().alarm(alarm);
  expect(house.outcome(house.at("10:02:30").asks({ kind: "comment", alarm, text: "valve 3" }, "li")).status).toBe(
    "done",
  );
  expect(house.store().alarm(alarm)).toEqual(before);
  expect(house.store().transitions().at(-1)).toMatchObject({ action: "comment", by: "li", text: "valve 3" });
});
