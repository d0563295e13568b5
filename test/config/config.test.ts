import { mkdtempSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { expect, test } from "vitest";
import { type ConfigError, readConfig, settings } from "../../src/config.ts";

const folder = mkdtempSync(join(tmpdir(), "meizhen-config-"));
const file = (name: string, text: string): string => {
  const path = join(folder, name);
  writeFileSync(path, text);
  return path;
};
const faultsOf = (env: Record<string, string>, config?: string): string[] => {
  try {
    readConfig(env, config);
    return [];
  } catch (error) {
    return (error as ConfigError).faults.map((fault) => fault.name);
  }
};

test("with nothing set, everything has the default that its table shows", () => {
  const config = readConfig({}, undefined);
  expect(config.MEIZHEN_MQTT_PORT).toBe(1883);
  expect(config.MEIZHEN_STORE_MAX_BYTES).toBe(20 * 2 ** 30);
  expect(config.INFLUX_URL).toBeUndefined();
});

test("all faults are told at once, unknown names among them", () => {
  const names = faultsOf({
    MEIZHEN_MQTT_PORT: "70000",
    MEIZHEN_MQTT_AUTH: "maybe",
    MEIZHEN_PROT: "1",
    INFLUX_VERSION: "4",
  });
  expect(names.sort()).toEqual(["INFLUX_VERSION", "MEIZHEN_MQTT_AUTH", "MEIZHEN_MQTT_PORT", "MEIZHEN_PROT"]);
});

test("a file gives what the environment does not, and its unknown keys are faults", () => {
  const config = file(
    "good.yaml",
    "MEIZHEN_MQTT_PORT: 0\nMEIZHEN_RETENTION_DAYS: 7\nMEIZHEN_STORE_MAX_BYTES: 512 MiB\n",
  );
  const read = readConfig({ MEIZHEN_RETENTION_DAYS: "9" }, config);
  expect([read.MEIZHEN_MQTT_PORT, read.MEIZHEN_RETENTION_DAYS, read.MEIZHEN_STORE_MAX_BYTES]).toEqual([0, 9, 2 ** 29]);
  expect(faultsOf({}, file("bad.yaml", "MEIZHEN_MQTT_PORTS: 0\nport: 1\n"))).toEqual(["MEIZHEN_MQTT_PORTS", "port"]);
  expect(faultsOf({}, file("broken.yaml", "a: [1\nb: }"))).toContain("--config");
  expect(faultsOf({}, join(folder, "absent.yaml"))).toEqual(["--config"]);
});

test("a secret is read from its file, not from both, and never told", () => {
  const secret = file("token", "s3cret-canary\n");
  expect(readConfig({ INFLUX_URL: "http://127.0.0.1:8086", INFLUX_TOKEN_FILE: secret }, undefined).INFLUX_TOKEN).toBe(
    "s3cret-canary",
  );
  expect(faultsOf({ INFLUX_TOKEN_FILE: secret, INFLUX_TOKEN: "x" })).toEqual(["INFLUX_TOKEN_FILE"]);
  expect(faultsOf({ INFLUX_TOKEN_FILE: join(folder, "absent") })).toEqual(["INFLUX_TOKEN_FILE"]);
  expect(faultsOf({ MEIZHEN_MQTT_PORT_FILE: secret })).toEqual(["MEIZHEN_MQTT_PORT_FILE"]);
  try {
    readConfig({ MEIZHEN_ADMIN_PASSWORD: "canary" }, undefined);
    expect.unreachable();
  } catch (error) {
    expect((error as Error).message).not.toContain("canary");
  }
});

test("anonymous clients are for loopback alone", () => {
  expect(faultsOf({ MEIZHEN_MQTT_HOST: "0.0.0.0" })).toEqual(["MEIZHEN_MQTT_HOST"]);
  expect(faultsOf({ MEIZHEN_MQTT_HOST: "0.0.0.0", MEIZHEN_MQTT_AUTH: "required" })).toEqual([]);
  expect(faultsOf({ MEIZHEN_MQTT_HOST: "localhost" })).toEqual([]);
});

test("certificate, key and port go together", () => {
  expect(faultsOf({ MEIZHEN_MQTT_TLS_PORT: "8883" })).toEqual(["MEIZHEN_MQTT_TLS_PORT"]);
  expect(faultsOf({ MEIZHEN_HTTP_TLS_KEY: "key.pem" })).toEqual(["MEIZHEN_HTTP_TLS_CERT"]);
});

test("every setting has a sentence", () => {
  expect(Object.values(settings).filter(({ sentence }) => !/\.$/.test(sentence))).toEqual([]);
});
