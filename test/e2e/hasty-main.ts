import { startHouse } from "../../src/app.ts";
import { environment, readConfig } from "../../src/config.ts";

// The service with a mutant for its journal: it answers first and commits later. The crash test must turn red on it.

const journalWorker = new URL("../journal/hasty-worker.ts", import.meta.url);
const house = await startHouse(readConfig(environment(), undefined), { journalWorker });
process.stdout.write(`${JSON.stringify({ event: "ready", ...house.ports })}\n`);
