import type { MessagePort } from "node:worker_threads";
import type { Seq } from "../domain/entry.ts";
import { minute } from "../domain/time.ts";
import { openWatermark } from "../platform/watermark.ts";
import type { Clock } from "../ports.ts";
import { faultOf, JournalError } from "./error.ts";
import type { BlockedReason, FromSender, FromWriter, ToSender, ToWriter, WriterData } from "./message.ts";
import type { Storage } from "./storage.ts";

// The journal's thread. Groups wait in one queue for each sender; a turn takes what waits in all of them, commits it in
// one transaction, vouches for it outside the database, moves the head, and answers each sender in the order in which
// it sent. A group stays at the front of its queue until then: a failed turn is tried again with the same groups, and
// nothing that could not be written is answered.
//
// Delivery guarantee: an answered group is on stable storage. A group that was not answered may be there all the same
// (the process died between the commit and the answer); whoever sends it again is told from its content.

type Waiting = Extract<FromSender, { kind: "group" }>;
type Sender = { readonly port: MessagePort; groups: Waiting[]; trims: Seq[] };

/** One transaction takes no more than this, beyond its first group. */
const turnBytesMax = 8 * 2 ** 20;
/** First and longest pause before a failed turn is tried again, in milliseconds. */
const pauseMs = { first: 50, longest: 1_000 };
/** Figures go to the owner at most this often, in milliseconds. */
const figuresEveryMs = 200;

type Writer = {
  readonly storage: Storage;
  readonly senders: Set<Sender>;
  readonly clock: Clock;
  readonly post: (message: FromWriter) => void;
  readonly data: WriterData;
  /** Groups of the turn that is under way, with their firsts once committed. */
  turn: {
    readonly taken: readonly { sender: Sender; groups: readonly Waiting[] }[];
    firsts: readonly Seq[] | null;
  } | null;
  blocked: BlockedReason | null;
  pause: number;
  commits: number[];
  entries: number;
  figuresAt: number;
  closing: boolean;
  dead: boolean;
};

type Options = {
  readonly port: MessagePort;
  readonly data: WriterData;
  readonly clock: Clock;
  /** Opens the folder; the place where a test puts a disk that fails. */
  readonly open: (directory: string, clock: Clock, above: Seq) => Storage;
};

/** The body of the journal's thread. */
export const runWriter = ({ port, data, clock, open }: Options): void => {
  const post = (message: FromWriter) => port.postMessage(message);
  let storage: Storage;
  try {
    storage = open(data.directory, clock, data.above);
  } catch (error) {
    const code = error instanceof JournalError ? error.code : "journal_refused";
    post({ kind: "refused", code, message: error instanceof Error ? error.message : String(error) });
    port.close();
    return;
  }
  const writer: Writer = {
    ...{ storage, clock, post, data, senders: new Set(), turn: null, blocked: null, pause: 0 },
    ...{ commits: [], entries: 0, figuresAt: 0, closing: false, dead: false },
  };
  openWatermark(data.floor).advance(storage.recovery.oldest - 1);
  openWatermark(data.head).advance(storage.recovery.head);
  const run = runner(writer, port);
  port.on("message", (message: ToWriter) => {
    if (message.kind === "sender") join(writer, message.port, run);
    else writer.closing = true;
    if (writer.closing && writer.dead) leave(writer, port);
    run.soon();
  });
  post({ kind: "ready", recovery: storage.recovery });
};

type Runner = { soon(): void };

const join = (writer: Writer, port: MessagePort, run: Runner): void => {
  const sender: Sender = { port, groups: [], trims: [] };
  writer.senders.add(sender);
  port.on("message", (message: FromSender) => {
    if (message.kind === "group") sender.groups.push(message);
    else if (message.kind === "trim") sender.trims.push(message.through);
    else port.close();
    run.soon();
  });
  port.on("close", () => writer.senders.delete(sender));
};

/** One turn after the other while there is work, each in a check phase: what arrived meanwhile belongs to the next. */
const runner = (writer: Writer, port: MessagePort): Runner => {
  let scheduled = false;
  const head = openWatermark(writer.data.head);
  const soon = () => {
    if (scheduled || writer.dead) return;
    scheduled = true;
    setImmediate(run);
  };
  const run = () => {
    scheduled = false;
    try {
      const more = work(writer, head);
      writer.pause = 0;
      if (more) soon();
      else if (writer.closing) close(writer, port);
    } catch (error) {
      scheduled = failed(writer, error, () => {
        scheduled = false;
        soon();
      });
      if (writer.closing && !writer.dead) close(writer, port);
    }
  };
  return { soon };
};

/** Answers whether there is more to do at once. Throws what the disk or SQLite threw; then nothing was answered. */
const work = (writer: Writer, head: ReturnType<typeof openWatermark>): boolean => {
  const { storage } = writer;
  const full = take(writer);
  if (writer.turn !== null) commit(writer, head);
  const trimming = trim(writer);
  storage.tend();
  if (full) block(writer, "journal_full", `the journal has reached its bound of ${writer.data.bytesMax} bytes`);
  else resume(writer);
  report(writer);
  return trimming || (!full && [...writer.senders].some((sender) => sender.groups.length > 0));
};

