import { existsSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { expect, test } from "vitest";
import { parse } from "yaml";
import { settings } from "../../src/config.ts";

// There is no Docker where the tests run: what can be known of the file without one is held here.

const root = join(import.meta.dirname, "../..");
const text = readFileSync(join(root, "docker-compose.yml"), "utf8");

type Service = {
  readonly image: string;
  readonly user: string;
  readonly read_only: boolean;
  readonly cap_drop: readonly string[];
  readonly security_opt: readonly string[];
  readonly tmpfs: readonly string[];
  readonly healthcheck: { readonly test: readonly string[] };
  readonly environment: Readonly<Record<string, string>>;
  readonly secrets: readonly string[];
  readonly ports: readonly string[];
  readonly volumes: readonly string[];
  readonly depends_on?: Readonly<Record<string, unknown>>;
};
type Compose = {
  readonly services: Readonly<Record<string, Service>>;
  readonly volumes: Readonly<Record<string, null>>;
  readonly secrets: Readonly<Record<string, { readonly file: string }>>;
};
const compose = parse(text, { merge: true, strict: true, uniqueKeys: true }) as Compose;
const services = Object.entries(compose.services);

/** Of the Compose specification, what this file uses: a misspelt key is ignored by nobody but the reader. */
const keys = new Set(
  "build image user restart read_only cap_drop security_opt pids_limit logging stop_grace_period entrypoint environment secrets ports volumes tmpfs healthcheck depends_on".split(
    " ",
  ),
);

test("meizhen, InfluxDB 2 and Grafana, with keys that Compose knows", () => {
  expect(services.map(([name]) => name)).toEqual(["meizhen", "influxdb", "grafana"]);
  for (const [name, service] of services)
    expect(
      Object.keys(service).filter((key) => !keys.has(key)),
      name,
    ).toEqual([]);
  expect(compose.services.influxdb?.image).toMatch(/^influxdb:2\./);
  for (const [, { image }] of services) expect(image).not.toMatch(/:latest$/);
});

test.each(services)("%s runs without rights: no root, nothing writable but volumes and a small /tmp", (_, service) => {
  expect(service.user).toMatch(/^[1-9]\d*:\d+$/);
  expect(service.read_only).toBe(true);
  expect(service.cap_drop).toEqual(["ALL"]);
  expect(service.security_opt).toEqual(["no-new-privileges:true"]);
  expect(service.tmpfs).toHaveLength(1);
  expect(service.healthcheck.test[0]).toBe("CMD");
});

test.each(services)("%s is on loopback unless BIND says otherwise", (_, { ports }) => {
  for (const port of ports) expect(port).toMatch(/^\$\{BIND:-127\.0\.0\.1\}:\$\{[A-Z]+_PORT:-\d+\}:\d+$/);
});

test("secrets are files that the comment on top makes, and none stands in the file", () => {
  const made = /for name in ([a-z_ ]+); do/.exec(text)?.[1]?.split(" ");
  expect(Object.keys(compose.secrets).toSorted()).toEqual(made?.toSorted());
  for (const [name, { file }] of Object.entries(compose.secrets))
    expect(file).toBe(`\${SECRETS_DIR:-./data/secrets}/${name}`);
  for (const [service, { secrets, environment }] of services) {
    for (const secret of secrets) expect(compose.secrets, service).toHaveProperty(secret);
    for (const [name, value] of Object.entries(environment)) {
      if (/PASSWORD|TOKEN/.test(name)) expect(name, service).toMatch(/_FILE$/);
      const read = /^\/run\/secrets\/(.+)$/.exec(value)?.[1];
      if (read !== undefined) expect(secrets, service).toContain(read);
    }
  }
  // what is made lies where neither git nor the image takes it
  expect(readFileSync(join(root, ".gitignore"), "utf8").split("\n")).toContain("data/");
  expect(readFileSync(join(root, ".dockerignore"), "utf8").split("\n")).toContain("data");
});

test("every setting of meizhen is one that it knows", () => {
  for (const name of Object.keys(compose.services.meizhen?.environment ?? {})) {
    const secret = name.endsWith("_FILE") ? name.slice(0, -"_FILE".length) : null;
    expect(settings).toHaveProperty(secret ?? name);
    if (secret !== null) expect(settings[secret as keyof typeof settings]).toHaveProperty("secret", true);
  }
});

test("volumes are named and declared, and what is mounted from here is here, read-only", () => {
  for (const [, { volumes }] of services) {
    for (const volume of volumes) {
      const [from, , mode] = volume.split(":") as [string, string, string?];
      if (from.startsWith("./")) {
        expect(existsSync(join(root, from)), from).toBe(true);
        expect(mode).toBe("ro");
      } else expect(compose.volumes).toHaveProperty(from);
    }
  }
});

test("the house waits for no neighbour", () => {
  expect(compose.services.meizhen?.depends_on).toBeUndefined();
});

test("the image runs Node 24 as an ordinary user, with what it copies being here", () => {
  const docker = readFileSync(join(root, "Dockerfile"), "utf8");
  expect(docker.match(/^FROM node:24\S*/gm)).toHaveLength(2);
  expect(docker).toMatch(/^USER node$/m);
  expect(docker).toContain("npm ci --omit=dev");
  expect(docker).toMatch(/^ENTRYPOINT \["node", "src\/main.ts"\]$/m);
  const copied = [...docker.matchAll(/^COPY (?!--from)(.+) \S+$/gm)].flatMap((match) =>
    (match[1] as string).split(" "),
  );
  for (const path of copied) expect(existsSync(join(root, path)), path).toBe(true);
});
