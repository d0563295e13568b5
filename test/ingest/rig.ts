import { createHash } from "node:crypto";
import { once } from "node:events";
import { connect, type Socket } from "node:net";
import { setTimeout as delay } from "node:timers/promises";
import { generate, type IConnectPacket, type Packet, parser } from "mqtt-packet";
import type { Credential } from "../../src/domain/access.ts";
import type { Entry, EntryOf, Seq } from "../../src/domain/entry.ts";
import type { ThingId } from "../../src/domain/thing.ts";
import { type Broker, type BrokerSettings, createBroker } from "../../src/ingest/broker.ts";
import type { BrokerLimits } from "../../src/ingest/limits.ts";
import { systemClock } from "../../src/platform/clock.ts";
import { createTelemetry } from "../../src/platform/telemetry.ts";
import type { Clock, Journal } from "../../src/ports.ts";

/** A journal in memory whose disk the test holds in its hand: appends wait while it is stalled. */
const memoryJournal = () => {
  const entries: EntryOf<"message">[] = [];
  let stalled: { promise: Promise<void>; resolve: () => void } | null = null;
  let closed = false;
  let ended: Promise<unknown> = Promise.resolve();
  const write = async (group: readonly Entry[]): Promise<Seq> => {
    if (closed) throw new Error("the journal is closed");
    await stalled?.promise;
    if (closed) throw new Error("the journal is closed");
    entries.push(...(group as EntryOf<"message">[]));
    return entries.length;
  };
  const journal: Pick<Journal, "append"> = {
    append(group) {
      const written = ended.then(() => write(group));
      ended = written.catch(() => {});
      return written;
    },
  };
  return {
    ...journal,
    entries,
    topics: () => entries.map(({ topic }) => topic),
    stall() {
      stalled ??= Promise.withResolvers<void>();
    },
    recover() {
      stalled?.resolve();
      stalled = null;
    },
    close() {
      closed = true;
    },
  };
};
type MemoryJournal = ReturnType<typeof memoryJournal>;

export type House = {
  readonly broker: Broker;
  readonly port: number;
  readonly tlsPort: number;
  readonly journal: MemoryJournal;
  /** Counts by reason of what was refused. */
  refused(): Promise<Readonly<Record<string, number>>>;
};

type HouseOptions = Partial<Omit<BrokerSettings, "limits">> & {
  limits?: Partial<BrokerLimits>;
  credentials?: readonly Credential[];
  clock?: Clock;
  journal?: Pick<Journal, "append">;
};

const houses: Broker[] = [];

/** A broker on free ports with an in-memory journal; `closeHouses` in afterEach stops it. */
export const openHouse = async (options: HouseOptions = {}): Promise<House> => {
  const journal = memoryJournal();
  const telemetry = createTelemetry({ level: "silent", thread: "test" });
  const { limits, credentials = [], clock = systemClock, journal: other = journal, ...settings } = options;
  const broker = createBroker({
    journal: other,
    clock,
    telemetry,
    credentials,
    settings: {
      host: "127.0.0.1",
      port: 0,
      tls: null,
      auth: "loopback",
      ...settings,
      limits: { sweepEvery: 50, ...limits },
    },
  });
  const { mqtt, mqtts } = await broker.start();
  houses.push(broker);
  const refused = async () => {
    const metrics = (await telemetry.metrics()) as {
      name: string;
      values: { labels: { reason?: string }; value: number }[];
    }[];
    const values = metrics.find(({ name }) => name === "meizhen_ingest_refused_total")?.values ?? [];
    return Object.fromEntries(values.map(({ labels, value }) => [String(labels.reason), value]));
  };
  return { broker, port: mqtt, tlsPort: mqtts ?? 0, journal, refused };
};

export const closeHouses = async (): Promise<void> => {
  for (const socket of sockets.splice(0)) socket.destroy();
  for (const broker of houses.splice(0)) await broker.stop(AbortSignal.abort());
};

const sockets: Socket[] = [];

/** A client that speaks bytes: nothing is retried, corrected or hidden. */
export class RawClient {
  readonly socket: Socket;
  readonly packets: Packet[] = [];
  readonly bytes: Buffer[] = [];
  closed = false;
  readonly #parser = parser({ protocolVersion: 4 });
  #changed = Promise.withResolvers<void>();

