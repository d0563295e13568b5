import { expect, test } from "vitest";
import { alarmStates, nextState } from "../../src/domain/alarm.ts";

// SEMANTICS 3.2, all of it.
test.each([
  ["normal", "raise", "unacknowledged"],
  ["normal", "clear", undefined],
  ["normal", "acknowledge", undefined],
  ["unacknowledged", "raise", undefined],
  ["unacknowledged", "clear", "returned-unacknowledged"],
  ["unacknowledged", "acknowledge", "acknowledged"],
  ["acknowledged", "raise", undefined],
  ["acknowledged", "clear", "normal"],
  ["acknowledged", "acknowledge", undefined],
  ["returned-unacknowledged", "raise", "unacknowledged"],
  ["returned-unacknowledged", "clear", undefined],
  ["returned-unacknowledged", "acknowledge", "normal"],
] as const)("%s, %s: %s", (state, action, next) => {
  expect(nextState(state, action)).toBe(next);
});

test("every state is in the table above, and from every state people and readings together lead back to normal", () => {
  for (const state of alarmStates) {
    const cleared = nextState(state, "clear") ?? state;
    expect(nextState(cleared, "acknowledge") ?? cleared).toBe("normal");
  }
});
