import { expect, test } from "vitest";
import { createDoor, createTakeovers, isLoopback } from "../../src/ingest/door.ts";

const settings = {
  connections: 10,
  connectionsPerAddress: 3,
  connectRate: 2,
  perAddressOnLoopback: "unbounded",
} as const;

test("an address comes twice its rate at once, then at its rate", () => {
  const door = createDoor({ ...settings, connectionsPerAddress: 100 });
  const enter = (now: number) => door.enter("10.0.0.1", now);
  expect([enter(0), enter(0), enter(0), enter(0), enter(0)]).toEqual([null, null, null, null, "address_rate"]);
  expect([enter(499), enter(500), enter(501)]).toEqual(["address_rate", null, "address_rate"]);
});

test("at the bound of an address one more is refused, and one that leaves makes room", () => {
  const door = createDoor(settings);
  for (let count = 0; count < 3; count++) expect(door.enter("10.0.0.1", 0)).toBe(null);
  expect(door.enter("10.0.0.1", 0)).toBe("address_connections");
  door.leave("10.0.0.1");
  expect(door.enter("10.0.0.1", 0)).toBe(null);
});

test("the bound of all counts loopback too, the bound of an address does not", () => {
  const door = createDoor(settings);
  for (let count = 0; count < 10; count++) expect(door.enter("127.0.0.1", 0)).toBe(null);
  expect(door.enter("10.0.0.1", 0)).toBe("connections");
});

test("addresses are forgotten once nothing of them is open and their allowance is full", () => {
  const door = createDoor({ ...settings, connections: 1e6 });
  for (let at = 0; at < 1000; at++) door.enter(`10.0.${at >> 8}.${at & 255}`, 0);
  for (let at = 0; at < 1000; at++) door.leave(`10.0.${at >> 8}.${at & 255}`);
  door.forget(100);
  expect(door.addresses()).toBe(1000);
  door.forget(1000);
  expect([door.addresses(), door.open()]).toEqual([0, 0]);
});

test("loopback is 127.0.0.0/8 and ::1, mapped or not, and nothing that looks like it", () => {
  const yes = ["127.0.0.1", "127.8.9.1", "::1", "::ffff:127.0.0.1"];
  const no = ["10.0.0.1", "::ffff:10.0.0.1", "1127.0.0.1", "fe80::1", "", "::2"];
  expect([...yes, ...no].map(isLoopback)).toEqual([...yes.map(() => true), ...no.map(() => false)]);
});

test("takeovers of one id are bounded a minute, then banned; another id is not concerned", () => {
  const takeovers = createTakeovers({ perMinute: 2, banned: 300_000 });
  const may = (now: number) => takeovers.may("w1", now);
  expect([may(0), may(1), may(2), may(3)]).toEqual([true, true, false, false]);
  expect(takeovers.may("w2", 3)).toBe(true);
  expect([may(300_001), may(300_003)]).toEqual([false, true]);
});
