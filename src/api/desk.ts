import type { DurationMs } from "../domain/time.ts";
import type { Telemetry } from "../platform/telemetry.ts";
import type { Clock, Journal, Knowledge } from "../ports.ts";
import type { Commands } from "./command.ts";
import type { Directory } from "./directory.ts";
import type { Feed } from "./feed.ts";
import type { Guard } from "./guard.ts";
import type { Lockout } from "./lockout.ts";
import type { SessionBook } from "./session-book.ts";

/** What the service suffers from now. `ready` is false while nothing can be journaled. */
export type Health = {
  readonly ready: boolean;
  readonly causes: readonly { readonly code: string; readonly detail: string; readonly since?: number }[];
};

export type ServerSettings = {
  readonly host: string;
  /** 0: any free one. */
  readonly port: number;
  /** PEM. */
  readonly tls: { readonly cert: string | Buffer; readonly key: string | Buffer } | null;
  /** What browsers call us when a proxy stands between. */
  readonly publicUrl: string | null;
  /** Addresses and networks whose `X-Forwarded-*` count. */
  readonly trustedProxies: readonly string[];
  /** Of one address; default 6,000. */
  readonly requestsPerMinute?: number;
  /** Within what a request must arrive; default 10 s for its headers, 15 s for all of it, looked at every 5 s. */
  readonly arrival?: {
    readonly headersTimeout: DurationMs;
    readonly requestTimeout: DurationMs;
    readonly connectionsCheckingInterval: DurationMs;
  };
  /** Live streams in all, and of one account; default 200 and 5 (RELIABILITY T19). */
  readonly liveMax?: number;
  readonly livePerUserMax?: number;
  /** A live stream that takes nothing for so long is cut; default 8 s. */
  readonly liveStuckAfter?: DurationMs;
};

export type ServerOptions = {
  readonly knowledge: Knowledge;
  readonly journal: Pick<Journal, "append" | "read">;
  readonly clock: Clock;
  readonly telemetry: Telemetry;
  readonly settings: ServerSettings;
  readonly randomBytes: (length: number) => Uint8Array;
  readonly health: () => Health;
  /** Of every thread, each as `prom-client`'s getMetricsAsJSON gives them. */
  readonly metrics: () => Promise<unknown[][]>;
  /** The built console; null or a folder without `index.html`: a page that says so. */
  readonly consoleFolder: string | null;
};

/** What the routes work with. */
export type Desk = ServerOptions & {
  readonly directory: Directory;
  readonly sessions: SessionBook;
  readonly lockout: Lockout;
  readonly guard: Guard;
  readonly commands: Commands;
  readonly feed: Feed;
};
