import { type Instant, minute, second, toIso } from "../domain/time.ts";
import { createInfluxHistorian } from "../historian/influx.ts";
import { joinJournal } from "../journal/joined.ts";
import { createForwarder, type Forwarder } from "../loops/forwarder.ts";
import { type Loop, supervise } from "../loops/supervise.ts";
import { systemClock as clock } from "../platform/clock.ts";
import { random } from "../platform/random.ts";
import { openWatermark } from "../platform/watermark.ts";
import { openKnowledge } from "../store/store.ts";
import type { DeliverData } from "./data.ts";
import { type HealthCause, runThread } from "./thread.ts";

// The deliver thread: what leaves the house for InfluxDB, behind a cursor of its own.

const closeWithin = second;

/** What `/readyz` and the console say of the historian; `fillingSince`: when it began to be filled from the store. */
const healthOf = (forwarder: Forwarder, fillingSince: Instant): HealthCause[] => {
  const { state, away } = forwarder.status();
  if (away !== null) {
    const minutes = Math.floor((clock.now() - away.since) / minute);
    const detail = `storing locally, InfluxDB away for ${minutes} min since ${toIso(away.since)}, nothing lost: ${away.reason}`;
    return [{ code: "historian_away", detail, since: away.since }];
  }
  if (state !== "filling") return [];
  return [{ code: "historian_filling", detail: "InfluxDB is being filled from the store", since: fillingSince }];
};

const watching = (forwarder: Forwarder, setHealth: (causes: HealthCause[]) => void): Loop => ({
  name: "historian-health",
  async run(signal) {
    let fillingSince = clock.now();
    while (!signal.aborted) {
      if (forwarder.status().state !== "filling") fillingSince = clock.now();
      setHealth(healthOf(forwarder, fillingSince));
      await clock.sleep(second, signal).catch(() => {});
    }
  },
});

await runThread<DeliverData>("deliver", async ({ data, telemetry, signal, setHealth }) => {
  const knowledge = openKnowledge({ path: data.storePath, watermark: openWatermark(data.cursor) });
  const journal = joinJournal(data.journal, { telemetry });
  const historian = createInfluxHistorian(data.influx);
  const forwarder = createForwarder({ knowledge, journal, historian, clock, random, telemetry });
  const loops = [forwarder, watching(forwarder, setHealth)];
  const finished = Promise.all(loops.map((loop) => supervise(loop, { clock, telemetry }, signal)));
  return {
    ready: null,
    finished: finished.then(() => {}),
    async close() {
      await journal.close(AbortSignal.timeout(closeWithin));
      knowledge.close();
    },
  };
});
