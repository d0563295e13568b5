import type { FastifyReply, FastifyRequest } from "fastify";
import { z } from "zod";
import { type Account, roles } from "../domain/access.ts";
import { second, toIso } from "../domain/time.ts";
import { passwordLengthMax, verifyPassword } from "../platform/password.ts";
import type { Desk } from "./desk.ts";
import { clearCookies, csrfToken, sessionCookie, setCookies } from "./guard.ts";
import type { Principal } from "./principal.ts";
import { Problem } from "./problem.ts";
import { everyRole, type Route, route } from "./route.ts";
import { endOf } from "./session-book.ts";
import { iso } from "./shape.ts";
import { createTurnstile } from "./turnstile.ts";

/** A hash costs a fifth of a second of one of two cores: one at a time, and nobody waits longer than ten seconds. */
const hashing = { atOnce: 1, waitingMax: 50 } as const;
/** Verified instead of an account's that does not exist, so that the time tells nobody which names do. */
const nobodysPassword = `scrypt$32768$8$3$${"A".repeat(22)}$${"A".repeat(43)}`;

const user = z.strictObject({ username: z.string(), role: z.enum(roles), language: z.enum(["zh", "en"]) });
const signIn = z.strictObject({
  username: z.string().min(1).max(64),
  password: z.string().min(1).max(passwordLengthMax),
  otp: z.string().max(16).optional(),
});
const current = z.strictObject({ expiresAt: iso, user, csrf: z.string() });

/** POST, GET and DELETE `/session`. */
export const sessionRoutes = (desk: Desk): readonly Route[] => {
  const authenticate = authenticator(desk);
  return [
    route({
      method: "POST",
      path: "/api/v1/session",
      access: "public",
      summary: "Sign in",
      body: signIn,
      answer: current.extend({ token: z.string() }),
      errors: ["sign_in_failed", "locked_out", "busy", "not_journaling"],
      handle: async ({ body, request, reply }) => {
        desk.guard.refuseOtherSite(request);
        const account = await authenticate(body.username, body.password, request.ip);
        const { token, session } = await desk.sessions.begin(account);
        setCookies(reply, token, account.session ?? "person");
        return { token, ...shown(account, endOf(account, session.createdAt), token) };
      },
    }),
    route({
      method: "GET",
      path: "/api/v1/session",
      access: everyRole,
      summary: "Who is signed in",
      answer: current,
      handle: ({ principal, request }) => shown(principal, principal.expiresAt, tokenIn(request)),
    }),
    route({
      method: "DELETE",
      path: "/api/v1/session",
      access: everyRole,
      summary: "Sign out",
      answer: null,
      errors: ["not_journaling"],
      handle: async ({ principal, reply }): Promise<FastifyReply> => {
        clearCookies(reply);
        await desk.sessions.end(principal.tokenHash);
        return reply.code(204).send();
      },
    }),
  ];
};

const shown = (of: Pick<Principal, "username" | "role" | "language">, expiresAt: number, token: string) => ({
  expiresAt: toIso(expiresAt),
  user: { username: of.username, role: of.role, language: of.language },
  csrf: csrfToken(token),
});

const tokenIn = (request: FastifyRequest): string =>
  request.headers.authorization?.slice("Bearer ".length) ?? request.cookies[sessionCookie] ?? "";

/** The account of this name and password. @throws Problem sign_in_failed, locked_out, busy */
const authenticator = ({ directory, lockout, clock, telemetry }: Desk) => {
  const turnstile = createTurnstile(hashing);
  // the lock is looked at inside the turnstile: a hundred guesses at one time are not a hundred guesses for free
  const attempt = async (username: string, password: string, address: string): Promise<Account> => {
    const locked = lockout.locked(username, address, clock.now());
    if (locked > 0) throw lockedOut(locked);
    const account = directory.account(username);
    const right = await verifyPassword(password, account?.password ?? nobodysPassword);
    if (account !== undefined && right) {
      lockout.succeeded(username, address);
      return account;
    }
    lockout.failed(username, address, clock.now());
    // a name that nobody has may be a password typed into the wrong field
    telemetry.signInFailed({ address, username: account?.username ?? null });
    throw new Problem("sign_in_failed");
  };
  return async (username: string, password: string, address: string): Promise<Account> => {
    const locked = lockout.locked(username, address, clock.now());
    if (locked > 0) throw lockedOut(locked);
    const passed = turnstile.pass(() => attempt(username, password, address));
    if (passed === undefined) throw new Problem("busy", "too many sign-ins at one time", { retryAfter: 10 });
    return await passed;
  };
};

const lockedOut = (duration: number): Problem =>
  new Problem("locked_out", undefined, { retryAfter: Math.ceil(duration / second) });
