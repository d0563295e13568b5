import type { Duplex } from "node:stream";
import type { DurationMs } from "../domain/time.ts";
import { followsAlarmsOnly, type Principal } from "./admission.ts";
import type { Guard } from "./guard.ts";

/** One connection, from the accepted socket to its close. */
export type Session = {
  readonly stream: Duplex;
  readonly address: string;
  readonly guard: Guard;
  /** As CONNECT said it, before anything was changed for aedes; null: no CONNECT yet. */
  connect: {
    readonly clientId: string;
    readonly clean: boolean;
    readonly keepalive: DurationMs;
    readonly willTopic: string | null;
  } | null;
  /** Null until signed in, and again when the right to be here has ended. */
  principal: Principal | null;
  clientId: string | null;
  /** The topic that was found to be allowed last: devices publish on one topic for years. */
  allowedTopic: string | null;
  readonly filters: Set<string>;
  closed: boolean;
};

export const newSession = (stream: Duplex, address: string, guard: Guard): Session => ({
  stream,
  address,
  guard,
  connect: null,
  principal: null,
  clientId: null,
  allowedTopic: null,
  filters: new Set(),
  closed: false,
});

/** All connections: by stream, as aedes names them; by credential; and by client id, which has one owner at a time. */
export class Sessions {
  readonly #all = new Set<Session>();
  // still answers for a stream that is closed: a will is published after that
  readonly #byStream = new WeakMap<Duplex, Session>();
  readonly #byClientId = new Map<string, Session>();
  readonly #byCredential = new Map<string, Set<Session>>();
  #followers = 0;

  add(session: Session): void {
    this.#all.add(session);
    this.#byStream.set(session.stream, session);
  }

  remove(session: Session): void {
    session.closed = true;
    this.#all.delete(session);
    for (const filter of session.filters) this.unfollow(session, filter);
    if (session.clientId === null) return;
    if (this.#byClientId.get(session.clientId) === session) this.#byClientId.delete(session.clientId);
    const id = session.principal?.id ?? null;
    if (id !== null) this.#forget(id, session);
  }

  #forget(credential: string, session: Session): void {
    const sessions = this.#byCredential.get(credential);
    sessions?.delete(session);
    if (sessions?.size === 0) this.#byCredential.delete(credential);
  }

  of(stream: Duplex): Session | undefined {
    return this.#byStream.get(stream);
  }

  /** From sign-in on, before aedes registers it: two CONNECTs at the same moment see each other. */
  claim(session: Session, clientId: string, principal: Principal): void {
    session.clientId = clientId;
    session.principal = principal;
    this.#byClientId.set(clientId, session);
    if (principal.id === null) return;
    const sessions = this.#byCredential.get(principal.id) ?? new Set();
    this.#byCredential.set(principal.id, sessions.add(session));
  }

  /** Its rights as they are now; null: none, and nothing of it is taken from here on, its will included. */
  change(session: Session, principal: Principal | null): void {
    const id = session.principal?.id ?? null;
    if (principal === null && id !== null) this.#forget(id, session);
    session.principal = principal;
    session.allowedTopic = null;
  }

  holder(clientId: string): Session | undefined {
    return this.#byClientId.get(clientId);
  }

  ofCredential(id: string): readonly Session[] {
    return [...(this.#byCredential.get(id) ?? [])];
  }

  follow(session: Session, filter: string): void {
    if (session.filters.has(filter)) return;
    session.filters.add(filter);
    if (!followsAlarmsOnly(filter)) this.#followers++;
  }

  unfollow(session: Session, filter: string): void {
    if (session.filters.delete(filter) && !followsAlarmsOnly(filter)) this.#followers--;
  }

  /** Subscriptions that a device's message can match. */
  followers(): number {
    return this.#followers;
  }

  all(): Iterable<Session> {
    return this.#all.values();
  }

  get size(): number {
    return this.#all.size;
  }
}
