import { parentPort, type Transferable, Worker, workerData } from "node:worker_threads";
import { createTelemetry, type LogLevel, type Telemetry } from "../platform/telemetry.ts";

/** Something that the house suffers from now: shown by `/readyz` and the console's banner. */
export type HealthCause = { readonly code: string; readonly detail: string; readonly since: number };

/** Of all threads together; not ready: nothing can be journaled. */
export type HouseHealth = { readonly ready: boolean; readonly causes: readonly HealthCause[] };

/** What the main thread tells a thread, and what it is told. */
type ToThread =
  | { readonly kind: "stop" }
  | { readonly kind: "metrics"; readonly id: number }
  | { readonly kind: "told"; readonly body: unknown };
type FromThread =
  | { readonly kind: "ready"; readonly body: unknown }
  | { readonly kind: "stopped" }
  | { readonly kind: "metrics"; readonly id: number; readonly metrics: unknown[] }
  | { readonly kind: "asked"; readonly id: number; readonly body: unknown }
  | { readonly kind: "health"; readonly causes: readonly HealthCause[] };

/** What a thread's own composition root works with. */
export type ThreadContext<Data> = {
  readonly data: Data;
  readonly telemetry: Telemetry;
  /** Aborted when the house stops. */
  readonly signal: AbortSignal;
  /** Replaces what this thread last said it suffers from. */
  setHealth(causes: readonly HealthCause[]): void;
  /** Called with whatever the main thread `tell`s. */
  onTold(listener: (body: unknown) => void): void;
  /** Asks the main thread; answered by its `onAsked`. */
  metricsOfAll(): Promise<unknown[][]>;
};

/** A thread as it answers `start`: what the main thread is to know, what it runs until the signal, how it closes. */
export type Running = { readonly ready: unknown; readonly finished: Promise<void>; close(): Promise<void> | void };

/** The body of a worker file: starts, answers, stops in order; any failure ends the whole process (`onFailed`). */
export const runThread = async <Data extends { readonly logLevel: LogLevel | "silent" }>(
  name: string,
  start: (context: ThreadContext<Data>) => Promise<Running>,
): Promise<void> => {
  const port = parentPort;
  if (port === null) throw new Error(`${name} is a thread, started by app.ts`);
  const data = workerData as Data;
  const telemetry = createTelemetry({ level: data.logLevel, thread: name });
  const stop = new AbortController();
  const listeners: ((body: unknown) => void)[] = [];
  const asking = new Map<number, (body: unknown[][]) => void>();
  const post = (message: FromThread) => port.postMessage(message);
  port.on("message", (message: ToThread | { kind: "answered"; id: number; body: unknown[][] }) => {
    if (message.kind === "stop") stop.abort(new Error("the house stops"));
    else if (message.kind === "told") for (const listener of listeners) listener(message.body);
    else if (message.kind === "metrics")
      void telemetry.metrics().then((metrics) => post({ kind: "metrics", id: message.id, metrics }));
    else asking.get(message.id)?.(message.body);
  });
  let asked = 0;
  const running = await start({
    data,
    telemetry,
    signal: stop.signal,
    setHealth: (causes) => post({ kind: "health", causes }),
    onTold: (listener) => listeners.push(listener),
    metricsOfAll: () =>
      new Promise((resolve) => {
        const id = asked++;
        asking.set(id, (body) => {
          asking.delete(id);
          resolve(body);
        });
        post({ kind: "asked", id, body: "metrics" });
      }),
  });
  post({ kind: "ready", body: running.ready });
  await running.finished;
  await running.close();
  post({ kind: "stopped" });
  port.close();
};

export type Thread = {
  readonly name: string;
  /** Resolves with what the thread says when it is up. */
  readonly ready: Promise<unknown>;
  /** Resolves when it has stopped in order. */
  stop(): Promise<void>;
  tell(body: unknown): void;
  metrics(): Promise<unknown[]>;
};

type ThreadOptions = {
  readonly name: string;
  readonly file: URL;
  readonly data: object;
  readonly transfer?: readonly Transferable[];
  readonly onHealth: (causes: readonly HealthCause[]) => void;
  /** The thread died of an error: the process must go down and be started anew. */
  readonly onFailed: (error: Error) => void;
  readonly onMetrics: () => Promise<unknown[][]>;
};

/** Starts a worker file that calls `runThread`. */
export const startThread = (options: ThreadOptions): Thread => {
  const { name, file, data } = options;
  const worker = new Worker(file, { name, workerData: data, transferList: [...(options.transfer ?? [])] });
  const ready = Promise.withResolvers<unknown>();
  const gone = Promise.withResolvers<void>();
  const metrics = new Map<number, (metrics: unknown[]) => void>();
  let nextId = 0;
  let stopping = false;
  worker.on("message", (message: FromThread) => {
    if (message.kind === "ready") ready.resolve(message.body);
    else if (message.kind === "health") options.onHealth(message.causes);
    else if (message.kind === "metrics") metrics.get(message.id)?.(message.metrics);
    else if (message.kind === "asked") {
      void options.onMetrics().then((body) => worker.postMessage({ kind: "answered", id: message.id, body }));
    }
  });
  worker.on("error", (error) => {
    ready.reject(error);
    options.onFailed(error instanceof Error ? error : new Error(String(error)));
  });
  worker.on("exit", () => {
    gone.resolve();
    if (!stopping) options.onFailed(new Error(`thread ${name} ended by itself`));
  });
  // a start that fails is told through onFailed; nobody may be waiting for ready
  ready.promise.catch(() => {});
  const send = (message: ToThread) => worker.postMessage(message);
  return {
    name,
    ready: ready.promise,
    async stop() {
      stopping = true;
      send({ kind: "stop" });
      await gone.promise;
    },
    tell: (body) => send({ kind: "told", body }),
    metrics: () =>
      new Promise((resolve) => {
        const id = nextId++;
        metrics.set(id, (values) => {
          metrics.delete(id);
          resolve(values);
        });
        send({ kind: "metrics", id });
      }),
  };
};
