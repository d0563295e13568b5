import { generatePassword } from "../admin/user.ts";
import { type Fault, isDevicesFile, readDevices } from "../codec/devices.ts";
import type { Config } from "../config.ts";
import type { Entry } from "../domain/entry.ts";
import type { Registry } from "../domain/registry.ts";
import type { LimitId } from "../domain/thing.ts";
import { day } from "../domain/time.ts";
import type { OwnedJournal } from "../journal/sqlite.ts";
import { readTextTree } from "../platform/files.ts";
import type { Clock, Knowledge } from "../ports.ts";

/** Faults of the devices folder, all of them. */
export class DevicesError extends Error {
  readonly code = "devices_invalid";
  readonly faults: readonly Fault[];
  constructor(folder: string, faults: readonly Fault[]) {
    const lines = faults.map(({ file, line, path, code, message }) => `${file}:${line} ${path} (${code}): ${message}`);
    super([`the devices folder ${folder} cannot be taken:`, ...lines].join("\n"));
    this.faults = faults;
  }
}

/** The devices folder as settings name it. @throws DevicesError */
export const readRegistry = async (config: Config): Promise<Registry> => {
  const folder = config.MEIZHEN_DEVICES_DIR;
  const files = await readTextTree(folder, isDevicesFile).catch((error: Error) => {
    throw new DevicesError(folder, [{ file: "", line: 0, path: "", code: "missing_file", message: error.message }]);
  });
  const read = readDevices(files, config.MEIZHEN_RETENTION_DAYS * day);
  if (read.kind === "faults") throw new DevicesError(folder, read.faults);
  return read.registry;
};

type Parts = {
  readonly journal: OwnedJournal;
  readonly knowledge: Knowledge;
  readonly clock: Clock;
  readonly randomBytes: (length: number) => Uint8Array;
  readonly hashPassword: (password: string, randomBytes: (length: number) => Uint8Array) => Promise<string>;
  readonly verifyPassword: (password: string, hashed: string) => Promise<boolean>;
  readonly signal: AbortSignal;
};

/**
 * Tells the journal what this start brings: the devices folder where it differs from the last one, the first account,
 * and which acknowledged entries the journal found lost. Answers the admin's password if it had to make one.
 */
export const introduce = async (
  parts: Parts,
  settings: { readonly registry: Registry; readonly adminPassword: string | undefined },
): Promise<string | null> => {
  const { journal, knowledge, clock, signal } = parts;
  const entries: Entry[] = losses(journal, clock);
  if (knowledge.registry()?.version !== settings.registry.version) {
    entries.push({ kind: "registry", at: clock.now(), registry: settings.registry });
  }
  const admin = await adminAccount(parts, settings.adminPassword);
  if (admin.entry !== null) entries.push(admin.entry);
  if (entries.length > 0) await knowledge.waitPast((await journal.append(entries)) - 1, signal);
  return admin.generated;
};

const adminAccount = async (
  { knowledge, clock, randomBytes, hashPassword, verifyPassword }: Parts,
  given: string | undefined,
): Promise<{ entry: Entry | null; generated: string | null }> => {
  const present = knowledge.accounts().find(({ username }) => username === "admin");
  if (present !== undefined && given === undefined) return { entry: null, generated: null };
  if (present !== undefined && given !== undefined && (await verifyPassword(given, present.password))) {
    return { entry: null, generated: null };
  }
  const generated = given === undefined ? generatePassword({ randomBytes }) : null;
  const at = clock.now();
  const password = await hashPassword(given ?? (generated as string), randomBytes);
  const standing = present ?? { username: "admin", role: "admin", language: "zh", streets: null };
  const account = { ...standing, password, changedAt: at } as const;
  return { entry: { kind: "account", at, by: "start", username: "admin", account }, generated };
};

/** The journal's losses as alarms that stand until somebody has acknowledged them. */
const losses = ({ recovery }: OwnedJournal, clock: Clock): Entry[] =>
  recovery.missing.flatMap(({ first, last, reason }) => {
    const detail = `entries ${first} to ${last} were acknowledged and are gone: ${reason}`;
    const entry = {
      kind: "condition",
      at: clock.now(),
      limit: "journal" as LimitId,
      value: last - first + 1,
      detail,
    } as const;
    return [
      { ...entry, active: true },
      { ...entry, active: false },
    ];
  });
