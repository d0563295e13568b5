import { parentPort, workerData } from "node:worker_threads";
import { systemClock } from "../platform/clock.ts";
import { JournalError } from "./error.ts";
import type { WriterData } from "./message.ts";
import { openStorage } from "./storage.ts";
import { runWriter } from "./writer.ts";

if (parentPort === null) throw new JournalError("journal_refused", "this file is a thread, started by openJournal");
runWriter({ port: parentPort, data: workerData as WriterData, clock: systemClock, open: openStorage });
