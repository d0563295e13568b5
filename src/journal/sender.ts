import type { MessagePort } from "node:worker_threads";
import { type Group, openFrames } from "../codec/entry.ts";
import type { Seq } from "../domain/entry.ts";
import type { Journal } from "../ports.ts";
import { JournalError } from "./error.ts";
import type { FromSender, ToSender } from "./message.ts";

/** A group that has grown to this goes, and the next one begins: it bounds what a reader takes at once. */
const groupBytesMax = 2 ** 20;
/** Groups under way to the journal's thread: one is being committed while the other waits at its door. */
const underWayMax = 2;

export type Sender = Pick<Journal, "append" | "trim"> & {
  /** Bytes of entries that are not acknowledged yet. Bounded by whoever appends: hold the sockets above a limit. */
  pendingBytes(): number;
  /** Takes nothing more; when all is acknowledged or the signal aborts, what is not is rejected. */
  close(signal: AbortSignal): Promise<void>;
};

/** One append: where its last entry stands in its group, and whom to tell. */
type Append = {
  readonly entries: number;
  readonly resolve: (seq: Seq) => void;
  readonly reject: (error: Error) => void;
};
type Batch = { readonly group: Group; readonly appends: readonly Append[] };

type State = {
  readonly port: MessagePort;
  readonly frames: ReturnType<typeof openFrames>;
  forming: Append[];
  /** Batches that are full and wait for their turn. */
  ready: Batch[];
  underWay: Batch[];
  trims: Pick<PromiseWithResolvers<void>, "resolve" | "reject">[];
  scheduled: boolean;
  pendingBytes: number;
  /** Seq of the last acknowledged entry of this sender. */
  last: Seq;
  refusing: boolean;
  closed: boolean;
  onDrained: (() => void)[];
};

/**
 * The appending side of one thread. What is appended in one callback, or while groups are under way, is one group:
 * encoded here, handed over without a copy, acknowledged in the order of the calls [MQTT-4.6.0-2].
 */
export const openSender = (port: MessagePort): Sender => {
  const state: State = {
    ...{ port, frames: openFrames(), forming: [], ready: [], underWay: [], trims: [], scheduled: false },
    ...{ pendingBytes: 0, last: 0, refusing: false, closed: false, onDrained: [] },
  };
  port.on("message", (message: ToSender) => {
    if (message.kind === "durable") acknowledge(state, message.firsts, message.buffers);
    else state.trims.shift()?.resolve();
  });
  return {
    append(entries) {
      if (state.refusing) return Promise.reject(closedError());
      try {
        state.frames.add(entries);
      } catch (cause) {
        return Promise.reject(new JournalError("journal_refused", "an entry cannot be encoded", { cause }));
      }
      return new Promise((resolve, reject) => {
        state.forming.push({ entries: state.frames.entries(), resolve, reject });
        if (state.frames.bytes() >= groupBytesMax) seal(state);
        schedule(state);
      });
    },
    trim: (through) =>
      new Promise((resolve, reject) => {
        if (state.refusing) return reject(closedError());
        state.trims.push({ resolve, reject });
        port.postMessage({ kind: "trim", through } satisfies FromSender);
      }),
    pendingBytes: () => state.pendingBytes + state.frames.bytes(),
    async close(signal) {
      state.refusing = true;
      await drained(state, signal);
      close(state);
    },
  };
};

const closedError = () => new JournalError("journal_closed", "the journal is closed");

const isIdle = ({ forming, ready, underWay }: State): boolean => forming.length + ready.length + underWay.length === 0;

const seal = (state: State): void => {
  if (state.forming.length === 0) return;
  const group = state.frames.take();
  state.pendingBytes += group.bytes;
  state.ready.push({ group, appends: state.forming });
  state.forming = [];
};

/** At the end of this callback: whoever gathers over several sockets (`ingest/intake.ts`) has done so already. */
const schedule = (state: State): void => {
  if (state.scheduled || state.underWay.length >= underWayMax) return;
  state.scheduled = true;
  queueMicrotask(() => flush(state));
};

const flush = (state: State): void => {
  state.scheduled = false;
  if (state.closed) return;
  if (state.ready.length === 0) seal(state);
  while (state.underWay.length < underWayMax && state.ready.length > 0) {
    const batch = state.ready.shift() as Batch;
    state.underWay.push(batch);
    state.port.postMessage({ kind: "group", ...batch.group } satisfies FromSender, [batch.group.buffer]);
  }
};

const acknowledge = (state: State, firsts: readonly Seq[], buffers: readonly ArrayBuffer[]): void => {
  for (const buffer of buffers) state.frames.reuse(buffer);
  for (const first of firsts) {
    const batch = state.underWay.shift();
    if (batch === undefined) break;
    state.pendingBytes -= batch.group.bytes;
    for (const { entries, resolve } of batch.appends) {
      // an append of nothing answers with what came before it
      if (entries > 0) state.last = first + entries - 1;
      resolve(state.last);
    }
  }
  if (!isIdle(state)) {
    schedule(state);
    return;
  }
  for (const resolve of state.onDrained) resolve();
  state.onDrained = [];
};

const drained = async (state: State, signal: AbortSignal): Promise<void> => {
  if (isIdle(state) || signal.aborted) return;
  const { promise, resolve } = Promise.withResolvers<void>();
  state.onDrained.push(resolve);
  signal.addEventListener("abort", () => resolve(), { once: true });
  await promise;
};

const close = (state: State): void => {
  if (state.closed) return;
  state.closed = true;
  const appends = [...state.underWay, ...state.ready].flatMap((batch) => batch.appends);
  for (const { reject } of [...appends, ...state.forming, ...state.trims]) reject(closedError());
  for (const resolve of state.onDrained) resolve();
  state.port.postMessage({ kind: "close" } satisfies FromSender);
  state.port.close();
};
