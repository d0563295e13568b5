import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { mkdtempSync } from "node:fs";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";
import { createInterface } from "node:readline";

export const root = resolve(import.meta.dirname, "../..");
export const adminPassword = "correct horse battery";

/** A folder of its own for each test. */
export const temporaryFolder = (name = "house"): string => mkdtempSync(join(tmpdir(), `meizhen-${name}-`));

export type Service = {
  readonly mqtt: number;
  readonly http: number;
  readonly mqtts: number | undefined;
  readonly pid: number;
  readonly url: string;
  readonly dataDir: string;
  /** Lines of its log so far. */
  readonly log: readonly string[];
  /** Milliseconds from spawn to the ready line. */
  readonly readyAfter: number;
  kill(): Promise<void>;
  /** SIGTERM; answers the exit code. */
  stop(): Promise<number | null>;
  readonly exited: Promise<number | null>;
  /** GET or POST with a bearer token of admin; answers status and body. */
  call(
    method: string,
    path: string,
    body?: unknown,
    headers?: Record<string, string>,
  ): Promise<{
    status: number; // biome-ignore lint/suspicious/noExplicitAny: what comes over the wire is looked at by each test
    body: any;
  }>;
};

export type ServiceOptions = {
  readonly dataDir?: string;
  readonly env?: Record<string, string>;
  readonly cwd?: string;
  /** Another entry than `src/main.ts`: a mutant. */
  readonly main?: string;
};

const environmentOf = (options: ServiceOptions, dataDir: string): Record<string, string> => {
  const inherited = Object.entries(process.env).filter(([name]) => !/^(MEIZHEN|INFLUX)_/.test(name));
  return {
    ...(Object.fromEntries(inherited) as Record<string, string>),
    MEIZHEN_DATA_DIR: dataDir,
    MEIZHEN_DEVICES_DIR: join(root, "devices"),
    MEIZHEN_MQTT_PORT: "0",
    MEIZHEN_HTTP_PORT: "0",
    MEIZHEN_ADMIN_PASSWORD: adminPassword,
    MEIZHEN_LOG_LEVEL: "warn",
    ...options.env,
  };
};

/** The real service, as `npm start` runs it; rejects with its log if it ends before it is ready. */
export const startService = async (options: ServiceOptions = {}): Promise<Service> => {
  const dataDir = options.dataDir ?? temporaryFolder();
  const began = performance.now();
  const child = spawn(process.execPath, [options.main ?? join(root, "src/main.ts")], {
    env: environmentOf(options, dataDir),
    cwd: options.cwd ?? root,
    stdio: ["ignore", "pipe", "pipe"],
  });
  const log: string[] = [];
  createInterface({ input: child.stderr }).on("line", (line) => log.push(line));
  const exited = once(child, "exit").then(([code]) => code as number | null);
  const ready = await firstLine(child, exited, log);
  const url = `http://127.0.0.1:${ready.http}`;
  return {
    mqtt: ready.mqtt,
    http: ready.http,
    mqtts: ready.mqtts,
    pid: child.pid as number,
    url,
    dataDir,
    log,
    readyAfter: performance.now() - began,
    exited,
    async kill() {
      child.kill("SIGKILL");
      await exited;
    },
    async stop() {
      child.kill("SIGTERM");
      return await exited;
    },
    call: caller(url),
  };
};

const firstLine = async (
  child: ChildProcess,
  exited: Promise<number | null>,
  log: readonly string[],
): Promise<{ mqtt: number; http: number; mqtts?: number }> => {
  const lines = createInterface({ input: child.stdout as NodeJS.ReadableStream });
  const ended = exited.then((code) => {
    throw new Error(`the service ended with ${code} before it was ready:\n${log.slice(-30).join("\n")}`);
  });
  for (;;) {
    const [line] = (await Promise.race([once(lines, "line"), ended])) as [string];
    if (line.includes('"ready"')) return JSON.parse(line) as { mqtt: number; http: number; mqtts?: number };
  }
};

/** Calls the API as admin; signs in at the first call. */
const caller = (url: string): Service["call"] => {
  let token: string | undefined;
  return async (method, path, body, headers = {}) => {
    token ??= await signIn(url, "admin", adminPassword);
    const response = await fetch(`${url}${path}`, {
      method,
      headers: {
        authorization: `Bearer ${token}`,
        ...(body === undefined ? {} : { "content-type": "application/json" }),
        ...headers,
      },
      ...(body === undefined ? {} : { body: JSON.stringify(body) }),
    });
    const text = await response.text();
    const json = response.headers.get("content-type")?.includes("json");
    return { status: response.status, body: json ? JSON.parse(text) : text };
  };
};

export const signIn = async (url: string, username: string, password: string): Promise<string> => {
  const response = await fetch(`${url}/api/v1/session`, {
    method: "POST",
    headers: { "content-type": "application/json" },
    body: JSON.stringify({ username, password }),
  });
  if (!response.ok) throw new Error(`sign-in failed: ${response.status} ${await response.text()}`);
  return ((await response.json()) as { token: string }).token;
};

/** Asks until the answer is accepted, at most `timeoutMs`; answers the last one either way. */
export const until = async <T>(
  ask: () => Promise<T>,
  accept: (answer: T) => boolean,
  timeoutMs = 15_000,
): Promise<T> => {
  const end = performance.now() + timeoutMs;
  for (;;) {
    const answer = await ask();
    if (accept(answer) || performance.now() > end) return answer;
    await new Promise((resume) => setTimeout(resume, 50));
  }
};
