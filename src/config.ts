import { readFileSync } from "node:fs";
import { isIP } from "node:net";
import { parseDocument } from "yaml";
import { z } from "zod";

/** One thing wrong with the configuration; all of them are told at once. */
export type ConfigFault = { readonly name: string; readonly source: string; readonly message: string };

export class ConfigError extends Error {
  readonly code = "config_invalid";
  readonly faults: readonly ConfigFault[];
  constructor(faults: readonly ConfigFault[]) {
    super(faults.map((fault) => `${fault.name} (${fault.source}): ${fault.message}`).join("\n"));
    this.faults = faults;
  }
}

const port = z.coerce.number().int().min(0).max(65_535);
const path = z.string().min(1);
const host = z
  .string()
  .refine((text) => isIP(text) !== 0 || /^[a-z0-9.-]+$/i.test(text), "an IP address or a host name");
const whole = z.coerce.number().int();

const units: Readonly<Record<string, number>> = { "": 1, B: 1, KiB: 2 ** 10, MiB: 2 ** 20, GiB: 2 ** 30, TiB: 2 ** 40 };
/** `20 GiB`, `512MiB` or a number of bytes. */
const bytes = z.union([z.string(), z.number()]).transform((given, context) => {
  const [, amount, unit] = /^(\d+(?:\.\d+)?) ?(B|KiB|MiB|GiB|TiB)?$/.exec(String(given)) ?? [];
  const factor = units[unit ?? ""];
  if (amount === undefined || factor === undefined) {
    context.addIssue({ code: "custom", message: "a number of bytes, or as 512 MiB, 20 GiB" });
    return z.NEVER;
  }
  return Math.round(Number(amount) * factor);
});
const addresses = z
  .union([z.string(), z.array(z.string())])
  .transform((given) => (Array.isArray(given) ? given : given.split(",")).map((one) => one.trim()).filter(Boolean))
  .refine(
    (list) => list.every((one) => isIP(one.split("/")[0] ?? "") !== 0),
    "IP addresses or networks, separated by commas",
  );

type Setting = {
  readonly schema: z.ZodType;
  /** As the table of the README shows it. */
  readonly default: string | null;
  readonly sentence: string;
  /** May be given as `NAME_FILE`, and is never printed. */
  readonly secret?: true;
};

