import { randomBytes } from "node:crypto";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { Health, ServerSettings } from "../../src/api/desk.ts";
import { createServer, type Server } from "../../src/api/server.ts";
import type { Entry, Journaled, Seq } from "../../src/domain/entry.ts";
import type { Thing } from "../../src/domain/thing.ts";
import { createTelemetry } from "../../src/platform/telemetry.ts";
import { openWatermark } from "../../src/platform/watermark.ts";
import type { Clock, Journal } from "../../src/ports.ts";
import { openKnowledge, openStore } from "../../src/store/store.ts";
import { createClerk } from "./clerk.ts";
import { accounts, passwordOf, registry } from "./district.ts";

/** 2026-11-24T08:00:00+08:00. */
export const start = Date.UTC(2026, 10, 24);

/** Wall time moves by command; what sleeps really sleeps, `speed` times as fast, so that loops go round. */
const createTestClock = (speed = 1) => {
  let offset = start;
  const clock: Clock & { advance(by: number): void } = {
    now: () => Math.floor(offset),
    monotonic: () => performance.now() * speed,
    async sleep(duration, signal) {
      signal.throwIfAborted();
      await new Promise<void>((resolve, reject) => {
        const timer = setTimeout(() => {
          signal.removeEventListener("abort", stop);
          resolve();
        }, duration / speed);
        const stop = () => {
          clearTimeout(timer);
          reject(signal.reason);
        };
        signal.addEventListener("abort", stop, { once: true });
      });
    },
    advance(by) {
      offset += by;
    },
  };
  return clock;
};

type Request = {
  readonly token?: string | undefined;
  readonly body?: unknown;
  readonly headers?: Readonly<Record<string, string>>;
};
export type Answered = {
  readonly status: number;
  readonly headers: Headers;
  readonly text: string;
  // biome-ignore lint/suspicious/noExplicitAny: what came is what the test is about
  readonly body: any;
};

export type HouseOptions = {
  readonly settings?: Partial<ServerSettings>;
  readonly consoleFolder?: string | null;
  readonly things?: readonly Thing[];
  readonly speed?: number;
  /** Called before each reading of the feed: what another thread may do between two of them. */
  readonly beforeReading?: () => void;
};

