import type { StreetId } from "../domain/thing.ts";
import type { ChangeId } from "../ports.ts";
import { type Principal, sees } from "./principal.ts";

/** What a client may leave unread before it is cut: it comes back with `Last-Event-ID` and misses nothing. */
const backlogBytesMax = 2 ** 20;
/** Above it a client is given no more of what is new, but what it has missed, at its own pace. */
const backlogBytesSoft = 2 ** 18;

/** One event as it goes over the wire, encoded once for all clients. */
export type Frame = {
  readonly event: string;
  /** null: it has no place in the feed, and moves no client's `Last-Event-ID`. */
  readonly id: ChangeId | null;
  /** Who may see it: accounts of this street; empty: accounts of all streets; null: everybody. */
  readonly street: StreetId | "" | null;
  readonly bytes: Uint8Array;
};

export const encode = (id: ChangeId | null, event: string, data: unknown, street: Frame["street"] = null): Frame => ({
  event,
  id,
  street,
  bytes: Buffer.from(
    `${id === null ? "" : `id: ${changeIdText(id)}\n`}event: ${event}\ndata: ${JSON.stringify(data)}\n\n`,
  ),
});

export const changeIdText = ({ seq, n }: ChangeId): string => `${seq}-${n}`;

/** undefined: no id of ours. */
export const parseChangeId = (text: string): ChangeId | undefined => {
  const [, seq, n] = /^(\d{1,15})-(\d{1,16})$/.exec(text) ?? [];
  return seq === undefined || n === undefined ? undefined : { seq: Number(seq), n: Number(n) };
};

export const isAfter = (one: ChangeId, other: ChangeId): boolean =>
  one.seq > other.seq || (one.seq === other.seq && one.n > other.n);

/** Whether it has to take something first. */
export const isFull = (client: Pick<LiveClient, "backlog">): boolean => client.backlog() > backlogBytesSoft;

/** The part of a response that a stream needs: `http.ServerResponse`. */
export type Outlet = {
  write(bytes: Uint8Array, taken: () => void): boolean;
  end(): unknown;
  destroy(): unknown;
  /** Bytes handed over and not yet taken by the kernel. */
  readonly writableLength: number;
  on(event: "close", listener: () => void): unknown;
};

/** One open stream. Frames collect while changes are read, and go out together. */
export type LiveClient = {
  readonly principal: Principal;
  readonly things: ReadonlySet<string>;
  /** Through where it has been given events; what lies before is never given again. */
  position: ChangeId;
  /** `catching`: it is given what it missed, page by page; observations wait until it is through. */
  state: "catching" | "live" | "gone";
  /** Since when (monotonic) the kernel has taken nothing of what was handed over; null: nothing waits. */
  stuckSince: number | null;
  /** When (monotonic) it last got a beat: the wall clock may be set back, and the stream must not fall silent. */
  beatAt: number;
  /** Pushes what it may see and has not been given. */
  give(frame: Frame): void;
  /** Hands over what was pushed. */
  flush(): void;
  backlog(): number;
  end(): void;
  cut(): void;
};

type ClientOptions = {
  readonly outlet: Outlet;
  readonly principal: Principal;
  readonly things: ReadonlySet<string>;
  readonly position: ChangeId;
  readonly state: "catching" | "live";
  /** The kernel took something of what is catching up. */
  readonly onTaken: () => void;
  readonly onGone: (client: LiveClient) => void;
};

export const createLiveClient = (options: ClientOptions): LiveClient => {
  const { outlet, principal } = options;
  let pushed: Uint8Array[] = [];
  let pushedBytes = 0;
  const gone = (): void => {
    if (client.state === "gone") return;
    client.state = "gone";
    pushed = [];
    options.onGone(client);
  };
  const taken = (): void => {
    client.stuckSince = null;
    if (client.state === "catching") options.onTaken();
  };
  const client: LiveClient = {
    principal,
    things: options.things,
    position: options.position,
    state: options.state,
    stuckSince: null,
    beatAt: 0,
    give({ event, id, street, bytes }) {
      if (client.state === "gone") return;
      if (id !== null) {
        // the observations of one commit share its id; every other event has one of its own
        const given = event === "observation" ? isAfter(client.position, id) : !isAfter(id, client.position);
        if (given) return;
        client.position = id;
      }
      if (street !== null && !sees(principal, street)) return;
      pushed.push(bytes);
      pushedBytes += bytes.length;
      if (client.backlog() > backlogBytesMax) client.cut();
      else if (client.state === "live" && isFull(client)) client.state = "catching";
    },
    flush() {
      if (pushed.length === 0 || client.state === "gone") return;
      const bytes = pushed.length === 1 ? (pushed[0] as Uint8Array) : Buffer.concat(pushed);
      pushed = [];
      pushedBytes = 0;
      outlet.write(bytes, taken);
    },
    backlog: () => pushedBytes + outlet.writableLength,
    end() {
      client.flush();
      if (client.state !== "gone") outlet.end();
      gone();
    },
    cut() {
      outlet.destroy();
      gone();
    },
  };
  outlet.on("close", gone);
  return client;
};
