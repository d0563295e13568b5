/**
 * What differs between InfluxDB 1.x, 2.x and 3.x, in one table. 1.x and 2.x are tested on real servers. 3.x is written
 * by its documentation (docs.influxdata.com/influxdb3/core: "Use compatibility APIs", "Create a database", "Ping") and
 * tested against a stand-in that speaks the documented HTTP; no server of it has seen these lines.
 */
export type InfluxVersion = "1" | "2" | "3";

/** Where to write. `bucket` is the database of 1.x and 3.x; `org` belongs to 2.x alone. */
export type Target = { readonly org: string | null; readonly bucket: string };

export type Answer = {
  readonly status: number;
  readonly headers: Readonly<Record<string, string | string[] | undefined>>;
  /** Parsed where it was JSON. */
  readonly body: unknown;
};
/** Rejects where there was no answer. */
export type Exchange = (method: "GET" | "POST", path: string, body?: unknown) => Promise<Answer>;

export type Dialect = {
  /** Times are milliseconds; every line of ours says so. */
  writePath(target: Target): string;
  authorization(token: string): string;
  /** Makes what is missing, as far as the credential may; answers what is still missing, or null. */
  prepare(exchange: Exchange, target: Target): Promise<string | null>;
};

const accepted = ({ status }: Answer): boolean => status >= 200 && status < 300;
const encode = encodeURIComponent;

/** The server's own words about a failure, at most 300 characters. */
export const saidBy = ({ body }: Answer): string => {
  const told = typeof body === "object" && body !== null ? (body as Record<string, unknown>) : {};
  const words = [told.message, told.error, body].find((part) => typeof part === "string" && part !== "") ?? "";
  return (words as string).replace(/\s+/g, " ").slice(0, 300);
};

const refusal = (what: string, answer: Answer): string => `${what} (${answer.status} ${saidBy(answer)})`;

const influx1: Dialect = {
  writePath: ({ bucket }) => `/write?db=${encode(bucket)}&precision=ms`,
  // `user:password`; Debian's 1.6 knows no tokens
  authorization: (token) => `Basic ${Buffer.from(token, "utf8").toString("base64")}`,
  async prepare(exchange, { bucket }) {
    const shown = await exchange("POST", `/query?q=${encode("SHOW DATABASES")}`);
    if (accepted(shown) && JSON.stringify(shown.body).includes(JSON.stringify([bucket]))) return null;
    if (shown.status === 401) return refusal("INFLUX_TOKEN, which is user:password for 1.x, is not accepted", shown);
    const quoted = `"${bucket.replace(/["\\]/g, "\\$&")}"`;
    const made = await exchange("POST", `/query?q=${encode(`CREATE DATABASE ${quoted}`)}`);
    return accepted(made) ? null : refusal(`database ${bucket} is missing, and this user may not create it`, made);
  },
};

const influx2: Dialect = {
  writePath: ({ org, bucket }) => `/api/v2/write?org=${encode(org ?? "")}&bucket=${encode(bucket)}&precision=ms`,
  authorization: (token) => `Token ${token}`,
  async prepare(exchange, target) {
    if (target.org === null) return "INFLUX_ORG is missing: InfluxDB 2 asks for an organisation";
    const found = await findBucket(exchange, target);
    if (found !== null) return await mapDatabase(exchange, target, found);
    const made = await makeBucket(exchange, target);
    if (typeof made !== "string") return await mapDatabase(exchange, target, made);
    // a token that may only write sees no buckets; an empty write tells whether it may
    const { status } = await exchange("POST", influx2.writePath(target));
    return [401, 403, 404].includes(status) ? made : null;
  },
};

type Bucket = { readonly id: string; readonly orgID: string };

const findBucket = async (exchange: Exchange, { org, bucket }: Target): Promise<Bucket | null> => {
  const answer = await exchange("GET", `/api/v2/buckets?org=${encode(org ?? "")}&name=${encode(bucket)}`);
  return accepted(answer) ? ((answer.body as { buckets?: Bucket[] }).buckets?.[0] ?? null) : null;
};

/** The new bucket, kept for ever; or why there is none. */
const makeBucket = async (exchange: Exchange, { org, bucket }: Target): Promise<Bucket | string> => {
  const found = await exchange("GET", `/api/v2/orgs?org=${encode(org ?? "")}`);
  const orgID = accepted(found) ? (found.body as { orgs?: { id: string }[] }).orgs?.[0]?.id : undefined;
  if (orgID === undefined) return refusal(`organisation ${org} is missing, or this token may not see it`, found);
  const made = await exchange("POST", "/api/v2/buckets", { orgID, name: bucket, retentionRules: [] });
  if (accepted(made)) return made.body as Bucket;
  return refusal(`bucket ${bucket} is missing, and this token may not create it`, made);
};

/** InfluxQL, which dashboards read with, finds a bucket by a mapping (newer 2.x make a virtual one themselves). */
const mapDatabase = async (exchange: Exchange, target: Target, { id, orgID }: Bucket): Promise<string | null> => {
  const found = await exchange("GET", `/api/v2/dbrps?orgID=${orgID}&db=${encode(target.bucket)}`);
  if (accepted(found) && ((found.body as { content?: unknown[] }).content?.length ?? 0) > 0) return null;
  const mapping = { bucketID: id, orgID, database: target.bucket, retention_policy: "autogen", default: true };
  const made = await exchange("POST", "/api/v2/dbrps", mapping);
  if (accepted(made)) return null;
  return refusal(`InfluxQL cannot read bucket ${target.bucket}: this token may not create its database mapping`, made);
};

const influx3: Dialect = {
  // the v2-compatible endpoint: the same lines, the same meaning of precision
  writePath: ({ bucket }) => `/api/v2/write?bucket=${encode(bucket)}&precision=ms`,
  authorization: (token) => `Bearer ${token}`,
  async prepare(exchange, { bucket }) {
    const made = await exchange("POST", "/api/v3/configure/database", { db: bucket });
    // 409: it is there already; and a first write creates it where the token may write
    if (accepted(made) || made.status === 409) return null;
    return refusal(`database ${bucket}: this token may not create it`, made);
  },
};

export const dialects: Readonly<Record<InfluxVersion, Dialect>> = { "1": influx1, "2": influx2, "3": influx3 };

/** Which one answers, by `/ping` (header, or body of 3.x) and else `/health`; null: it does not say. */
export const detect = async (exchange: Exchange): Promise<InfluxVersion | null> => {
  const ping = await exchange("GET", "/ping");
  const told = versionIn(ping.headers["x-influxdb-version"]) ?? versionIn((ping.body as Named | null)?.version);
  if (told !== null) return told;
  const health = (await exchange("GET", "/health")).body as Named | null;
  // a 2.x built from source calls itself `dev`; of the three only 2.x and 1.8 answer /health with a name
  return versionIn(health?.version) ?? (health?.name === "influxdb" ? "2" : null);
};

type Named = { readonly name?: unknown; readonly version?: unknown };

const versionIn = (text: unknown): InfluxVersion | null => {
  const major = typeof text === "string" ? /^v?([123])\.\d/.exec(text)?.[1] : undefined;
  return (major as InfluxVersion | undefined) ?? null;
};
