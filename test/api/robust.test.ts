import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import type { IncomingMessage } from "node:http";
import { request } from "node:https";
import { createConnection } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import fc from "fast-check";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import type { Desk } from "../../src/api/desk.ts";
import { problemCodes, problemSchema } from "../../src/api/problem.ts";
import { routes } from "../../src/api/routes.ts";
import { arrivalDefault } from "../../src/api/server.ts";
import { testCertificate, testKey } from "../ingest/certificate.ts";
import { passwordOf } from "./district.ts";
import { type House, openHouse, start } from "./house.ts";
import { openStream } from "./stream.ts";

let house: House;
beforeAll(async () => {
  house = await openHouse();
  await house.publish("water-tianhe", { turbidity: 2, ph: 7 }, start);
  await house.publish("water-tianhe", "no json");
});
afterAll(() => house.close());

/** Writes pieces with a pause before each; answers what came until the socket closed, and when (ms). */
const talk = async (pieces: readonly (string | Buffer)[], pause = 0, port = house.port) => {
  const socket = createConnection({ host: "127.0.0.1", port });
  const began = performance.now();
  let text = "";
  socket.on("data", (bytes) => {
    text += bytes.toString();
  });
  socket.on("error", () => {});
  const closed = new Promise<number>((resolve) => socket.once("close", () => resolve(performance.now() - began)));
  for (const piece of pieces) {
    if (pause > 0) await new Promise((resolve) => setTimeout(resolve, pause));
    if (!socket.destroyed) socket.write(piece);
  }
  const took = await closed;
  return { text, took };
};
const problem = problemSchema(problemCodes);
const bodyOf = (text: string) => JSON.parse(text.slice(text.indexOf("\r\n\r\n") + 4));

describe("who is slow", () => {
  test("with the headers, or with the body, or says nothing, is cut in bounded time, while others are served", async () => {
    expect(arrivalDefault).toEqual({
      headersTimeout: 10_000,
      requestTimeout: 15_000,
      connectionsCheckingInterval: 5_000,
    });
    // the same, five times as fast
    const arrival = { headersTimeout: 2_000, requestTimeout: 3_000, connectionsCheckingInterval: 1_000 };
    const quick = await openHouse({ settings: { arrival } });
    const head =
      "POST /api/v1/session HTTP/1.1\r\nhost: x\r\ncontent-type: application/json\r\ncontent-length: 1000\r\n\r\n";
    const slow = Promise.all([
      talk(["GET /healthz HTTP/1.1\r\nhost: x\r\nx-a: 1\r\n", ...Array(12).fill("x-b: 2\r\n")], 300, quick.port),
      talk([head, ...Array(20).fill("{")], 250, quick.port),
      talk([head], 0, quick.port),
      talk([""], 0, quick.port),
    ]);
    let worst = 0;
    for (let at = 0; at < 50; at += 1) {
      const began = performance.now();
      expect((await quick.call("GET", "/healthz")).status).toBe(200);
      worst = Math.max(worst, performance.now() - began);
      await new Promise((resolve) => setTimeout(resolve, 20));
    }
    expect(worst).toBeLessThan(1_000);
    const [headers, body, idle, silent] = await slow;
    expect(headers?.took).toBeLessThan(2_000 + 1_000 + 1_500);
    for (const one of [body, idle, silent]) expect(one?.took).toBeLessThan(3_000 + 1_000 + 1_500);
    for (const one of [headers, body, idle]) {
      expect(one?.text).toMatch(/^HTTP\/1\.1 408 /);
      expect(problem.parse(bodyOf(one?.text ?? "")).code).toBe("request_timeout");
    }
    await quick.close();
  });
});

describe("what is too large", () => {
  test("is refused as a body and as headers, with a problem", async () => {
    const token = await house.as("operator");
    const body = { text: "x".repeat(65 * 1024) };
    const large = await house.call("POST", "/api/v1/alarms/x/comment", { token, body });
    expect([large.status, problem.parse(large.body).code]).toEqual([413, "body_too_large"]);
    const { text } = await talk([`GET /healthz HTTP/1.1\r\nhost: x\r\nx-a: ${"a".repeat(17 * 1024)}\r\n\r\n`]);
    expect(text).toMatch(/^HTTP\/1\.1 431 /);
    expect(problem.parse(bodyOf(text)).code).toBe("headers_too_large");
  });
  test("is not read before it is known who asks", async () => {
    const answer = await house.call("POST", "/api/v1/alarms/x/comment", { body: "x".repeat(1_000_000) });
    expect(answer.status).toBe(401);
  });
});

