import type { Role } from "../domain/access.ts";
import type { StreetId } from "../domain/thing.ts";
import type { Instant } from "../domain/time.ts";

/** Who asks, as the session says. */
export type Principal = {
  readonly username: string;
  readonly role: Role;
  readonly language: "zh" | "en";
  /** The streets it sees; null: all of them. */
  readonly streets: readonly StreetId[] | null;
  readonly tokenHash: string;
  /** When the session ends if it is not used again. */
  readonly expiresAt: Instant;
  /** How the token came: only what a browser sends by itself can be forged by another site. */
  readonly via: "bearer" | "cookie";
};

/** Nobody: sees nothing. */
export const nobody: Principal = {
  username: "",
  role: "viewer",
  language: "zh",
  streets: [],
  tokenHash: "",
  expiresAt: 0,
  via: "bearer",
};

/** Whether it sees what belongs to this street; what belongs to none is for those who see all. */
export const sees = ({ streets }: Pick<Principal, "streets">, street: StreetId | ""): boolean =>
  streets === null || (street !== "" && streets.includes(street));

/** The streets of a list, narrowed to one if it is asked for; null: all of them. */
export const streetsOf = ({ streets }: Principal, asked: StreetId | undefined): readonly StreetId[] | null => {
  if (asked === undefined) return streets;
  return sees({ streets }, asked) ? [asked] : [];
};

declare module "fastify" {
  interface FastifyRequest {
    principal: Principal | null;
  }
}
