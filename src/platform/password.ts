import { type ScryptOptions, scrypt, timingSafeEqual } from "node:crypto";

/**
 * Cost of one hash (RFC 7914): 32 MiB and, measured on the two cores that we plan for, 0.2 s. Of the settings that
 * OWASP's Password Storage Cheat Sheet holds equal (2^17/1, 2^16/2, 2^15/3, 2^14/5) it is the one that a small box can
 * afford while it does something else.
 */
const cost = { N: 2 ** 15, r: 8, p: 3 } as const;
const saltBytes = 16;
const hashBytes = 32;
/** What a stored hash may ask of us: four times the memory of ours. */
const memoryBytesMax = 256 * 2 ** 20;
/** A password is cut off nowhere, so its length is bounded where it comes in. */
export const passwordLengthMax = 256;

/** `scrypt$N$r$p$salt$hash`, salt and hash base64url. Computed in libuv's pool: the thread that asks goes on. */
export const hashPassword = async (password: string, randomBytes: (length: number) => Uint8Array): Promise<string> => {
  const salt = Buffer.from(randomBytes(saltBytes));
  const hash = await derive(password, salt, hashBytes, cost);
  return ["scrypt", cost.N, cost.r, cost.p, salt.toString("base64url"), hash.toString("base64url")].join("$");
};

/** Whether the password is the one hashed; false too for a hash that is none of ours. Takes as long either way. */
export const verifyPassword = async (password: string, hashed: string): Promise<boolean> => {
  const [, N, r, p, salt, hash] =
    /^scrypt\$(\d{1,8})\$(\d{1,3})\$(\d{1,3})\$([\w-]{8,128})\$([\w-]{16,128})$/.exec(hashed) ?? [];
  if (salt === undefined || hash === undefined) return false;
  const parameters = { N: Number(N), r: Number(r), p: Number(p) };
  if (!affordable(parameters)) return false;
  const expected = Buffer.from(hash, "base64url");
  const derived = await derive(password, Buffer.from(salt, "base64url"), expected.length, parameters);
  return timingSafeEqual(derived, expected);
};

/** scrypt throws on an N that is no power of two above 1, and on zero r or p. */
const affordable = ({ N, r, p }: { N: number; r: number; p: number }): boolean =>
  N > 1 && Number.isInteger(Math.log2(N)) && r > 0 && p > 0 && p <= 16 && 128 * N * r < memoryBytesMax;

/** NFKC, so that a password typed through another input method is the same one (NIST SP 800-63B, 3.1.1.2). */
const derive = (password: string, salt: Buffer, length: number, options: ScryptOptions): Promise<Buffer> =>
  new Promise((resolve, reject) => {
    scrypt(password.normalize("NFKC"), salt, length, { ...options, maxmem: memoryBytesMax }, (error, key) => {
      if (error === null) resolve(key);
      else reject(error);
    });
  });