test("what is no HTTP is answered with a problem, or not at all", async () => {
  const pieces = [
    "\u0000\u0001\u0002\r\n\r\n",
    "GET\r\n\r\n",
    "GET / HTTP/9.9\r\n\r\n",
    "POST / HTTP/1.1\r\nhost: x\r\ncontent-length: x\r\n\r\n",
  ];
  for (const piece of pieces) {
    const { text } = await talk([piece]);
    expect(text).toMatch(/^HTTP\/1\.1 400 /);
    expect(problem.parse(bodyOf(text)).code).toBe("shape");
  }
});

test("a body that is deep, or that reaches for the prototype, is a fault of its shape", async () => {
  const token = await house.as("operator");
  const path = `/api/v1/alarms/water-tianhe.turbidity-high.${start}/comment`;
  for (const body of [
    "[".repeat(30_000),
    `${"[".repeat(30_000)}${"]".repeat(30_000)}`,
    '{"text":"x","__proto__":{"a":1}}',
    '{"text":"x","constructor":{"prototype":{}}}',
    "null",
    '"x"',
    "1e400",
    "{",
  ]) {
    const answer = await house.call("POST", path, { token, body });
    expect([answer.status, problem.parse(answer.body).code], body.slice(0, 30)).toEqual([400, "shape"]);
  }
  expect(Object.hasOwn(Object.prototype, "a")).toBe(false);
});

