import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { mkdtemp, rm } from "node:fs/promises";
import { createServer } from "node:net";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";
import { createInterface } from "node:readline";
import { runDemo } from "./demo.ts";
import { followAlarms } from "./follow.ts";
import { terminal } from "./terminal.ts";

// `npm run demo`: the real service in a fresh data folder, a simulated district over real MQTT, and each live alarm as
// a line. Nothing else is needed, nothing is left behind.

const root = resolve(import.meta.dirname, "..");
/** It is a demo on loopback, in a folder that goes with it. */
const username = "admin";
const password = "meizhen-demo";

type Ready = { readonly mqtt: number; readonly http: number };

const show = async (): Promise<number> => {
  const stop = new AbortController();
  for (const signal of ["SIGINT", "SIGTERM"] as const) process.once(signal, () => stop.abort(new Error("stopped")));
  const folder = await mkdtemp(join(tmpdir(), "meizhen-demo-"));
  const house = await openHouse(folder);
  house.child.once("exit", () => stop.abort(new Error("the service ended")));
  try {
    const { mqtt, http } = await house.ready;
    const url = `http://127.0.0.1:${http}`;
    terminal.line(`console   ${url}/   (sign in: ${username} / ${password})`);
    terminal.line(`MQTT      mqtt://127.0.0.1:${mqtt}   API ${url}/api/openapi.json   stop with Ctrl-C`);
    const alarms = followAlarms({
      url,
      username,
      password,
      onLine: (line) => terminal.line(line),
      signal: stop.signal,
    });
    const district = runDemo({
      mqttUrl: `mqtt://127.0.0.1:${mqtt}`,
      onLine: (line) => terminal.line(`          ${line}`),
      signal: stop.signal,
      devices: join(root, "devices"),
    });
    await Promise.all([alarms, district]);
    return 0;
  } catch (error) {
    if (stop.signal.aborted) return house.child.exitCode ?? 0;
    terminal.error((error as Error).message);
    return 1;
  } finally {
    await end(house.child);
    await rm(folder, { recursive: true, force: true });
  }
};

/** The service as `npm start` runs it, on its usual ports where they are free. */
const openHouse = async (folder: string): Promise<{ child: ChildProcess; ready: Promise<Ready> }> => {
  const child = spawn(process.execPath, [join(root, "src/main.ts")], {
    cwd: root,
    env: {
      ...inherited(),
      MEIZHEN_DATA_DIR: folder,
      MEIZHEN_DEVICES_DIR: join(root, "devices"),
      MEIZHEN_MQTT_PORT: String(await freeOr(1883)),
      MEIZHEN_HTTP_PORT: String(await freeOr(8080)),
      MEIZHEN_ADMIN_PASSWORD: password,
      MEIZHEN_LOG_LEVEL: "error",
    },
    stdio: ["ignore", "pipe", "inherit"],
    // Ctrl-C reaches this process alone, which then ends the service in order
    detached: true,
  });
  const lines = createInterface({ input: child.stdout as NodeJS.ReadableStream });
  const ready = Promise.race([
    once(lines, "line").then(([line]) => JSON.parse(line as string) as Ready),
    once(child, "exit").then(([code]) =>
      Promise.reject(new Error(`the service ended with ${code} before it was ready`)),
    ),
  ]);
  return { child, ready };
};

/** What is set for a service of one's own says nothing about the demo. */
const inherited = (): Record<string, string | undefined> =>
  Object.fromEntries(Object.entries(process.env).filter(([name]) => !/^(MEIZHEN|INFLUX)_/.test(name)));

/** The port, or 0 for any free one when it is taken. */
const freeOr = async (port: number): Promise<number> => {
  const server = createServer();
  const free = await new Promise<boolean>((settle) => {
    server.once("error", () => settle(false)).listen(port, "127.0.0.1", () => settle(true));
  });
  if (free) await new Promise((closed) => server.close(closed));
  return free ? port : 0;
};

const end = async (child: ChildProcess): Promise<void> => {
  if (child.exitCode !== null || child.signalCode !== null) return;
  child.kill("SIGTERM");
  await once(child, "exit");
};

process.exit(await show());
