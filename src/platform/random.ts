import { randomBytes as bytes } from "node:crypto";

/** The only source of randomness: unguessable bytes, for secrets, tokens and salts. */
export const randomBytes = (length: number): Uint8Array => bytes(length);

/** From 0 (included) to 1 (not), for jitter. */
export const random = (): number => Math.random();
