import { type AddressInfo, createServer, type Server, type Socket } from "node:net";
import type { Duplex } from "node:stream";
import { createServer as createTlsServer } from "node:tls";
import type { DurationMs } from "../domain/time.ts";
import type { Door } from "./door.ts";
import type { Refusal } from "./refusal.ts";

export type TlsSettings = { readonly port: number; readonly cert: string | Buffer; readonly key: string | Buffer };

type Listening = {
  readonly host: string;
  readonly port: number;
  readonly tls: TlsSettings | null;
  readonly handshakeTimeout: DurationMs;
  readonly door: Door;
  readonly monotonic: () => number;
  readonly onStream: (stream: Duplex, address: string) => void;
  readonly onRefused: (refusal: Refusal, address: string) => void;
  readonly onError: (error: Error) => void;
};

/** A peer whose network is gone is noticed by TCP after about this long and nine probes. */
const probeAfter = 60_000;
/** What a stream may buffer before we read it: the guard holds back more, so little is enough. */
const streamBytes = 16_384;

export type Listeners = {
  /** Resolves with the ports really bound; `mqtts` is null without TLS. */
  start(): Promise<{ readonly mqtt: number; readonly mqtts: number | null }>;
  /** Takes no new connection; those that are open stay. */
  close(): void;
};

/** The TCP listener and, with `tls`, a TLS one (1.2 at least); the door stands before both, and before any handshake. */
export const createListeners = (listening: Listening): Listeners => {
  const { host, port, tls, door } = listening;
  let open = true;

  const accept = (socket: Socket, enter: (socket: Socket, address: string) => void) => {
    const address = socket.remoteAddress;
    // the peer may be gone before we look
    if (address === undefined) return socket.destroy();
    const refusal = open ? door.enter(address, listening.monotonic()) : "stopping";
    if (refusal !== null) {
      listening.onRefused(refusal, address);
      return socket.destroy();
    }
    socket.once("close", () => door.leave(address));
    // a reset while nobody else listens yet must not end the process
    socket.on("error", () => {});
    return enter(socket, address);
  };
  const serve = (enter: (socket: Socket, address: string) => void): Server =>
    createServer(
      { noDelay: true, keepAlive: true, keepAliveInitialDelay: probeAfter, highWaterMark: streamBytes },
      (socket) => accept(socket, enter),
    ).on("error", listening.onError);

  const secure = tls === null ? null : secured(listening, tls);
  const plainServer = serve(listening.onStream);
  const tlsServer = secure && serve((socket) => secure.emit("connection", socket));

  return {
    async start() {
      const mqtt = await listen(plainServer, port, host);
      return { mqtt, mqtts: tlsServer && tls && (await listen(tlsServer, tls.port, host)) };
    },
    close() {
      open = false;
      plainServer.close();
      tlsServer?.close();
    },
  };
};

/** Never listens itself: connections that passed the door are put into it, which `tls.Server` documents. */
const secured = (listening: Listening, { cert, key }: TlsSettings) =>
  createTlsServer({ cert, key, minVersion: "TLSv1.2", handshakeTimeout: listening.handshakeTimeout })
    .on("secureConnection", (socket) => listening.onStream(socket, socket.remoteAddress ?? ""))
    .on("tlsClientError", (_error, socket) => {
      listening.onRefused("tls", socket.remoteAddress ?? "");
      socket.destroy();
    });

const listen = (server: Server, port: number, host: string): Promise<number> =>
  new Promise((resolve, reject) => {
    server.once("error", reject);
    server.listen({ port, host, backlog: 4096 }, () => {
      server.off("error", reject);
      resolve((server.address() as AddressInfo).port);
    });
  });
