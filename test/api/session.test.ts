import { afterAll, beforeAll, expect, test } from "vitest";
import { hour, minute } from "../../src/domain/time.ts";
import { hashPassword, verifyPassword } from "../../src/platform/password.ts";
import { randomBytes } from "../../src/platform/random.ts";
import { passwordOf } from "./district.ts";
import { type House, openHouse } from "./house.ts";

let house: House;
beforeAll(async () => {
  house = await openHouse();
});
afterAll(() => house.close());

test("a password is verified by its own hash and by no other", async () => {
  const hash = await hashPassword("浙南 horse", randomBytes);
  expect(hash).toMatch(/^scrypt\$32768\$8\$3\$[\w-]{22}\$[\w-]{43}$/);
  expect(await verifyPassword("浙南 horse", hash)).toBe(true);
  expect(await verifyPassword("浙南 horsE", hash)).toBe(false);
  expect(await hashPassword("浙南 horse", randomBytes)).not.toBe(hash);
});

test("a hash that is none of ours verifies nothing and asks for no memory", async () => {
  for (const hash of [
    "",
    "scrypt$1$8$1$AAAAAAAA$AAAAAAAAAAAAAAAA",
    "scrypt$99999999$8$1$AAAAAAAA$AAAAAAAAAAAAAAAA",
    "$2b$10$x",
  ])
    expect(await verifyPassword("", hash)).toBe(false);
});

test("a sign-in answers token, end and user, and sets a cookie that scripts can't read", async () => {
  const body = { username: "operator", password: passwordOf("operator") };
  const answer = await house.call("POST", "/api/v1/session", { body });
  expect(answer.status).toBe(200);
  expect(answer.body).toMatchObject({ user: { username: "operator", role: "operator", language: "zh" } });
  expect(Date.parse(answer.body.expiresAt)).toBe(house.clock.now() + 12 * hour);
  const [session, csrf] = answer.headers.getSetCookie();
  expect(session).toMatch(/^meizhen_session=[\w-]{43}; Path=\/; HttpOnly; SameSite=Strict$/);
  expect(csrf).toMatch(/^meizhen_csrf=[\w-]{43}; Path=\/; SameSite=Strict$/);
  expect(answer.headers.get("cache-control")).toBe("no-store");
  const who = await house.call("GET", "/api/v1/session", { token: answer.body.token });
  expect(who.body).toEqual({ expiresAt: answer.body.expiresAt, user: answer.body.user, csrf: answer.body.csrf });
});

test("the journal and the log hold neither a token nor a password", async () => {
  const token = await house.signIn("operator");
  await house.call("POST", "/api/v1/session", { body: { username: "operator", password: "canary-wrong" } });
  await house.call("POST", "/api/v1/session", { body: { username: "canary-name", password: "canary-wrong" } });
  const kept = JSON.stringify(house.journaled) + house.lines.join("");
  expect(kept).not.toContain(token);
  expect(kept).not.toContain("canary");
  expect(kept).not.toContain(passwordOf("operator"));
});

test("a session ends when it is not used for 15 minutes", async () => {
  const token = await house.signIn("viewer");
  house.clock.advance(15 * minute - 1);
  expect((await house.call("GET", "/api/v1/session", { token })).status).toBe(200);
  house.clock.advance(15 * minute - 1);
  expect((await house.call("GET", "/api/v1/session", { token })).status).toBe(200);
  house.clock.advance(15 * minute);
  expect((await house.call("GET", "/api/v1/session", { token })).body.code).toBe("unauthenticated");
});

test("a session that is always in use ends after 12 hours", async () => {
  const token = await house.signIn("viewer");
  for (let at = 10 * minute; at < 12 * hour; at += 10 * minute) {
    house.clock.advance(10 * minute);
    expect((await house.call("GET", "/api/v1/session", { token })).status).toBe(200);
  }
  house.clock.advance(10 * minute);
  expect((await house.call("GET", "/api/v1/session", { token })).status).toBe(401);
});

test("a use is journaled at most once a minute", async () => {
  const token = await house.signIn("viewer");
  const before = house.journaled.length;
  for (let at = 0; at < 50; at += 1) await house.call("GET", "/api/v1/session", { token });
  expect(house.journaled.length - before).toBe(0);
  house.clock.advance(minute);
  for (let at = 0; at < 50; at += 1) await house.call("GET", "/api/v1/session", { token });
  expect(house.journaled.length - before).toBe(1);
});

