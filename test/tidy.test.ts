import { readdirSync, readFileSync, statSync } from "node:fs";
import { basename, dirname, join, relative, resolve } from "node:path";
import { expect, test } from "vitest";

// The building inspector: rules of the house that run, so that nobody has to remember them.

const root = resolve(import.meta.dirname, "..");

/** Floors from the ground up; a file imports its own room or a lower floor, never up, never next door. */
const floors: readonly (readonly string[])[] = [
  ["domain"],
  ["codec", "ports.ts"],
  ["engine", "platform"],
  ["loops", "journal", "store", "ingest", "historian", "notify", "api", "admin"],
  ["config.ts"],
  ["threads", "app.ts", "backfill.ts"],
  ["command.ts"],
  ["main.ts"],
];

/** Where a room needs a room of its own floor: none but these, each with its reason. */
const doors: ReadonlySet<string> = new Set([
  // the composition root starts the threads; each thread is the composition root of its own side
  "app.ts -> threads",
]);

const files = (folder: string): string[] =>
  readdirSync(join(root, folder), { withFileTypes: true, recursive: true })
    .filter((entry) => entry.isFile() && entry.name.endsWith(".ts") && !entry.parentPath.includes("node_modules"))
    .map((entry) => relative(root, join(entry.parentPath, entry.name)));

type Source = { readonly path: string; readonly text: string; readonly code: string };
const read = (path: string): Source => {
  const text = readFileSync(join(root, path), "utf8");
  return { path, text, code: text.replace(/\/\*[\s\S]*?\*\//g, "").replace(/(^|\s)\/\/.*$/gm, "") };
};

const source = files("src").map(read);
const simulators = files("simulators").map(read);

const importsOf = ({ code }: Source): string[] =>
  [...code.matchAll(/(?:\bfrom|\bimport)\s*\(?\s*"([^"]+)"/g)].map((match) => match[1] as string);

const roomOf = (path: string): string => path.split("/")[1] as string;
const floorOf = (room: string): number => floors.findIndex((floor) => floor.includes(room));

/** `src/a/b.ts imports src/c/d.ts` for every relative import that climbs or goes next door. */
const climbing = (sources: readonly Source[]): string[] =>
  sources.flatMap((file) =>
    importsOf(file)
      .filter((target) => target.startsWith("."))
      .map((target) => relative(root, resolve(root, dirname(file.path), target)))
      .filter((target) => {
        const [from, to] = [roomOf(file.path), roomOf(target)];
        if (!target.startsWith("src/")) return true;
        return from !== to && floorOf(to) >= floorOf(from) && !doors.has(`${from} -> ${to}`);
      })
      .map((target) => `${file.path} imports ${target}`),
  );

const owners: readonly { readonly what: string; readonly pattern: RegExp; readonly owner: readonly string[] }[] = [
  {
    what: "the clock",
    pattern: /\bDate\.now\b|new Date\(\)|\bperformance\.now\b|\bhrtime\b/,
    owner: ["src/platform/clock.ts"],
  },
  {
    what: "randomness",
    pattern: /Math\.random\b|\brandom(Bytes|UUID|Int)\b[^;]*"node:crypto"|getRandomValues/,
    owner: ["src/platform/random.ts", "simulators/random.ts"],
  },
  { what: "the environment", pattern: /\bprocess\.env\b/, owner: ["src/config.ts", "simulators/show.ts"] },
  { what: "the console", pattern: /\bconsole\.\w/, owner: ["simulators/terminal.ts"] },
  {
    what: "standard output",
    pattern: /process\.(stdout|stderr)\b/,
    owner: ["src/main.ts", "src/platform/terminal.ts", "simulators/terminal.ts"],
  },
];

const trespassing = (sources: readonly Source[]): string[] =>
  sources.flatMap((file) =>
    owners
      .filter(({ pattern, owner }) => pattern.test(file.code) && !owner.includes(file.path))
      .map(({ what }) => `${file.path}: ${what}`),
  );

test("every room stands on a floor", () => {
  const rooms = readdirSync(join(root, "src")).filter((name) => name !== "README.md");
  expect(rooms.filter((room) => floorOf(room) < 0)).toEqual([]);
});

test("imports go down, never up and never next door", () => {
  expect(climbing(source)).toEqual([]);
});

test("the inspector sees an import that climbs", () => {
  const code = 'import { openStore } from "../store/database.ts";';
  expect(climbing([{ path: "src/domain/limit.ts", text: code, code }])).toHaveLength(1);
  expect(climbing([{ path: "src/api/server.ts", text: code, code }])).toHaveLength(1);
});

test("Law 5: the engine has no clock, no randomness, no I/O, and imports no package; nor has domain", () => {
  const foreign = source
    .filter(({ path }) => ["domain", "engine"].includes(roomOf(path)))
    .flatMap((file) =>
      importsOf(file)
        .filter((target) => !target.startsWith("."))
        .map((target) => `${file.path}: ${target}`),
    );
  expect(foreign).toEqual([]);
});

test("no file is longer than 300 lines", () => {
  const long = [...source, ...simulators].filter(({ text }) => text.split("\n").length > 301).map(({ path }) => path);
  expect(long).toEqual([]);
});

test("clock, randomness, environment, console and standard output have one owner each", () => {
  expect(trespassing([...source, ...simulators])).toEqual([]);
});

test("the inspector sees a second owner", () => {
  const code = "const now = Date.now();";
  expect(trespassing([{ path: "src/engine/engine.ts", text: code, code }])).toEqual([
    "src/engine/engine.ts: the clock",
  ]);
});

test("files are named in kebab-case after the one thing in them", () => {
  const names = [...source, ...simulators].map(({ path }) => basename(path, ".ts"));
  expect(names.filter((name) => !/^[a-z0-9]+(-[a-z0-9]+)*$/.test(name))).toEqual([]);
  expect(names.filter((name) => /^(utils?|helpers?|common|manager|misc|index)$/.test(name))).toEqual([]);
});

test("the root holds what the owner named, and what tools demand there", () => {
  const allowed = new Set([
    ...["src", "devices", "simulators", "dashboards", "test", "docker-compose.yml", "package.json", "README.md"],
    ...[
      "package-lock.json",
      "tsconfig.json",
      "biome.json",
      "vitest.config.ts",
      ".gitignore",
      ".dockerignore",
      ".ci",
      "LICENSE",
      "Dockerfile",
    ],
    ...[".git", "node_modules", "data"],
  ]);
  expect(readdirSync(root).filter((name) => !allowed.has(name))).toEqual([]);
});

test("every room of src has its line on the map", () => {
  const map = readFileSync(join(root, "src/README.md"), "utf8");
  const rooms = readdirSync(join(root, "src")).filter(
    (name) => name !== "README.md" && statSync(join(root, "src", name)).isDirectory(),
  );
  expect(rooms.filter((room) => !map.includes(`${room}/`))).toEqual([]);
});
