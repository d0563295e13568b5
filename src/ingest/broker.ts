import type { Duplex } from "node:stream";
import { setImmediate as turn } from "node:timers/promises";
import type { Credential } from "../domain/access.ts";
import type { Telemetry } from "../platform/telemetry.ts";
import type { Clock, Journal } from "../ports.ts";
import { type AuthMode, createAdmission } from "./admission.ts";
import { IngestAedes } from "./aedes.ts";
import { createDoor, createTakeovers } from "./door.ts";
import { Guard } from "./guard.ts";
import { createHooks } from "./hooks.ts";
import { createIntake } from "./intake.ts";
import { type BrokerLimits, defaultLimits } from "./limits.ts";
import { createListeners, type TlsSettings } from "./listeners.ts";
import { IngestPersistence } from "./persistence.ts";
import { follow, profile } from "./profile.ts";
import type { Refusal } from "./refusal.ts";
import { newSession, type Session, Sessions } from "./session.ts";

// Devices publish in, observers follow out, and nothing stays: aedes in an ingest-only profile, behind a guard.
//
//   listeners ─► door ─► guard ─► aedes ─► hooks: admission, then intake ─► journal ─► PUBACK
//
// Delivery guarantee: a PUBACK (or PUBREC) leaves after its message is on stable storage, in the order of arrival. While
// nothing can be journaled nothing is acknowledged and nothing dropped: the guard stops reading at its bounds, TCP does
// the rest, and pings are still answered. QoS 0 is journaled like the others and acknowledged like no other.

export type BrokerSettings = {
  readonly host: string;
  /** 0: any free one; `start` answers which. */
  readonly port: number;
  readonly tls: TlsSettings | null;
  readonly auth: AuthMode;
  readonly limits?: Partial<BrokerLimits>;
};

export type BrokerPorts = {
  readonly journal: Pick<Journal, "append">;
  readonly clock: Clock;
  readonly telemetry: Telemetry;
  readonly settings: BrokerSettings;
  readonly credentials?: readonly Credential[];
};

export type Broker = {
  /** Resolves when clients may come; rejects when a port cannot be had. */
  start(): Promise<{ readonly mqtt: number; readonly mqtts: number | null }>;
  /** Refuses what is new, waits for the acknowledgements under way (until the signal, or `stopTimeout`), closes. Twice without harm. */
  stop(signal?: AbortSignal): Promise<void>;
  /** All of them, in place of those known so far. */
  setCredentials(credentials: readonly Credential[]): void;
  /** Null revokes. Live connections that no longer have the right to be here are closed at once. */
  applyCredential(id: string, credential: Credential | null): void;
  /** To observers; retained (unless told otherwise) for those who come later, until null takes it away. */
  announce(topic: string, payload: Uint8Array | null, options?: { readonly retain: boolean }): void;
  connections(): number;
  /** Messages that wait to be journaled. */
  pending(): number;
};

/** What the functions below share. */
type Parts = ReturnType<typeof assemble>;

const assemble = ({ journal, clock, telemetry, settings, credentials = [] }: BrokerPorts) => {
  const limits: BrokerLimits = { ...defaultLimits, ...settings.limits };
  const budget = {
    pendingBytes: 0,
    partialBytes: 0,
    pendingBytesMax: limits.pendingBytes,
    partialBytesMax: limits.partialBytes,
  };
  return {
    ...{ clock, telemetry, settings, limits, budget },
    sessions: new Sessions(),
    admission: createAdmission(settings.auth, credentials),
    intake: createIntake(journal),
    door: createDoor(limits),
    takeovers: createTakeovers(limits.takeovers),
    persistence: new IngestPersistence(limits.retained),
    counts: { accepted: 0 },
    life: { state: "new" as "new" | "open" | "stopping" | "stopped" },
  };
};

/** Starts nothing: `start` does. */
export const createBroker = (ports: BrokerPorts): Broker => {
  const parts = assemble(ports);
  const { admission, sessions, intake, telemetry, limits, life } = parts;
  const aedes = createAedes(parts);
  const listeners = listenersOf(parts, aedes);
  let sweeping: NodeJS.Timeout | undefined;
  return {
    async start() {
      await aedes.listen();
      life.state = "open";
      const bound = await listeners.start();
      sweeping = setInterval(() => sweep(parts), limits.sweepEvery);
      telemetry.roomStarted({ room: "ingest", ...bound });
      return bound;
    },
    async stop(signal) {
      if (life.state !== "open") return;
      life.state = "stopping";
      listeners.close();
      await drain(parts, signal);
      clearInterval(sweeping);
      await closeAll(parts, aedes);
      telemetry.roomStopped({ room: "ingest" });
    },
    setCredentials(list) {
      const kept = new Set(list.map(({ id }) => id));
      for (const { id } of admission.credentials()) if (!kept.has(id)) applyCredential(parts, id, null);
      for (const credential of list) applyCredential(parts, credential.id, credential);
    },
    applyCredential: (id, credential) => applyCredential(parts, id, credential),
    announce: (topic, payload, options = { retain: true }) => announce(parts, aedes, topic, payload, options.retain),
    connections: () => sessions.size,
    pending: () => intake.pending(),
  };
};

