import { createHash, timingSafeEqual } from "node:crypto";
import type { FastifyReply, FastifyRequest } from "fastify";
import { type Principal, sees } from "./principal.ts";
import { Problem } from "./problem.ts";
import type { Access } from "./route.ts";
import { displayDuration, type SessionBook } from "./session-book.ts";

export const sessionCookie = "meizhen_session";
/** Readable by the console's script, which sends it back as the header: another site's page can do neither. */
const csrfCookie = "meizhen_csrf";
const csrfHeader = "x-csrf-token";

export type Guard = {
  /** Before anything of the request is read: 401, 403, or who it is. */
  admit(request: FastifyRequest, access: Access): Principal | null;
  /** For what needs no session and must not come from another site: a sign-in. */
  refuseOtherSite(request: FastifyRequest): void;
};

/** `publicUrl` is the origin that browsers see when a proxy stands before us. */
export const createGuard = (sessions: SessionBook, publicUrl: string | null): Guard => {
  const publicOrigin = publicUrl === null ? null : new URL(publicUrl).origin;
  const ownOrigin = (request: FastifyRequest, origin: string): boolean =>
    origin === publicOrigin || origin === `${request.protocol}://${request.host}`;

  const refuseOtherSite = (request: FastifyRequest): void => {
    const { origin, "sec-fetch-site": site } = request.headers;
    if (site !== undefined && site !== "same-origin") throw new Problem("cross_site", `sec-fetch-site is ${site}`);
    if (origin !== undefined && !ownOrigin(request, origin)) throw new Problem("cross_site", "the origin is not ours");
  };
  /**
   * A cookie is sent by the browser whoever wrote the page. So a write with it needs what another site can't have: the
   * token of the readable cookie in a header, or the browser's own word (Origin and Sec-Fetch-Site, which no script can
   * set) that the page is ours. A wrong word is refused even with the token.
   */
  const refuseForgery = (request: FastifyRequest, token: string): void => {
    refuseOtherSite(request);
    const given = request.headers[csrfHeader];
    if (given !== undefined) {
      if (typeof given === "string" && equal(given, csrfToken(token))) return;
      throw new Problem("cross_site", `${csrfHeader} is not that of this session`);
    }
    if (request.headers.origin !== undefined && request.headers["sec-fetch-site"] === "same-origin") return;
    throw new Problem("cross_site", `a write with the session cookie needs the header ${csrfHeader}`);
  };
  return {
    refuseOtherSite,
    admit(request, access) {
      if (access === "public") return null;
      const { token, via } = tokenOf(request);
      const principal = token === null ? null : sessions.find(token, via);
      if (principal === null || token === null) throw new Problem("unauthenticated", "sign in at POST /api/v1/session");
      if (via === "cookie" && request.method !== "GET") refuseForgery(request, token);
      if (!access.includes(principal.role))
        throw new Problem("forbidden", `the role ${principal.role} does not allow it`);
      return principal;
    },
  };
};

/** The header goes before the cookie, and where it is given no cookie counts. */
const tokenOf = (request: FastifyRequest): { token: string | null; via: Principal["via"] } => {
  const { authorization } = request.headers;
  if (authorization !== undefined)
    return { token: /^Bearer ([\w-]{1,128})$/i.exec(authorization)?.[1] ?? null, via: "bearer" };
  const cookie = request.cookies[sessionCookie];
  return { token: cookie !== undefined && /^[\w-]{1,128}$/.test(cookie) ? cookie : null, via: "cookie" };
};

/** Derived, so that nothing beside the token has to be kept, and not the other way round. */
export const csrfToken = (token: string): string => createHash("sha256").update(`csrf ${token}`).digest("base64url");

const equal = (one: string, other: string): boolean => {
  const digest = (value: string) => createHash("sha256").update(value).digest();
  return timingSafeEqual(digest(one), digest(other));
};

export const setCookies = (reply: FastifyReply, token: string, kind: "person" | "display"): void => {
  const common = {
    path: "/",
    sameSite: "strict",
    secure: reply.request.protocol === "https",
    ...(kind === "display" ? { maxAge: displayDuration / 1_000 } : {}),
  } as const;
  reply.setCookie(sessionCookie, token, { ...common, httpOnly: true });
  reply.setCookie(csrfCookie, csrfToken(token), common);
};

export const clearCookies = (reply: FastifyReply): void => {
  for (const name of [sessionCookie, csrfCookie]) reply.clearCookie(name, { path: "/", sameSite: "strict" });
};

/** 404, as for one that does not exist, where it belongs to a street that the account does not see. */
export const ofSight = <T extends { readonly street: Parameters<typeof sees>[1] }>(
  principal: Principal,
  found: T | null | undefined,
  what: string,
): T => {
  if (found !== null && found !== undefined && sees(principal, found.street)) return found;
  throw new Problem("not_found", `there is no ${what}`);
};
