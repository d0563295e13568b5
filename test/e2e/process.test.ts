import { cpSync, readFileSync, statSync, writeFileSync } from "node:fs";
import { get } from "node:https";
import { join } from "node:path";
import mqtt from "mqtt";
import { expect, test } from "vitest";
import { testCertificate, testKey } from "../ingest/certificate.ts";
import { runMain } from "./main.ts";
import { connectPublisher } from "./publisher.ts";
import { root, signIn, startService, temporaryFolder, until } from "./service.ts";

test("every fault of the settings is listed, the exit code is 2 and nothing is opened", async () => {
  const dataDir = join(temporaryFolder(), "none");
  const { code, out, err } = await runMain([], {
    MEIZHEN_DATA_DIR: dataDir,
    MEIZHEN_MQTT_PORT: "no",
    MEIZHEN_TYPO: "1",
    INFLUX_VERSION: "7",
  });
  expect(code).toBe(2);
  expect(out).toBe("");
  for (const name of ["MEIZHEN_MQTT_PORT", "MEIZHEN_TYPO", "INFLUX_VERSION"]) expect(err).toContain(name);
  expect(statSync(dataDir, { throwIfNoEntry: false })).toBeUndefined();
});

test("every fault of the devices folder is listed with file and line, and the exit code is 2", async () => {
  const devices = temporaryFolder("devices");
  cpSync(join(root, "devices"), devices, { recursive: true });
  const fleet = join(devices, "fleet/water.csv");
  writeFileSync(
    fleet,
    `${readFileSync(fleet, "utf8").trimEnd()}\nNOT AN ID,water,xinghai,xinghai-binhai,名,name,120.8,27.8,,,tap,freeChlorine,\nwater-9,water,atlantis,x,名,name,120.8,27.8,,,tap,freeChlorine,\n`,
  );
  const { code, err } = await runMain([], { MEIZHEN_DATA_DIR: temporaryFolder(), MEIZHEN_DEVICES_DIR: devices });
  expect(code).toBe(2);
  expect(err).toMatch(/fleet\/water\.csv:\d+ id/);
  expect(err).toMatch(/atlantis/);
});

test("a second process on the same folder exits within seconds with a clear message, and the first goes on", async () => {
  const service = await startService();
  const { code, err } = await runMain([], {
    MEIZHEN_DATA_DIR: service.dataDir,
    MEIZHEN_MQTT_PORT: "0",
    MEIZHEN_HTTP_PORT: "0",
  });
  expect(code).toBe(1);
  expect(err).toMatch(/another process|owned|in use/i);
  expect((await fetch(`${service.url}/healthz`)).status).toBe(200);
  expect(await service.stop()).toBe(0);
});

test("SIGTERM under load ends in order: exit code 0 and every acknowledged reading stored", async () => {
  const service = await startService();
  const publisher = await connectPublisher(service.mqtt);
  let ts = Date.now() - 3_600_000;
  const acknowledged: number[] = [];
  const one = async (): Promise<void> => {
    for (;;) {
      const mine = ++ts;
      await publisher.publish("meizhen/xinghai/water/water-xinghai-1/readings", { ts: mine, values: { ph: 7 } });
      acknowledged.push(mine);
    }
  };
  const load = Promise.allSettled(Array.from({ length: 20 }, one));
  await until(
    async () => acknowledged.length,
    (count) => count > 200,
  );
  expect(await service.stop()).toBe(0);
  await load;
  const again = await startService({ dataDir: service.dataDir });
  const { body } = await until(
    () => again.call("GET", "/api/v1/ledger?thing=water-xinghai-1"),
    (answer) => answer.body.pending === 0,
  );
  expect(body.stored).toBeGreaterThanOrEqual(acknowledged.length);
  expect(body.remainder).toBe(0);
  expect(await again.stop()).toBe(0);
});

