import { afterEach, expect, test } from "vitest";
import { openPublisher } from "../../simulators/publisher.ts";
import { openBroker } from "./broker.ts";

let broker: Awaited<ReturnType<typeof openBroker>>;
const stop = new AbortController();
afterEach(async () => await broker.close());

const options = (more: object = {}) => ({
  url: broker.url,
  clientId: "publisher",
  credential: null,
  statusTopic: null,
  window: 10,
  signal: stop.signal,
  ...more,
});
const payloads = (topic = "meizhen/a/b/c/readings") =>
  broker.published.filter((one) => one.topic === topic).map(({ payload }) => payload);
const message = (payload: number | string) => ({ topic: "meizhen/a/b/c/readings", payload: String(payload) });

test("through connections that break again and again everything arrives at least once, in order, and is acknowledged", async () => {
  broker = await openBroker();
  const publisher = await openPublisher(options());
  let acknowledged = 0;
  for (let index = 0; index < 400; index++) {
    if (index % 90 === 45) broker.dropClients();
    await publisher.publish({ ...message(index), acknowledged: () => acknowledged++ });
  }
  await publisher.drain();
  await publisher.close();
  expect(acknowledged).toBe(400);
  const seen = payloads().map(Number);
  // First arrivals are in order; what is repeated repeats what came before.
  const first = seen.filter((value, index) => seen.indexOf(value) === index);
  expect(first).toEqual(Array.from({ length: 400 }, (_, index) => index));
}, 30_000);

test("no more than the window is unacknowledged", async () => {
  broker = await openBroker();
  let [sent, acknowledged, most] = [0, 0, 0];
  const publisher = await openPublisher(options({ window: 4 }));
  for (let index = 0; index < 100; index++) {
    await publisher.publish({ ...message(index), acknowledged: () => acknowledged++ });
    sent++;
    most = Math.max(most, sent - acknowledged);
  }
  await publisher.drain();
  await publisher.close();
  expect(most).toBeLessThanOrEqual(4);
});

test("a connection that is cut speaks its will, and says online when it is back", async () => {
  broker = await openBroker();
  const publisher = await openPublisher(options({ statusTopic: "meizhen/a/b/c/status" }));
  await publisher.publish(message(1));
  await publisher.drain();
  publisher.cut();
  await expect.poll(() => payloads("meizhen/a/b/c/status")).toEqual(["online", "offline"]);
  publisher.restore();
  await expect.poll(() => payloads("meizhen/a/b/c/status").at(-1)).toBe("online");
  await publisher.publish(message(2));
  await publisher.drain();
  await publisher.close();
  expect(payloads()).toEqual(["1", "2"]);
  await expect.poll(() => payloads("meizhen/a/b/c/status").at(-1)).toBe("offline");
});

test("a broker that is not there is an error at once, and waiting ends with the signal", async () => {
  broker = await openBroker();
  await expect(openPublisher(options({ url: "mqtt://127.0.0.1:1" }))).rejects.toThrow();
  const stopping = new AbortController();
  const publisher = await openPublisher(options({ window: 1, signal: stopping.signal }));
  broker.refuseWhen(() => true);
  await publisher.publish(message(1));
  const waiting = publisher.publish(message(2));
  stopping.abort(new Error("enough"));
  await expect(waiting).rejects.toThrow("enough");
  broker.refuseWhen(() => false);
  await publisher.close();
});
