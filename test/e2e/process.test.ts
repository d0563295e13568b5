import { spawn } from "node:child_process";
import { once } from "node:events";
import { cpSync, mkdirSync, readFileSync, statSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { expect, test } from "vitest";
import { connectPublisher } from "./publisher.ts";
import { root, signIn, startService, temporaryFolder, until } from "./service.ts";

/** Runs `node src/main.ts …` to its end. */
const run = async (argv: readonly string[], env: Record<string, string>) => {
  const inherited = Object.entries(process.env).filter(([name]) => !/^(MEIZHEN|INFLUX)_/.test(name));
  const child = spawn(process.execPath, [join(root, "src/main.ts"), ...argv], {
    cwd: root,
    env: { ...Object.fromEntries(inherited), MEIZHEN_LOG_LEVEL: "error", ...env },
  });
  let out = "";
  let err = "";
  child.stdout.on("data", (chunk) => (out += chunk));
  child.stderr.on("data", (chunk) => (err += chunk));
  const [code] = (await once(child, "exit")) as [number];
  return { code, out, err };
};

test("every fault of the settings is listed, the exit code is 2 and nothing is opened", async () => {
  const dataDir = join(temporaryFolder(), "none");
  const { code, out, err } = await run([], {
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
  const { code, err } = await run([], { MEIZHEN_DATA_DIR: temporaryFolder(), MEIZHEN_DEVICES_DIR: devices });
  expect(code).toBe(2);
  expect(err).toMatch(/fleet\/water\.csv:\d+ id/);
  expect(err).toMatch(/atlantis/);
});

test("a second process on the same folder exits within seconds with a clear message, and the first goes on", async () => {
  const service = await startService();
  const { code, err } = await run([], {
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
  const added = await run(
    ["user", "add", "wang", "--role", "operator", "--streets", "haicheng", "--language", "en"],
    env,
  );
  expect(added.code).toBe(0);
  const password = /password (\S+)/.exec(added.out)?.[1] as string;
  await signIn(service.url, "wang", password);
  expect((await run(["user", "add", "wang", "--role", "viewer"], env)).code).toBe(1);
  expect((await run(["device", "add", "no-such-thing"], env)).code).toBe(1);
  expect((await run(["device", "explode"], env)).code).toBe(2);
  expect(await service.stop()).toBe(0);

  const device = await run(["device", "add", "water-xinghai-1"], env);
  const secret = /password (\w{32})/.exec(device.out)?.[1] as string;
  expect(secret).toHaveLength(32);
  expect((await run(["user", "list"], env)).out).toMatch(/wang +operator +en +haicheng/);

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

test("a sixth kind, put only into a devices folder, is ingested, flagged, alarmed and listed", async () => {
  const devices = temporaryFolder("devices");
  cpSync(join(root, "devices"), devices, { recursive: true });
  const folder = join(devices, "kinds/gallery");
  mkdirSync(join(folder, "cases"), { recursive: true });
  writeFileSync(join(folder, "README.md"), "# Utility tunnel\n");
  const water = readFileSync(join(devices, "kinds/water/kind.yaml"), "utf8");
  expect(water).toContain("properties:");
  writeFileSync(join(folder, "kind.yaml"), readFileSync(join(root, "test/e2e/sixth-kind.yaml"), "utf8"));
  const header = "id,kind,street,grid,name_zh,name_en,longitude,latitude,gateway,every";
  writeFileSync(
    join(devices, "fleet/gallery.csv"),
    `${header}\ngallery-1,gallery,xinghai,xinghai-binhai,一号管廊,Tunnel 1,120.84,27.87,,PT1M\n`,
  );
  const service = await startService({ env: { MEIZHEN_DEVICES_DIR: devices } });
  const publisher = await connectPublisher(service.mqtt);
  const ts = Date.now();
  await publisher.publish("meizhen/xinghai/gallery/gallery-1/readings", { ts, values: { methane: 1.7, oxygen: 20.9 } });
  await publisher.publish("meizhen/xinghai/gallery/gallery-1/readings", { ts: ts + 1, values: { methane: 150 } });
  const { body: alarms } = await until(
    () => service.call("GET", "/api/v1/alarms?kind=gallery"),
    (answer) => answer.body.items?.length > 0,
  );
  expect(alarms.items[0]).toMatchObject({ thing: "gallery-1", limit: "methane-high", setpoint: 1 });
  const { body: things } = await service.call("GET", "/api/v1/things?kind=gallery");
  expect(things.items).toHaveLength(1);
  const { body: kind } = await service.call("GET", "/api/v1/kinds/gallery");
  expect(kind.properties.map((property: { id: string }) => property.id)).toContain("methane");
  const { body: points } = await service.call(
    "GET",
    "/api/v1/things/gallery-1/observations?property=methane&from=2020-01-01T00:00:00Z&to=2100-01-01T00:00:00Z",
  );
  expect(points.points.map((point: { quality: number }) => point.quality)).toEqual([1, 4]);
  await publisher.end();
  expect(await service.stop()).toBe(0);
});
