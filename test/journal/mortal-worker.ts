import { parentPort, workerData } from "node:worker_threads";
import { openStorage } from "../../src/journal/storage.ts";
import { runWriter } from "../../src/journal/writer.ts";
import { systemClock } from "../../src/platform/clock.ts";

// The journal's thread, which dies where it stands when it is told to.

const death = new BroadcastChannel(`death of ${workerData.directory}`);
death.onmessage = () => process.exit(1);
if (parentPort !== null) runWriter({ port: parentPort, data: workerData, clock: systemClock, open: openStorage });