/** Every setting once. The table in the README is made from this and compared by a test. */
export const settings = {
  MEIZHEN_DATA_DIR: { schema: path, default: "./data", sentence: "Folder of the journal and the store." },
  MEIZHEN_DEVICES_DIR: { schema: path, default: "./devices", sentence: "Folder of site.yaml, fleet and kinds." },
  MEIZHEN_MQTT_HOST: { schema: host, default: "127.0.0.1", sentence: "Address that the broker listens on." },
  MEIZHEN_MQTT_PORT: { schema: port, default: "1883", sentence: "Port of MQTT; 0: any free one." },
  MEIZHEN_MQTT_AUTH: {
    schema: z.enum(["loopback", "required"]),
    default: "loopback",
    sentence: "`loopback`: anonymous clients of this machine may publish; `required`: everybody has a credential.",
  },
  MEIZHEN_MQTT_TLS_PORT: { schema: port, default: null, sentence: "Port of MQTT over TLS; 0: any free one." },
  MEIZHEN_MQTT_TLS_CERT: { schema: path, default: null, sentence: "File of its certificate chain (PEM)." },
  MEIZHEN_MQTT_TLS_KEY: { schema: path, default: null, sentence: "File of its private key (PEM)." },
  MEIZHEN_MQTT_CONNECTIONS: { schema: whole.min(1), default: "12000", sentence: "Connections at one time, in all." },
  MEIZHEN_MQTT_CONNECTIONS_PER_ADDRESS: {
    schema: whole.min(1),
    default: "200",
    sentence: "Connections at one time from one address that is not this machine's.",
  },
  MEIZHEN_MQTT_RATE: {
    schema: whole.min(1),
    default: "20000",
    sentence: "Messages per second that one client may keep up before its socket is paused.",
  },
  MEIZHEN_HTTP_HOST: {
    schema: host,
    default: "127.0.0.1",
    sentence: "Address that the API and the console listen on.",
  },
  MEIZHEN_HTTP_PORT: { schema: port, default: "8080", sentence: "Port of the API and the console; 0: any free one." },
  MEIZHEN_HTTP_TLS_CERT: {
    schema: path,
    default: null,
    sentence: "File of its certificate chain (PEM); with it, HTTPS.",
  },
  MEIZHEN_HTTP_TLS_KEY: { schema: path, default: null, sentence: "File of its private key (PEM)." },
  MEIZHEN_PUBLIC_URL: {
    schema: z.url({ protocol: /^https?$/ }),
    default: null,
    sentence: "What links in messages begin with.",
  },
  MEIZHEN_TRUSTED_PROXIES: { schema: addresses, default: null, sentence: "Whose forwarded addresses count." },
  MEIZHEN_ADMIN_PASSWORD: {
    schema: z.string().min(8).max(256),
    default: null,
    sentence: "Password of user `admin`; generated and printed once if absent at the first start.",
    secret: true,
  },
  MEIZHEN_LOG_LEVEL: {
    schema: z.enum(["debug", "info", "warn", "error", "silent"]),
    default: "info",
    sentence: "What is logged to stderr.",
  },
  MEIZHEN_RETENTION_DAYS: {
    schema: whole.min(1).max(3_660),
    default: "30",
    sentence: "Days that single observations stay; roll-ups stay longer.",
  },
  MEIZHEN_STORE_MAX_BYTES: {
    schema: bytes,
    default: "20 GiB",
    sentence: "Bound of the store; the oldest single observations go first, after an alarm.",
  },
  MEIZHEN_JOURNAL_KEEP_HOURS: {
    schema: whole.min(1).max(8_760),
    default: "48",
    sentence: "Hours that journal entries stay at least.",
  },
  MEIZHEN_JOURNAL_MAX_BYTES: {
    schema: bytes,
    default: "20 GiB",
    sentence: "Bound of the journal; at it acknowledgements wait, nothing is dropped.",
  },
  INFLUX_URL: {
    schema: z.url({ protocol: /^https?$/ }),
    default: null,
    sentence: "Address of InfluxDB; absent: no historian.",
  },
  INFLUX_TOKEN: {
    schema: z.string().min(1),
    default: null,
    sentence: "Token, or `user:password` for 1.x.",
    secret: true,
  },
  INFLUX_ORG: { schema: z.string().min(1), default: null, sentence: "Organisation (2.x)." },
  INFLUX_BUCKET: {
    schema: z.string().min(1),
    default: null,
    sentence: "Bucket (2.x), or database (1.x, 3.x); `meizhen` if absent.",
  },
  INFLUX_VERSION: {
    schema: z.coerce.string().pipe(z.enum(["1", "2", "3"])),
    default: null,
    sentence: "1, 2 or 3; detected if absent.",
  },
} as const satisfies Record<string, Setting>;

type Name = keyof typeof settings;
type Output<N extends Name> = z.output<(typeof settings)[N]["schema"]>;
/** Settings by their names; those without a default may be undefined. */
export type Config = {
  readonly [N in Name]: (typeof settings)[N]["default"] extends string ? Output<N> : Output<N> | undefined;
};

type Given = { readonly value: unknown; readonly source: string };

/** The only place that reads the environment. */
export const environment = (): Readonly<Record<string, string | undefined>> => process.env;

/**
 * Reads and checks everything; connects to nothing.
 * @throws ConfigError with every fault at once.
 */
export const readConfig = (env: Readonly<Record<string, string | undefined>>, file: string | undefined): Config => {
  const faults: ConfigFault[] = [];
  const given = new Map<string, Given>();
  if (file !== undefined) fromFile(file, given, faults);
  fromEnvironment(env, given, faults);
  const config: Record<string, unknown> = {};
  for (const [name, setting] of Object.entries<Setting>(settings)) {
    const found =
      given.get(name) ?? (setting.default === null ? undefined : { value: setting.default, source: "default" });
    if (found === undefined) continue;
    const parsed = setting.schema.safeParse(found.value);
    if (parsed.success) config[name] = parsed.data;
    else
      faults.push({
        name,
        source: found.source,
        message: parsed.error.issues.map((issue) => issue.message).join("; "),
      });
  }
  if (faults.length === 0) faults.push(...together(config as Config));
  if (faults.length > 0) throw new ConfigError(faults);
  return config as Config;
};

const isSecret = (name: string): boolean => name in settings && "secret" in settings[name as Name];