describe("any request", () => {
  const table = routes({} as Desk).filter((row) => !row.path.endsWith("/live") && row.method !== "DELETE");
  const odd = fc.oneof(
    fc.string({ unit: "binary", maxLength: 20 }),
    fc.constantFrom(
      "%00",
      "%ff",
      "%",
      "..",
      "../../etc/passwd",
      "__proto__",
      "constructor",
      "-1",
      "1e9",
      "NaN",
      "null",
      "\u202e",
      "'; DROP TABLE alarm--",
      "=1+1",
      "A".repeat(300),
    ),
    fc.constantFrom(
      "water-tianhe",
      "water",
      "1",
      "1000",
      "ph",
      "PT1H",
      "P1D",
      "active",
      "2026-11-24T00:00:00Z",
      "2026-11",
      "csv",
      "tianhe",
      `water-tianhe.turbidity-high.${start}`,
    ),
  );
  const queryName = fc.constantFrom(
    "limit",
    "cursor",
    "kind",
    "street",
    "presence",
    "q",
    "property",
    "from",
    "to",
    "every",
    "agg",
    "format",
    "state",
    "thing",
    "limitId",
    "reason",
    "month",
    "x",
  );
  const escaped = (text: string) => {
    try {
      return encodeURIComponent(text);
    } catch {
      return "%ED%A0%80";
    }
  };
  const asked = fc.record({
    row: fc.constantFrom(...table),
    parts: fc.array(odd, { minLength: 2, maxLength: 2 }),
    query: fc.array(fc.tuple(queryName, odd), { maxLength: 4 }),
    body: fc.oneof(
      fc.json({ maxDepth: 3 }),
      fc.string({ unit: "binary", maxLength: 50 }),
      fc
        .record({ note: odd, text: odd, until: odd, reason: odd, username: odd, password: odd }, { requiredKeys: [] })
        .map((body) => JSON.stringify(body)),
    ),
    rawPath: fc.boolean(),
    username: fc.constantFrom("admin", "operator", "tianhe", "nowhere", null),
    key: fc.option(fc.string({ maxLength: 10 })),
  });

  test("of a thousand random ones is answered, never with a 5xx but 503, and with its documented shape", {
    timeout: 60_000,
  }, async () => {
    const tokens: Record<string, string> = {};
    for (const username of ["admin", "operator", "tianhe", "nowhere"]) tokens[username] = await house.signIn(username);
    const statuses = new Map<number, number>();
    await fc.assert(
      fc.asyncProperty(asked, async ({ row, parts, query, body, rawPath, username, key }) => {
        let at = 0;
        const path = row.path.replace(/:\w+/g, () =>
          rawPath ? (parts[at++] ?? "").replace(/[^\x21-\x7e]|[#?]/g, "") : escaped(parts[at++] ?? ""),
        );
        const search = query.map(([name, value]) => `${name}=${escaped(value)}`).join("&");
        const answer = await house.call(row.method, `${path}${search === "" ? "" : `?${search}`}`, {
          ...(username === null ? {} : { token: tokens[username] }),
          ...(row.method === "POST" ? { body } : {}),
          ...(key === null || !/^[\x20-\x7e]*$/.test(key) ? {} : { headers: { "idempotency-key": key } }),
        });
        statuses.set(answer.status, (statuses.get(answer.status) ?? 0) + 1);
        expect(answer.status < 500 || answer.status === 503).toBe(true);
        if (answer.status >= 400) expect(problem.parse(answer.body).status).toBe(answer.status);
        expect(answer.text).not.toMatch(/\bat .*\.ts:\d+|node_modules|SQLITE/);
      }),
      { numRuns: 1_000 },
    );
    // the test would prove little if all of it were refused at the door
    for (const status of [200, 400, 401, 403, 404])
      expect(statuses.get(status) ?? 0, String(status)).toBeGreaterThan(5);
    expect(house.lines.filter((line) => line.includes('"room":"api"'))).toEqual([]);
  });
});

describe("the console", () => {
  test("is served with its pages as one file, its assets for ever, and nothing from beside its folder", async () => {
    const folder = mkdtempSync(join(tmpdir(), "meizhen-console-"));
    mkdirSync(join(folder, "site/assets"), { recursive: true });
    writeFileSync(join(folder, "secret.txt"), "secret");
    writeFileSync(join(folder, "site/index.html"), "<!doctype html><title>console</title>");
    writeFileSync(join(folder, "site/assets/main-abc.js"), "export {}");
    const built = await openHouse({ consoleFolder: join(folder, "site") });
    for (const path of ["/", "/alarms", "/things/water-tianhe"]) {
      const page = await built.call("GET", path, { headers: { accept: "text/html" } });
      expect([page.status, page.text], path).toEqual([200, "<!doctype html><title>console</title>"]);
      expect(page.headers.get("cache-control")).toBe("no-cache");
    }
    const script = await built.call("GET", "/assets/main-abc.js");
    expect(script.headers.get("cache-control")).toBe("public, max-age=31536000, immutable");
    expect(script.headers.get("content-type")).toMatch(/javascript/);
    for (const path of [
      "/assets/none.js",
      "/..%2fsecret.txt",
      "/assets/..%2f..%2fsecret.txt",
      "/api/v1/none",
      "/%2e%2e/secret.txt",
    ]) {
      const answer = await built.call("GET", path);
      expect(answer.text).not.toContain("secret\n");
      expect(answer.text === "secret", path).toBe(false);
      if (path !== "/%2e%2e/secret.txt") expect(answer.status, path).toBeGreaterThanOrEqual(400);
    }
    await built.close();
    rmSync(folder, { recursive: true });
  });
});

describe("closing", () => {
  test("ends streams and what is under way within its time, twice without harm, and frees the port", async () => {
    const closing = await openHouse();
    const stream = await openStream(closing, "viewer");
    await closing.publish("water-tianhe", { turbidity: 2 }, start);
    closing.pause();
    const token = await closing.as("operator");
    const hanging = closing
      .call("POST", `/api/v1/alarms/water-tianhe.turbidity-high.${start}/comment`, { token, body: { text: "x" } })
      .catch(() => null);
    await expect.poll(() => closing.journaled.at(-1)?.entry.kind).toBe("command");
    const began = performance.now();
    await Promise.all([closing.server.close(), closing.server.close()]);
    expect(performance.now() - began).toBeLessThan(4_000);
    await stream.until(() => stream.closed());
    await hanging;
    await expect(fetch(closing.url)).rejects.toThrow();
    await closing.close();
  });
  test("an address that is taken is told at listening", async () => {
    await expect(openHouse({ settings: { port: house.port } })).rejects.toThrow(/EADDRINUSE/);
  });
});

test("over TLS cookies are for HTTPS alone, and browsers are told to stay", async () => {
  const encrypted = await openHouse({ settings: { tls: { cert: testCertificate, key: testKey } } });
  const payload = JSON.stringify({ username: "viewer", password: passwordOf("viewer") });
  const headers = { "content-type": "application/json", "content-length": Buffer.byteLength(payload) };
  const answered = await new Promise<IncomingMessage>((resolve, reject) => {
    const options = { method: "POST", ca: testCertificate, headers, agent: false };
    request(`${encrypted.url}/api/v1/session`, options, resolve).on("error", reject).end(payload);
  });
  answered.resume();
  expect(answered.statusCode).toBe(200);
  expect(answered.headers["set-cookie"]?.every((cookie) => cookie.includes("; Secure"))).toBe(true);
  expect(answered.headers["strict-transport-security"]).toMatch(/max-age=\d{7,}/);
  await encrypted.close();
});
