import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createBroker } from "../../src/ingest/broker.ts";
import { openJournal } from "../../src/journal/sqlite.ts";
import { systemClock } from "../../src/platform/clock.ts";
import { createTelemetry } from "../../src/platform/telemetry.ts";
import type { Journal } from "../../src/ports.ts";

// The broker and its journal in a process of their own, for `accept.bench.ts`: guard and admission included, nothing
// applied. `node accept-server.ts sqlite` writes to a temporary folder, `memory` answers at once.

const telemetry = createTelemetry({ level: "warn", thread: "main" });
const directory = mkdtempSync(join(tmpdir(), "meizhen-accept-"));
const fatal = (error: Error) => {
  throw error;
};

const open = async (): Promise<Pick<Journal, "append"> & { close(signal: AbortSignal): Promise<void> }> =>
  process.argv[2] === "sqlite"
    ? await openJournal({ directory, bytesMax: 20 * 2 ** 30, telemetry, onFatal: fatal })
    : { append: async (entries) => entries.length, close: async () => {} };

const journal = await open();
const broker = createBroker({
  ...{ journal, clock: systemClock, telemetry },
  settings: { host: "127.0.0.1", port: 0, tls: null, auth: "loopback" },
});
const { mqtt } = await broker.start();
process.stdout.write(`${JSON.stringify({ mqtt })}\n`);

process.once("SIGTERM", async () => {
  await broker.stop();
  await journal.close(AbortSignal.timeout(5000));
  rmSync(directory, { recursive: true, force: true });
  process.exit(0);
});
