import { type DurationMs, day, second } from "../domain/time.ts";
import type { ChangeId, Clock } from "../ports.ts";
import type { Health, ServerOptions } from "./desk.ts";
import { afterSeq, type Directory } from "./directory.ts";
import { healthJson } from "./house.ts";
import {
  createLiveClient,
  encode,
  type Frame,
  isAfter,
  type LiveClient,
  type Outlet,
  parseChangeId,
} from "./live-client.ts";
import { createLiveMinder } from "./live-minder.ts";
import { createLiveReader, liveKinds } from "./live-reader.ts";
import { createNeedles, needleInterval } from "./needle.ts";
import type { Principal } from "./principal.ts";
import { Problem } from "./problem.ts";
import type { SessionBook } from "./session-book.ts";

/** How far back a client may resume. */
const resumeMax: DurationMs = day;
const liveMaxDefault = 200;
const livePerUserMaxDefault = 5;
/** After a fault of the store the feed goes on where it was. */
const restartAfter: DurationMs = second;

/**
 * The live view. One loop reads the feed of changes for all clients: it wakes with each commit, encodes an event once
 * and gives it to everybody who may see it. A client that comes back with an id, or takes its bytes too slowly, is
 * `catching`: the same loop reads for it, page by page and only while it takes them, what lies between its place and
 * the present; then it is live again. So nobody waits for anybody, memory is bounded by `backlogBytesMax` a client,
 * and between any two ids that a client was given lies no event that it was not given.
 *
 * Delivery guarantee: every `alarm` and `presence` exactly once and in order, within a connection and over reconnects
 * with `Last-Event-ID` within 24 h; else one `reset`. Of observations the newest.
 */
export type Feed = {
  /** Runs until the signal. */
  run(signal: AbortSignal): Promise<void>;
  /** @throws Problem live_full, live_per_user, before `open` is called */
  join(principal: Principal, things: ReadonlySet<string>, lastEventId: string | null, open: () => Outlet): void;
};

type Ports = Pick<ServerOptions, "knowledge" | "clock" | "telemetry" | "health" | "settings"> & {
  readonly directory: Directory;
  readonly sessions: SessionBook;
};

export const createFeed = (ports: Ports): Feed => {
  const { knowledge, clock, telemetry, directory, health } = ports;
  const clients = new Set<LiveClient>();
  const needles = createNeedles(knowledge, directory);
  const reader = createLiveReader({ knowledge, clock, directory, needles, clients });
  const mind = createLiveMinder({ ...ports, clients, place: reader.place });
  const started = { place: reader.place(), at: clock.now() };

  const release = async (signal: AbortSignal): Promise<void> => {
    await clock.sleep(needleInterval / 2, signal);
    if (!needles.waiting()) return;
    needles.release(reader.place(), clock.monotonic());
    for (const client of clients) client.flush();
  };
  const onGone = (client: LiveClient): void => {
    clients.delete(client);
    needles.unwatch(client);
    telemetry.liveClients({ value: clients.size });
  };
  return {
    async run(signal) {
      await Promise.all([reader.turn, release, mind].map((loop) => repeat(loop, ports, signal)));
      for (const client of [...clients]) client.end();
    },
    join(principal, things, lastEventId, open) {
      refuseTooMany(clients, principal, ports.settings);
      const resumed = lastEventId === null ? null : resumption(lastEventId, ports, started);
      const client = createLiveClient({
        outlet: open(),
        principal,
        things,
        position: resumed ?? reader.place(),
        state: resumed === null ? "live" : "catching",
        onTaken: reader.wake,
        onGone,
      });
      clients.add(client);
      needles.watch(client);
      telemetry.liveClients({ value: clients.size });
      client.beatAt = clock.monotonic();
      for (const frame of greeting(lastEventId !== null && resumed === null, client.position, health()))
        client.give(frame);
      client.flush();
      reader.wake();
    },
  };
};

/** Over and over until the signal; a fault of the store does not end it. */
const repeat = async (
  loop: (signal: AbortSignal) => Promise<void>,
  { clock, telemetry }: { readonly clock: Clock; readonly telemetry: Ports["telemetry"] },
  signal: AbortSignal,
): Promise<void> => {
  while (!signal.aborted) {
    try {
      await loop(signal);
    } catch (error) {
      if (signal.aborted) return;
      telemetry.roomFailed({ room: "live", error: String(error) });
      await clock.sleep(restartAfter, signal).catch(() => {});
    }
  }
};

const refuseTooMany = (
  clients: ReadonlySet<LiveClient>,
  { username }: Principal,
  { liveMax = liveMaxDefault, livePerUserMax = livePerUserMaxDefault }: Ports["settings"],
): void => {
  if (clients.size >= liveMax) throw new Problem("live_full", undefined, { retryAfter: 30 });
  const own = [...clients].filter(({ principal }) => principal.username === username).length;
  if (own >= livePerUserMax) throw new Problem("live_per_user", undefined, { retryAfter: 30 });
};

/**
 * Where a client that comes back goes on; null: what lies between is not all kept, so it must begin anew. An id is
 * old when the next event after it is, or when the feed has forgotten what came next.
 */
const resumption = (
  lastEventId: string,
  { knowledge, clock }: Ports,
  started: { readonly place: ChangeId; readonly at: number },
): ChangeId | null => {
  const id = parseChangeId(lastEventId);
  const now = clock.now();
  if (id === undefined || isAfter(id, afterSeq(knowledge.cursor()))) return null;
  const next = knowledge.changesAfter(id, 1, liveKinds)[0];
  if (next !== undefined && next.kind !== "observations" && next.at < now - resumeMax) return null;
  // nothing after the start of a process so young can have been forgotten
  if (!isAfter(started.place, id) && now - started.at < resumeMax) return id;
  const oldest = knowledge.oldestChange();
  return oldest === null || isAfter(oldest, id) ? null : id;
};

/** What a stream begins with: its place, so that even one that ends before its first event resumes without a gap. */
const greeting = (reset: boolean, place: ChangeId, health: Health): readonly Frame[] => [
  { event: "", id: null, street: null, bytes: Buffer.from(`retry: 2000\nid: ${place.seq}-${place.n}\n\n`) },
  ...(reset ? [{ ...encode(place, "reset", { reason: "what lies between is no longer kept" }), id: null }] : []),
  encode(null, "health", healthJson(health)),
];
