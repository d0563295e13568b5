import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { joinJournal } from "../../src/journal/joined.ts";
import { openJournal } from "../../src/journal/sqlite.ts";
import { createTelemetry } from "../../src/platform/telemetry.ts";
import { createMemoryJournal } from "../house/memory-journal.ts";
import { type JournalUnderTest, journalContract } from "./journal.contract.ts";

const telemetry = createTelemetry({ level: "silent", thread: "test" });

const inMemory = async (): Promise<JournalUnderTest> => {
  const house = {
    journal: createMemoryJournal(),
    other: () => house.journal,
    async crash() {
      house.journal = house.journal.crash();
    },
    async close() {
      house.journal.close();
    },
  };
  return house;
};

const onDisk = async (): Promise<JournalUnderTest> => {
  const directory = mkdtempSync(join(tmpdir(), "meizhen-journal-"));
  const worker = new URL("../journal/mortal-worker.ts", import.meta.url);
  const start = async () => {
    const died = Promise.withResolvers<void>();
    const options = { directory, bytesMax: 2 ** 30, telemetry, worker, onFatal: () => died.resolve() };
    const owned = await openJournal(options);
    const other = joinJournal(owned.connect(), { telemetry });
    return { owned, other, died: died.promise };
  };
  let running = await start();
  const stop = async () => {
    await running.other.close(AbortSignal.abort());
    await running.owned.close(AbortSignal.abort());
  };
  const house: JournalUnderTest = {
    journal: running.owned,
    other: () => running.other,
    async crash() {
      const channel = new BroadcastChannel(`death of ${directory}`);
      channel.postMessage("now");
      await running.died;
      channel.close();
      await stop();
      running = await start();
      house.journal = running.owned;
    },
    async close() {
      await stop();
      rmSync(directory, { recursive: true });
    },
  };
  return house;
};

journalContract("memory", inMemory, 100);
journalContract("SQLite", onDisk, 12);
