import { mkdtempSync, rmSync } from "node:fs";
import { connect, createServer, type Socket } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { Changes, Event, Observation } from "../../src/domain/change.ts";
import type { DeadLetter, Entry, EntryOf } from "../../src/domain/entry.ts";
import type { Quality } from "../../src/domain/quality.ts";
import type { Registry } from "../../src/domain/registry.ts";
import type { PropertyId, Thing, ThingId } from "../../src/domain/thing.ts";
import { hourOf } from "../../src/domain/time.ts";
import { systemClock } from "../../src/platform/clock.ts";
import { createTelemetry, type Telemetry } from "../../src/platform/telemetry.ts";
import { openWatermark } from "../../src/platform/watermark.ts";
import type { Clock, Historian, Journal, Knowledge, Store, WriteOutcome } from "../../src/ports.ts";
import { openKnowledge, openStore } from "../../src/store/store.ts";
import { nothing, registry as plainRegistry } from "../store/world.ts";

/** 2026-11-23T08:00:00Z */
export const t0 = Date.parse("2026-11-23T08:00:00Z");

export type Reading = {
  readonly thing: string;
  readonly property: string;
  readonly time: number;
  readonly value: number | null;
  readonly quality?: Quality;
  readonly receivedAt?: number;
};

export const quiet = (): Telemetry => createTelemetry({ level: "silent", thread: "test" });

/** A clock on which every wait is over at once, and counts. */
export const hastyClock = (): Clock & { readonly waits: number[] } => {
  let now = t0;
  const waits: number[] = [];
  return {
    waits,
    now: () => now,
    monotonic: () => now,
    async sleep(duration, signal) {
      signal.throwIfAborted();
      waits.push(duration);
      await systemClock.sleep(1, signal);
      now += duration;
    },
  };
};

/** The real store, and a journal that an applier of two lines applies at once. */
export type World = {
  readonly store: Store;
  readonly knowledge: Knowledge;
  readonly journal: Pick<Journal, "append">;
  readonly entries: Entry[];
  conditions(): EntryOf<"condition">[];
  deadLetters(): DeadLetter[];
  /** One commit, with the arrival of the first. */
  add(readings: readonly Reading[], events?: readonly Partial<Event>[]): void;
  register(things: readonly { id: string; street: string }[]): void;
  close(): void;
};

const thingOf = ({ id, street }: { id: string; street: string }) =>
  ({ id, kind: id.split("-")[0], street, grid: `${street}-1` }) as unknown as Thing;

export const openWorld = (things: readonly { id: string; street: string }[]): World => {
  const folder = mkdtempSync(join(tmpdir(), "meizhen-historian-"));
  const options = { path: join(folder, "store.db"), watermark: openWatermark() };
  const store = openStore(options);
  const knowledge = openKnowledge(options);
  const entries: Entry[] = [];
  const datastreams = new Map<string, number>();
  let seq = 0;

  const commit = (changes: Partial<Changes>, at: number) => store.commit({ ...nothing, ...changes }, seq, at);

  const addReadings = (readings: readonly Reading[], events: readonly Partial<Event>[]) => {
    seq += 1;
    const fresh: Changes["datastreams"][number][] = [];
    const observations = readings.map(
      ({ thing, property, time, value, quality = 1, receivedAt = time }): Observation => {
        const key = `${thing}/${property}`;
        let datastream = datastreams.get(key);
        if (datastream === undefined) {
          datastream = datastreams.size + 1;
          datastreams.set(key, datastream);
          fresh.push({ id: datastream, thing: thing as ThingId, property: property as PropertyId });
        }
        return { datastream, time, value, quality, seq, receivedAt };
      },
    );
    const received = readings.map(({ thing, time, receivedAt = time }) => ({
      thing: thing as ThingId,
      hour: hourOf(receivedAt),
      readings: 1,
    }));
    const told = events.map((event, n) => ({ ...event, seq, n }) as Event);
    commit({ datastreams: fresh, observations, received, events: told }, readings[0]?.time ?? t0);
  };

  const world: World = {
    store,
    knowledge,
    entries,
    journal: {
      async append(appended) {
        for (const entry of appended) {
          entries.push(entry);
          seq += 1;
          const event = entry.kind === "delivered" ? [{ ...entry, seq, n: 0 } as Event] : [];
          commit({ events: event }, entry.at);
        }
        return seq;
      },
    },
    conditions: () => entries.filter((entry) => entry.kind === "condition"),
    deadLetters: () => entries.flatMap((entry) => (entry.kind === "delivered" ? entry.dead : [])),
    add: (readings, events = []) => addReadings(readings, events),
    register(listed) {
      const registry = { ...plainRegistry, version: `v${seq}`, things: listed.map(thingOf) } as Registry;
      addReadings([], [{ kind: "registry", at: t0, registry }]);
    },
    close() {
      knowledge.close();
      store.close();
      rmSync(folder, { recursive: true, force: true });
    },
  };
  world.register(things);
  return world;
};

/** Waits for something that the other side does in its own time. */
export const until = async (what: () => boolean | Promise<boolean>): Promise<void> => {
  const deadline = Date.now() + 20_000;
  while (!(await what())) {
    if (Date.now() > deadline) throw new Error(`never came true: ${what}`);
    await new Promise((resolve) => setTimeout(resolve, 10));
  }
};

/** A historian of the tests' own: answers what `answer` says, and keeps what it accepted. */
export const scriptedHistorian = (answer: (lines: readonly string[], attempt: number) => WriteOutcome) => {
  const accepted: string[] = [];
  const attempts: (readonly string[])[] = [];
  const historian: Historian = {
    prepare: async () => null,
    async write(lines) {
      attempts.push(lines);
      const outcome = answer(lines, attempts.length);
      if (outcome.kind === "accepted") accepted.push(...lines);
      return outcome;
    },
  };
  return { historian, accepted, attempts };
};

export type Weather =
  | "clear"
  /** Answers come so many milliseconds late. */
  | { readonly late: number }
  /** The connection is reset after so many bytes of a request. */
  | { readonly resetAfter: number }
  /** Takes everything, answers nothing. */
  | "hole";

/** A TCP proxy on loopback in front of a server, with weather. */
export const openProxy = async (port: number) => {
  let weather: Weather = "clear";
  let connections = 0;
  const open = new Set<Socket>();
  const server = createServer((near) => {
    connections++;
    const far = connect(port, "127.0.0.1");
    let seen = 0;
    open.add(near);
    for (const [socket, other] of [
      [near, far],
      [far, near],
    ] as const) {
      socket.on("error", () => other.destroy());
      socket.on("close", () => other.destroy());
    }
    near.on("data", (bytes) => {
      seen += bytes.length;
      if (weather === "hole") return;
      if (typeof weather === "object" && "resetAfter" in weather && seen > weather.resetAfter) near.resetAndDestroy();
      else far.write(bytes);
    });
    far.on("data", (bytes) => {
      const late = typeof weather === "object" && "late" in weather ? weather.late : 0;
      setTimeout(() => near.write(bytes), late);
    });
    near.on("close", () => open.delete(near));
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  const address = server.address();
  return {
    url: `http://127.0.0.1:${typeof address === "object" ? address?.port : 0}`,
    connections: () => connections,
    set(next: Weather) {
      weather = next;
    },
    close() {
      for (const socket of open) socket.destroy();
      server.close();
    },
  };
};
