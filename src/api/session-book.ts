import { createHash } from "node:crypto";
import type { Account, Session } from "../domain/access.ts";
import { type DurationMs, day, hour, type Instant, minute } from "../domain/time.ts";
import type { Clock, Journal, Knowledge } from "../ports.ts";
import type { Directory } from "./directory.ts";
import type { Principal } from "./principal.ts";
import { Problem } from "./problem.ts";
import { within } from "./within.ts";

/** A person's session ends when it was not used for so long, and in any case after `absolute`. */
const idle: DurationMs = 15 * minute;
const absolute: DurationMs = 12 * hour;
/** A wall display's does not idle out. Browsers keep a cookie for 400 days at most (RFC 6265bis, 5.5). */
export const displayDuration: DurationMs = 400 * day;
/** A use is journaled when the last one journaled is at least so old: one entry a minute, not one a request. */
const renewAfter: DurationMs = minute;
const tokenBytes = 32;
const journalWithin: DurationMs = 5_000;
/** Sessions that this process remembers beside the store; those that ended go first. */
const rememberedMax = 10_000;

/**
 * Sessions. Each is an entry of the journal: its beginning, its end, and its uses (at most once a minute, by moving
 * `expiresAt`), so that a restart neither ends a session nor prolongs one. What was journaled and is not applied yet
 * is remembered here, so that a slow applier keeps nobody out, and nobody in.
 */
export type SessionBook = {
  begin(account: Account): Promise<{ readonly token: string; readonly session: Session }>;
  /** The account behind the token; null where there is none, it ended, or the account has changed since. */
  find(token: string, via: Principal["via"]): Principal | null;
  /** Whether the session goes on, which is no use of it. */
  lives(principal: Principal): boolean;
  end(tokenHash: string): Promise<void>;
  /** Resolves when what it appended by itself has been journaled or given up. */
  settled(): Promise<void>;
};

type Ports = {
  readonly knowledge: Knowledge;
  readonly journal: Pick<Journal, "append">;
  readonly clock: Clock;
  readonly directory: Directory;
  readonly randomBytes: (length: number) => Uint8Array;
};

const hashToken = (token: string): string => createHash("sha256").update(token).digest("hex");

/** When it ends whatever happens; for the answer to a sign-in. */
export const endOf = (account: Account, createdAt: Instant): Instant =>
  createdAt + (account.session === "display" ? displayDuration : absolute);

export const createSessionBook = (ports: Ports): SessionBook => {
  const { knowledge, journal, clock, directory, randomBytes } = ports;
  /** Newer than the store's: begun, renewed (a session) or ended (null) by this process. */
  const own = new Map<string, Session | null>();
  const renewing = new Set<Promise<unknown>>();

  const write = async (tokenHash: string, session: Session | null): Promise<void> => {
    const entry = { kind: "session", at: clock.now(), tokenHash, session } as const;
    const late = () => new Problem("not_journaling", undefined, { retryAfter: 5 });
    await within(clock, journalWithin, async () => await journal.append([entry]), late);
  };
  const remember = (tokenHash: string, session: Session | null): void => {
    own.delete(tokenHash);
    own.set(tokenHash, session);
    if (own.size <= rememberedMax) return;
    for (const oldest of own.keys()) return void own.delete(oldest);
  };
  const look = (tokenHash: string): { session: Session; account: Account } | null => {
    const remembered = own.get(tokenHash);
    const session = remembered === undefined ? knowledge.session(tokenHash) : remembered;
    if (session === null || session.expiresAt <= clock.now()) return null;
    const account = directory.account(session.username);
    return account === undefined || account.changedAt > session.createdAt ? null : { session, account };
  };
  const renew = (session: Session, account: Account): void => {
    const now = clock.now();
    const expiresAt = Math.min(now + idle, endOf(account, session.createdAt));
    if (account.session === "display" || expiresAt - session.expiresAt < renewAfter) return;
    const renewed = { ...session, expiresAt };
    remember(session.tokenHash, renewed);
    // the request does not wait for it: what is lost with a crash is a minute of idling
    const writing = write(session.tokenHash, renewed).catch(() => {});
    renewing.add(writing);
    void writing.finally(() => renewing.delete(writing));
  };
  return {
    async begin(account) {
      const token = Buffer.from(randomBytes(tokenBytes)).toString("base64url");
      const createdAt = clock.now();
      const end = endOf(account, createdAt);
      const expiresAt = account.session === "display" ? end : createdAt + idle;
      const session = { tokenHash: hashToken(token), username: account.username, createdAt, expiresAt };
      await write(session.tokenHash, session);
      remember(session.tokenHash, session);
      return { token, session };
    },
    find(token, via) {
      const found = look(hashToken(token));
      if (found === null) return null;
      renew(found.session, found.account);
      return principalOf(found.session, found.account, via);
    },
    lives: ({ tokenHash }) => look(tokenHash) !== null,
    async end(tokenHash) {
      remember(tokenHash, null);
      await write(tokenHash, null);
    },
    settled: async () => void (await Promise.all(renewing)),
  };
};

/** A display's role is read-only whatever its account says. */
const principalOf = (session: Session, account: Account, via: Principal["via"]): Principal => ({
  username: account.username,
  role: account.session === "display" ? "viewer" : account.role,
  language: account.language,
  streets: account.streets,
  tokenHash: session.tokenHash,
  expiresAt: endOf(account, session.createdAt),
  via,
});
