import { createHash, timingSafeEqual } from "node:crypto";
import { parseTopic } from "../codec/topic.ts";
import type { Credential } from "../domain/access.ts";
import type { Instant } from "../domain/time.ts";
import { isLoopback } from "./door.ts";
import { type ConnackCode, connack, type Refusal } from "./refusal.ts";

// Who may sign in, publish where, and follow what (SURFACE sections 2 and 4). Decisions only: no socket, no clock, no
// aedes. What a thing is, and whether it exists, is the engine's business; here a name is enough.

export type AuthMode = "loopback" | "required";

/** Who a connection turned out to be, with the rights that it had when this was made. */
export type Principal = {
  /** The credential's id; null: anonymous on loopback. */
  readonly id: string | null;
  readonly role: "anonymous" | Credential["role"];
  /** Names it may publish for; null: any. */
  readonly things: ReadonlySet<string> | null;
  /** SHA-256 of the secret it showed. */
  readonly secret: Buffer | null;
  /** When that secret ends, in a rotation. */
  readonly until: Instant | null;
};

/** What a CONNECT says, and where it came from. */
type SignIn = {
  readonly address: string;
  readonly clientId: string;
  readonly clean: boolean;
  readonly username: string | undefined;
  readonly password: Uint8Array | undefined;
};

type Verdict =
  | { readonly kind: "admitted"; readonly principal: Principal }
  | { readonly kind: "refused"; readonly code: ConnackCode; readonly refusal: Refusal };

export type Admission = {
  signIn(signIn: SignIn, now: Instant): Verdict;
  /** The principal as it is after its credential changed; null: it must go. */
  renew(principal: Principal, now: Instant): Principal | null;
  apply(id: string, credential: Credential | null): void;
  credentials(): readonly Credential[];
};

const refused = (refusal: Refusal, code: ConnackCode): Verdict => ({ kind: "refused", code, refusal });
const anonymous: Principal = { id: null, role: "anonymous", things: null, secret: null, until: null };

/** Up to 64 printable characters of ASCII. */
const anonymousClientId = /^[\x20-\x7e]{1,64}$/;
const suffix = /^[\x21-\x7e]{1,64}$/;
/** The longest client id there is: a thing's id, a colon, a suffix. */
export const clientIdLengthMax = 64 + 1 + 64;

const sha256 = (secret: Uint8Array): Buffer => createHash("sha256").update(secret).digest();
/** What an unknown user's password is compared with, so that the answer takes as long as a known one's. */
const nobody: Credential["secrets"] = [{ hash: "0".repeat(64), until: null }];

/** The secret among `secrets` that equals `shown`; all of them are looked at, each in constant time. */
const matching = (secrets: Credential["secrets"], shown: Buffer, now: Instant) => {
  let match: Credential["secrets"][number] | null = null;
  for (const secret of secrets) {
    const hash = Buffer.from(secret.hash, "hex");
    const equal = hash.length === shown.length && timingSafeEqual(hash, shown);
    if (equal && (secret.until === null || now < secret.until)) match = secret;
  }
  return match;
};

const principalOf = (credential: Credential, secret: Buffer, until: Instant | null): Principal => ({
  id: credential.id,
  role: credential.role,
  // a gateway is a thing too: it may always speak for itself
  things: new Set(credential.role === "observer" ? [] : [credential.id, ...credential.things]),
  secret,
  until,
});

/** Decides by the credentials given and applied later. */
export const createAdmission = (auth: AuthMode, initial: readonly Credential[]): Admission => {
  const credentials = new Map(initial.map((credential) => [credential.id, credential]));

  const signInAnonymous = ({ address, clientId, password }: SignIn): Verdict => {
    if (password !== undefined) return refused("credentials", connack.badCredentials);
    if (auth === "required" || !isLoopback(address)) return refused("anonymous", connack.notAuthorized);
    // nobody without a credential sits on a client id that belongs to one
    const owner = clientId.split(":", 1)[0] as string;
    if (!anonymousClientId.test(clientId) || credentials.has(owner)) {
      return refused("client_id", connack.identifierRejected);
    }
    return { kind: "admitted", principal: anonymous };
  };

  const signInAs = (username: string, { clientId, password }: SignIn, now: Instant): Verdict => {
    const credential = credentials.get(username);
    const shown = sha256(password ?? new Uint8Array());
    const secret = matching(credential?.secrets ?? nobody, shown, now);
    if (credential === undefined || secret === null || password === undefined) {
      return refused("credentials", connack.badCredentials);
    }
    if (!ownClientId(clientId, username)) return refused("client_id", connack.identifierRejected);
    return { kind: "admitted", principal: principalOf(credential, shown, secret.until) };
  };

  return {
    signIn(signIn, now) {
      // [MQTT-3.1.3-8] a client without an id cannot ask for a session that outlives the connection
      if (signIn.clientId === "" && !signIn.clean) return refused("client_id", connack.identifierRejected);
      return signIn.username === undefined ? signInAnonymous(signIn) : signInAs(signIn.username, signIn, now);
    },
    renew(principal, now) {
      if (principal.id === null || principal.secret === null) return principal;
      const credential = credentials.get(principal.id);
      const secret = credential && matching(credential.secrets, principal.secret, now);
      return credential && secret ? principalOf(credential, principal.secret, secret.until) : null;
    },
    apply(id, credential) {
      if (credential === null) credentials.delete(id);
      else credentials.set(id, credential);
    },
    credentials: () => [...credentials.values()],
  };
};

const ownClientId = (clientId: string, id: string): boolean =>
  clientId === id || (clientId.startsWith(`${id}:`) && suffix.test(clientId.slice(id.length + 1)));

/** Why this topic may not be published, or null. Never looks at the payload. */
export const publishRefusal = (principal: Principal, topic: string): Refusal | null => {
  // aedes' own block of `$SYS/` went with its hook; a message on `$SYS/{any}/new/clients` would close other clients
  const parsed = parseTopic(topic);
  if (parsed === null) return "topic";
  if (principal.role === "observer") return "rights";
  return principal.things === null || principal.things.has(parsed.thing) ? null : "rights";
};

const filterLevel = /^(?:\+|[A-Za-z0-9_-]{1,64})$/;
const filterLevelsMax = 8;

/** Whether this filter may be followed: observers only, within `meizhen/#`. */
export const maySubscribe = (principal: Principal, filter: string): boolean => {
  if (principal.role !== "observer") return false;
  const levels = filter.split("/");
  if (levels.length < 2 || levels.length > filterLevelsMax || levels[0] !== "meizhen") return false;
  return levels.every((level, at) => filterLevel.test(level) || (level === "#" && at === levels.length - 1));
};

/** Whether a filter can match nothing but alarm topics, `meizhen/{street}/{kind}/{thing}/alarms/{limit}`. */
export const followsAlarmsOnly = (filter: string): boolean => filter.split("/")[4] === "alarms";

/** Whether a message of this topic may be handed to the principal, whatever was subscribed. */
export const mayReceive = (principal: Principal, topic: string): boolean =>
  principal.role === "observer" && topic.startsWith("meizhen/");
