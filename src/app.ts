import { mkdir, readFile } from "node:fs/promises";
import { resolve } from "node:path";
import { administer } from "./admin/administer.ts";
import type { AdminAnswer, AdminPorts } from "./admin/request.ts";
import { createAdminSocket } from "./admin/socket.ts";
import { type Config, ConfigError } from "./config.ts";
import type { Seq } from "./domain/entry.ts";
import { hour } from "./domain/time.ts";
import { type Broker, createBroker } from "./ingest/broker.ts";
import type { JournalError } from "./journal/error.ts";
import { type OwnedJournal, openJournal } from "./journal/sqlite.ts";
import { createAnnouncer } from "./loops/announcer.ts";
import { supervise } from "./loops/supervise.ts";
import { systemClock as clock } from "./platform/clock.ts";
import { hashPassword, verifyPassword } from "./platform/password.ts";
import { randomBytes } from "./platform/random.ts";
import { createTelemetry, type Telemetry } from "./platform/telemetry.ts";
import { openWatermark, type Watermark } from "./platform/watermark.ts";
import type { Knowledge } from "./ports.ts";
import { openKnowledge, storePath } from "./store/store.ts";
import type { ApplyData, DeliverData, DeskData } from "./threads/data.ts";
import { createHealthBoard, type HealthBoard } from "./threads/health.ts";
import { introduce, readRegistry } from "./threads/introduction.ts";
import { startThread, type Thread } from "./threads/thread.ts";

// The composition root of the main thread. Up: journal, applier, then the doors (broker, API), so that nothing comes in
// that could not be kept. Down the other way round: doors first, the journal last.

export type House = {
  readonly ports: { readonly mqtt: number; readonly mqtts?: number; readonly http: number };
  /** A first start without MEIZHEN_ADMIN_PASSWORD: to be shown once. */
  readonly generatedPassword: string | null;
  /** Resolves with the reason when the process must go down and be started anew. */
  readonly failed: Promise<Error>;
  /** In order, in bounded time, twice without harm. */
  stop(): Promise<void>;
};

/** The house without doors: journal, store and applier, for commands while the service does not run. */
export type OpenHouse = {
  administer(argv: readonly string[]): Promise<AdminAnswer>;
  close(): Promise<void>;
};

const brokerStopWithin = 3_000;
/** A start waits so long for what was journaled and not applied; beyond it the doors open while it is applied. */
const catchUpWithin = 1_000;
const consoleFolder = resolve(import.meta.dirname, "../dashboards/console/dist");

type Ground = {
  readonly journal: OwnedJournal;
  readonly knowledge: Knowledge;
  readonly cursor: Watermark;
  readonly telemetry: Telemetry;
  readonly health: HealthBoard;
  readonly threads: Thread[];
  readonly failed: PromiseWithResolvers<Error>;
  readonly stopping: AbortController;
  readonly directory: string;
};

/** What tests put in place of a part, to see that they would notice. */
export type Parts = { readonly journalWorker?: URL };

/** Journal and applier: everything that a house stands on. */
const layGround = async (config: Config, ticking: boolean, parts: Parts = {}): Promise<Ground> => {
  const directory = resolve(config.MEIZHEN_DATA_DIR);
  await mkdir(directory, { recursive: true, mode: 0o700 });
  const telemetry = createTelemetry({ level: config.MEIZHEN_LOG_LEVEL, thread: "main" });
  const failed = Promise.withResolvers<Error>();
  const health = createHealthBoard();
  const journal = await openJournal({
    ...{ directory, telemetry, above: cursorIn(storePath(directory)), bytesMax: config.MEIZHEN_JOURNAL_MAX_BYTES },
    ...(parts.journalWorker === undefined ? {} : { worker: parts.journalWorker }),
    onHealth: ({ blocked }) => health.setJournal(blocked),
    onFatal: (error: JournalError) => failed.resolve(error),
  });
  const cursor = openWatermark();
  const stopping = new AbortController();
  const common = { ...{ directory, telemetry, journal, cursor, health, failed, stopping }, threads: [] as Thread[] };
  const apply = start(common, config, "apply", {
    journalKeep: config.MEIZHEN_JOURNAL_KEEP_HOURS * hour,
    storeBytesMax: config.MEIZHEN_STORE_MAX_BYTES,
    ticking,
  } satisfies Partial<ApplyData>);
  await Promise.race([apply.ready, failed.promise.then((error) => Promise.reject(error))]);
  const knowledge = openKnowledge({ path: storePath(directory), watermark: cursor });
  return { ...common, knowledge };
};