  constructor(socket: Socket) {
    this.socket = socket;
    sockets.push(socket);
    this.#parser.on("packet", (packet) => this.packets.push(packet));
    socket.on("data", (chunk) => {
      this.bytes.push(chunk);
      this.#parser.parse(chunk);
      this.#tell();
    });
    socket.on("error", () => {});
    socket.on("close", () => {
      this.closed = true;
      this.#tell();
    });
  }

  #tell(): void {
    this.#changed.resolve();
    this.#changed = Promise.withResolvers<void>();
  }

  send(...packets: (Packet | Buffer)[]): this {
    this.socket.write(Buffer.concat(packets.map((packet) => (Buffer.isBuffer(packet) ? packet : generate(packet)))));
    return this;
  }

  /** Resolves when the condition holds; rejects, saying what came instead, after ten seconds. */
  async until(holds: () => boolean, what = "condition"): Promise<void> {
    const patience = delay(10_000, "late", { ref: false });
    while (!holds()) {
      const outcome = await Promise.race([this.#changed.promise, patience]);
      if (outcome === "late") throw new Error(`no ${what}; got ${this.packets.map(({ cmd }) => cmd).join(" ")}`);
    }
  }

  of<C extends Packet["cmd"]>(cmd: C): Extract<Packet, { cmd: C }>[] {
    return this.packets.filter((packet): packet is Extract<Packet, { cmd: C }> => packet.cmd === cmd);
  }

  acks(): number[] {
    return this.of("puback").map(({ messageId }) => messageId as number);
  }

  async gone(): Promise<void> {
    await this.until(() => this.closed, "close");
  }
}

/** A raw connection; no CONNECT yet. */
export const openSocket = async (port: number, localAddress = "127.0.0.1"): Promise<RawClient> => {
  const socket = connect({ port, host: "127.0.0.1", localAddress, noDelay: true });
  const client = new RawClient(socket);
  await once(socket, "connect");
  return client;
};

export const connectPacket = (options: Partial<IConnectPacket> = {}): IConnectPacket => ({
  cmd: "connect",
  protocolId: "MQTT",
  protocolVersion: 4,
  clean: true,
  clientId: `raw-${Math.random().toString(36).slice(2)}`,
  keepalive: 60,
  ...options,
});

/** Answers the return code of CONNACK too; null: closed without one. */
export const signIn = async (port: number, options: Partial<IConnectPacket> = {}, localAddress?: string) => {
  const client = await openSocket(port, localAddress);
  client.send(connectPacket(options));
  await client.until(() => client.packets.length > 0 || client.closed, "connack");
  return { client, code: client.of("connack")[0]?.returnCode ?? null };
};

export const publish = (
  topic: string,
  messageId: number,
  options: { qos?: 0 | 1 | 2; dup?: boolean; payload?: string | Buffer; retain?: boolean } = {},
): Packet => ({
  cmd: "publish",
  topic,
  messageId,
  payload: '{"values":{"ph":7.2}}',
  qos: 1,
  dup: false,
  retain: false,
  ...options,
});

export const readings = (thing: string) => `meizhen/xinghai/water/${thing}/readings`;

export const hashOf = (secret: string) => createHash("sha256").update(secret).digest("hex");

export const credential = (
  id: string,
  secret: string,
  options: Partial<Pick<Credential, "role" | "secrets">> & { things?: string[] } = {},
): Credential => ({
  id,
  role: options.role ?? "thing",
  things: (options.things ?? (options.role === undefined ? [id] : [])) as ThingId[],
  secrets: options.secrets ?? [{ hash: hashOf(secret), until: null }],
  changedAt: 0,
});

/** Resolves when the condition holds, looked at every few milliseconds. */
export const eventually = async (holds: () => boolean | Promise<boolean>, what = "condition"): Promise<void> => {
  const end = performance.now() + 10_000;
  while (!(await holds())) {
    if (performance.now() > end) throw new Error(`never: ${what}`);
    await delay(5);
  }
};