test("a wall display does not idle out, reads, and changes nothing, whatever the role of its account", async () => {
  const token = await house.signIn("wall");
  house.clock.advance(90 * 24 * hour);
  expect((await house.call("GET", "/api/v1/things", { token })).status).toBe(200);
  const command = await house.call("POST", "/api/v1/alarms/x/comment", { token, body: { text: "x" } });
  expect(command.body.code).toBe("forbidden");
});

test("signing out ends the session at once and for good", async () => {
  const token = await house.signIn("viewer");
  const answer = await house.call("DELETE", "/api/v1/session", { token });
  expect(answer.status).toBe(204);
  expect(answer.headers.getSetCookie().every((cookie) => /=;.*Expires=Thu, 01 Jan 1970/.test(cookie))).toBe(true);
  expect((await house.call("GET", "/api/v1/session", { token })).status).toBe(401);
});

test("an account that is removed or changed has no session any more", async () => {
  const token = await house.signIn("auditor");
  house.clock.advance(1);
  const account = house.store.accounts().find(({ username }) => username === "auditor");
  if (account === undefined) throw new Error("no auditor");
  const changed = { ...account, changedAt: house.clock.now() };
  await house.put([{ kind: "account", at: house.clock.now(), by: "test", username: "auditor", account: changed }]);
  expect((await house.call("GET", "/api/v1/session", { token })).status).toBe(401);
  const next = await house.signIn("auditor");
  expect((await house.call("GET", "/api/v1/session", { token: next })).status).toBe(200);
  await house.put([{ kind: "account", at: house.clock.now(), by: "test", username: "auditor", account: null }]);
  expect((await house.call("GET", "/api/v1/session", { token: next })).status).toBe(401);
});

test("five failures lock the account out from that address for 15 minutes, and the right password with it", async () => {
  const wrong = { username: "operator", password: "wrong" };
  const tried = [];
  for (let at = 0; at < 5; at += 1) tried.push((await house.call("POST", "/api/v1/session", { body: wrong })).status);
  expect(tried).toEqual([401, 401, 401, 401, 401]);
  const body = { username: "operator", password: passwordOf("operator") };
  const locked = await house.call("POST", "/api/v1/session", { body });
  expect(locked.body.code).toBe("locked_out");
  expect(locked.headers.get("retry-after")).toBe("900");
  expect(
    (await house.call("POST", "/api/v1/session", { body: { username: "viewer", password: passwordOf("viewer") } }))
      .status,
  ).toBe(200);
  house.clock.advance(15 * minute - 1);
  expect((await house.call("POST", "/api/v1/session", { body })).status).toBe(429);
  house.clock.advance(1);
  expect((await house.call("POST", "/api/v1/session", { body })).status).toBe(200);
});

test("guesses sent all at one time are counted one by one", async () => {
  const guess = (at: number) =>
    house.call("POST", "/api/v1/session", { body: { username: "tianhe", password: `x${at}` } });
  const statuses = (await Promise.all(Array.from({ length: 12 }, (_, at) => guess(at)))).map(({ status }) => status);
  expect(statuses.filter((status) => status === 401)).toHaveLength(5);
  expect(statuses.filter((status) => status === 429)).toHaveLength(7);
});

test("a success in between makes the count begin again", async () => {
  house.clock.advance(hour);
  const body = { username: "viewer", password: passwordOf("viewer") };
  for (let round = 0; round < 3; round += 1) {
    for (let at = 0; at < 4; at += 1) await house.call("POST", "/api/v1/session", { body: { ...body, password: "x" } });
    expect((await house.call("POST", "/api/v1/session", { body })).status).toBe(200);
  }
});

test("nobody signs in while nothing can be journaled, and those who have go on reading", async () => {
  const stuck = await openHouse({ speed: 50 });
  const token = await stuck.signIn("viewer");
  const unblock = stuck.block();
  stuck.clock.advance(5 * minute);
  const [signIn, things] = await Promise.all([
    stuck.call("POST", "/api/v1/session", { body: { username: "admin", password: passwordOf("admin") } }),
    stuck.call("GET", "/api/v1/things", { token }),
  ]);
  unblock();
  await stuck.close();
  expect(signIn.body.code).toBe("not_journaling");
  expect(things.status).toBe(200);
});
