import { type Account, type Role, roles } from "../domain/access.ts";
import type { StreetId } from "../domain/thing.ts";
import { toIso } from "../domain/time.ts";
import { AdminError, type AdminPorts, carryOut, readArguments, table } from "./request.ts";

const usage =
  "user add NAME --role viewer|operator|admin|auditor [--language zh|en] [--streets a,b] [--session person|display] [--password …] | password NAME [--password …] | remove NAME | list";

/** Accounts of people. A password that is not given is generated and printed once. */
export const user = async (verb: string, argv: readonly string[], ports: AdminPorts): Promise<string[]> => {
  if (verb === "add") return await add(argv, ports);
  if (verb === "password") return await setPassword(argv, ports);
  if (verb === "remove") return await remove(argv, ports);
  if (verb === "list" && argv.length === 0) return list(ports);
  throw new AdminError("usage", usage);
};

const add = async (argv: readonly string[], ports: AdminPorts): Promise<string[]> => {
  const { id: username, options } = readArguments(argv, ["role", "language", "streets", "session", "password"]);
  if (find(username, ports) !== undefined) throw new AdminError("exists", `there is a user ${username} already`);
  if (!/^[a-zA-Z0-9._-]{1,64}$/.test(username))
    throw new AdminError("invalid", "a name is 1 to 64 letters, digits, dots and dashes");
  const role = options.role as Role;
  if (!roles.includes(role)) throw new AdminError("invalid", `--role is one of ${roles.join(", ")}`);
  const language = options.language ?? "zh";
  if (language !== "zh" && language !== "en") throw new AdminError("invalid", "--language is zh or en");
  const session = options.session ?? "person";
  if (session !== "person" && session !== "display") throw new AdminError("invalid", "--session is person or display");
  const streets = readStreets(options.streets, ports);
  return await save(
    { username, role, language, streets, session, password: "", changedAt: 0 },
    options.password,
    ports,
  );
};

const readStreets = (given: string | undefined, { knowledge }: AdminPorts): StreetId[] | null => {
  if (given === undefined) return null;
  const known = knowledge.registry()?.streets.map((street) => street.id as string) ?? [];
  const streets = given.split(",");
  const unknown = streets.filter((street) => !known.includes(street));
  if (unknown.length > 0)
    throw new AdminError("unknown", `no such street: ${unknown.join(", ")}; there are ${known.join(", ")}`);
  return streets as StreetId[];
};

const setPassword = async (argv: readonly string[], ports: AdminPorts): Promise<string[]> => {
  const { id, options } = readArguments(argv, ["password"]);
  return await save(find(id, ports) ?? unknownUser(id), options.password, ports);
};

const remove = async (argv: readonly string[], ports: AdminPorts): Promise<string[]> => {
  const { id: username } = readArguments(argv, []);
  if (find(username, ports) === undefined) unknownUser(username);
  await carryOut({ kind: "account", at: ports.clock.now(), by: "command", username, account: null }, ports);
  return [`${username}: removed, its sessions are ended`];
};

const list = ({ knowledge }: AdminPorts): string[] =>
  table([
    ["name", "role", "language", "streets", "changed"],
    ...knowledge
      .accounts()
      .map((one) => [one.username, one.role, one.language, one.streets?.join(",") ?? "all", toIso(one.changedAt)]),
  ]);

const save = async (account: Account, given: string | undefined, ports: AdminPorts): Promise<string[]> => {
  const password = given ?? generatePassword(ports);
  if (password.length < 8 || password.length > 256)
    throw new AdminError("invalid", "a password has 8 to 256 characters");
  const changedAt = ports.clock.now();
  const saved = { ...account, password: await ports.hashPassword(password), changedAt };
  await carryOut({ kind: "account", at: changedAt, by: "command", username: account.username, account: saved }, ports);
  return given === undefined
    ? [`user name ${account.username}`, `password ${password}`]
    : [`${account.username}: saved`];
};

/** 96 random bits, as people can type them. */
export const generatePassword = ({ randomBytes }: Pick<AdminPorts, "randomBytes">): string =>
  Buffer.from(randomBytes(12)).toString("base64url");

const find = (username: string, { knowledge }: AdminPorts): Account | undefined =>
  knowledge.accounts().find((account) => account.username === username);

const unknownUser = (username: string): never => {
  throw new AdminError("unknown", `there is no user ${username}`);
};
