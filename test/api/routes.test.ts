import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { z } from "zod";
import type { Desk } from "../../src/api/desk.ts";
import { type ProblemCode, problemCodes, problemSchema, problems } from "../../src/api/problem.ts";
import { errorsOf, type Route } from "../../src/api/route.ts";
import { routes } from "../../src/api/routes.ts";
import { streets } from "./district.ts";
import { type Answered, type House, openHouse, start } from "./house.ts";

/** The table itself; its handlers are not called here. */
const table = routes({} as Desk);
const byName = (method: string, path: string): Route => {
  const found = table.find((row) => row.method === method && row.path === path);
  if (found === undefined) throw new Error(`no route ${method} ${path}`);
  return found;
};

let house: House;
beforeAll(async () => {
  house = await openHouse();
  for (const street of streets) await house.publish(`water-${street}`, { turbidity: 2, ph: 7 }, start);
  await house.publish("water-tianhe", "no json");
});
afterAll(() => house.close());

const alarmOf = (street: string): string => `water-${street}.turbidity-high.${start}`;
const filled = (path: string): string =>
  path
    .replace(":kind", "water")
    .replace(":thing", "water-tianhe")
    .replace(":alarm", encodeURIComponent(alarmOf("tianhe")))
    .replace(":rejection", house.store.rejections({ streets: null }, { limit: 1, cursor: null }).items[0]?.id ?? "1-0");
const bodies: Readonly<Record<string, unknown>> = {
  acknowledge: { note: "on my way" },
  shelve: { until: new Date(start + 3_600_000).toISOString(), reason: "pump change" },
  comment: { text: "seen" },
  session: { username: "x", password: "y" },
};
const ask = async (row: Route, username: string | null): Promise<Answered> => {
  const query = row.path.endsWith("/observations") ? "?property=ph" : "";
  // the sign-out of a matrix must not end the session of its next row
  const signedIn =
    username === null ? undefined : await (row.method === "DELETE" ? house.signIn(username) : house.as(username));
  if (row.path.endsWith("/live")) return await openAndClose(row.path, signedIn);
  const body = row.method === "POST" ? (bodies[row.path.split("/").at(-1) ?? ""] ?? {}) : undefined;
  return await house.call(row.method, filled(row.path) + query, { token: signedIn, body });
};
const openAndClose = async (path: string, token: string | undefined): Promise<Answered> => {
  const stop = new AbortController();
  const headers: Record<string, string> = token === undefined ? {} : { authorization: `Bearer ${token}` };
  const response = await fetch(house.url + path, { headers, signal: stop.signal });
  const streams = response.headers.get("content-type")?.startsWith("text/event-stream") ?? false;
  const text = streams ? "" : await response.text();
  stop.abort();
  return { status: response.status, headers: response.headers, text, body: streams ? "" : JSON.parse(text) };
};

const problem = problemSchema(problemCodes);
/** A failure has the shape that is documented, and a code that its route lists. */
const expectProblem = (row: Route, answer: Answered): void => {
  expect(answer.headers.get("content-type")).toMatch(/^application\/problem\+json/);
  const body = (answer.body.causes === undefined ? problem : z.looseObject(problem.shape)).parse(answer.body);
  expect(body.status).toBe(answer.status);
  expect(problems[body.code].status).toBe(answer.status);
  expect(errorsOf(row)).toContain(body.code);
};

describe("every role meets every route", () => {
  const roles = { viewer: "viewer", operator: "operator", admin: "admin", auditor: "auditor", wall: "viewer" } as const;
  for (const row of table) {
    const name = `${row.method} ${row.path}`;
    test(`${name} without a session`, async () => {
      const { status } = await ask(row, null);
      if (row.access === "public") expect(status === 403).toBe(false);
      else expect(status).toBe(401);
    });
    for (const [username, role] of Object.entries(roles)) {
      test(`${name} as ${username}`, async () => {
        const answer = await ask(row, username);
        const may = row.access === "public" || row.access.includes(role);
        if (!may) expect(answer.body.code).toBe("forbidden");
        else if (row.path !== "/api/v1/session") expect([200, 204, 409]).toContain(answer.status);
        if (answer.status >= 400) expectProblem(row, answer);
        else if (row.answer !== null && !row.media?.length) row.answer.parse(answer.body);
      });
    }
  }
});

