import { scryptSync } from "node:crypto";
import type { Account, Role } from "../../src/domain/access.ts";
import type { Kind, Property } from "../../src/domain/kind.ts";
import type { Limit } from "../../src/domain/limit.ts";
import type { Registry } from "../../src/domain/registry.ts";
import type {
  GridId,
  KindId,
  LimitId,
  PersonId,
  PropertyId,
  StreetId,
  Text,
  Thing,
  ThingId,
} from "../../src/domain/thing.ts";
import { day, minute } from "../../src/domain/time.ts";

// A small district: enough for every filter and every refusal.

export const streets = ["xinghai", "haicheng", "shacheng", "tianhe"] as StreetId[];
const text = (en: string): Text => ({ zh: `${en}·中文`, en });
const property = (id: string, unit: string, high: number): Property => ({
  id: id as PropertyId,
  name: text(id),
  unit,
  type: "number",
  span: [0, high],
  operatorSpan: null,
  possible: [0, high * 10],
});
const limit = (id: string, of: string, setpoint: number): Limit => ({
  id: id as LimitId,
  name: text(id),
  property: of as PropertyId,
  direction: "high",
  setpoint,
  deadband: setpoint / 10,
  onDelay: 2 * minute,
  offDelay: 5 * minute,
  priority: "high",
  statistic: "instant",
  when: [{ kind: "season", from: "04-01", to: "10-31" }],
  accepts: [1, 2, 3],
  compliance: true,
  labels: [],
  standard: "GB 5749-2022",
  clause: "表1",
  grade: "V1",
  advice: text("flush the main"),
});
const kind = (id: string, properties: readonly Property[], limits: readonly Limit[]): Kind => ({
  id: id as KindId,
  name: text(id),
  level: "gold",
  every: minute,
  failAfter: 10 * minute,
  silence: { priority: "medium", advice: text("go and look") },
  queue: "综合执法",
  properties,
  limits,
});

const thing = (id: string, of: string, street: StreetId, attributes: Record<string, string> = {}): Thing => ({
  id: id as ThingId,
  kind: of as KindId,
  street,
  grid: `${street}-1` as GridId,
  name: text(`${of} at ${street}`),
  location: { longitude: 120.8, latitude: 27.9 },
  gateway: null,
  every: null,
  attributes,
});

const leader = "leader" as PersonId;

/** Four streets, twelve things: `water-{street}`, `camera-{street}`, `toilet-{street}`. */
export const registry = (extra: readonly Thing[] = []): Registry => ({
  version: `v${extra.length}`,
  retention: 30 * day,
  district: { id: "zhenan", name: text("Zhenan"), zone: "Asia/Shanghai" },
  streets: streets.map((id) => ({ id, name: text(id), chief: leader, taskForce: leader })),
  grids: streets.map((street) => ({ id: `${street}-1` as GridId, street, name: text("grid"), chief: leader })),
  people: [{ id: leader, name: text("Leader"), language: "zh", channels: {} }],
  departments: [],
  office: leader,
  leader,
  targets: [
    { id: "drinking-water", name: text("Drinking water"), clause: "§5", quote: "饮用水水质达标率100%", goal: 100 },
    { id: "cameras", name: text("Cameras"), clause: "§6", quote: "达标率90%", goal: 90 },
  ],
  kinds: [
    kind(
      "water",
      [property("turbidity", "NTU", 100), property("ph", "[pH]", 14)],
      [limit("turbidity-high", "turbidity", 1)],
    ),
    kind("camera", [property("imageOk", "1", 1)], []),
    kind("toilet", [property("ammonia", "mg/m3", 50)], [limit("ammonia-high", "ammonia", 1)]),
  ],
  things: [
    ...streets.map((street) => thing(`water-${street}`, "water", street, { station: "=HYPERLINK(1)" })),
    ...streets.map((street) => thing(`camera-${street}`, "camera", street)),
    ...streets.map((street) => thing(`toilet-${street}`, "toilet", street)),
    ...extra,
  ],
});

export const extraThing = (id: string, of: string, street: StreetId): Thing => thing(id, of, street);

/** A hash in the form of ours that costs nothing: what is tested here is not scrypt. */
const cheapHash = (password: string): string => {
  const salt = Buffer.from("salt-of-tests");
  const hash = scryptSync(password.normalize("NFKC"), salt, 32, { N: 2, r: 1, p: 1 });
  return ["scrypt", 2, 1, 1, salt.toString("base64url"), hash.toString("base64url")].join("$");
};

export const passwordOf = (username: string): string => `right horse ${username}`;

const account = (username: string, role: Role, rest: Partial<Account> = {}): Account => ({
  username,
  role,
  language: "zh",
  streets: null,
  password: cheapHash(passwordOf(username)),
  changedAt: 0,
  ...rest,
});

/** One of each role, a wall display, and people of one street. */
export const accounts: readonly Account[] = [
  account("viewer", "viewer"),
  account("operator", "operator"),
  account("admin", "admin"),
  account("auditor", "auditor"),
  account("wall", "operator", { session: "display" }),
  account("tianhe", "operator", { streets: ["tianhe" as StreetId] }),
  account("nowhere", "viewer", { streets: [] }),
];
