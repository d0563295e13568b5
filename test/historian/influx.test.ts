import { createServer, type IncomingHttpHeaders } from "node:http";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import type { InfluxVersion } from "../../src/historian/dialect.ts";
import { createInfluxHistorian } from "../../src/historian/influx.ts";
import type { WriteOutcome } from "../../src/ports.ts";
import { type InfluxServer, influx1Absent, influx2Absent, startInflux1, startInflux2 } from "../e2e/influx.ts";

const signal = new AbortController().signal;
const line = "water,thing=water-1 ph=7,ph_qc=1i 1795392000000";
const token = "canary-3f9a";

type Asked = { method: string; url: string; headers: IncomingHttpHeaders; body: string };
type Say = (asked: Asked) => { status: number; headers?: Record<string, string>; body?: string };

/** A server of the tests' own that says what it is told to. */
const standIn = async (say: Say) => {
  const asked: Asked[] = [];
  const server = createServer((request, response) => {
    let body = "";
    request.on("data", (chunk) => {
      body += chunk;
    });
    request.on("end", () => {
      const one = { method: request.method ?? "", url: request.url ?? "", headers: request.headers, body };
      asked.push(one);
      const answer = say(one);
      response.writeHead(answer.status, answer.headers).end(answer.body);
    });
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  const address = server.address();
  const url = `http://127.0.0.1:${typeof address === "object" ? address?.port : 0}`;
  const close = () => {
    server.closeAllConnections();
    server.close();
  };
  return { url, asked, close, [Symbol.dispose]: close };
};

const historianAt = (
  url: string,
  version: InfluxVersion | null = null,
  more: { timeout?: number; org?: string | null } = {},
) => createInfluxHistorian({ url, token, org: "district", bucket: "meizhen", version, ...more });

const kindOf = ({ kind }: WriteOutcome) => kind;

test.each([
  [200, "accepted"],
  [204, "accepted"],
  [301, "hold"],
  [400, "refused"],
  [401, "hold"],
  [403, "hold"],
  [404, "hold"],
  [413, "refused"],
  [422, "refused"],
  [429, "hold"],
  [500, "hold"],
  [503, "hold"],
])("status %i is %s", async (status, kind) => {
  using server = await standIn(() => ({
    status,
    body: status === 204 ? "" : `{"message":"because ${status}"}`,
    headers: { "content-type": "application/json" },
  }));
  const outcome = await historianAt(server.url, "2").write([line], signal);
  expect(kindOf(outcome)).toBe(kind);
  if (outcome.kind !== "accepted") expect(outcome.reason).toBe(`${status} because ${status}`);
});

test.each([
  [{ "retry-after": "7" }, 7_000],
  [{ "retry-after": "Wed, 25 Nov 2026 08:00:30 GMT", date: "Wed, 25 Nov 2026 08:00:00 GMT" }, 30_000],
  [{ "retry-after": "soon" }, null],
  [{}, null],
])("Retry-After is read as seconds or as a date: %j", async (headers, retryAfter) => {
  using server = await standIn(() => ({ status: 429, headers: headers as Record<string, string> }));
  expect(await historianAt(server.url, "2").write([line], signal)).toMatchObject({
    kind: "hold",
    status: 429,
    retryAfter,
  });
});

test("a server that never answers, or is not there, is held, and the token is in no reason", async () => {
  const silent = createServer(() => {});
  await new Promise<void>((resolve) => silent.listen(0, "127.0.0.1", resolve));
  const port = (silent.address() as { port: number }).port;
  const outcome = await historianAt(`http://127.0.0.1:${port}`, "2", { timeout: 50 }).write([line], signal);
  expect(outcome).toEqual({ kind: "hold", reason: "timed out", status: null, retryAfter: null });
  silent.closeAllConnections();
  silent.close();
  const gone = await historianAt("http://127.0.0.1:1", "2").write([line], signal);
  expect(gone).toMatchObject({ kind: "hold", reason: "ECONNREFUSED" });
  expect(JSON.stringify([outcome, gone, await historianAt("http://127.0.0.1:1").prepare(signal)])).not.toContain(token);
});

test("a stop ends a write with the signal's reason and closes its connection", async () => {
  let closed = false;
  const silent = createServer((request) => request.socket.on("close", () => { closed = true; })); // biome-ignore format: short
  await new Promise<void>((resolve) => silent.listen(0, "127.0.0.1", resolve));
  const stop = new AbortController();
  const writing = historianAt(`http://127.0.0.1:${(silent.address() as { port: number }).port}`, "2").write(
    [line],
    stop.signal,
  );
  setTimeout(() => stop.abort(new Error("the house stops")), 50);
  await expect(writing).rejects.toThrow("the house stops");
  await expect.poll(() => closed).toBe(true);
  silent.close();
});

test.each<[string, Say, InfluxVersion | null]>([
  ["1.6.7~rc0 by header", () => ({ status: 204, headers: { "x-influxdb-version": "1.6.7~rc0" } }), "1"],
  ["v2.7.12 by header", () => ({ status: 204, headers: { "x-influxdb-version": "v2.7.12" } }), "2"],
  ["3.0.1 by header", () => ({ status: 200, headers: { "x-influxdb-version": "3.0.1" } }), "3"],
  [
    "3.2.0 by the body of /ping",
    () => ({
      status: 200,
      headers: { "content-type": "application/json" },
      body: '{"version":"3.2.0","revision":"a"}',
    }),
    "3",
  ],
  [
    "2.x built from source by /health",
    ({ url }) =>
      url === "/health"
        ? { status: 200, headers: { "content-type": "application/json" }, body: '{"name":"influxdb","version":"dev"}' }
        : { status: 204, headers: { "x-influxdb-version": "dev" } },
    "2",
  ],
  ["something else", () => ({ status: 200, body: "hello" }), null],
])("the version is detected: %s", async (_, ping, version) => {
  using server = await standIn((asked) =>
    asked.url.startsWith("/ping") || asked.url.startsWith("/health") ? ping(asked) : { status: 204 },
  );
  const outcome = await historianAt(server.url).write([line], signal);
  if (version === null)
    expect(outcome).toMatchObject({ kind: "hold", reason: expect.stringContaining("INFLUX_VERSION") });
  else {
    const path = version === "1" ? "/write?db=meizhen&precision=ms" : version === "2" ? "/api/v2/write?org=district&bucket=meizhen&precision=ms" : "/api/v2/write?bucket=meizhen&precision=ms"; // biome-ignore format: short
    const scheme = { "1": "Basic", "2": "Token", "3": "Bearer" }[version];
    expect(server.asked.at(-1)).toMatchObject({ method: "POST", url: path, body: line });
    expect(server.asked.at(-1)?.headers.authorization?.startsWith(`${scheme} `)).toBe(true);
  }
});

test("InfluxDB 2 without an organisation is held: its 400 would be no fault of the lines", async () => {
  using server = await standIn(() => ({ status: 400 }));
  expect(await historianAt(server.url, "2", { org: null }).write([line], signal)).toMatchObject({ kind: "hold" });
  expect(await historianAt(server.url, "2", { org: null }).prepare(signal)).toContain("INFLUX_ORG");
});

describe("InfluxDB 3, by its documentation, against a stand-in (no server of it was at hand)", () => {
  test.each([
    [200, null],
    [409, null],
    [403, "database meizhen: this token may not create it (403 no)"],
  ])("a database is made where the token may: %i", async (status, missing) => {
    using server = await standIn(() => ({ status, body: "no" }));
    expect(await historianAt(server.url, "3").prepare(signal)).toBe(missing);
    expect(server.asked).toMatchObject([
      { method: "POST", url: "/api/v3/configure/database", body: '{"db":"meizhen"}' },
    ]);
    expect(server.asked[0]?.headers.authorization).toBe(`Bearer ${token}`);
  });
});

describe.skipIf(influx2Absent())("InfluxDB 2", () => {
  let server: InfluxServer;
  beforeAll(async () => {
    server = await startInflux2();
  });
  afterAll(async () => await server?.stop());
  const at = (bucket: string, ofToken = server.token) =>
    createInfluxHistorian({ url: server.url, token: ofToken, org: server.org, bucket, version: null });
  const count = async (bucket: string) =>
    (await (
      await server.request(`/query?db=${bucket}&q=${encodeURIComponent("SELECT count(ph) FROM water")}`)
    ).json()) as object;

  test("a bucket and its InfluxQL mapping are made once, and a line written twice is one point", async () => {
    const historian = at("fresh");
    expect(await historian.write([line], signal)).toMatchObject({ kind: "hold", status: 404 });
    expect(await historian.prepare(signal)).toBeNull();
    expect(await historian.prepare(signal)).toBeNull();
    expect(await historian.write([line], signal)).toEqual({ kind: "accepted" });
    expect(await historian.write([line], signal)).toEqual({ kind: "accepted" });
    expect(JSON.stringify(await count("fresh"))).toContain('["1970-01-01T00:00:00Z",1]');
  });

  /** A token with these permissions on bucket `meizhen` alone. */
  const limited = async (actions: string[]) => {
    const buckets = (await (await server.request("/api/v2/buckets?name=meizhen")).json()) as {
      buckets: { id: string; orgID: string }[];
    };
    const { id, orgID } = buckets.buckets[0] as { id: string; orgID: string };
    const permissions = actions.map((action) => ({ action, resource: { type: "buckets", id, orgID } }));
    const made = await server.request("/api/v2/authorizations", {
      method: "POST",
      body: JSON.stringify({ orgID, permissions }),
      headers: { "content-type": "application/json" },
    });
    return ((await made.json()) as { token: string }).token;
  };

  test("a token that may only write is enough where the bucket is there", async () => {
    const historian = at("meizhen", await limited(["write"]));
    expect(await historian.prepare(signal)).toBeNull();
    expect(await historian.write([line], signal)).toEqual({ kind: "accepted" });
  });

  test("what a token may not do is said in one line", async () => {
    const historian = at("elsewhere", await limited(["write"]));
    expect(await historian.prepare(signal)).toMatch(/^(bucket elsewhere|organisation meizhen) .*\(\d+ [^\n]*\)$/);
    expect(await at("meizhen", "wrong").prepare(signal)).toMatch(/401/);
    expect(await at("meizhen", "wrong").write([line], signal)).toMatchObject({ kind: "hold", status: 401 });
  });
});

describe.skipIf(influx1Absent())("InfluxDB 1.x", () => {
  let server: InfluxServer;
  beforeAll(async () => {
    server = await startInflux1({ auth: true });
    const create = "CREATE USER admin WITH PASSWORD 'secret' WITH ALL PRIVILEGES";
    await server.request(`/query?q=${encodeURIComponent(create)}`, { method: "POST" });
  });
  afterAll(async () => await server?.stop());
  const at = (bucket: string, ofToken: string | null) =>
    createInfluxHistorian({ url: server.url, token: ofToken, org: null, bucket, version: null });
  const ask = (q: string) =>
    server.request(`/query?q=${encodeURIComponent(q)}`, {
      method: "POST",
      headers: { authorization: `Basic ${btoa("admin:secret")}` },
    });

  test("a database is made, by user and password", async () => {
    const historian = at("fresh", "admin:secret");
    expect(await historian.prepare(signal)).toBeNull();
    expect(await historian.write([line, line], signal)).toEqual({ kind: "accepted" });
    expect(await historian.prepare(signal)).toBeNull();
  });

  test("a user who may only write is enough where the database is there, and else it is said in one line", async () => {
    await at("meizhen", "admin:secret").prepare(signal);
    await ask("CREATE USER writer WITH PASSWORD 'w'");
    await ask('GRANT WRITE ON "meizhen" TO writer');
    expect(await at("meizhen", "writer:w").prepare(signal)).toBeNull();
    expect(await at("meizhen", "writer:w").write([line], signal)).toEqual({ kind: "accepted" });
    expect(await at("other", "writer:w").prepare(signal)).toMatch(
      /^database other is missing, and this user may not create it/,
    );
    expect(await at("meizhen", "writer:x").prepare(signal)).toMatch(/not accepted/);
    expect(await at("meizhen", null).write([line], signal)).toMatchObject({ kind: "hold", status: 401 });
  });
});