const take = (name: string, value: unknown, source: string, given: Map<string, Given>, faults: ConfigFault[]): void => {
  const secret = name.endsWith("_FILE") ? name.slice(0, -"_FILE".length) : null;
  if (secret !== null && isSecret(secret)) {
    if (given.get(secret)?.source === source) faults.push({ name, source, message: `given together with ${secret}` });
    else fromSecretFile(secret, String(value), source, given, faults);
  } else if (!(name in settings)) {
    faults.push({ name, source, message: "unknown setting" });
  } else {
    given.set(name, { value, source });
  }
};

const fromSecretFile = (
  name: string,
  file: string,
  source: string,
  given: Map<string, Given>,
  faults: ConfigFault[],
): void => {
  try {
    given.set(name, { value: readFileSync(file, "utf8").replace(/\r?\n$/, ""), source });
  } catch (error) {
    faults.push({ name: `${name}_FILE`, source, message: `cannot be read: ${(error as NodeJS.ErrnoException).code}` });
  }
};

const fromEnvironment = (
  env: Readonly<Record<string, string | undefined>>,
  given: Map<string, Given>,
  faults: ConfigFault[],
): void => {
  for (const [name, value] of Object.entries(env).sort(([a], [b]) => (a < b ? -1 : 1))) {
    const ours =
      name.startsWith("MEIZHEN_") || name in settings || (name.endsWith("_FILE") && isSecret(name.slice(0, -5)));
    // an empty variable is how compose files say "not set"
    if (ours && value !== undefined && value !== "") take(name, value, "environment", given, faults);
  }
};

const fromFile = (file: string, given: Map<string, Given>, faults: ConfigFault[]): void => {
  let text: string;
  try {
    text = readFileSync(file, "utf8");
  } catch (error) {
    faults.push({
      name: "--config",
      source: file,
      message: `cannot be read: ${(error as NodeJS.ErrnoException).code}`,
    });
    return;
  }
  const document = parseDocument(text, { prettyErrors: true });
  for (const error of document.errors) faults.push({ name: "--config", source: file, message: error.message });
  if (document.errors.length > 0) return;
  const content: unknown = document.toJS() ?? {};
  if (typeof content !== "object" || content === null || Array.isArray(content)) {
    faults.push({ name: "--config", source: file, message: "expected a mapping of setting names to values" });
    return;
  }
  for (const [name, value] of Object.entries(content)) take(name, value, file, given, faults);
};

const loopback = /^(127\.\d+\.\d+\.\d+|::1|localhost)$/;

/** Faults of settings that are right alone and wrong together. */
const together = (config: Config): ConfigFault[] => {
  const faults: ConfigFault[] = [];
  const fault = (name: Name, message: string) => faults.push({ name, source: "together", message });
  if (config.MEIZHEN_MQTT_AUTH === "loopback" && !loopback.test(config.MEIZHEN_MQTT_HOST)) {
    fault("MEIZHEN_MQTT_HOST", "is not loopback: MEIZHEN_MQTT_AUTH must be `required`");
  }
  const mqttTls = [config.MEIZHEN_MQTT_TLS_PORT, config.MEIZHEN_MQTT_TLS_CERT, config.MEIZHEN_MQTT_TLS_KEY];
  if (mqttTls.some((one) => one !== undefined) && mqttTls.some((one) => one === undefined)) {
    fault("MEIZHEN_MQTT_TLS_PORT", "port, certificate and key go together");
  }
  if ((config.MEIZHEN_HTTP_TLS_CERT === undefined) !== (config.MEIZHEN_HTTP_TLS_KEY === undefined)) {
    fault("MEIZHEN_HTTP_TLS_CERT", "certificate and key go together");
  }
  for (const name of ["MEIZHEN_STORE_MAX_BYTES", "MEIZHEN_JOURNAL_MAX_BYTES"] as const) {
    if (config[name] < 16 * 2 ** 20) fault(name, "at least 16 MiB");
  }
  return faults;
};

/** The README's table of settings, in Markdown. */
export const settingsTable = (): string =>
  [
    "| setting | default | |",
    "|---|---|---|",
    ...Object.entries<Setting>(settings).map(
      ([name, setting]) =>
        `| \`${name}\`${setting.secret ? `, \`${name}_FILE\`` : ""} | ${setting.default === null ? "none" : `\`${setting.default}\``} | ${setting.sentence} |`,
    ),
  ].join("\n");
