import { pino } from "pino";
import { Counter, Gauge, Histogram, Registry } from "prom-client";

export type LogLevel = "debug" | "info" | "warn" | "error";
type Fields = Readonly<Record<string, unknown>>;

/**
 * One event of ours: the metric that counts it and the log line that tells it, kept together so that neither is
 * forgotten. Without `level` it is counted only; without `metric` it is told only. Levels: error, data is lost or a
 * person must act; warn, unexpected but recovered; info, the process changed state; nothing per message above debug.
 */
type EventDefinition = {
  readonly level?: LogLevel;
  readonly say?: string;
  readonly metric?: string;
  readonly type?: "counter" | "gauge" | "histogram";
  readonly help?: string;
  readonly labels?: readonly string[];
  readonly buckets?: readonly number[];
};

/**
 * Every event of the house by name. `value` in the fields is what is added (counter, default 1), set (gauge) or
 * observed (histogram); fields named in `labels` label the metric. No thing ids as labels.
 */
const definitions = {
  // every room
  roomStarted: { level: "info", say: "started" },
  roomStopped: { level: "info", say: "stopped" },
  roomFailed: {
    level: "error",
    say: "failed",
    metric: "room_failures_total",
    help: "Failures that a loop was restarted after",
    labels: ["room"],
  },
  // ingest
  connectionOpened: {
    level: "debug",
    say: "client connected",
    metric: "ingest_connections_total",
    help: "Accepted connections",
  },
  connectionClosed: { level: "debug", say: "client gone" },
  connectionsOpen: { metric: "ingest_connections_open", type: "gauge", help: "Connections now" },
  connectionRefused: {
    level: "debug",
    say: "connection refused",
    metric: "ingest_refused_total",
    help: "Connections and packets refused, by reason",
    labels: ["reason"],
  },
  messageAccepted: { metric: "ingest_messages_total", help: "Messages handed to the journal" },
  clientPaused: {
    level: "debug",
    say: "client over its rate, socket paused",
    metric: "ingest_paused_total",
    help: "Times a client was paused for its rate",
  },
  // journal
  journalCommitted: {
    metric: "journal_commit_seconds",
    type: "histogram",
    help: "Time of one commit with its fsync",
    buckets: [0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.1, 0.5, 1, 5],
  },
  journalEntries: { metric: "journal_entries_total", help: "Entries made durable" },
  journalBytes: { metric: "journal_size_bytes", type: "gauge", help: "Bytes of the journal on disk" },
  journalBlocked: {
    level: "error",
    say: "nothing can be journaled; acknowledgements wait",
    metric: "journal_blocked_total",
    help: "Times that journaling stopped",
    labels: ["reason"],
  },
  journalResumed: { level: "info", say: "journaling again" },
  journalDamaged: {
    level: "error",
    say: "entries are missing from the journal",
    metric: "journal_missing_entries_total",
    help: "Entries that were acknowledged and are gone",
  },
  // applier and store
  readingsCounted: { metric: "readings_total", help: "Readings by outcome", labels: ["outcome"] },
  entriesApplied: { metric: "applier_entries_total", help: "Entries applied" },
  applierBehind: { metric: "applier_behind_entries", type: "gauge", help: "Entries journaled and not yet applied" },
  storeBytes: { metric: "store_size_bytes", type: "gauge", help: "Bytes of the store on disk" },
  storePruned: {
    level: "debug",
    say: "forgot what is older than its retention",
    metric: "store_pruned_rows_total",
    help: "Rows forgotten by the janitor",
  },
  alarmTransition: {
    level: "info",
    say: "alarm",
    metric: "alarms_transitions_total",
    help: "Alarm transitions by action and priority",
    labels: ["action", "priority"],
  },
  // historian
  historianWrote: { metric: "historian_lines_total", help: "Lines that InfluxDB accepted" },
  historianHolding: {
    level: "warn",
    say: "InfluxDB does not take writes; holding, nothing is lost",
    metric: "historian_holds_total",
    help: "Writes put off, by reason",
    labels: ["reason"],
  },
  historianResumed: { level: "info", say: "InfluxDB takes writes again" },
  historianRefused: {
    level: "error",
    say: "InfluxDB refuses a line; put aside",
    metric: "historian_refused_lines_total",
    help: "Lines put aside as dead letters",
  },
  historianMissing: {
    level: "error",
    say: "the historian is incomplete",
    metric: "historian_missing_total",
    help: "Times that changes were gone before the historian had them",
  },
  historianBehind: {
    metric: "historian_behind_seconds",
    type: "gauge",
    help: "Age of the oldest change that InfluxDB does not have",
  },
  // api
  requestServed: {
    metric: "api_request_seconds",
    type: "histogram",
    help: "Time of a request by route and status",
    labels: ["route", "status"],
    buckets: [0.005, 0.025, 0.1, 0.5, 2, 10],
  },
  signInFailed: { level: "warn", say: "sign-in failed", metric: "api_sign_in_failures_total", help: "Failed sign-ins" },
  liveClients: { metric: "api_live_clients", type: "gauge", help: "Open event streams" },
  // anything else that only needs a sentence
  told: { level: "info", say: "" },
  warned: { level: "warn", say: "" },
} as const satisfies Record<string, EventDefinition>;

