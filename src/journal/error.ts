/** Why the journal cannot be had, or no longer. Only `journal_unreadable` may be retried within the process. */
export type JournalErrorCode =
  /** Another process holds the folder. */
  | "journal_owned"
  /** Written by a newer version of this program. */
  | "journal_newer"
  /** SQLite would not give the durability that an acknowledgement promises. */
  | "journal_unsafe"
  /** It was closed, in order. */
  | "journal_closed"
  /** An fsync failed, the file turned out damaged or the thread died: the process has to end and start anew. */
  | "journal_failed"
  /** A page could not be read this time (no memory, an I/O error). */
  | "journal_unreadable"
  /** An entry cannot be encoded, or the folder cannot be used. */
  | "journal_refused";

export class JournalError extends Error {
  readonly code: JournalErrorCode;
  constructor(code: JournalErrorCode, message: string, options?: ErrorOptions) {
    super(message, options);
    this.name = "JournalError";
    this.code = code;
  }
}

/** What a failed statement means for the group that waits for it. */
export type Fault = {
  /** `retry`: the world may come round, try again; `corrupt`: the file is damaged; `fatal`: never try again. */
  readonly kind: "retry" | "corrupt" | "fatal";
  readonly reason: "disk_full" | "io_error";
  readonly detail: string;
};

// sqlite.org/rescode.html
const sqliteError = 1;
const sqliteBusy = 5;
const sqliteLocked = 6;
const sqliteNoMemory = 7;
const sqliteReadOnly = 8;
const sqliteIoError = 10;
const sqliteCorrupt = 11;
const sqliteFull = 13;
const sqliteCannotOpen = 14;
const sqliteNotDatabase = 26;
const sqliteIoErrorFsync = 1034;
const sqliteIoErrorDirFsync = 1290;

const errcode = (error: unknown): number =>
  error instanceof Error && "errcode" in error && typeof error.errcode === "number" ? error.errcode : -1;

/** The primary result code, -1 for what is no error of SQLite. */
const primary = (error: unknown): number => (errcode(error) < 0 ? -1 : errcode(error) & 0xff);

export const isCorrupt = (error: unknown): boolean => [sqliteCorrupt, sqliteNotDatabase].includes(primary(error));

/** At an opening, also what SQLite cannot make sense of: an unknown file format, a table that is not there. */
export const isUnusable = (error: unknown): boolean => isCorrupt(error) || primary(error) === sqliteError;

export const isBusy = (error: unknown): boolean => primary(error) === sqliteBusy;

/** The last step of a commit that failed in `fsync` itself, told apart from a failed write. */
export class FsyncError extends Error {}

export const faultOf = (error: unknown): Fault => {
  const detail = error instanceof Error ? error.message : String(error);
  const fault = (kind: Fault["kind"], reason: Fault["reason"] = "io_error"): Fault => ({ kind, reason, detail });
  // Linux forgets the dirty pages of a failed fsync: a second one says yes to data that is gone (fsyncgate, 2018)
  if (error instanceof FsyncError) return fault("fatal");
  const code = errcode(error);
  if (code < 0) return systemFault(error, fault);
  if (code === sqliteIoErrorFsync || code === sqliteIoErrorDirFsync) return fault("fatal");
  if (isCorrupt(error)) return fault("corrupt");
  if (primary(error) === sqliteFull) return fault("retry", "disk_full");
  const passing = [sqliteBusy, sqliteLocked, sqliteNoMemory, sqliteReadOnly, sqliteIoError, sqliteCannotOpen];
  return fault(passing.includes(primary(error)) ? "retry" : "fatal");
};

const systemFault = (error: unknown, fault: (kind: Fault["kind"], reason?: Fault["reason"]) => Fault): Fault => {
  const code = error instanceof Error && "code" in error ? error.code : "";
  if (code === "ENOSPC" || code === "EDQUOT") return fault("retry", "disk_full");
  return fault(code === "EIO" || code === "EROFS" || code === "EINTR" ? "retry" : "fatal");
};
