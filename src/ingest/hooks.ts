import type { AedesOptions, ConnectPacket } from "aedes";
import { randomBytes } from "../platform/random.ts";
import type { Telemetry } from "../platform/telemetry.ts";
import type { Clock } from "../ports.ts";
import { type Admission, mayReceive, maySubscribe, publishRefusal } from "./admission.ts";
import type { createTakeovers } from "./door.ts";
import type { Budget } from "./guard.ts";
import type { Intake } from "./intake.ts";
import { connack, type Refusal, RefusedError } from "./refusal.ts";
import type { Session, Sessions } from "./session.ts";

export type Hooks = Required<
  Pick<
    AedesOptions,
    "preConnect" | "authenticate" | "authorizePublish" | "authorizeSubscribe" | "authorizeForward" | "published"
  >
>;

type Hooked = {
  readonly sessions: Sessions;
  readonly admission: Admission;
  readonly intake: Intake;
  readonly takeovers: ReturnType<typeof createTakeovers>;
  readonly budget: Budget;
  readonly clock: Clock;
  readonly telemetry: Telemetry;
  /** What is counted too often to be told one by one. */
  readonly counts: { accepted: number };
  readonly keepaliveMax: number;
  readonly filtersMax: number;
  /** Whether the house is on its way down: then a will tells of us, not of the device. */
  readonly stopping: () => boolean;
};

/**
 * The six questions aedes asks, each answered exactly once. None throws: aedes catches nothing, so that a throw would end
 * the process and leave the connection hanging.
 */
export const createHooks = (hooked: Hooked): Hooks => {
  const [preConnect, authenticate] = [connecting(hooked), authenticating(hooked)];
  const [authorizePublish, authorizeSubscribe] = [publishing(hooked), subscribing(hooked)];
  const safely = (ask: () => void, failed: (error: Error) => void) => {
    try {
      ask();
    } catch (error) {
      failed(broken(hooked, error));
    }
  };
  return {
    preConnect: (client, packet, callback) =>
      safely(
        () => preConnect(client, packet, callback),
        (error) => callback(error, false),
      ),
    authenticate: (client, username, password, callback) =>
      safely(
        () => authenticate(client, username, password, callback),
        (error) => callback(Object.assign(error, { returnCode: connack.serverUnavailable }), null),
      ),
    authorizePublish: (client, packet, callback) => safely(() => authorizePublish(client, packet, callback), callback),
    authorizeSubscribe: (client, subscription, callback) =>
      safely(() => authorizeSubscribe(client, subscription, callback), callback),
    // whatever was subscribed, and however: only observers are handed anything
    authorizeForward(client, packet) {
      const principal = hooked.sessions.of(client.conn)?.principal ?? null;
      return principal !== null && mayReceive(principal, packet.topic) ? packet : null;
    },
    published: (_packet, _client, callback) => callback(null),
  };
};

/** A fault of ours: told, and the connection it happened on is closed. */
const broken = ({ telemetry }: Hooked, error: unknown): Error => {
  const fault = error instanceof Error ? error : new Error(String(error));
  telemetry.roomFailed({ room: "ingest", error: fault.message });
  return fault;
};

const refuse = ({ telemetry }: Hooked, refusal: Refusal, code?: RefusedError["returnCode"]): RefusedError => {
  telemetry.connectionRefused({ reason: refusal });
  return new RefusedError(refusal, code);
};

/** Remembers what CONNECT said, and makes of it what this broker offers: a clean session, watched by our own clock. */
const connecting = (hooked: Hooked): Hooks["preConnect"] => {
  const { sessions, keepaliveMax } = hooked;
  return (client, packet, callback) => {
    const session = sessions.of(client.conn);
    if (session === undefined) return callback(refuse(hooked, "protocol"), false);
    session.connect = {
      clientId: packet.clientId,
      clean: packet.clean !== false,
      keepalive: (packet.keepalive ? Math.min(packet.keepalive, keepaliveMax) : keepaliveMax) * 1000,
      willTopic: packet.will?.topic ?? null,
    };
    if (packet.clientId === "") packet.clientId = assignedClientId(packet);
    packet.clean = true;
    // aedes reads no PINGREQ while it waits for the journal, so the guard watches over silence instead; this also
    // spares one timer refresh a packet
    packet.keepalive = 0;
    return callback(null, true);
  };
};

