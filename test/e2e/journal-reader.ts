import type { Journaled } from "../../src/domain/entry.ts";
import { openJournal } from "../../src/journal/sqlite.ts";
import { createTelemetry } from "../../src/platform/telemetry.ts";

/** Every entry of the journal in a folder that no process owns. */
export const joinedForReading = async (directory: string): Promise<readonly Journaled[]> => {
  const telemetry = createTelemetry({ level: "silent", thread: "test" });
  const journal = await openJournal({ directory, telemetry, bytesMax: 2 ** 40, onFatal: () => {} });
  const entries: Journaled[] = [];
  for (let after = 0; ; ) {
    const page = await journal.read(after, 10_000);
    const last = page.at(-1);
    if (last === undefined) break;
    entries.push(...page);
    after = last.seq;
  }
  await journal.close(AbortSignal.timeout(1_000));
  return entries;
};
