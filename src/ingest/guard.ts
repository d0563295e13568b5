import type { Duplex } from "node:stream";
import type { DurationMs } from "../domain/time.ts";
import { type Place, withoutPings } from "./frames.ts";
import type { Refusal } from "./refusal.ts";

// aedes bounds neither a frame (256 MB, before anybody has signed in) nor the work in flight (20,000 publishes of one
// client while a hook waits), and a CONNECT that has been parsed may wait for ever. The guard stands between the socket
// and aedes and bounds all three. It replaces `read()` of the one stream, which aedes calls for its bytes, and looks
// at nothing but the fixed header of each frame (MQTT 3.1.1 section 2.2):
//
//   socket ─► stream buffer ─► guard: walk the frames, cut before the first that may not pass yet ─► aedes' parser
//                    └──────────────── unshift what was cut off; TCP holds back the rest
//
// aedes asks again whenever a packet is done with, so a client at its bound needs no waking; only a client over its
// rate does. While nothing can be journaled nothing is done with, and aedes would read no PINGREQ: then `check` reads
// ahead, within a bound, and answers pings itself, so that a full disk does not cost the connections as well.

export type GuardSettings = {
  /** Of the remaining length, bounds included; before CONNECT is accepted, after it, and of frames other than PUBLISH. */
  readonly frameBytesBefore: number;
  readonly frameBytes: number;
  readonly controlBytes: number;
  /** PUBLISH frames of one client that wait for their answer. */
  readonly inFlight: number;
  /** Frames per second that a client may keep up, and how many it may send at once. */
  readonly rate: number;
  readonly burst: number;
  readonly connectTimeout: DurationMs;
  readonly authenticateTimeout: DurationMs;
  /** Without an answer for this long, pings are answered here. */
  readonly stallAfter: DurationMs;
};

/** What all clients together may hold: bytes of messages waiting for the journal, and of frames begun and not ended. */
export type Budget = {
  pendingBytes: number;
  partialBytes: number;
  readonly pendingBytesMax: number;
  readonly partialBytesMax: number;
};

type Guarded = {
  readonly settings: GuardSettings;
  readonly budget: Budget;
  /** Milliseconds that never go back. */
  readonly monotonic: () => number;
  /** Called once, before the stream is destroyed. */
  readonly onRefused: (refusal: Refusal) => void;
  readonly onPaused: () => void;
};

const connectHeader = 0x10;
const publishType = 3;
const pingresp = Buffer.from([0xd0, 0]);
/** Read ahead of a stalled client at most; one more chunk of the socket may come on top. */
const aheadBytesMax = 32_768;

export class Guard {
  readonly #stream: Duplex;
  readonly #read: () => Buffer | null;
  readonly #with: Guarded;
  readonly #place: Place = { type: 0, header: 0, length: 0, need: 0 };
  #phase: "connecting" | "authenticating" | "open" | "closed" = "connecting";
  #phaseSince: number;
  #partial = 0;
  #inFlight = 0;
  #tokens: number;
  #tokensAt: number;
  #waking: NodeJS.Timeout | null = null;
  #seenAt: number;
  #settledAt: number;
  /** Whether anything was settled since the last check: cheaper than the time of each. */
  #progress = false;
  #silenceMax = Number.POSITIVE_INFINITY;