const assignedIdBytes = 12;
const assignedClientId = ({ username }: ConnectPacket): string => {
  const unique = Buffer.from(randomBytes(assignedIdBytes)).toString("hex");
  return username === undefined ? `assigned-${unique}` : `${username}:${unique}`;
};

const authenticating = (hooked: Hooked): Hooks["authenticate"] => {
  const { sessions, admission, clock } = hooked;
  return (client, username, password, callback) => {
    const session = sessions.of(client.conn);
    const connect = session?.connect;
    if (!session || !connect) return callback(refuse(hooked, "protocol"), null);
    const clientId = connect.clientId === "" && connect.clean ? client.id : connect.clientId;
    const verdict = admission.signIn(
      { address: session.address, clientId, clean: connect.clean, username, password },
      clock.now(),
    );
    if (verdict.kind === "refused") return callback(refuse(hooked, verdict.refusal, verdict.code), null);
    const { principal } = verdict;
    if (connect.willTopic !== null && publishRefusal(principal, connect.willTopic) !== null) {
      return callback(refuse(hooked, "will"), null);
    }
    const holder = sessions.holder(clientId);
    const refusal = holder === undefined ? null : takeoverRefusal(hooked, holder, principal.id, clientId);
    if (refusal !== null) return callback(refuse(hooked, refusal, connack.identifierRejected), null);
    sessions.claim(session, clientId, principal);
    return callback(null, true);
  };
};

/** Who shows a credential owns its client ids, whoever sits on them; an anonymous client may only follow another one. */
const takeoverRefusal = (hooked: Hooked, holder: Session, newcomer: string | null, clientId: string) => {
  if (newcomer === null && holder.principal?.id !== null) return "client_id_taken";
  return hooked.takeovers.may(clientId, hooked.clock.monotonic()) ? null : "takeover_rate";
};

/**
 * The only hook that holds the acknowledgement back, and so the place where the journal is written: PUBACK leaves when
 * `callback` is called, after the entry is durable. An error closes the connection, and the device sends the same bytes
 * for ever: it is for identity and topic alone, never for a payload.
 */
const publishing = (hooked: Hooked): Hooks["authorizePublish"] => {
  const { sessions, intake, budget, clock, counts, stopping } = hooked;
  return (client, packet, callback) => {
    // aedes has no client for the will of a dead broker's client: nobody's, so nobody's right
    const session = client === null ? undefined : sessions.of(client.conn);
    const refusal = refusalOf(session, packet.topic);
    if (session === undefined || refusal !== null) return callback(refuse(hooked, refusal ?? "rights"));
    // a will has no `cmd`: aedes took it out of CONNECT
    const will = packet.cmd !== "publish";
    if (will && stopping()) return callback(new RefusedError("stopping"));
    packet.retain = false;
    const payload = typeof packet.payload === "string" ? Buffer.from(packet.payload) : packet.payload;
    const principal = session.principal?.id ?? null;
    const { topic, qos } = packet;
    const entry = { kind: "message", at: clock.now(), topic, payload, principal, qos } as const;
    budget.pendingBytes += payload.length;
    counts.accepted++;
    intake.put(entry, (error) => {
      budget.pendingBytes -= payload.length;
      session.guard.settle();
      // who is gone has no use for an acknowledgement
      if (!will && session.closed) return;
      try {
        callback(error);
      } catch (fault) {
        broken(hooked, fault);
        session.guard.refuse("protocol");
      }
    });
  };
};

const refusalOf = (session: Session | undefined, topic: string): Refusal | null => {
  if (session === undefined || session.principal === null) return "rights";
  if (session.allowedTopic === topic) return null;
  const refusal = publishRefusal(session.principal, topic);
  if (refusal === null) session.allowedTopic = topic;
  return refusal;
};

/** A filter that may not be followed is answered with 0x80, not with a closed connection [MQTT-3.9.3]. */
const subscribing = (hooked: Hooked): Hooks["authorizeSubscribe"] => {
  const { sessions, filtersMax } = hooked;
  return (client, subscription, callback) => {
    const session = sessions.of(client.conn);
    const principal = session?.principal ?? null;
    const { topic } = subscription;
    const room = session !== undefined && (session.filters.size < filtersMax || session.filters.has(topic));
    if (!session || !principal || !room || !maySubscribe(principal, topic)) {
      refuse(hooked, "subscription");
      return callback(null, null);
    }
    sessions.follow(session, topic);
    return callback(null, subscription);
  };
};
