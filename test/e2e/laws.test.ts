import { cpSync, rmSync } from "node:fs";
import { expect, test } from "vitest";
import { openWatermark } from "../../src/platform/watermark.ts";
import { openKnowledge, storePath } from "../../src/store/store.ts";
import { joinedForReading } from "./journal-reader.ts";
import { connectPublisher } from "./publisher.ts";
import { adminPassword, type Service, signIn, startService, temporaryFolder, until } from "./service.ts";

// Laws of the house on the whole service; 1, 7 and 9 are in crash and spine, 5 in tidy, 8 with the timelines.

const topic = "meizhen/xinghai/water/water-xinghai-1/readings";

/** Some of everything: readings, duplicates, rejections, an alarm that is acknowledged. */
const live = async (service: Service): Promise<void> => {
  const publisher = await connectPublisher(service.mqtt);
  const now = Date.now();
  for (let ago = 300; ago >= 0; ago -= 60) {
    const message = { ts: now - ago * 1_000, values: { turbidity: 2.5, ph: 7.1, mystery: 1 } };
    await publisher.publish(topic, message);
    await publisher.publish(topic, message);
  }
  await publisher.publish(topic, "neither JSON nor anything");
  await publisher.end();
  const { body } = await until(
    () => service.call("GET", "/api/v1/alarms?thing=water-xinghai-1"),
    (answer) => answer.body.items?.length > 0,
  );
  const { status } = await service.call("POST", `/api/v1/alarms/${body.items[0].id}/acknowledge`, { note: "seen" });
  expect(status).toBe(200);
};

const routes = [
  "/api/v1/alarms?state=all&thing=water-xinghai-1",
  "/api/v1/rejections",
  "/api/v1/things/water-xinghai-1",
  "/api/v1/things/water-xinghai-1/observations?property=ph&from=2020-01-01T00:00:00Z&to=2100-01-01T00:00:00Z",
  "/api/v1/things/water-xinghai-1/observations?property=ph&every=PT1H&from=2020-01-01T00:00:00Z&to=2100-01-01T00:00:00Z",
  "/api/v1/ledger?thing=water-xinghai-1",
];

const knowledgeOf = async (service: Service): Promise<unknown[]> =>
  Promise.all(routes.map(async (path) => (await service.call("GET", path)).body));

test("Law 2: if it is not an entry, it did not happen: a store made anew from the journal knows the same", async () => {
  const service = await startService();
  await live(service);
  const before = await knowledgeOf(service);
  expect(await service.stop()).toBe(0);
  const copy = temporaryFolder();
  cpSync(service.dataDir, copy, { recursive: true });
  for (const part of ["", "-wal", "-shm"]) rmSync(`${storePath(copy)}${part}`, { force: true });
  const again = await startService({ dataDir: copy });
  const after = await until(
    () => knowledgeOf(again),
    (answers) => JSON.stringify(answers) === JSON.stringify(before),
  );
  expect(after).toEqual(before);
  expect(await again.stop()).toBe(0);
});

test("Law 3: only the applier writes knowledge, always together with its cursor", async () => {
  const service = await startService();
  const publisher = await connectPublisher(service.mqtt);
  let ts = Date.now() - 3_600_000;
  const one = async (): Promise<void> => {
    for (;;) await publisher.publish(topic, { ts: ++ts, values: { ph: 7 } });
  };
  const load = Promise.allSettled(Array.from({ length: 20 }, one));
  await new Promise((resume) => setTimeout(resume, 600));
  await service.kill();
  await load;
  const knowledge = openKnowledge({ path: storePath(service.dataDir), watermark: openWatermark() });
  const cursor = knowledge.cursor();
  const counted = knowledge.ledger({}).reduce((sum, { received }) => sum + received, 0);
  const stored = knowledge.ledger({}).reduce((sum, hour) => sum + hour.stored, 0);
  knowledge.close();
  const entries = await joinedForReading(service.dataDir);
  const messages = entries.filter(({ seq, entry }) => entry.kind === "message" && seq <= cursor).length;
  expect(messages).toBeGreaterThan(0);
  expect(counted).toBe(messages);
  expect(stored).toBe(messages);
}, 60_000);

