import type { Client } from "aedes";
import type { Telemetry } from "../platform/telemetry.ts";
import { clientIdLengthMax } from "./admission.ts";
import type { IngestAedes } from "./aedes.ts";
import type { BrokerLimits } from "./limits.ts";
import { type Refusal, RefusedError } from "./refusal.ts";
import type { Sessions } from "./session.ts";

/** aedes' settings in the ingest-only profile. */
export const profile = ({ connectTimeout }: BrokerLimits) => ({
  concurrency: 200,
  // the guard is first; this one is there for a stream that never becomes readable
  connectTimeout: connectTimeout * 2,
  drainTimeout: 5000,
  // watched by the guard, see hooks.ts
  keepaliveLimit: 0,
  queueLimit: 10,
  // QoS 2 publishes without their PUBREL. At 20 a client that pipelines (mqtt.js does) is cut off for ever; an id is 40 bytes
  maxInflightInbound: 1000,
  maxTopicLevels: 8,
  maxClientsIdLength: clientIdLengthMax,
  heartbeatInterval: 60_000,
});

/** What aedes says of its clients; without a listener for `error` it would throw. */
export const follow = (aedes: IngestAedes, sessions: Sessions, telemetry: Telemetry) => {
  const failed = (_client: Client, error: Error) => {
    const reason = reasonOf(error);
    if (reason !== null) telemetry.connectionRefused({ reason, detail: error.message });
  };
  aedes.on("connackSent", ({ returnCode }, client) => {
    const session = sessions.of(client.conn);
    if (returnCode !== 0 || !session?.connect) return;
    session.guard.admit(session.connect.keepalive);
    telemetry.connectionOpened({ client: client.id });
  });
  aedes.on("unsubscribe", (filters, client) => {
    const session = sessions.of(client.conn);
    if (session !== undefined) for (const filter of filters) sessions.unfollow(session, filter);
  });
  aedes.on("clientError", failed);
  aedes.on("connectionError", failed);
  (aedes as NodeJS.EventEmitter).on("error", (error: Error) =>
    telemetry.roomFailed({ room: "ingest", error: error.message }),
  );
};

/** Null: told already, or the network's own doing. */
const reasonOf = (error: Error & { code?: string }): Refusal | null => {
  if (error instanceof RefusedError || error.code !== undefined) return null;
  if (error.message === "drain timeout") return "drain_timeout";
  if (error.message === "connect did not arrive in time") return "connect_timeout";
  return error.message === "connection closed" ? null : "protocol";
};