export type TelemetryEvent = keyof typeof definitions;

export type Telemetry = {
  readonly [event in TelemetryEvent]: (fields?: Fields, sentence?: string) => void;
} & {
  /** The same events, with these fields on every log line. */
  child(fields: Fields): Telemetry;
  /** This thread's metrics, as `prom-client` aggregates them over threads. */
  metrics(): Promise<unknown[]>;
};

/** Metrics and log lines of one thread; lines go to stderr, or to `write`. Fields named like secrets are redacted. */
export const createTelemetry = (options: {
  level: LogLevel | "silent";
  thread: string;
  write?: (line: string) => void;
}): Telemetry => {
  const registry = new Registry();
  const metrics = new Map<string, (fields: Fields) => void>();
  for (const [name, definition] of Object.entries<EventDefinition>(definitions)) {
    if (definition.metric !== undefined) metrics.set(name, recorder(definition, registry));
  }
  const destination = options.write ? { write: options.write } : pino.destination({ dest: 2, sync: true });
  const settings = {
    level: options.level,
    base: { thread: options.thread },
    redact: ["*.password", "password", "*.token", "token", "*.secret", "secret"],
  };
  return withLog(pino(settings, destination), metrics, registry);
};

type Log = ReturnType<typeof pino>;

const withLog = (log: Log, metrics: ReadonlyMap<string, (fields: Fields) => void>, registry: Registry): Telemetry => {
  const events: Record<string, (fields?: Fields, sentence?: string) => void> = {};
  for (const [name, definition] of Object.entries<EventDefinition>(definitions)) {
    const record = metrics.get(name);
    events[name] = (fields = {}, sentence = definition.say) => {
      record?.(fields);
      if (definition.level !== undefined) log[definition.level]({ event: name, ...fields }, sentence ?? "");
    };
  }
  return {
    ...(events as Record<TelemetryEvent, (fields?: Fields, sentence?: string) => void>),
    child: (fields) => withLog(log.child(fields), metrics, registry),
    metrics: async () => await registry.getMetricsAsJSON(),
  };
};

/** How one event moves its metric. */
const recorder = (definition: EventDefinition, registry: Registry): ((fields: Fields) => void) => {
  const labelNames = definition.labels ?? [];
  const common = {
    name: `meizhen_${definition.metric}`,
    help: definition.help ?? "",
    labelNames,
    registers: [registry],
  };
  const labels = (fields: Fields) => Object.fromEntries(labelNames.map((label) => [label, String(fields[label])]));
  const amount = (fields: Fields) => (typeof fields.value === "number" ? fields.value : 1);
  if (definition.type === "gauge") {
    const gauge = new Gauge(common);
    return (fields) => gauge.set(labels(fields), amount(fields));
  }
  if (definition.type === "histogram") {
    const histogram = new Histogram({ ...common, buckets: [...(definition.buckets ?? [])] });
    return (fields) => histogram.observe(labels(fields), amount(fields));
  }
  const counter = new Counter(common);
  return (fields) => counter.inc(labels(fields), amount(fields));
};
