import { Agent as HttpAgent } from "node:http";
import { Agent as HttpsAgent } from "node:https";
import { HttpError, InfluxDB, RequestTimedOutError } from "@influxdata/influxdb-client";
import type { DurationMs } from "../domain/time.ts";
import type { Historian, WriteOutcome } from "../ports.ts";
import {
  type Answer,
  type Dialect,
  detect,
  dialects,
  type Exchange,
  type InfluxVersion,
  saidBy,
  type Target,
} from "./dialect.ts";

export type InfluxOptions = {
  readonly url: string;
  /** Token; for 1.x `user:password`; null: a server that asks for none. */
  readonly token: string | null;
  /** InfluxDB 2 only. */
  readonly org: string | null;
  /** Bucket of 2.x, database of 1.x and 3.x. */
  readonly bucket: string;
  /** null: detected. */
  readonly version: InfluxVersion | null;
  /** A write without a sign of life for this long is held; default 30 s. */
  readonly timeout?: DurationMs;
};

/**
 * The historian in InfluxDB 1.x, 2.x or 3.x, over the official client.
 *
 * Delivery guarantee: at least once, and nothing kept between calls. The client's `WriteApi` is a buffer of its own
 * (60 s flush, discards the oldest of 32,000 lines, gives up after 180 s) and counts the bytes of every line; so each
 * batch goes straight to the client's transport, one request, no retries: the cursor of the forwarder is the only buffer.
 * Measured a batch of 5,000 lines (0.9 MB): transport 1.7 ms of CPU, `WriteApi` 6.7, `fetch` 2.9, plain `node:http` 1.5.
 * No compression: gzip takes another 4.6 ms, more than it spares on a local network.
 */
export const createInfluxHistorian = (options: InfluxOptions): Historian => {
  const target: Target = { org: options.org, bucket: options.bucket };
  const send = createSender(options);
  let version = options.version;

  const exchangeIn = (dialect: Dialect | null, signal: AbortSignal): Exchange => {
    // before the version is known: Bearer is what 3.x asks of /ping, and what the others do not look at there
    const authorization = (dialect ?? dialects["3"]).authorization;
    return (method, path, body) =>
      send(method, path, body === undefined ? "" : JSON.stringify(body), authorization, signal);
  };

  const dialectNow = async (signal: AbortSignal): Promise<Dialect | null> => {
    version ??= await detect(exchangeIn(null, signal));
    return version === null ? null : dialects[version];
  };

  return {
    async prepare(signal) {
      try {
        // asked anew each time: the server may have been upgraded
        version = options.version;
        const dialect = await dialectNow(signal);
        if (dialect === null) return unknownVersion(options.url);
        return await dialect.prepare(exchangeIn(dialect, signal), target);
      } catch (error) {
        signal.throwIfAborted();
        return `InfluxDB at ${new URL(options.url).host} does not answer: ${reasonOf(error)}`;
      }
    },
    async write(lines, signal) {
      try {
        const dialect = await dialectNow(signal);
        if (dialect === null) return held(unknownVersion(options.url));
        // 2.x answers 400 without an organisation, and that is no fault of the lines
        if (version === "2" && target.org === null) return held("INFLUX_ORG is missing");
        const path = dialect.writePath(target);
        return outcomeOf(await send("POST", path, lines.join("\n"), dialect.authorization, signal));
      } catch (error) {
        signal.throwIfAborted();
        return held(reasonOf(error));
      }
    },
  };
};

const unknownVersion = (url: string): string => `${new URL(url).host} does not say its version: set INFLUX_VERSION`;

const held = (reason: string): WriteOutcome => ({ kind: "hold", reason, status: null, retryAfter: null });

/** What will never be taken as it is; everything else that is not 2xx may pass. */
const refusals: ReadonlySet<number> = new Set([400, 413, 422]);

const outcomeOf = (answer: Answer): WriteOutcome => {
  const { status } = answer;
  if (status >= 200 && status < 300) return { kind: "accepted" };
  const reason = `${status} ${saidBy(answer)}`.trim();
  if (refusals.has(status)) return { kind: "refused", reason, status };
  return { kind: "hold", reason, status, retryAfter: retryAfterOf(answer) };
};

/** RFC 9110 10.2.3: seconds, or a date, which is read against the server's own `Date`. */
const retryAfterOf = ({ headers }: Answer): DurationMs | null => {
  const told = headers["retry-after"];
  if (typeof told !== "string") return null;
  if (/^\d{1,9}$/.test(told)) return Number(told) * 1_000;
  const wait = Date.parse(told) - Date.parse(String(headers.date));
  return wait > 0 ? wait : null;
};

/** Network failures by their code, which is what a log is searched for. */
const reasonOf = (error: unknown): string => {
  if (error instanceof RequestTimedOutError) return "timed out";
  const { code, message } = error as { code?: string; message?: string };
  return code ?? message ?? String(error);
};

type Send = (
  method: "GET" | "POST",
  path: string,
  body: string,
  authorization: (token: string) => string,
  signal: AbortSignal,
) => Promise<Answer>;

/** One request over the client's transport; answers with whatever status, rejects where there is no answer. */
const createSender = ({ url, token, timeout = 30_000 }: InfluxOptions): Send => {
  const secure = url.startsWith("https:");
  // one batch in flight, on a connection that stays
  const agent = new (secure ? HttpsAgent : HttpAgent)({ keepAlive: true, maxSockets: 1 });
  const { transport } = new InfluxDB({ url, timeout, transportOptions: { agent } });
  return async (method, path, body, authorization, signal) => {
    signal.throwIfAborted();
    // the transport never takes its listener off the signal it is given, nor closes the socket of a timed-out request
    const request = new AbortController();
    const abort = () => request.abort(signal.reason);
    signal.addEventListener("abort", abort, { once: true });
    const headers = {
      "content-type": method === "POST" && !body.startsWith("{") ? "text/plain; charset=utf-8" : "application/json",
      ...(token === null ? {} : { authorization: authorization(token) }),
    };
    let answered: Pick<Answer, "status" | "headers"> = { status: 0, headers: {} };
    try {
      const answer: unknown = await transport.request(
        path,
        body,
        { method, headers, signal: request.signal },
        (got, status) => {
          answered = { status: status ?? 0, headers: got };
        },
      );
      return { ...answered, body: answer };
    } catch (error) {
      if (error instanceof HttpError)
        return { status: error.statusCode, headers: error.headers ?? {}, body: bodyOf(error) };
      request.abort();
      throw error;
    } finally {
      signal.removeEventListener("abort", abort);
    }
  };
};

const bodyOf = (error: HttpError): unknown => (error.json as unknown) ?? error.body ?? "";
