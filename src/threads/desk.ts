import { createServer } from "../api/server.ts";
import { joinJournal } from "../journal/joined.ts";
import { systemClock } from "../platform/clock.ts";
import { randomBytes } from "../platform/random.ts";
import { openWatermark } from "../platform/watermark.ts";
import { openKnowledge } from "../store/store.ts";
import type { DeskData } from "./data.ts";
import { type HouseHealth, runThread } from "./thread.ts";

// The desk thread: the API, the live view and the console's files.

const closeWithin = 1_000;

await runThread<DeskData>("desk", async ({ data, telemetry, signal, onTold, metricsOfAll }) => {
  const knowledge = openKnowledge({ path: data.storePath, watermark: openWatermark(data.cursor) });
  const journal = joinJournal(data.journal, { telemetry });
  let health: HouseHealth = { ready: true, causes: [] };
  const told = Promise.withResolvers<void>();
  onTold((body) => {
    health = body as HouseHealth;
    told.resolve();
  });
  signal.addEventListener("abort", () => told.resolve());
  const { host, port, tls, publicUrl, trustedProxies, consoleFolder } = data;
  const server = createServer({
    ...{ knowledge, journal, clock: systemClock, telemetry, randomBytes, consoleFolder },
    settings: { host, port, tls, publicUrl, trustedProxies },
    health: () => health,
    metrics: metricsOfAll,
  });
  // the door opens once the house has taken its devices folder and accounts
  await told.promise;
  const listening = await server.listen();
  const finished = new Promise<void>((resolve) => signal.addEventListener("abort", () => resolve()));
  return {
    ready: listening.port,
    finished,
    async close() {
      await server.close();
      await journal.close(AbortSignal.timeout(closeWithin));
      knowledge.close();
    },
  };
});
