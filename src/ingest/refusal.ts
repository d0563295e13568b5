/** Why a connection was closed or a packet not taken: a closed list, the label of `ingest_refused_total`. */
export type Refusal =
  // at the door
  | "connections"
  | "address_connections"
  | "address_rate"
  | "tls"
  | "stopping"
  // frames
  | "frame_first"
  | "frame_length"
  | "frame_too_large"
  | "frame_memory"
  | "protocol"
  // deadlines
  | "connect_timeout"
  | "authenticate_timeout"
  | "keepalive"
  | "drain_timeout"
  // who
  | "credentials"
  | "anonymous"
  | "client_id"
  | "client_id_taken"
  | "takeover_rate"
  | "revoked"
  // what
  | "will"
  | "topic"
  | "rights"
  | "subscription"
  | "forward"
  | "journal_closed";

/** CONNACK return codes of MQTT 3.1.1 (table 3.1). */
export const connack = { identifierRejected: 2, serverUnavailable: 3, badCredentials: 4, notAuthorized: 5 } as const;
export type ConnackCode = (typeof connack)[keyof typeof connack];

/** Passed to an aedes hook, which then closes the connection; `returnCode` is what CONNACK says. */
export class RefusedError extends Error {
  readonly refusal: Refusal;
  readonly returnCode: ConnackCode;

  constructor(refusal: Refusal, returnCode: ConnackCode = connack.notAuthorized) {
    super(`refused: ${refusal}`);
    this.name = "RefusedError";
    this.refusal = refusal;
    this.returnCode = returnCode;
  }
}
