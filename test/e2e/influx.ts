import { type ChildProcess, execFileSync, spawn } from "node:child_process";
import { existsSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { createServer } from "node:net";
import { homedir, tmpdir } from "node:os";
import { join } from "node:path";

/** A real InfluxDB on loopback, with a folder and ports of its own. */
export type InfluxServer = {
  readonly version: "1" | "2";
  readonly url: string;
  readonly port: number;
  /** Of the process that runs now. */
  pid(): number;
  readonly token: string;
  readonly org: string;
  readonly bucket: string;
  /** Rows of an InfluxQL query, as objects with the columns and tags of their series. */
  query(influxQL: string): Promise<Record<string, unknown>[]>;
  request(path: string, options?: RequestInit): Promise<Response>;
  /** kill -9; the data stays. */
  kill(): Promise<void>;
  /** After `kill`: the same folder and port again. */
  restart(): Promise<void>;
  /** Ends it and removes the folder. */
  stop(): Promise<void>;
};

const builder = join(import.meta.dirname, "../../../shared/tools/influxd");
const onCi = process.env.CI !== undefined;

/** Where `../shared/tools/influxd` puts what it builds. */
const builtInflux2 = (): string | null => {
  const home = process.env.XDG_CACHE_HOME ?? join(homedir(), ".cache");
  const binary = join(home, "meizhen-tools", "influxd-2.9.1");
  return existsSync(binary) ? binary : null;
};

const onPath = (name: string): string | null => {
  try {
    return execFileSync("which", [name], { encoding: "utf8" }).trim() || null;
  } catch {
    return null;
  }
};

const majorOf = (binary: string): string | undefined => {
  const told = execFileSync(binary, ["version"], { encoding: "utf8" });
  return /\bv?(\d+)\.\d+\.\d+/.exec(told)?.[1];
};

const findInflux2 = (): string | null => {
  const built = builtInflux2();
  if (built !== null) return built;
  const found = onPath("influxd");
  if (found !== null && majorOf(found) === "2") return found;
  return onCi && existsSync(builder) ? execFileSync(builder, { encoding: "utf8" }).trim() : null;
};

const findInflux1 = (): string | null => {
  const found = onPath("influxd");
  return found !== null && majorOf(found) === "1" ? found : null;
};

/** For `skipIf`: true where there is none and nobody insists (CI does); says so in one line. */
export const influx2Absent = (): boolean => absent("InfluxDB 2", findInflux2());
export const influx1Absent = (): boolean => absent("InfluxDB 1.x", findInflux1());

const absent = (what: string, found: string | null): boolean => {
  if (found !== null || onCi) return false;
  console.warn(`skipped: no ${what} here (../shared/tools/influxd builds 2.x, Debian's influxdb is 1.x)`);
  return true;
};

const freePort = (): Promise<number> =>
  new Promise((resolve, reject) => {
    const server = createServer();
    server.once("error", reject);
    server.listen(0, "127.0.0.1", () => {
      const address = server.address();
      server.close(() => resolve(typeof address === "object" && address !== null ? address.port : 0));
    });
  });

const untilAnswering = async (url: string, process: ChildProcess): Promise<void> => {
  const deadline = Date.now() + 30_000;
  for (;;) {
    try {
      const response = await fetch(`${url}/ping`);
      await response.arrayBuffer();
      if (response.ok) return;
    } catch {
      // not listening yet
    }
    if (process.exitCode !== null) throw new Error(`influxd ended with ${process.exitCode}`);
    if (Date.now() > deadline) throw new Error(`no answer from ${url}`);
    await new Promise((resolve) => setTimeout(resolve, 25));
  }
};

const ended = (process: ChildProcess): Promise<void> =>
  process.exitCode !== null || process.signalCode !== null
    ? Promise.resolve()
    : new Promise((resolve) => process.once("exit", () => resolve()));

type Plan = {
  readonly version: "1" | "2";
  readonly binary: string;
  readonly folder: string;
  readonly port: number;
  readonly args: readonly string[];
  readonly env?: Record<string, string>;
};

const run = async (plan: Plan) => {
  const url = `http://127.0.0.1:${plan.port}`;
  const [token, org, bucket] = ["test-token-0123456789", "meizhen", "meizhen"];
  const start = async (): Promise<ChildProcess> => {
    const child = spawn(plan.binary, plan.args, { stdio: "ignore", env: { ...process.env, ...plan.env } });
    await untilAnswering(url, child);
    return child;
  };
  let running = await start();
  const end = async (signal: "SIGKILL" | "SIGTERM") => {
    running.kill(signal);
    await ended(running);
  };
  // an interrupted test run leaves no server behind
  const orphan = () => running.kill("SIGKILL");
  process.once("exit", orphan);
  const headers: Record<string, string> = plan.version === "2" ? { authorization: `Token ${token}` } : {};
  const request = (path: string, options: RequestInit = {}) =>
    fetch(url + path, { ...options, headers: { ...headers, ...(options.headers as Record<string, string>) } });
  return {
    version: plan.version,
    url,
    port: plan.port,
    pid: () => running.pid as number,
    token: plan.version === "2" ? token : "",
    org,
    bucket,
    request,
    query: (influxQL: string) => query(request, bucket, influxQL),
    kill: () => end("SIGKILL"),
    async restart() {
      running = await start();
    },
    async stop() {
      await end("SIGKILL");
      process.removeListener("exit", orphan);
      rmSync(plan.folder, { recursive: true, force: true });
    },
  } satisfies InfluxServer;
};

type QueryAnswer = {
  readonly error?: string;
  readonly results?: readonly {
    readonly error?: string;
    readonly series?: readonly {
      readonly name: string;
      readonly tags?: Record<string, string>;
      readonly columns: readonly string[];
      readonly values?: readonly (readonly unknown[])[];
    }[];
  }[];
};

const query = async (request: InfluxServer["request"], bucket: string, influxQL: string) => {
  const parameters = new URLSearchParams({ db: bucket, epoch: "ms", q: influxQL });
  const response = await request(`/query?${parameters}`);
  const answer = (await response.json()) as QueryAnswer;
  const error = answer.error ?? answer.results?.find((result) => result.error)?.error;
  if (!response.ok || error !== undefined) throw new Error(`${response.status} ${error}: ${influxQL}`);
  return (answer.results ?? []).flatMap((result) =>
    (result.series ?? []).flatMap((series) =>
      (series.values ?? []).map((row) => ({
        ...series.tags,
        ...Object.fromEntries(series.columns.map((column, index) => [column, row[index]])),
      })),
    ),
  );
};

/** InfluxDB 2, set up with organisation `meizhen`, bucket `meizhen` and an all-access token. */
export const startInflux2 = async (): Promise<InfluxServer> => {
  const binary = findInflux2();
  if (binary === null) throw new Error("no InfluxDB 2");
  const folder = mkdtempSync(join(tmpdir(), "influx2-"));
  const port = await freePort();
  const paths = ["--bolt-path", "b", "--sqlite-path", "s", "--engine-path", "e"];
  const args = [
    "run",
    ...paths.map((part, index) => (index % 2 === 0 ? part : join(folder, part))),
    ...["--http-bind-address", `127.0.0.1:${port}`, "--reporting-disabled", "--log-level", "error"],
  ];
  const server = await run({ version: "2", binary, folder, port, args });
  const { token, org, bucket } = server;
  const answer = await fetch(`${server.url}/api/v2/setup`, {
    method: "POST",
    body: JSON.stringify({ username: "admin", password: "password-of-a-test", org, bucket, token }),
  });
  if (answer.status !== 201) throw new Error(`setup of InfluxDB 2: ${answer.status} ${await answer.text()}`);
  return server;
};

/** InfluxDB 1.x; with `auth`, user `admin` (password `secret`) must sign in: INFLUX_TOKEN is `admin:secret`. */
export const startInflux1 = async (options: { auth?: boolean } = {}): Promise<InfluxServer> => {
  const binary = findInflux1();
  if (binary === null) throw new Error("no InfluxDB 1.x");
  const folder = mkdtempSync(join(tmpdir(), "influx1-"));
  const [port, internal] = [await freePort(), await freePort()];
  const config = join(folder, "influxdb.conf");
  writeFileSync(config, influx1Config(folder, port, internal, options.auth === true));
  return await run({ version: "1", binary, folder, port, args: ["run", "-config", config] });
};

const influx1Config = (folder: string, port: number, internal: number, auth: boolean): string => `
reporting-disabled = true
bind-address = "127.0.0.1:${internal}"
[meta]
  dir = "${folder}/meta"
[data]
  dir = "${folder}/data"
  wal-dir = "${folder}/wal"
  query-log-enabled = false
[monitor]
  store-enabled = false
[http]
  bind-address = "127.0.0.1:${port}"
  auth-enabled = ${auth}
  log-enabled = false
[logging]
  level = "error"
`;