/** The API on a free port over a journal, a clerk and a store, with an account of every role. */
export const openHouse = async (options: HouseOptions = {}) => {
  const clock = createTestClock(options.speed);
  const lines: string[] = [];
  const telemetry = createTelemetry({ level: "debug", thread: "desk", write: (line) => void lines.push(line) });
  const district = registry(options.things);
  const clerk = createClerk(district);
  const folder = mkdtempSync(join(tmpdir(), "meizhen-api-"));
  const path = join(folder, "store.db");
  const watermark = openWatermark();
  const store = openStore({ path, watermark });
  const knowledge = openKnowledge({ path, watermark });
  const journaled: Journaled[] = [];
  const head = openWatermark();
  let applied = 0;
  let applying = true;
  let blocked: Promise<void> | null = null;
  let health: Health = { ready: true, causes: [] };

  const apply = (batchMax = Number.POSITIVE_INFINITY): void => {
    while (applied < journaled.length) {
      const batch = journaled.slice(applied, applied + batchMax);
      applied += batch.length;
      const last = batch.at(-1) as Journaled;
      store.commit(clerk.apply(batch), last.seq, last.entry.at);
    }
  };
  const journal: Pick<Journal, "append" | "read"> = {
    async append(entries) {
      if (blocked !== null) await blocked;
      // seqs skip, as they may
      for (const entry of entries) journaled.push({ seq: (journaled.at(-1)?.seq ?? 0) + 3, entry });
      const { seq } = journaled.at(-1) as Journaled;
      head.advance(seq);
      if (applying) setImmediate(() => applying && apply());
      return seq;
    },
    read: async (after, limit) => journaled.filter(({ seq }) => seq > after).slice(0, limit),
  };
  const put = async (entries: readonly Entry[]): Promise<Seq> => {
    const seq = await journal.append(entries);
    if (applying) apply();
    return seq;
  };
  await put([
    { kind: "registry", at: clock.now(), registry: district },
    ...accounts.map(
      (account) =>
        ({ kind: "account", at: clock.now(), by: "test", username: account.username, account }) satisfies Entry,
    ),
  ]);

  const settings: ServerSettings = {
    host: "127.0.0.1",
    port: 0,
    tls: null,
    publicUrl: null,
    trustedProxies: [],
    requestsPerMinute: 100_000,
    ...options.settings,
  };
  const server: Server = createServer({
    knowledge: {
      ...knowledge,
      changesAfter(...given) {
        options.beforeReading?.();
        return knowledge.changesAfter(...given);
      },
    },
    journal,
    clock,
    telemetry,
    settings,
    randomBytes,
    health: () => health,
    metrics: async () => [await telemetry.metrics(), await telemetry.metrics()],
    consoleFolder: options.consoleFolder ?? null,
  });
  const { port } = await server.listen();
  const url = `${settings.tls === null ? "http" : "https"}://127.0.0.1:${port}`;
  const tokens = new Map<string, string>();

  const call = async (method: string, path: string, { token, body, headers = {} }: Request = {}): Promise<Answered> => {
    const response = await fetch(url + path, {
      method,
      redirect: "manual",
      headers: {
        ...(token === undefined ? {} : { authorization: `Bearer ${token}` }),
        ...(body === undefined ? {} : { "content-type": "application/json" }),
        ...headers,
      },
      ...(body === undefined ? {} : { body: typeof body === "string" ? body : JSON.stringify(body) }),
    });
    const text = await response.text();
    const json = /json/.test(response.headers.get("content-type") ?? "");
    return { status: response.status, headers: response.headers, text, body: json ? JSON.parse(text) : text };
  };
  const signIn = async (username: string, password = passwordOf(username)): Promise<string> =>
    (await call("POST", "/api/v1/session", { body: { username, password } })).body.token;

  return {
    ...{ clock, lines, store, knowledge, journal, journaled, clerk, url, port, server, call, signIn, put, telemetry },
    /** A token of this account, signed in once. */
    async as(username: string): Promise<string> {
      const token = tokens.get(username) ?? (await signIn(username));
      tokens.set(username, token);
      return token;
    },
    /** A device's message. */
    publish: (thing: string, values: unknown, ts?: number, last = "readings") =>
      put([message(thing, typeof values === "string" ? values : JSON.stringify({ ts, values }), clock.now(), last)]),
    message: (thing: string, payload: string, last = "readings") => message(thing, payload, clock.now(), last),
    /** The applier stops; the journal goes on. */
    pause() {
      applying = false;
    },
    /** Applies so many of the entries that wait. */
    step(entries: number) {
      const until = Math.min(applied + entries, journaled.length);
      if (until === applied) return;
      const batch = journaled.slice(applied, until);
      applied = until;
      const last = batch.at(-1) as Journaled;
      store.commit(clerk.apply(batch), last.seq, last.entry.at);
    },
    resume(batchMax?: number) {
      applying = true;
      apply(batchMax);
    },
    /** Nothing can be journaled until what it answers is called. */
    block(): () => void {
      const { promise, resolve } = Promise.withResolvers<void>();
      blocked = promise;
      return () => {
        blocked = null;
        resolve();
      };
    },
    setHealth(next: Health) {
      health = next;
    },
    async close() {
      await server.close();
      applying = false;
      knowledge.close();
      store.close();
      rmSync(folder, { recursive: true });
    },
  };
};
export type House = Awaited<ReturnType<typeof openHouse>>;

const message = (thing: string, payload: string, at: number, last: string): Entry => {
  const [kind = "x", street = "nowhere"] = thing.split("-");
  const topic = `meizhen/${street}/${kind}/${thing}/${last}`;
  return { kind: "message", at, topic, payload: Buffer.from(payload), principal: null, qos: 1 };
};