test("accounts and credentials by command, while the service runs and while it does not", async () => {
  const service = await startService();
  const env = { MEIZHEN_DATA_DIR: service.dataDir };
  expect(statSync(join(service.dataDir, "admin.sock")).mode & 0o777).toBe(0o600);
  const added = await runMain(
    ["user", "add", "wang", "--role", "operator", "--streets", "haicheng", "--language", "en"],
    env,
  );
  expect(added.code).toBe(0);
  const password = /password (\S+)/.exec(added.out)?.[1] as string;
  await signIn(service.url, "wang", password);
  expect((await runMain(["user", "add", "wang", "--role", "viewer"], env)).code).toBe(1);
  expect((await runMain(["device", "add", "no-such-thing"], env)).code).toBe(1);
  expect((await runMain(["device", "explode"], env)).code).toBe(2);
  expect(await service.stop()).toBe(0);

  const device = await runMain(["device", "add", "water-xinghai-1"], env);
  const secret = /password (\w{32})/.exec(device.out)?.[1] as string;
  expect(secret).toHaveLength(32);
  expect((await runMain(["user", "list"], env)).out).toMatch(/wang +operator +en +haicheng/);

  const again = await startService({ dataDir: service.dataDir, env: { MEIZHEN_MQTT_AUTH: "required" } });
  const publisher = await connectPublisher(again.mqtt, {
    username: "water-xinghai-1",
    password: secret,
    clientId: "water-xinghai-1",
  });
  await publisher.publish("meizhen/xinghai/water/water-xinghai-1/readings", { values: { ph: 7 } });
  await publisher.end();
  await expect(
    connectPublisher(again.mqtt, { username: "water-xinghai-1", password: "wrong", clientId: "water-xinghai-1" }),
  ).rejects.toThrow();
  await expect(connectPublisher(again.mqtt)).rejects.toThrow();
  await again.stop();
});

test("without a password in the settings one is made at the first start and shown once", async () => {
  const dataDir = temporaryFolder();
  const service = await startService({ dataDir, env: { MEIZHEN_ADMIN_PASSWORD: "" } });
  const line = service.log.find((text) => text.includes("user name admin")) as string;
  await signIn(service.url, "admin", /password (\S+)/.exec(line)?.[1] as string);
  await service.stop();
  const again = await startService({ dataDir, env: { MEIZHEN_ADMIN_PASSWORD: "" } });
  expect(again.log.filter((text) => text.includes("user name admin"))).toEqual([]);
  await again.stop();
});

test("with certificates, devices and people come over TLS, and a file that is missing is a fault of the settings", async () => {
  const folder = temporaryFolder("tls");
  const [cert, key] = [join(folder, "cert.pem"), join(folder, "key.pem")];
  writeFileSync(cert, testCertificate);
  writeFileSync(key, testKey);
  const env = {
    ...{ MEIZHEN_MQTT_TLS_PORT: "0", MEIZHEN_MQTT_TLS_CERT: cert, MEIZHEN_MQTT_TLS_KEY: key },
    ...{ MEIZHEN_HTTP_TLS_CERT: cert, MEIZHEN_HTTP_TLS_KEY: key },
  };
  const service = await startService({ env });
  const client = await mqtt.connectAsync(`mqtts://127.0.0.1:${service.mqtts}`, {
    rejectUnauthorized: false,
    reconnectPeriod: 0,
  });
  await client.publishAsync("meizhen/xinghai/water/water-xinghai-1/readings", '{"values":{"ph":7}}', { qos: 1 });
  await client.endAsync();
  const status = await new Promise((resolve, reject) => {
    get(`https://127.0.0.1:${service.http}/readyz`, { rejectUnauthorized: false }, (answer) =>
      resolve(answer.resume().statusCode),
    ).on("error", reject);
  });
  expect(status).toBe(200);
  expect(await service.stop()).toBe(0);
  const missing = await runMain([], {
    ...env,
    MEIZHEN_MQTT_TLS_KEY: join(folder, "none.pem"),
    MEIZHEN_DATA_DIR: temporaryFolder(),
  });
  expect(missing.code).toBe(2);
  expect(missing.err).toContain("MEIZHEN_MQTT_TLS");
});
