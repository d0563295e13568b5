import { createHash } from "node:crypto";
import type { Credential } from "../domain/access.ts";
import type { ThingId } from "../domain/thing.ts";
import { hour, toIso } from "../domain/time.ts";
import { AdminError, type AdminPorts, carryOut, readArguments, table } from "./request.ts";

/** 128 random bits (SURFACE section 4). */
const secretBytes = 16;
/** How long the former secret stays valid after a rotation, so that a device can be told the new one. */
const overlapHoursDefault = 24;
const usage =
  "device add ID [--role thing|gateway|observer] [--things a,b] | rotate ID [--overlap-hours N] | revoke ID | list";

/** Credentials of things, gateways and observers. A secret is printed once and kept as its SHA-256. */
export const device = async (verb: string, argv: readonly string[], ports: AdminPorts): Promise<string[]> => {
  if (verb === "add") return await add(argv, ports);
  if (verb === "rotate") return await rotate(argv, ports);
  if (verb === "revoke") return await revoke(argv, ports);
  if (verb === "list" && argv.length === 0) return list(ports);
  throw new AdminError("usage", usage);
};

const add = async (argv: readonly string[], ports: AdminPorts): Promise<string[]> => {
  const { id, options } = readArguments(argv, ["role", "things"]);
  if (find(id, ports) !== undefined)
    throw new AdminError("exists", `${id} has a credential already: rotate or revoke it`);
  const credential = { ...describe(id, options, ports), secrets: [], changedAt: ports.clock.now() };
  return await give(credential, ports);
};

/** Role and things of a new credential, from the registry unless they are given. */
const describe = (
  id: string,
  options: Readonly<Record<string, string | undefined>>,
  { knowledge }: AdminPorts,
): Pick<Credential, "id" | "role" | "things"> => {
  if (!/^[a-z0-9-]{1,64}$/.test(id)) throw new AdminError("invalid", "a name is 1 to 64 of a-z, 0-9 and -");
  const things = knowledge.registry()?.things ?? [];
  const registered = things.find((thing) => thing.id === id);
  const role = options.role ?? (registered?.kind === "gateway" ? "gateway" : "thing");
  if (role === "observer") return { id, role, things: [] };
  if (role === "thing") {
    if (registered === undefined) throw new AdminError("unknown", `${id} is not in the fleet`);
    return { id, role, things: [registered.id] };
  }
  if (role !== "gateway") throw new AdminError("invalid", "a role is thing, gateway or observer");
  const named = options.things?.split(",") ?? things.filter((thing) => thing.gateway === id).map((thing) => thing.id);
  const unknown = named.filter((name) => !things.some((thing) => thing.id === name));
  if (unknown.length > 0) throw new AdminError("unknown", `not in the fleet: ${unknown.join(", ")}`);
  const own = registered === undefined ? [] : [registered.id];
  return { id, role, things: [...new Set([...own, ...(named as ThingId[])])] };
};

const rotate = async (argv: readonly string[], ports: AdminPorts): Promise<string[]> => {
  const { id, options } = readArguments(argv, ["overlap-hours"]);
  const overlap = Number(options["overlap-hours"] ?? overlapHoursDefault);
  if (!(overlap >= 0 && overlap <= 24 * 90)) throw new AdminError("invalid", "the overlap is 0 to 2160 hours");
  const credential = find(id, ports) ?? unknownCredential(id);
  const now = ports.clock.now();
  const former = credential.secrets.slice(0, 1).map(({ hash }) => ({ hash, until: now + overlap * hour }));
  return await give({ ...credential, secrets: overlap === 0 ? [] : former, changedAt: now }, ports);
};

const revoke = async (argv: readonly string[], ports: AdminPorts): Promise<string[]> => {
  const { id } = readArguments(argv, []);
  if (find(id, ports) === undefined) unknownCredential(id);
  await carryOut({ kind: "credential", at: ports.clock.now(), by: "command", id, credential: null }, ports);
  return [`${id}: revoked, its connections are closed`];
};

const list = ({ knowledge }: AdminPorts): string[] =>
  table([
    ["id", "role", "things", "changed"],
    ...knowledge.credentials().map((one) => [one.id, one.role, String(one.things.length), toIso(one.changedAt)]),
  ]);

/** Puts a new secret in front and prints it: the only time that anybody sees it. */
const give = async (credential: Credential, ports: AdminPorts): Promise<string[]> => {
  const secret = Buffer.from(ports.randomBytes(secretBytes)).toString("hex");
  const hash = createHash("sha256").update(secret).digest("hex");
  const secrets = [{ hash, until: null }, ...credential.secrets];
  await carryOut(
    {
      kind: "credential",
      at: ports.clock.now(),
      by: "command",
      id: credential.id,
      credential: { ...credential, secrets },
    },
    ports,
  );
  return [`user name ${credential.id}`, `password ${secret}`];
};

const find = (id: string, { knowledge }: AdminPorts): Credential | undefined =>
  knowledge.credentials().find((credential) => credential.id === id);

const unknownCredential = (id: string): never => {
  throw new AdminError("unknown", `${id} has no credential`);
};
