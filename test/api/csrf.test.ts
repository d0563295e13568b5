import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { passwordOf } from "./district.ts";
import { type House, openHouse, start } from "./house.ts";

let house: House;
let cookie = "";
let csrf = "";
const alarm = `/api/v1/alarms/water-tianhe.turbidity-high.${start}`;
beforeAll(async () => {
  house = await openHouse();
  await house.publish("water-tianhe", { turbidity: 2 }, start);
  const body = { username: "operator", password: passwordOf("operator") };
  const answer = await house.call("POST", "/api/v1/session", { body });
  cookie = answer.headers
    .getSetCookie()
    .map((one) => one.split(";")[0])
    .join("; ");
  csrf = answer.body.csrf;
});
afterAll(() => house.close());

const comment = async (headers: Record<string, string>) =>
  await house.call("POST", `${alarm}/comment`, { body: { text: "x" }, headers: { cookie, ...headers } });

describe("a write with the session cookie", () => {
  test("is carried out with the token of the readable cookie in the header", async () => {
    expect((await comment({ "x-csrf-token": csrf })).status).toBe(200);
  });
  test("is carried out when the browser itself says that the page is ours", async () => {
    expect((await comment({ origin: house.url, "sec-fetch-site": "same-origin" })).status).toBe(200);
  });

  const good = () => ({ "x-csrf-token": csrf });
  const forged: readonly [name: string, headers: () => Record<string, string>][] = [
    ["nothing to show", () => ({})],
    ...["", "null", "undefined", "x", "A".repeat(43)].map((token): [string, () => Record<string, string>] => [
      `the token ${token || "(empty)"}`,
      () => ({ "x-csrf-token": token }),
    ]),
    ["the session's own token", () => ({ "x-csrf-token": /meizhen_session=([^;]+)/.exec(cookie)?.[1] ?? "" })],
    ["the token cut short", () => ({ "x-csrf-token": csrf.slice(0, -1) })],
    ["our origin alone, which an old proxy may add", () => ({ origin: house.url })],
    ["same-origin alone", () => ({ "sec-fetch-site": "same-origin" })],
    ["a referer of ours", () => ({ referer: `${house.url}/` })],
    [
      "a wrong token beside good words",
      () => ({ origin: house.url, "sec-fetch-site": "same-origin", "x-csrf-token": "x" }),
    ],
    ...["cross-site", "same-site", "none", "SAME-ORIGIN", "same-origin, cross-site"].flatMap(
      (site): [string, () => Record<string, string>][] => [
        [`sec-fetch-site ${site}`, () => ({ "sec-fetch-site": site })],
        [`sec-fetch-site ${site} with the token`, () => ({ "sec-fetch-site": site, ...good() })],
        [`sec-fetch-site ${site} with our origin`, () => ({ "sec-fetch-site": site, origin: house.url })],
      ],
    ),
    ...[
      "https://evil.example",
      "null",
      "http://127.0.0.1",
      "http://localhost",
      "http://127.0.0.1:1",
      "file://",
      "http://127.0.0.1.evil.example",
    ].flatMap((origin): [string, () => Record<string, string>][] => [
      [`the origin ${origin} with the token`, () => ({ origin, ...good() })],
      [`the origin ${origin} and same-origin`, () => ({ origin, "sec-fetch-site": "same-origin" })],
    ]),
    [
      "our origin over another scheme",
      () => ({ origin: house.url.replace("http", "https"), "sec-fetch-site": "same-origin" }),
    ],
    ["our origin with a path", () => ({ origin: `${house.url}/x`, "sec-fetch-site": "same-origin" })],
    [
      "a forwarded host that no proxy of ours has set",
      () => ({
        origin: "https://evil.example",
        "x-forwarded-host": "evil.example",
        "x-forwarded-proto": "https",
        "sec-fetch-site": "same-origin",
      }),
    ],
  ];
  test(`is refused in ${forged.length} forged ways, and journals nothing`, async () => {
    expect(forged.length).toBeGreaterThanOrEqual(40);
    const before = house.journaled.length;
    for (const [name, headers] of forged) {
      const answer = await comment(headers());
      expect([answer.status, answer.body.code], name).toEqual([403, "cross_site"]);
    }
    expect(house.journaled.length).toBe(before);
  });
  test("is refused also when it would sign out", async () => {
    expect((await house.call("DELETE", "/api/v1/session", { headers: { cookie } })).body.code).toBe("cross_site");
    expect((await house.call("GET", "/api/v1/session", { headers: { cookie } })).status).toBe(200);
  });
});

test("a form of another site, which needs no leave to be sent, is not even read", async () => {
  for (const type of ["text/plain", "application/x-www-form-urlencoded", "multipart/form-data; boundary=x"]) {
    const headers = { "content-type": type, cookie, "x-csrf-token": csrf };
    const answer = await house.call("POST", `${alarm}/comment`, { body: '{"text":"x"}', headers });
    expect([answer.status, answer.body.code]).toEqual([415, "media_type"]);
  }
});

test("nobody is signed in by another site's page", async () => {
  const body = { username: "operator", password: passwordOf("operator") };
  for (const headers of [{ "sec-fetch-site": "cross-site" }, { origin: "https://evil.example" }] as Record<
    string,
    string
  >[]) {
    const answer = await house.call("POST", "/api/v1/session", { body, headers });
    expect(answer.body.code).toBe("cross_site");
    expect(answer.headers.getSetCookie()).toEqual([]);
  }
});

test("a bearer token is no cookie: no browser sends it by itself", async () => {
  const token = await house.as("operator");
  const headers = { origin: "https://partner.example" };
  expect((await house.call("POST", `${alarm}/comment`, { token, body: { text: "x" }, headers })).status).toBe(200);
});

test("a wrong bearer token is not made good by a cookie", async () => {
  expect((await house.call("GET", "/api/v1/session", { token: "wrong", headers: { cookie } })).status).toBe(401);
});

test("no GET changes anything", async () => {
  const before = house.journaled.length;
  for (const verb of ["acknowledge", "shelve", "unshelve", "comment"])
    expect((await house.call("GET", `${alarm}/${verb}`, { headers: { cookie } })).status).toBe(405);
  expect(house.journaled.length).toBe(before);
});

test("behind a proxy the origin is the public one, and the cookie is for HTTPS alone", async () => {
  const proxied = await openHouse({
    settings: { publicUrl: "https://meizhen.example/", trustedProxies: ["127.0.0.1"] },
  });
  const forwarded = {
    "x-forwarded-proto": "https",
    "x-forwarded-host": "meizhen.example",
    "x-forwarded-for": "203.0.113.9",
  };
  const body = { username: "operator", password: passwordOf("operator") };
  const headers = { ...forwarded, origin: "https://meizhen.example", "sec-fetch-site": "same-origin" };
  const answer = await proxied.call("POST", "/api/v1/session", { body, headers });
  expect(answer.status).toBe(200);
  expect(answer.headers.getSetCookie().every((one) => one.includes("; Secure"))).toBe(true);
  // whom the lock-out counts is the browser, not the proxy
  for (let at = 0; at < 5; at += 1)
    await proxied.call("POST", "/api/v1/session", { body: { ...body, password: "x" }, headers: forwarded });
  expect((await proxied.call("POST", "/api/v1/session", { body, headers })).status).toBe(429);
  const elsewhere = { ...forwarded, "x-forwarded-for": "203.0.113.10" };
  expect((await proxied.call("POST", "/api/v1/session", { body, headers: elsewhere })).status).toBe(200);
  await proxied.close();
});
