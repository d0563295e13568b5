import { spawn } from "node:child_process";
import { once } from "node:events";
import { existsSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";
import { gzipSync } from "node:zlib";
import { afterEach, beforeEach, expect, test } from "vitest";
import { openBroker } from "./broker.ts";

const root = resolve(import.meta.dirname, "../..");
let broker: Awaited<ReturnType<typeof openBroker>>;
let folder: string;
beforeEach(async () => {
  broker = await openBroker();
  folder = mkdtempSync(join(tmpdir(), "meizhen-replay-"));
});
afterEach(async () => {
  await broker.close();
  rmSync(folder, { recursive: true });
});

const run = async (script: string, ...argv: string[]) => {
  const child = spawn(process.execPath, [`simulators/${script}.ts`, ...argv], { cwd: root });
  let [out, err] = ["", ""];
  child.stdout.on("data", (chunk) => (out += chunk));
  child.stderr.on("data", (chunk) => (err += chunk));
  const [code] = await once(child, "close");
  return { code, out, err };
};
const file = (name: string, text: string): string => {
  const path = join(folder, name);
  writeFileSync(path, name.endsWith(".gz") ? gzipSync(text) : text);
  return path;
};
type Element = { ts: number; values: Record<string, number | boolean | null> };
const elements = (thing: string): Element[] =>
  broker.published
    .filter(({ topic }) => topic.includes(`/${thing}/`))
    .flatMap(({ payload }) => JSON.parse(payload) as Element[]);
const replay = (path: string, ...argv: string[]) =>
  run("replay", path, "--broker", broker.url, "--thing", "water-haicheng-1", "--time", "Time", ...argv);

const csv = `"","Time","Tp","Cl","pH"
"1",2016-10-30 01:59:00,6.5,0.17,8.36
"2",2016-10-30 02:00:00,6.5,NA,8.36
"3",2016-10-30 02:00:00,6.4,,broken
"4",never,6.4,0.16,8.3
"5",2016-10-30 03:00:00,6.3,0.16,8.31
`;

test("a compressed CSV goes out as arrays with its own zone, missing cells as null, and what is no value counted", async () => {
  const done = await replay(
    file("a.csv.gz", csv),
    "--map",
    "Tp=temperature,Cl=chlorineDioxide,pH=ph",
    "--zone",
    "Europe/Berlin",
  );
  expect(done.out).toContain(
    "rows 5, readings 12, acknowledged 12, messages 1, missing 3, rows without a time 1, cells without a value 1",
  );
  expect(done.code).toBe(0);
  expect(elements("water-haicheng-1")).toEqual([
    { ts: Date.parse("2016-10-29T23:59:00Z"), values: { temperature: 6.5, chlorineDioxide: 0.17, ph: 8.36 } },
    { ts: Date.parse("2016-10-30T00:00:00Z"), values: { temperature: 6.5, chlorineDioxide: null, ph: 8.36 } },
    { ts: Date.parse("2016-10-30T01:00:00Z"), values: { temperature: 6.4, chlorineDioxide: null, ph: null } },
    { ts: Date.parse("2016-10-30T02:00:00Z"), values: { temperature: 6.3, chlorineDioxide: 0.16, ph: 8.31 } },
  ]);
});

test("shifted to now the last row falls on the start of the replay, and the gaps between rows stay", async () => {
  const before = Date.now();
  await replay(
    file("a.csv", csv),
    "--map",
    "Tp=temperature",
    "--zone",
    "Europe/Berlin",
    "--shift",
    "now",
    "--missing-as",
    "skip",
  );
  const times = elements("water-haicheng-1").map(({ ts }) => ts);
  expect(times.at(-1)).toBeGreaterThanOrEqual(before);
  expect(times.at(-1)).toBeLessThanOrEqual(Date.now());
  expect(times.map((time) => (times.at(-1) as number) - time)).toEqual([7_260_000, 7_200_000, 3_600_000, 0]);
});

test("a second column of the same property goes to another thing", async () => {
  const map = "Cl=chlorineDioxide,pH=chlorineDioxide@water-haicheng-2";
  const done = await replay(file("a.csv", csv), "--map", map, "--missing-as", "skip");
  expect(done.code).toBe(0);
  expect(elements("water-haicheng-1")).toHaveLength(2);
  expect(elements("water-haicheng-2")).toHaveLength(3);
});

test("a list of lists in JSON with milliseconds, from a given row on", async () => {
  const path = file(
    "series.json",
    JSON.stringify([
      [1752537658000, 0],
      [1752537778000, 0.02],
      [1752537898000, 0],
    ]),
  );
  const done = await run(
    "replay",
    path,
    "--broker",
    broker.url,
    "--thing",
    "outfall-tianhe-1",
    "--time",
    "0",
    "--map",
    "1=level",
    "--from-row",
    "2",
  );
  expect(done.code).toBe(0);
  expect(elements("outfall-tianhe-1")).toEqual([
    { ts: 1752537778000, values: { level: 0.02 } },
    { ts: 1752537898000, values: { level: 0 } },
  ]);
});

test("at a speed rows go out when they are due", async () => {
  const rows = Array.from({ length: 5 }, (_, index) => `2026-01-01T00:00:0${index}Z,7.${index}`);
  await replay(file("s.csv", ["Time,pH", ...rows].join("\n")), "--map", "pH=ph", "--speed", "20");
  expect(broker.published.length).toBeGreaterThan(2);
  expect(elements("water-haicheng-1")).toHaveLength(5);
});

test("a broker that breaks the connection in the middle costs nothing: every row arrives, in order", async () => {
  const rows = Array.from({ length: 3_000 }, (_, index) => `${1.7e12 + index * 1000},${index / 1000}`);
  let broken = 0;
  broker.refuseWhen(() => broker.published.length % 16 === 5 && broken++ % 2 === 0);
  const done = await replay(file("s.csv", ["Time,pH", ...rows].join("\n")), "--map", "pH=ph", "--batch", "50");
  expect(done).toMatchObject({ code: 0, out: expect.stringContaining("readings 3000, acknowledged 3000") });
  expect(broken).toBeGreaterThan(2);
  const times = elements("water-haicheng-1").map(({ ts }) => ts);
  const first = times.filter((time, index) => times.indexOf(time) === index);
  expect(first).toEqual(rows.map((_, index) => 1.7e12 + index * 1000));
}, 60_000);

test("wrong arguments are told all at once, with exit code 2 and nothing sent", async () => {
  const path = file("a.csv", csv);
  const done = await run(
    "replay",
    path,
    "--thing",
    "nothing",
    "--time",
    "Zeit",
    "--map",
    "Tp=temperature,x",
    "--zone",
    "Mars",
    "--broker",
    broker.url,
  );
  expect(done.code).toBe(2);
  expect(done.err.trim().split("\n")).toEqual([
    "--time: no column Zeit; there are , Time, Tp, Cl, pH",
    "--thing: no thing nothing",
    "--map: expected COLUMN=property or COLUMN=property@thing, not x",
    "--zone: no zone Mars",
  ]);
  const unknown = await run("replay", path, "--sped", "3", "--shift", "later");
  expect(unknown.code).toBe(2);
  for (const part of ["--sped: no such option", "--thing:", "--time:", "--map:", "--shift: expected now"])
    expect(unknown.err).toContain(part);
  expect((await replay(join(folder, "absent.csv"), "--map", "pH=ph")).err).toContain("cannot read");
  expect(broker.published).toEqual([]);
});

test("simulate saves the alarms it should cause and sends them, faster than time and ending now", async () => {
  const save = join(folder, "alarms.json");
  const done = await run(
    "simulate",
    "--scenario",
    "turbidity",
    "--speed",
    "900",
    "--seed",
    "7",
    "--broker",
    broker.url,
    "--save",
    save,
  );
  expect(done).toMatchObject({ code: 0, out: expect.stringContaining("water-tianhe-3 turbidity-high") });
  const { alarms } = JSON.parse(await import("node:fs").then((fs) => fs.readFileSync(save, "utf8")));
  expect(alarms.map((one: { thing: string }) => one.thing).sort()).toEqual(["water-tianhe-3", "water-tianhe-4"]);
  const times = broker.published
    .filter(({ topic }) => topic.endsWith("/readings"))
    .map(({ payload }) => JSON.parse(payload).ts as number);
  expect(Math.max(...times)).toBeLessThanOrEqual(Date.now());
  const wrong = await run("simulate", "--scenario", "nothing", "--broker", broker.url);
  expect(wrong).toMatchObject({ code: 2, err: "--scenario: no scenario nothing\n" });
}, 30_000);

const gecco = resolve(root, "../shared/data/gecco2018/gecco2018_water_quality.csv.gz");
const noGecco = !existsSync(gecco) && process.env.CI === undefined;
test.skipIf(noGecco)(
  "the drinking-water series of a waterworks: each row one instant, a minute apart, the hour of the end of summer time twice (skipped where ../shared/data is absent)",
  async () => {
    const map =
      "Tp=temperature,Cl=chlorineDioxide,pH=ph,Redox=orp,Leit=conductivity,Trueb=turbidity,Cl_2=chlorineDioxide@water-haicheng-2";
    const done = await replay(gecco, "--map", map, "--zone", "Europe/Berlin");
    expect(done.code).toBe(0);
    expect(done.out).toContain("rows 139566, readings 976962, acknowledged 976962");
    const times = elements("water-haicheng-1").map(({ ts }) => ts);
    expect(times).toHaveLength(139_566);
    expect(times[0]).toBe(Date.parse("2016-08-03T09:49:00Z"));
    expect(times.every((time, index) => index === 0 || time - (times[index - 1] as number) === 60_000)).toBe(true);
  },
  60_000,
);
