import { parentPort, workerData } from "node:worker_threads";
import { type JournalHandle, joinJournal } from "../../src/journal/joined.ts";
import { numbered, numberOf } from "./rig.ts";

// Another thread of the house: appends what it is told to, waits for what the first thread appends, and reads it all.

const journal = joinJournal(workerData as JournalHandle, { telemetry: { journalDamaged() {} } });
const seq = await journal.append([numbered(100), numbered(101)]);
parentPort?.postMessage(seq);
await journal.waitPast(seq, AbortSignal.timeout(10_000));
const entries = await journal.read(0, 100);
parentPort?.postMessage(entries.map(numberOf));
await journal.close(AbortSignal.timeout(1_000));