test("roles are as the house decided: commands for operators and admins, reading for all four", () => {
  const access = Object.fromEntries(table.map((row) => [`${row.method} ${row.path}`, row.access]));
  for (const [name, may] of Object.entries(access)) {
    if (may === "public") expect(name).toMatch(/^(POST \/api\/v1\/session|GET \/(healthz|readyz|metrics))$/);
    else if (name.startsWith("POST")) expect(may).toEqual(["operator", "admin"]);
    else expect(may).toEqual(["viewer", "operator", "admin", "auditor"]);
  }
  expect(Object.keys(access)).toHaveLength(table.length);
});

test("the server answers nothing that the table does not have, but the document and the console", async () => {
  const { paths } = (await house.call("GET", "/api/openapi.json")).body;
  const documented = Object.entries<Record<string, unknown>>(paths).flatMap(([path, methods]) =>
    Object.keys(methods).map((method) => `${method.toUpperCase()} ${path}`),
  );
  const listed = table.map((row) => `${row.method} ${row.path.replace(/:(\w+)/g, "{$1}")}`);
  expect(documented.sort()).toEqual(listed.sort());
});

test("the document lists every error code, each at its status, with the problem's shape", async () => {
  const document = (await house.call("GET", "/api/openapi.json")).body;
  expect(document.openapi).toBe("3.1.0");
  const listed = new Set<string>();
  for (const methods of Object.values<Record<string, { responses: Record<string, never> }>>(document.paths)) {
    for (const { responses } of Object.values(methods)) {
      for (const [status, response] of Object.entries(responses)) {
        const schema = (
          response as { content?: Record<string, { schema: { properties: { code: { enum: ProblemCode[] } } } }> }
        ).content?.["application/problem+json"]?.schema;
        if (Number(status) < 400) continue;
        const codes = schema?.properties.code.enum ?? [];
        expect(codes.length).toBeGreaterThan(0);
        for (const code of codes) {
          expect(problems[code].status).toBe(Number(status));
          listed.add(code);
        }
      }
    }
  }
  // these three are answered before there is a route
  const routeless = new Set(["method_not_allowed", "headers_too_large"]);
  expect(problemCodes.filter((code) => !listed.has(code) && !routeless.has(code))).toEqual([]);
});

describe("failures name what is wrong", () => {
  const cases: readonly [path: string, field: string][] = [
    ["/api/v1/things?limit=1001", "query.limit"],
    ["/api/v1/things?limit=0", "query.limit"],
    ["/api/v1/things?limit=ten", "query.limit"],
    ["/api/v1/things?limit=1&limit=2", "query.limit"],
    ["/api/v1/things?presence=asleep", "query.presence"],
    ["/api/v1/things?stret=tianhe", "query.stret"],
    ["/api/v1/kinds?limit=1001", "query.limit"],
    ["/api/v1/alarms?limit=1001", "query.limit"],
    ["/api/v1/alarms?cursor=nonsense", "query.cursor"],
    ["/api/v1/alarms?from=yesterday", "query.from"],
    ["/api/v1/alarms?from=2026-11-24T08:00:00", "query.from"],
    ["/api/v1/alarms?from=2026-02-30T08:00:00Z", "query.from"],
    ["/api/v1/rejections?limit=1001", "query.limit"],
    ["/api/v1/rejections?reason=bad", "query.reason"],
    ["/api/v1/things/water-tianhe/observations", "query.property"],
    ["/api/v1/things/water-tianhe/observations?property=nox", "query.property"],
    ["/api/v1/things/water-tianhe/observations?property=ph&limit=1001", "query.limit"],
    ["/api/v1/things/water-tianhe/observations?property=ph&every=PT59S", "query.every"],
    ["/api/v1/things/water-tianhe/observations?property=ph&every=P1M", "query.every"],
    ["/api/v1/things/water-tianhe/observations?property=ph&agg=mean", "query.agg"],
    ["/api/v1/things/water-tianhe/observations?property=ph&every=PT1H&agg=median", "query.agg"],
    ["/api/v1/things/water-tianhe/observations?property=ph&cursor=%00", "query.cursor"],
    [`/api/v1/live?things=${Array.from({ length: 51 }, (_, at) => `t${at}`).join(",")}`, "query.things"],
    ["/api/v1/targets?month=2026-13", "query.month"],
  ];
  for (const [path, field] of cases) {
    test(`${path.slice(0, 80)} names ${field}`, async () => {
      const answer = await house.call("GET", path, { token: await house.as("admin") });
      expect(answer.status).toBe(400);
      expect(answer.body.code).toBe("shape");
      expect(answer.body.faults[0].field).toBe(field);
      expect(answer.body.detail).toContain(field);
      problem.parse(answer.body);
    });
  }
  test("a body names its field too, and never repeats what was in it", async () => {
    const answer = await house.call("POST", "/api/v1/session", { body: { username: "x", password: ["canary"] } });
    expect(answer.body.faults).toEqual([{ field: "body.password", message: expect.any(String) }]);
    expect(answer.text).not.toContain("canary");
  });
});

