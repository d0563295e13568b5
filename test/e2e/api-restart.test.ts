import { randomBytes } from "node:crypto";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, expect, test } from "vitest";
import { createServer } from "../../src/api/server.ts";
import type { Entry } from "../../src/domain/entry.ts";
import { openJournal } from "../../src/journal/sqlite.ts";
import { systemClock } from "../../src/platform/clock.ts";
import { createTelemetry } from "../../src/platform/telemetry.ts";
import { openWatermark } from "../../src/platform/watermark.ts";
import { openKnowledge, openStore } from "../../src/store/store.ts";
import { createClerk } from "../api/clerk.ts";
import { accounts, passwordOf, registry } from "../api/district.ts";
import { openStream, type Told } from "../api/stream.ts";

// The API over the real journal (a worker, fsync) and the real store (a reader's connection), stopped and started anew.

const directory = mkdtempSync(join(tmpdir(), "meizhen-api-restart-"));
afterAll(() => rmSync(directory, { recursive: true }));
const telemetry = createTelemetry({ level: "silent", thread: "test" });

const startHouse = async () => {
  const stop = new AbortController();
  const journal = await openJournal({
    directory,
    bytesMax: 2 ** 30,
    telemetry,
    onFatal: (error) => {
      throw error;
    },
  });
  const watermark = openWatermark();
  const path = join(directory, "store.db");
  const store = openStore({ path, watermark });
  const knowledge = openKnowledge({ path, watermark });
  const clerk = createClerk(registry());
  const applying = (async () => {
    let after = 0;
    for (;;) {
      await journal.waitPast(after, stop.signal);
      const entries = await journal.read(after, 500);
      after = entries.at(-1)?.seq ?? after;
      const changes = clerk.apply(entries);
      // what a former run has applied, the clerk only learns again
      if (after > store.cursor()) store.commit(changes, after);
    }
  })().catch(() => {});
  if (store.cursor() === 0) {
    const at = systemClock.now();
    const people = accounts.map(
      (account): Entry => ({ kind: "account", at, by: "test", username: account.username, account }),
    );
    const seq = await journal.append([{ kind: "registry", at, registry: registry() }, ...people]);
    await store.waitPast(seq - 1, stop.signal);
  }
  const server = createServer({
    ...{ knowledge, journal, clock: systemClock, telemetry, randomBytes, consoleFolder: null },
    settings: { host: "127.0.0.1", port: 0, tls: null, publicUrl: null, trustedProxies: [] },
    health: () => ({ ready: true, causes: [] }),
    metrics: async () => [await telemetry.metrics()],
  });
  const { port } = await server.listen();
  return {
    ...{ journal, port, url: `http://127.0.0.1:${port}` },
    async close() {
      await server.close();
      stop.abort();
      await applying;
      knowledge.close();
      await journal.close(AbortSignal.timeout(2_000));
      store.close();
    },
  };
};
type Running = Awaited<ReturnType<typeof startHouse>>;

const raise = async ({ journal }: Running, ts: number): Promise<string> => {
  const payload = Buffer.from(JSON.stringify({ ts, values: { turbidity: 2 } }));
  const topic = "meizhen/tianhe/water/water-tianhe/readings";
  await journal.append([{ kind: "message", at: systemClock.now(), topic, payload, principal: null, qos: 1 }]);
  return `water-tianhe.turbidity-high.${ts}`;
};
const idsOf = (told: readonly Told[]) => told.map(({ data }) => (data as { id: string }).id);

test("a restart ends no session, loses no command, and a live stream goes on where it was", async () => {
  const first = await startHouse();
  const body = JSON.stringify({ username: "operator", password: passwordOf("operator") });
  const headers = { "content-type": "application/json" };
  const signedIn = await fetch(`${first.url}/api/v1/session`, { method: "POST", headers, body });
  const { token } = (await signedIn.json()) as { token: string };
  const as = async () => token;

  const before = await openStream({ port: first.port, as }, "operator");
  const heard = await raise(first, 1_795_478_400_000);
  await before.until(() => before.of("alarm").length === 1);
  const key = { ...headers, authorization: `Bearer ${token}`, "idempotency-key": "k1" };
  const acknowledge = async ({ url }: Running) =>
    await fetch(`${url}/api/v1/alarms/${heard}/acknowledge`, { method: "POST", headers: key, body: "{}" });
  expect((await acknowledge(first)).status).toBe(200);
  await before.until(() => before.of("alarm").length === 2);
  const place = before.lastEventId();
  await first.close();
  await before.until(() => before.closed());

  const second = await startHouse();
  const missed = await raise(second, 1_795_478_460_000);
  // the key of a command that a former process carried out
  const again = await acknowledge(second);
  expect([again.status, ((await again.json()) as { state: string }).state]).toEqual([200, "acknowledged"]);
  const after = await openStream({ port: second.port, as }, "operator", { lastEventId: place });
  await after.until(() => after.of("alarm").length > 0);
  expect(idsOf(after.of("alarm"))).toEqual([missed]);
  expect(after.of("reset")).toEqual([]);
  after.close();
  await second.close();
});