/** The cursor of a store that is there and can be read, else 0; what is wrong with it the applier tells. */
const cursorIn = (path: string): Seq => {
  try {
    const knowledge = openKnowledge({ path, watermark: openWatermark() });
    try {
      return knowledge.cursor();
    } finally {
      knowledge.close();
    }
  } catch {
    return 0;
  }
};

/** Starts one thread with what each of them has. */
const start = (
  ground: Omit<Ground, "knowledge">,
  config: Config,
  name: "apply" | "deliver" | "desk",
  own: object,
): Thread => {
  const journal = ground.journal.connect();
  const thread = startThread({
    name,
    file: new URL(`./threads/${name}.ts`, import.meta.url),
    data: {
      ...own,
      logLevel: config.MEIZHEN_LOG_LEVEL,
      journal,
      storePath: storePath(resolve(config.MEIZHEN_DATA_DIR)),
      cursor: ground.cursor.buffer,
    },
    transfer: [journal.port],
    onHealth: (causes) => ground.health.set(name, causes),
    onFailed: (error) => ground.failed.resolve(error),
    onMetrics: async () => Promise.all([ground.telemetry.metrics(), ...ground.threads.map((other) => other.metrics())]),
  });
  ground.threads.push(thread);
  return thread;
};

const adminPorts = ({ journal, knowledge, stopping }: Ground): AdminPorts => ({
  ...{ journal, knowledge, clock, randomBytes, signal: stopping.signal },
  hashPassword: (password) => hashPassword(password, randomBytes),
});

/** @throws ConfigError, JournalError (`journal_owned`…), StoreError */
export const openHouse = async (config: Config): Promise<OpenHouse> => {
  const ground = await layGround(config, false);
  const { journal, knowledge } = ground;
  await knowledge.waitPast(journal.recovery.head - 1, AbortSignal.timeout(60_000));
  return {
    administer: (argv) => administer(argv, adminPorts(ground)),
    close: () => clear(ground),
  };
};

/** @throws ConfigError, DevicesError with every fault, JournalError (`journal_owned`…), StoreError */
export const startHouse = async (config: Config, parts: Parts = {}): Promise<House> => {
  // everything that a person can get wrong is read before anything is opened
  const registry = await readRegistry(config);
  const [mqttTls, httpTls] = await Promise.all([
    readPem("MEIZHEN_MQTT_TLS", config.MEIZHEN_MQTT_TLS_CERT, config.MEIZHEN_MQTT_TLS_KEY),
    readPem("MEIZHEN_HTTP_TLS", config.MEIZHEN_HTTP_TLS_CERT, config.MEIZHEN_HTTP_TLS_KEY),
  ]);
  const ground = await layGround(config, true, parts);
  try {
    // loading its modules takes as long as the introduction; it opens its door when it is first told of the health
    const desk = start(ground, config, "desk", deskOf(config, httpTls));
    const generatedPassword = await introduceInTime(ground, config, registry);
    if (config.INFLUX_URL !== undefined) start(ground, config, "deliver", historianOf(config, config.INFLUX_URL));
    ground.health.onChange((health) => desk.tell(health));
    const broker = createBroker(brokerOf(ground, config, mqttTls));
    const http = (await Promise.race([
      desk.ready,
      ground.failed.promise.then((error) => Promise.reject(error)),
    ])) as number;
    const { mqtt, mqtts } = await broker.start();
    const close = await attend(ground, broker);
    return {
      ports: { mqtt, ...(mqtts === null ? {} : { mqtts }), http },
      ...{ generatedPassword, failed: ground.failed.promise },
      stop: once(async () => {
        await close();
        await broker.stop(AbortSignal.timeout(brokerStopWithin));
        await clear(ground);
      }),
    };
  } catch (error) {
    await clear(ground);
    throw error;
  }
};

