/** Why the store did not do what it was asked, and whether asking again may help. */
const definitions = {
  /** Written by a newer program: this one must not touch it. */
  store_newer: { retry: false },
  /** Opened for reading before the writer has brought it to this program's schema. */
  store_older: { retry: true },
  /** There is no file yet. */
  store_absent: { retry: true },
  /** A database of something else. */
  store_foreign: { retry: false },
  /** SQLite before 3.51.3 may corrupt a WAL that two connections check-point at once. */
  store_sqlite_old: { retry: false },
  /** A commit that does not go on where the cursor stands. */
  store_order: { retry: false },
  /** A commit with something in it that only a bug can put there. */
  store_invalid: { retry: false },
  /** A commit above its bound. */
  store_oversized: { retry: false },
  store_full: { retry: true },
  store_busy: { retry: true },
  store_io: { retry: true },
  /** The file is damaged: it may be deleted, the journal gives it again as far as it reaches back. */
  store_damaged: { retry: false },
  store_failed: { retry: false },
  /** A page's cursor that this store did not give. */
  cursor_invalid: { retry: false },
} as const;

export type StoreErrorCode = keyof typeof definitions;

export class StoreError extends Error {
  readonly code: StoreErrorCode;
  readonly retry: boolean;
  constructor(code: StoreErrorCode, message: string, options?: ErrorOptions) {
    super(message, options);
    this.name = "StoreError";
    this.code = code;
    this.retry = definitions[code].retry;
  }
}

/** SQLite's primary result codes (sqlite.org/rescode.html) that mean something of their own here. */
const byResult: Readonly<Record<number, StoreErrorCode>> = {
  5: "store_busy",
  6: "store_busy",
  8: "store_io",
  10: "store_io",
  11: "store_damaged",
  13: "store_full",
  14: "store_io",
  26: "store_damaged",
};

/** Whatever was thrown while `doing`, as a StoreError with the cause kept. */
export const storeError = (doing: string, error: unknown): StoreError => {
  if (error instanceof StoreError) return error;
  const { errcode, code } = error as { errcode?: number; code?: string };
  const damaged = code === "observations_damaged" ? "store_damaged" : undefined;
  const known = damaged ?? (errcode === undefined ? undefined : byResult[errcode & 0xff]);
  const reason = error instanceof Error ? error.message : String(error);
  return new StoreError(known ?? "store_failed", `${doing}: ${reason}`, { cause: error });
};