const createAedes = (parts: Parts): IngestAedes => {
  const { limits, sessions, telemetry, persistence, life } = parts;
  const hooks = createHooks({
    ...parts,
    keepaliveMax: limits.keepalive,
    filtersMax: limits.filters,
    stopping: () => life.state !== "open",
  });
  const forwarding = {
    followers: () => sessions.followers(),
    forwardMax: limits.forwards,
    onDropped: () => telemetry.connectionRefused({ reason: "forward" }),
  };
  const aedes = new IngestAedes({ ...profile(limits), ...hooks, persistence }, forwarding);
  follow(aedes, sessions, telemetry);
  return aedes;
};

const listenersOf = (parts: Parts, aedes: IngestAedes) => {
  const { limits, settings, budget, sessions, telemetry, clock } = parts;
  const monotonic = () => clock.monotonic();
  const onRefused = (reason: Refusal, address: string) => telemetry.connectionRefused({ reason, address });
  const onStream = (stream: Duplex, address: string) => {
    const guard = new Guard(stream, {
      ...{ settings: limits, budget, monotonic },
      onRefused: (refusal) => onRefused(refusal, address),
      onPaused: () => telemetry.clientPaused({ address }),
    });
    const session = newSession(stream, address, guard);
    sessions.add(session);
    stream.once("close", () => {
      sessions.remove(session);
      telemetry.connectionClosed({ client: session.clientId });
    });
    aedes.handle(stream);
  };
  return createListeners({
    ...{ host: settings.host, port: settings.port, tls: settings.tls, door: parts.door, monotonic },
    handshakeTimeout: limits.connectTimeout,
    ...{ onStream, onRefused },
    onError: (error) => telemetry.warned({ error: error.message }, "listener failed"),
  });
};

/** Deadlines of connections, secrets that ran out, records nobody needs, figures. */
const sweep = (parts: Parts): void => {
  const [now, monotonic] = [parts.clock.now(), parts.clock.monotonic()];
  for (const session of parts.sessions.all()) {
    session.guard.check(monotonic);
    const until = session.principal?.until ?? null;
    if (until !== null && now >= until) revoke(parts, session);
  }
  parts.door.forget(monotonic);
  parts.takeovers.forget(monotonic);
  tell(parts);
};

const tell = ({ telemetry, sessions, counts }: Parts): void => {
  telemetry.connectionsOpen({ value: sessions.size });
  if (counts.accepted > 0) telemetry.messageAccepted({ value: counts.accepted });
  counts.accepted = 0;
};

const revoke = ({ sessions }: Parts, session: Session): void => {
  sessions.change(session, null);
  session.guard.refuse("revoked");
};

const applyCredential = (parts: Parts, id: string, credential: Credential | null): void => {
  const { admission, sessions, clock } = parts;
  admission.apply(id, credential);
  for (const session of sessions.ofCredential(id)) {
    const principal = session.principal && admission.renew(session.principal, clock.now());
    if (principal === null) revoke(parts, session);
    else sessions.change(session, principal);
  }
};

const announce = (parts: Parts, aedes: IngestAedes, topic: string, body: Uint8Array | null, retain: boolean): void => {
  const { persistence, telemetry, limits } = parts;
  if (retain && body !== null && !persistence.mayRetain(topic)) {
    telemetry.warned({ retained: limits.retained }, "no room for one more retained alarm");
  }
  const payload = body === null ? Buffer.alloc(0) : Buffer.from(body);
  aedes.publish({ cmd: "publish", topic, payload, qos: 1, dup: false, retain }, null, (error) => {
    if (error) telemetry.warned({ topic, error: error.message }, "alarm not announced");
  });
};

/** Nothing more comes in; what is under way is acknowledged, as long as patience lasts. */
const drain = async ({ sessions, intake, limits }: Parts, signal: AbortSignal | undefined): Promise<void> => {
  for (const session of sessions.all()) session.guard.deafen();
  const patience = AbortSignal.timeout(limits.stopTimeout);
  await intake.drained(signal === undefined ? patience : AbortSignal.any([signal, patience]));
  // the last acknowledgements leave aedes in the next turns of the loop
  await turn();
  await turn();
};

const closeAll = async (parts: Parts, aedes: IngestAedes): Promise<void> => {
  parts.life.state = "stopped";
  // a FIN behind the last acknowledgement, where a reset could overtake it
  for (const { stream } of parts.sessions.all()) stream.end();
  await turn();
  await new Promise<void>((resolve) => aedes.close(() => resolve()));
  for (const { stream } of parts.sessions.all()) stream.destroy();
  tell(parts);
};