/** What the main thread does beside the broker: announcing, and the socket for commands. */
const attend = async (ground: Ground, broker: Broker): Promise<() => Promise<void>> => {
  const { knowledge, telemetry, stopping } = ground;
  const announcer = { name: "announcer", run: createAnnouncer({ knowledge, broker, clock }).run };
  const announcing = supervise(announcer, { clock, telemetry }, stopping.signal);
  const socket = createAdminSocket(ground.directory, (argv) => administer(argv, adminPorts(ground)));
  await socket.start().catch((error: unknown) => telemetry.warned({ error: String(error) }, "no socket for commands"));
  return async () => {
    stopping.abort(new Error("the house stops"));
    await announcing;
    await socket.stop();
  };
};

/** Registry, the first account and what the journal lost; answers a generated password. */
const introduceInTime = async (ground: Ground, config: Config, registry: Awaited<ReturnType<typeof readRegistry>>) => {
  const { journal, knowledge, telemetry, stopping } = ground;
  const parts = { journal, knowledge, clock, randomBytes, hashPassword, verifyPassword, signal: stopping.signal };
  const settings = { registry, adminPassword: config.MEIZHEN_ADMIN_PASSWORD };
  const caughtUp = knowledge.waitPast(journal.recovery.head - 1, AbortSignal.timeout(catchUpWithin));
  const inTime = await caughtUp.then(
    () => true,
    () => false,
  );
  if (inTime) return await introduce(parts, settings);
  // much is still to be applied; who may sign in is known from the store, and what is new is told when it is done
  const later = knowledge.waitPast(journal.recovery.head - 1, stopping.signal).then(() => introduce(parts, settings));
  later.catch((error: unknown) => telemetry.warned({ error: String(error) }, "the devices folder was not taken"));
  return null;
};

const brokerOf = ({ journal, knowledge, telemetry }: Ground, config: Config, tls: Pem | null) => ({
  ...{ journal, clock, telemetry, credentials: knowledge.credentials() },
  settings: {
    host: config.MEIZHEN_MQTT_HOST,
    port: config.MEIZHEN_MQTT_PORT,
    tls:
      tls === null || config.MEIZHEN_MQTT_TLS_PORT === undefined
        ? null
        : { ...tls, port: config.MEIZHEN_MQTT_TLS_PORT },
    auth: config.MEIZHEN_MQTT_AUTH,
    limits: {
      connections: config.MEIZHEN_MQTT_CONNECTIONS,
      connectionsPerAddress: config.MEIZHEN_MQTT_CONNECTIONS_PER_ADDRESS,
      rate: config.MEIZHEN_MQTT_RATE,
      burst: 2 * config.MEIZHEN_MQTT_RATE,
    },
  },
});

const historianOf = (config: Config, url: string): Partial<DeliverData> => ({
  influx: {
    url,
    token: config.INFLUX_TOKEN ?? null,
    org: config.INFLUX_ORG ?? null,
    bucket: config.INFLUX_BUCKET ?? "meizhen",
    version: config.INFLUX_VERSION ?? null,
  },
});

const deskOf = (config: Config, tls: Pem | null): Partial<DeskData> => ({
  host: config.MEIZHEN_HTTP_HOST,
  port: config.MEIZHEN_HTTP_PORT,
  tls,
  publicUrl: config.MEIZHEN_PUBLIC_URL ?? null,
  trustedProxies: config.MEIZHEN_TRUSTED_PROXIES ?? [],
  consoleFolder,
});

type Pem = { readonly cert: string; readonly key: string };

const readPem = async (name: string, cert: string | undefined, key: string | undefined): Promise<Pem | null> => {
  if (cert === undefined || key === undefined) return null;
  try {
    return { cert: await readFile(cert, "utf8"), key: await readFile(key, "utf8") };
  } catch (error) {
    throw new ConfigError([{ name: `${name}_CERT, ${name}_KEY`, source: "file", message: (error as Error).message }]);
  }
};

/** Threads in the order of their work, the journal last: what was acknowledged is on disk, the rest is applied next time. */
const clear = async ({ journal, knowledge, threads, stopping }: Ground): Promise<void> => {
  stopping.abort(new Error("the house stops"));
  for (const thread of [...threads].reverse()) await thread.stop();
  knowledge.close();
  await journal.close(AbortSignal.timeout(brokerStopWithin));
};

const once = <T>(act: () => Promise<T>): (() => Promise<T>) => {
  let done: Promise<T> | null = null;
  return () => {
    done ??= act();
    return done;
  };
};
