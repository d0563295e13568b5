import { createBroker } from "../../src/ingest/broker.ts";
import { systemClock } from "../../src/platform/clock.ts";
import { createTelemetry } from "../../src/platform/telemetry.ts";

// The broker alone in a process of its own, for `accept.bench.ts`; `--journal memory` answers at once.
const broker = createBroker({
  journal: { append: async (entries) => entries.length },
  clock: systemClock,
  telemetry: createTelemetry({ level: "warn", thread: "main" }),
  settings: { host: "127.0.0.1", port: 0, tls: null, auth: "loopback" },
});
const { mqtt } = await broker.start();
process.stdout.write(`${JSON.stringify({ mqtt })}\n`);
process.once("SIGTERM", () => void broker.stop().then(() => process.exit(0)));