test("Law 4: nothing leaves except a committed change, under its change id", async () => {
  const service = await startService();
  const token = await signIn(service.url, "admin", adminPassword);
  const stop = new AbortController();
  const response = await fetch(`${service.url}/api/v1/live?things=water-xinghai-1`, {
    headers: { authorization: `Bearer ${token}` },
    signal: stop.signal,
  });
  const text: string[] = [];
  const reading = (async () => {
    for await (const chunk of response.body as unknown as AsyncIterable<Uint8Array>)
      text.push(Buffer.from(chunk).toString());
  })().catch(() => {});
  await live(service);
  await until(
    async () => text.join(""),
    (all) => /"state":"acknowledged"/.test(all),
  );
  stop.abort();
  await reading;
  await service.stop();
  const events = text.join("").split("\n\n");
  const ids = events
    .filter((event) => /^event: ?(alarm|presence)/m.test(event))
    .map((event) => /^id: ?(.*)$/m.exec(event)?.[1] as string);
  expect(ids.length).toBeGreaterThan(2);
  const knowledge = openKnowledge({ path: storePath(service.dataDir), watermark: openWatermark() });
  const committed = new Set(knowledge.changesAfter({ seq: 0, n: 0 }, 100_000).map(({ seq, n }) => `${seq}-${n}`));
  knowledge.close();
  expect(ids.filter((id) => !committed.has(id))).toEqual([]);
});

test("Law 6: every payload, page and query has a bound and a named answer at the bound", async () => {
  const service = await startService();
  const publisher = await connectPublisher(service.mqtt);
  const ts = Date.now() - 600_000;
  const elements = (count: number) =>
    Array.from({ length: count }, (_, index) => ({ ts: ts + index, values: { ph: 7 } }));
  await publisher.publish(topic, elements(1_000));
  await publisher.publish(topic, elements(1_001));
  await publisher.publish(topic, `{"values":{"ph":7},"pad":"${"x".repeat(64 * 1024)}"}`);
  await publisher.publish(topic, `${"[".repeat(9)}1${"]".repeat(9)}`);
  const { body } = await until(
    () => service.call("GET", "/api/v1/rejections"),
    (answer) => answer.body.items?.length >= 3,
  );
  expect(body.items.map(({ reason }: { reason: string }) => reason).sort()).toEqual([
    "too_deep",
    "too_large",
    "too_many",
  ]);
  const { body: ledger } = await service.call("GET", "/api/v1/ledger?thing=water-xinghai-1");
  expect(ledger.stored).toBe(1_000);
  expect((await service.call("GET", "/api/v1/things?limit=1000")).status).toBe(200);
  expect((await service.call("GET", "/api/v1/things?limit=1001")).status).toBe(400);
  const things = Array.from({ length: 51 }, (_, index) => `water-${index}`).join(",");
  expect((await service.call("GET", `/api/v1/live?things=${things}`)).status).toBe(400);
  await publisher.publish(topic, Buffer.alloc(128 * 1024 + 1)).catch(() => {});
  await until(
    async () => publisher.client.connected,
    (connected) => !connected,
    3_000,
  );
  expect(publisher.client.connected).toBe(false);
  await service.stop();
});

test("an overloaded applier delays no acknowledgement: devices are answered while what they sent waits to be applied", async () => {
  const service = await startService({ env: { MEIZHEN_LOG_LEVEL: "error" } });
  await service.call("GET", "/api/v1/ledger");
  const publisher = await connectPublisher(service.mqtt);
  const began = Date.now() - 3_600_000;
  // each message is a thousand readings: a millisecond to journal, several to apply
  const message = (index: number) =>
    JSON.stringify(
      Array.from({ length: 1_000 }, (_, place) => ({ ts: began + index * 1_000 + place, values: { ph: 7 } })),
    );
  const messages = Array.from({ length: 400 }, (_, index) => message(index));
  await Promise.all(messages.map((body) => publisher.publish(topic, body)));
  // all 400 are acknowledged now
  const { body: ledger } = await service.call("GET", "/api/v1/ledger?thing=water-xinghai-1");
  expect(ledger.pending).toBeGreaterThan(0);
  const { body: settled } = await until(
    () => service.call("GET", "/api/v1/ledger?thing=water-xinghai-1"),
    (answer) => answer.body.pending === 0,
    60_000,
  );
  expect(settled).toMatchObject({ received: 400_000, stored: 400_000, remainder: 0 });
  await publisher.end();
  expect(await service.stop()).toBe(0);
}, 90_000);