/** Begins a turn, unless one is to be tried again, with what waits and has room; answers whether something has none. */
const take = (writer: Writer): boolean => {
  if (writer.turn !== null) return false;
  let bytes = 0;
  let full = false;
  const used = writer.storage.bytesUsed();
  const taken = [];
  for (const sender of writer.senders) {
    let count = 0;
    for (const group of sender.groups) {
      full ||= !hasRoom(writer, used + bytes, group);
      if (!hasRoom(writer, used + bytes, group) || (bytes > 0 && bytes + group.bytes > turnBytesMax)) break;
      bytes += group.bytes;
      count += 1;
    }
    if (count > 0) taken.push({ sender, groups: sender.groups.slice(0, count) });
  }
  if (taken.length > 0) writer.turn = { taken, firsts: null };
  return full;
};

/**
 * Whether a group may still come in. What is no message (ticks, commands, the condition that says "journal full") may
 * use a little more than the bound, so that the house can still say and be told what is the matter. An empty journal
 * takes any group: no trim would ever make more room for it.
 */
const hasRoom = ({ data: { bytesMax }, storage }: Writer, used: number, group: Waiting): boolean =>
  used + group.bytes <= bytesMax + (group.messages ? 0 : Math.min(bytesMax / 16, 64 * 2 ** 20)) || storage.isEmpty();

const commit = (writer: Writer, head: ReturnType<typeof openWatermark>): void => {
  const { storage, turn, clock } = writer;
  if (turn === null) return;
  const pulse = new Int32Array(writer.data.pulse);
  const begun = clock.monotonic();
  Atomics.add(pulse, 0, 1);
  try {
    turn.firsts ??= storage.commit(
      turn.taken.flatMap(({ groups }) =>
        groups.map(({ buffer, bytes, entries }) => ({ bytes: new Uint8Array(buffer, 0, bytes), entries })),
      ),
    );
    storage.vouch();
  } finally {
    Atomics.add(pulse, 1, 1);
  }
  writer.commits.push((clock.monotonic() - begun) / 1_000);
  head.advance(storage.head());
  writer.turn = null;
  answer(writer, turn.taken, turn.firsts);
};

const answer = (writer: Writer, taken: NonNullable<Writer["turn"]>["taken"], firsts: readonly Seq[]): void => {
  let place = 0;
  for (const { sender, groups } of taken) {
    sender.groups.splice(0, groups.length);
    for (const group of groups) writer.entries += group.entries;
    const buffers = groups.map(({ buffer }) => buffer);
    const message: ToSender = { kind: "durable", firsts: firsts.slice(place, place + groups.length), buffers };
    sender.port.postMessage(message, buffers);
    place += groups.length;
  }
};

/** One slice of the oldest trim; answers whether there is more. */
const trim = (writer: Writer): boolean => {
  const sender = [...writer.senders].find(({ trims }) => trims.length > 0);
  const wanted = sender?.trims[0];
  if (sender === undefined || wanted === undefined) return false;
  const through = writer.storage.allowTrim(wanted);
  openWatermark(writer.data.floor).advance(through);
  if (!writer.storage.trimSlice(through)) return true;
  sender.trims.shift();
  sender.port.postMessage({ kind: "trimmed" } satisfies ToSender);
  return [...writer.senders].some(({ trims, groups }) => trims.length > 0 || groups.length > 0);
};

const block = (writer: Writer, reason: BlockedReason, detail: string): void => {
  if (writer.blocked === reason) return;
  writer.blocked = reason;
  writer.post({ kind: "blocked", reason, detail });
};

const resume = (writer: Writer): void => {
  if (writer.blocked === null) return;
  writer.blocked = null;
  writer.post({ kind: "resumed" });
};

/** True: `again` will be called after a pause. */
const failed = (writer: Writer, error: unknown, again: () => void): boolean => {
  const { kind, reason, detail } = faultOf(error);
  if (kind === "retry") {
    block(writer, reason, detail);
    writer.pause = Math.min(Math.max(writer.pause * 2, pauseMs.first), pauseMs.longest);
    void writer.clock.sleep(writer.pause, never).then(again);
    return true;
  }
  if (kind === "corrupt") leaveWord(writer.storage);
  writer.dead = true;
  writer.post({ kind: "fatal", message: detail });
  return false;
};

const never = new AbortController().signal;

const leaveWord = (storage: Storage): void => {
  try {
    storage.suspect();
  } catch {
    // the next start meets the damage again and dies of it again: nothing is lost, nothing is acknowledged
  }
};

/** A clock that was put back by more than this is told. */
const behindTold = minute;

const report = (writer: Writer): void => {
  const now = writer.clock.monotonic();
  if (writer.commits.length === 0 || now - writer.figuresAt < figuresEveryMs) return;
  const behind = writer.storage.behind();
  const figures = { commits: writer.commits, entries: writer.entries, bytesUsed: writer.storage.bytesUsed() };
  writer.post({ kind: "figures", figures: { ...figures, behind: behind >= behindTold ? behind : 0 } });
  Object.assign(writer, { commits: [], entries: 0, figuresAt: now });
};

const close = (writer: Writer, port: MessagePort): void => {
  writer.dead = true;
  try {
    writer.storage.close();
  } catch {
    // what was answered is on disk already; the checkpoint of closing is a courtesy to the next start
  }
  leave(writer, port);
};

/** What still waits was never answered, and is not. */
const leave = (writer: Writer, port: MessagePort): void => {
  for (const sender of writer.senders) sender.port.close();
  writer.post({ kind: "closed" });
  port.close();
};
