import type { StreetId, ThingId } from "./thing.ts";
import type { Instant } from "./time.ts";

/** SHA-256 of a generated device secret of 128 random bits, lower-case hex: fast, because nobody can guess the input. */
export type SecretHash = string;

/** What a client of the broker signs in with. Its user name is `id`. */
export type Credential = {
  /** The thing's id, the gateway's id, or a name for an observer. */
  readonly id: string;
  readonly role: "thing" | "gateway" | "observer";
  /** The things it may publish for; empty for an observer. */
  readonly things: readonly ThingId[];
  /** Newest first; during a rotation the former one stays valid until `until`. */
  readonly secrets: readonly { readonly hash: SecretHash; readonly until: Instant | null }[];
  readonly changedAt: Instant;
};

export const roles = ["viewer", "operator", "admin", "auditor"] as const;
export type Role = (typeof roles)[number];

/** A person, or a wall display, that signs in to the API. */
export type Account = {
  readonly username: string;
  readonly role: Role;
  readonly language: "zh" | "en";
  /** The streets it sees; null: all of them. */
  readonly streets: readonly StreetId[] | null;
  /** `display`: a wall display, whose session is read-only and does not idle out; absent: a person's. */
  readonly session?: "person" | "display";
  /** `scrypt$N$r$p$salt$hash`, base64url. */
  readonly password: string;
  readonly changedAt: Instant;
};

/** A signed-in session; the token itself is never kept. */
export type Session = {
  /** SHA-256 of the token, lower-case hex. */
  readonly tokenHash: string;
  readonly username: string;
  readonly createdAt: Instant;
  readonly expiresAt: Instant;
};