describe("what stands outside the session", () => {
  test("/healthz lives, /readyz says why not, /metrics adds the threads up", async () => {
    expect((await house.call("GET", "/healthz")).body).toEqual({ alive: true });
    expect((await house.call("GET", "/readyz")).body).toEqual({ ready: true, causes: [] });
    house.setHealth({
      ready: false,
      causes: [{ code: "disk_full", detail: "the journal's disk is full", since: start }],
    });
    const unready = await house.call("GET", "/readyz");
    expect(unready.status).toBe(503);
    expect(unready.body).toMatchObject({
      code: "not_ready",
      ready: false,
      causes: [{ code: "disk_full", detail: "the journal's disk is full", since: "2026-11-24T00:00:00.000Z" }],
    });
    house.setHealth({ ready: true, causes: [] });
    const metrics = await house.call("GET", "/metrics");
    expect(metrics.headers.get("content-type")).toMatch(/^text\/plain/);
    // the house gives this thread's metrics twice
    const counted = Number(
      /^meizhen_api_request_seconds_count\{route="\/healthz",status="200"\} (\d+)$/m.exec(metrics.text)?.[1],
    );
    expect(counted).toBeGreaterThan(0);
    expect(counted % 2).toBe(0);
  });

  test("without a built console the root says so in both languages, and runs no script", async () => {
    const page = await house.call("GET", "/", { headers: { accept: "text/html" } });
    expect(page.status).toBe(200);
    expect(page.text).toMatch(/尚未构建[\s\S]*has not been built/);
    expect(page.text).not.toContain("<script");
    const policy = page.headers.get("content-security-policy") ?? "";
    expect(policy).toContain("script-src 'self';");
    expect(policy).toContain("style-src 'self' 'unsafe-inline'");
    expect(policy).not.toMatch(/script-src[^;]*unsafe/);
    expect(page.headers.get("x-powered-by")).toBeNull();
  });

  test("an unknown address of the API is a problem, whatever the browser accepts; a known one names its methods", async () => {
    const unknown = await house.call("GET", "/api/v1/nothing", { headers: { accept: "text/html" } });
    expect([unknown.status, unknown.body.code]).toEqual([404, "not_found"]);
    const wrong = await house.call("DELETE", "/api/v1/things");
    expect([wrong.status, wrong.body.code, wrong.headers.get("allow")]).toEqual([405, "method_not_allowed", "GET"]);
  });
});

test("an address that asks too often is told when to come back", async () => {
  const busy = await openHouse({ settings: { requestsPerMinute: 5 } });
  const answers = [];
  for (let at = 0; at < 7; at += 1) answers.push(await busy.call("GET", "/healthz"));
  await busy.close();
  expect(answers.map(({ status }) => status)).toEqual([200, 200, 200, 200, 200, 429, 429]);
  expectProblem(byName("GET", "/healthz"), answers[6] as Answered);
  expect(Number(answers[6]?.headers.get("retry-after"))).toBeGreaterThan(0);
});