  /** Stands before `stream` from now on; aedes gets the stream afterwards. */
  constructor(stream: Duplex, guarded: Guarded) {
    const now = guarded.monotonic();
    const read = stream.read.bind(stream);
    this.#stream = stream;
    this.#with = guarded;
    this.#read = () => read() as Buffer | null;
    this.#phaseSince = now;
    this.#seenAt = now;
    this.#settledAt = now;
    this.#tokens = guarded.settings.burst;
    this.#tokensAt = now;
    // Node itself calls read(0) to fill the stream's buffer: that one goes through
    stream.read = (size?: number) => (size === 0 ? read(0) : this.#take());
    stream.once("close", () => this.#leave());
  }

  get inFlight(): number {
    return this.#inFlight;
  }

  /** CONNECT was accepted: larger frames, and silence of one and a half times `keepalive` closes [MQTT-3.1.2-24]. */
  admit(keepalive: DurationMs): void {
    this.#enter("open");
    this.#silenceMax = keepalive * 1.5;
  }

  /** One PUBLISH has its answer. */
  settle(): void {
    if (this.#inFlight > 0) this.#inFlight--;
    this.#progress = true;
  }

  /** Closes the stream and says why. */
  refuse(refusal: Refusal): void {
    if (this.#phase === "closed") return;
    this.#leave();
    this.#with.onRefused(refusal);
    this.#stream.destroy();
  }

  /** Takes no byte more; what is in flight is still answered. */
  deafen(): void {
    if (this.#phase === "closed") return;
    this.#stream.read = () => null;
    this.#wakeNoMore();
    this.#silenceMax = Number.POSITIVE_INFINITY;
  }

  /** Deadlines and stalls; called about once a second. */
  check(now: number): void {
    const { connectTimeout, authenticateTimeout } = this.#with.settings;
    const since = now - this.#phaseSince;
    if (this.#phase === "connecting" && since > connectTimeout) this.refuse("connect_timeout");
    else if (this.#phase === "authenticating" && since > authenticateTimeout) this.refuse("authenticate_timeout");
    else if (this.#phase === "open") this.#checkOpen(now);
  }

  #checkOpen(now: number): void {
    if (this.#progress || this.#inFlight === 0) this.#settledAt = now;
    this.#progress = false;
    if (now - this.#settledAt > this.#with.settings.stallAfter) this.#answerPings(now);
    // what we have not read yet is no silence of the client's; a peer that is gone meanwhile is TCP's to notice
    if (this.#stream.readableLength > 0) this.#seenAt = now;
    if (now - this.#seenAt > this.#silenceMax) this.refuse("keepalive");
  }

  #enter(phase: "authenticating" | "open"): void {
    if (this.#phase === "closed") return;
    this.#phase = phase;
    this.#phaseSince = this.#with.monotonic();
  }

  #leave(): void {
    this.#phase = "closed";
    this.#with.budget.partialBytes -= this.#partial;
    this.#partial = 0;
    this.#wakeNoMore();
  }

  #wakeNoMore(): void {
    if (this.#waking !== null) clearTimeout(this.#waking);
    this.#waking = null;
  }

  /** What aedes gets instead of `read()`: whole frames, and the part of a frame that is there. */
  #take(): Buffer | null {
    if (this.#phase === "closed" || this.#phase === "authenticating") return null;
    const now = this.#with.monotonic();
    const room = this.#room(now);
    // a frame that has begun may always end: its bytes are in memory already
    if (!this.#begun()) {
      if (this.#tokens < 1) this.#wakeLater();
      if (room === 0 || this.#tokens < 1) return null;
    }
    const chunk = this.#read();
    if (chunk === null) return null;
    this.#seenAt = now;
    const end = this.#pass(chunk, room);
    if (end < 0) return null;
    this.#countPartial();
    if (end === chunk.length) return chunk;
    this.#stream.unshift(chunk.subarray(end));
    return end === 0 ? null : chunk.subarray(0, end);
  }

  /** How many PUBLISH frames may begin now. */
  #room(now: number): number {
    const { settings, budget } = this.#with;
    this.#tokens = Math.min(settings.burst, this.#tokens + ((now - this.#tokensAt) * settings.rate) / 1000);
    this.#tokensAt = now;
    const taken = this.#inFlight + (this.#begun() && this.#place.type === publishType ? 1 : 0);
    // nobody is woken when the budget has room again, so who has nothing in flight may always have one
    if (budget.pendingBytes >= budget.pendingBytesMax) return taken === 0 ? 1 : 0;
    return Math.max(0, settings.inFlight - taken);
  }

  /** Whether the last bytes that passed were not the end of a frame. */
  #begun(): boolean {
    return this.#place.need > 0 || this.#place.header > 0;
  }

  /** Walks over the chunk; answers where it must be cut, or -1 when the connection is refused. */
  #pass(chunk: Buffer, roomThen: number): number {
    const place = this.#place;
    let room = roomThen;
    let at = 0;
    while (at < chunk.length) {
      if (place.need > 0) {
        at += this.#body(chunk.length - at);
        continue;
      }
      const byte = chunk[at] as number;
      if (place.header === 0) {
        const publish = byte >> 4 === publishType;
        if (this.#tokens < 1 || (publish && room === 0) || this.#phase === "authenticating") return at;
        if (this.#phase === "connecting" && byte !== connectHeader) return this.#fault("frame_first");
        this.#tokens--;
        if (publish) room--;
        place.type = byte >> 4;
        place.length = 0;
        place.header = 1;
        at++;
        continue;
      }
      at++;
      place.length += (byte & 0x7f) * 128 ** (place.header - 1);
      if (place.length > this.#lengthMax()) return this.#fault("frame_too_large");
      // a remaining length has at most four bytes [MQTT-2.2.3]
      if (byte > 0x7f && place.header === 4) return this.#fault("frame_length");
      place.header = byte > 0x7f ? place.header + 1 : 0;
      place.need = byte > 0x7f ? 0 : place.length;
      if (place.header === 0 && place.need === 0) this.#ended();
    }
    return at;
  }

  #body(available: number): number {
    const step = Math.min(this.#place.need, available);
    this.#place.need -= step;
    if (this.#place.need === 0) this.#ended();
    return step;
  }

  /** A frame is complete: a PUBLISH waits for its answer, and after CONNECT nothing passes until it is answered. */
  #ended(): void {
    if (this.#place.type === publishType) this.#inFlight++;
    else if (this.#phase === "connecting") this.#enter("authenticating");
  }

  #lengthMax(): number {
    const { settings } = this.#with;
    if (this.#phase !== "open") return settings.frameBytesBefore;
    return this.#place.type === publishType ? settings.frameBytes : settings.controlBytes;
  }

  #fault(refusal: Refusal): -1 {
    this.refuse(refusal);
    return -1;
  }

  /** aedes' parser keeps the begun frame until its end comes: all those together are bounded. */
  #countPartial(): void {
    const { budget } = this.#with;
    const partial = this.#place.need > 0 ? this.#place.length - this.#place.need : 0;
    budget.partialBytes += partial - this.#partial;
    this.#partial = partial;
    if (partial > 0 && budget.partialBytes > budget.partialBytesMax) this.refuse("frame_memory");
  }

  /** Over its rate: the socket is left unread until a tenth of a second's worth may pass. */
  #wakeLater(): void {
    if (this.#waking !== null) return;
    this.#with.onPaused();
    this.#waking = setTimeout(() => {
      this.#waking = null;
      this.#stream.emit("readable");
    }, 100);
  }

  /** Reads ahead, and answers the complete PINGREQ frames in what is there; they are taken out of it. */
  #answerPings(now: number): void {
    if (this.#stream.readableLength >= aheadBytesMax) return;
    const ahead = this.#read();
    if (ahead === null) return;
    this.#seenAt = now;
    const { rest, pings } = withoutPings(ahead, this.#place);
    if (rest.length > 0) this.#stream.unshift(rest);
    for (let ping = 0; ping < pings; ping++) this.#stream.write(pingresp);
  }
}
