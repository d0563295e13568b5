import { setImmediate as breathe } from "node:timers/promises";
import type { Change, ChangeId, Clock, Knowledge } from "../ports.ts";
import { afterSeq, type Directory } from "./directory.ts";
import { type Frame, isAfter, isFull, type LiveClient } from "./live-client.ts";
import { createFrames } from "./live-frame.ts";
import type { Needles } from "./needle.ts";

/** Changes read at one time, though a commit is never cut; after each page everything else gets its turn. */
const pageMax = 64;

/** The single events that a stream consists of; observations are read beside them while somebody watches a thing. */
export const liveKinds = ["alarm", "presence"] as const satisfies readonly Change["kind"][];
const kindsAndObservations = [...liveKinds, "observations"] as const satisfies readonly Change["kind"][];

/** The one that reads the feed of changes, for all clients. */
export type LiveReader = {
  /** Everything up to here has been given to the clients that are live. */
  place(): ChangeId;
  /** Reads what there is, or waits for the next commit. */
  turn(signal: AbortSignal): Promise<void>;
  /** Ends the waiting: a client has come, or can take more of what it missed. */
  wake(): void;
};

type Ports = {
  readonly knowledge: Knowledge;
  readonly clock: Clock;
  readonly directory: Directory;
  readonly needles: Needles;
  readonly clients: ReadonlySet<LiveClient>;
};

export const createLiveReader = ({ knowledge, clock, directory, needles, clients }: Ports): LiveReader => {
  const frames = createFrames(knowledge, directory);
  let place: ChangeId = afterSeq(knowledge.cursor());
  let wake: () => void = () => {};

  /** One page of what is new, to everybody who is live; answers whether there may be more. */
  const spread = (): boolean => {
    const through = knowledge.cursor();
    const changes = knowledge.changesAfter(place, pageMax, needles.watched() ? kindsAndObservations : liveKinds);
    const live = [...clients].filter(({ state }) => state === "live");
    if (live.length > 0) give(frames(changes), live);
    for (const change of changes) {
      if (change.kind === "observations") needles.take(change, clock.monotonic());
      place = { seq: change.seq, n: change.n };
    }
    const more = changes.length >= pageMax;
    if (!more && isAfter(afterSeq(through), place)) place = afterSeq(through);
    for (const client of clients) client.flush();
    return more;
  };
  /** One page of what a client has missed; answers whether there is more that it could take now. */
  const catchUp = (client: LiveClient): boolean => {
    if (isFull(client)) return false;
    const missed = knowledge.changesAfter(client.position, pageMax, liveKinds);
    for (const frame of frames(missed)) {
      client.give(frame);
      // the rest of a large commit is read again when it has taken this much
      if (isFull(client)) return flushed(client);
    }
    const last = missed.at(-1);
    if (last !== undefined && isAfter(last, client.position)) client.position = { seq: last.seq, n: last.n };
    if (missed.length < pageMax && client.state === "catching") {
      client.state = "live";
      for (const frame of needles.snapshot(client)) client.give(frame);
    }
    return flushed(client);
  };
  return {
    place: () => place,
    wake: () => wake(),
    async turn(signal) {
      const before = knowledge.cursor();
      const woken = Promise.withResolvers<void>();
      wake = woken.resolve;
      let more = spread();
      for (const client of clients) if (client.state === "catching") more = catchUp(client) || more;
      if (more) return await breathe();
      await pastOr(knowledge, before, woken.promise, signal);
    },
  };
};

/** A client that becomes full on the way is left where it is: `catchUp` goes on from there. */
const give = (frames: readonly Frame[], live: readonly LiveClient[]): void => {
  for (const frame of frames) for (const client of live) if (client.state === "live") client.give(frame);
};

/** Hands over what was pushed; answers whether the client could take more at once. */
const flushed = (client: LiveClient): boolean => {
  client.flush();
  return client.state === "catching" && !isFull(client);
};

/** Until the cursor is past `after`, or somebody wakes us. */
const pastOr = async (
  knowledge: Knowledge,
  after: number,
  woken: Promise<void>,
  signal: AbortSignal,
): Promise<void> => {
  const done = new AbortController();
  const waiting = knowledge.waitPast(after, AbortSignal.any([signal, done.signal]));
  try {
    await Promise.race([waiting, woken]);
  } finally {
    done.abort();
    await waiting.catch(() => {});
  }
};
