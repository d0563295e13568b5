import type { DurationMs } from "../domain/time.ts";
import type { InfluxVersion } from "../historian/dialect.ts";
import type { JournalHandle } from "../journal/joined.ts";
import type { LogLevel } from "../platform/telemetry.ts";

/** What every thread is started with. */
type Common = {
  readonly logLevel: LogLevel | "silent";
  readonly journal: JournalHandle;
  readonly storePath: string;
  /** The store's cursor. */
  readonly cursor: SharedArrayBuffer;
};

export type ApplyData = Common & {
  readonly journalKeep: DurationMs;
  readonly storeBytesMax: number;
  /** Whether time passes; not while a command changes accounts in a house without doors. */
  readonly ticking: boolean;
};

export type DeliverData = Common & {
  readonly influx: {
    readonly url: string;
    readonly token: string | null;
    readonly org: string | null;
    readonly bucket: string;
    readonly version: InfluxVersion | null;
  };
};

export type DeskData = Common & {
  readonly host: string;
  readonly port: number;
  readonly tls: { readonly cert: string; readonly key: string } | null;
  readonly publicUrl: string | null;
  readonly trustedProxies: readonly string[];
  readonly consoleFolder: string | null;
};
