import fc from "fast-check";
import { expect, test } from "vitest";
import { type Fault, readDevices } from "../../src/codec/devices.ts";
import { day } from "../../src/domain/time.ts";
import { registryOf, shippedFiles } from "../devices/folder.ts";

const files = await shippedFiles();

/** The faults of the shipped folder with one file changed. */
const faultsWith = (file: string, change: (text: string) => string): readonly Fault[] => {
  const before = files.get(file) as string;
  const after = change(before);
  expect(after, "the change must change something").not.toBe(before);
  const reading = readDevices(new Map(files).set(file, after), 30 * day);
  return reading.kind === "faults" ? reading.faults : [];
};
const replaced = (from: string, to: string) => (text: string) => text.replace(from, to);
const lineOf = (file: string, part: string): number =>
  (files.get(file) as string).split("\n").findIndex((line) => line.includes(part)) + 1;
const brief = (faults: readonly Fault[]) => faults.map(({ file, line, path, code }) => ({ file, line, path, code }));

const row = (cells: string) => (text: string) => `${text}${cells}\n`;
const last = (file: string) => (files.get(file) as string).trimEnd().split("\n").length + 1;

test("the shipped folder is a registry, and reading it again gives the same version", () => {
  const registry = registryOf(files);
  expect(registry.version).toMatch(/^[0-9a-f]{64}$/);
  expect(registryOf(new Map([...files].reverse())).version).toBe(registry.version);
});

test("the version changes with the retention and with any word of the folder", () => {
  const { version } = registryOf(files);
  const other = readDevices(files, 31 * day);
  expect(other.kind === "registry" && other.registry.version).not.toBe(version);
  const changed = new Map(files).set("site.yaml", (files.get("site.yaml") as string).replace("陈建国", "陈建军"));
  expect(registryOf(changed).version).not.toBe(version);
});

test("a thing of an unknown kind, street, grid, gateway or attribute value is a fault at its line and column", () => {
  const line = last("fleet/water.csv");
  const cells = "w-x,watr,xingha,tianhe-sanjiia,名,Name,120.8,27.9,gateway-x,,roof,freeChlorine,";
  expect(brief(faultsWith("fleet/water.csv", row(cells)))).toEqual([
    { file: "fleet/water.csv", line, path: "kind", code: "unknown" },
    { file: "fleet/water.csv", line, path: "street", code: "unknown" },
    { file: "fleet/water.csv", line, path: "grid", code: "unknown" },
    { file: "fleet/water.csv", line, path: "gateway", code: "unknown" },
  ]);
  const station = row("w-x,water,tianhe,tianhe-sanjia,名,Name,120.8,27.9,,,roof,freeChlorine,");
  expect(brief(faultsWith("fleet/water.csv", station))).toEqual([
    { file: "fleet/water.csv", line, path: "station", code: "unknown" },
  ]);
});

test.each([
  ["no street", "w-x,water,,tianhe-sanjia,名,Name,120.8,27.9,,,,,", "street", "unroutable"],
  ["no grid", "w-x,water,tianhe,,名,Name,120.8,27.9,,,,,", "grid", "unroutable"],
  ["a grid of another street", "w-x,water,xinghai,tianhe-sanjia,名,Name,120.8,27.9,,,,,", "grid", "contradiction"],
  ["an id with capitals", "W-X,water,tianhe,tianhe-sanjia,名,Name,120.8,27.9,,,,,", "id", "shape"],
  ["the id of the service", "house,water,tianhe,tianhe-sanjia,名,Name,120.8,27.9,,,,,", "id", "reserved"],
  ["an id that is taken", "water-tianhe-1,water,tianhe,tianhe-sanjia,名,Name,120.8,27.9,,,,,", "id", "duplicate"],
  ["no name", "w-x,water,tianhe,tianhe-sanjia,名,,120.8,27.9,,,,,", "name_en", "shape"],
  ["swapped coordinates", "w-x,water,tianhe,tianhe-sanjia,名,Name,27.9,120.8,,,,,", "latitude", "shape"],
  ["half a position", "w-x,water,tianhe,tianhe-sanjia,名,Name,,27.9,,,,,", "longitude", "shape"],
  ["an interval in words", "w-x,water,tianhe,tianhe-sanjia,名,Name,120.8,27.9,,5 min,,,", "every", "shape"],
  ["an interval of nothing", "w-x,water,tianhe,tianhe-sanjia,名,Name,120.8,27.9,,PT0S,,,", "every", "shape"],
  [
    "a probe as gateway",
    "w-x,water,tianhe,tianhe-sanjia,名,Name,120.8,27.9,water-tianhe-1,,,,",
    "gateway",
    "contradiction",
  ],
  ["too few columns", "w-x,water,tianhe", "", "syntax"],
])("a row with %s is a fault", (_, cells, path, code) => {
  expect(brief(faultsWith("fleet/water.csv", row(cells)))).toEqual([
    { file: "fleet/water.csv", line: last("fleet/water.csv"), path, code },
  ]);
});

test("a fleet file from a spreadsheet, with a byte order mark, CRLF and quotes, reads as any other", () => {
  const text = `\uFEFF${(files.get("fleet/rain.csv") as string).replaceAll("\n", "\r\n").replace("Xinghai rain gauge", '"Xinghai rain gauge"')}`;
  expect(registryOf(new Map(files).set("fleet/rain.csv", text)).version).toBe(registryOf(files).version);
});

test("a header that is not the header is a fault", () => {
  const faults = faultsWith("fleet/rain.csv", replaced("longitude,latitude", "latitude,longitude"));
  expect(brief(faults).slice(0, 2)).toEqual([
    { file: "fleet/rain.csv", line: 1, path: "latitude", code: "shape" },
    { file: "fleet/rain.csv", line: 1, path: "longitude", code: "shape" },
  ]);
});

const site = "site.yaml";
test.each([
  ["an unknown 网格长", "chief: wang-haibin", "chief: wang-haibing", "grids[0].chief", "unknown"],
  ["an unknown 街(路)长", "chief: chen-jianguo", "chief: nobody", "streets[0].chief", "unknown"],
  ["a street without 工作专班", ", taskForce: lin-xiaoyan", "", "streets[0].taskForce", "shape"],
  ["a department without liaison", "    liaison: cai-mingliang\n", "", "departments[0].liaison", "shape"],
  ["a zone that is none", "zone: Asia/Shanghai", "zone: Asia/Wenzhou", "district.zone", "shape"],
  ["a second person of an id", "id: wang-haibin,", "id: lin-xiaoyan,", "people[2].id", "duplicate"],
  ["a key that does not exist", "\ndistrict:\n", "\ndistrikt: {}\ndistrict:\n", "distrikt", "shape"],
  ["a goal above all", "goal: 95 ", "goal: 950 ", "targets[3].goal", "shape"],
])("a site with %s is a fault at its place", (_, from, to, path, code) => {
  expect(brief(faultsWith(site, replaced(from, to)))).toContainEqual({
    file: site,
    line: expect.any(Number),
    path,
    code,
  });
});

test("a fault in a list names its line", () => {
  const [fault] = faultsWith(site, replaced("chief: dong-lixin", "chief: nobody"));
  expect(fault).toMatchObject({ line: lineOf(site, "chief: dong-lixin"), message: "no person nobody" });
});

const kind = "kinds/water/kind.yaml";
test.each([
  ["a limit on no property", "property: turbidity", "property: turbidness", "limits[0].property", "unknown"],
  ["two setpoints", "    above: 1\n", "    above: 1\n    below: 0\n", "limits[0]", "shape"],
  ["no setpoint", "    above: 1\n", "", "limits[0]", "shape"],
  ["a deadband that can never be left", "deadband: 0.1", "deadband: 1.5", "limits[0].deadband", "contradiction"],
  ["a negative deadband", "deadband: 0.1", "deadband: -0.1", "limits[0].deadband", "shape"],
  ["a setpoint that no value passes", "above: 1\n", "above: 4000\n", "limits[0].above", "contradiction"],
  ["a delay in words", "onDelay: PT2M", "onDelay: 2min", "limits[0].onDelay", "shape"],
  ["a condition on no attribute", "attribute: supply", "attribute: suply", "limits[0].when", "unknown"],
  ["a condition on a value that never is", "oneOf: [public]", "oneOf: [publik]", "limits[0].when", "unknown"],
  ["a condition of no sort", "{ attribute: supply, oneOf: [public] }", "{ moon: full }", "limits[0].when[0]", "shape"],
  [
    "flag 4 as entering",
    "    priority: high\n",
    "    accepts: [1, 4]\n    priority: high\n",
    "limits[0].accepts[1]",
    "shape",
  ],
  ["a second limit of an id", "id: ph-low", "id: turbidity-high", "limits[2].id", "duplicate"],
  [
    "an operator span outside the measuring span",
    "operatorSpan: [0, 40]",
    "operatorSpan: [0, 400]",
    "properties[0].operatorSpan",
    "contradiction",
  ],
  ["a span upside down", "span: [0, 100]", "span: [100, 0]", "properties[0].span", "shape"],
  [
    "a measuring span beyond what is possible",
    "possible: [0, 4000]",
    "possible: [0, 40]",
    "properties[0].possible",
    "contradiction",
  ],
  ["a property named as a tag", "id: orp", "id: street", "properties[7].id", "reserved"],
  ["a default that is no value", "default: public", "default: small-ish", "attributes[2].default", "unknown"],
  ["a queue that nobody works", "queue: services", "queue: plumbing", "queue", "unroutable"],
  [
    "an advice in one language",
    "en: Overdosed; irritation and by-products. Lower the dose within 15 minutes and sample.",
    "",
    "limits[4].advice.en",
    "shape",
  ],
  ["no interval", "every: PT1M\n", "", "every", "shape"],
])("a kind with %s is a fault at its place", (_, from, to, path, code) => {
  const faults = brief(faultsWith(kind, replaced(from, to)));
  expect(faults).toContainEqual({ file: kind, line: expect.any(Number), path, code });
});

test("what is wrong in a row of a family is told at that row", () => {
  const faults = faultsWith(kind, replaced("below: 0.3\n", "below: much\n"));
  expect(faults).toHaveLength(1);
  expect(faults[0]).toMatchObject({ path: "limits[5].rows[0].below", line: lineOf(kind, "below: 0.3") });
});

test.each(["alarm", "target", "house"])("%s is no name of a kind", (name) => {
  const reading = readDevices(new Map(files).set(`kinds/${name}/kind.yaml`, files.get(kind) as string), day);
  expect(reading.kind === "faults" && reading.faults.map(({ code }) => code)).toEqual(["reserved"]);
});

test("a folder of kinds without kind.yaml, and a folder without site.yaml, say which file is missing", () => {
  const without = new Map(files);
  without.delete(site);
  without.delete(kind);
  const reading = readDevices(without, day);
  const missing = reading.kind === "faults" ? reading.faults.filter(({ code }) => code === "missing_file") : [];
  expect(missing.map(({ file }) => file).sort()).toEqual([kind, site]);
});

test("YAML that cannot be read is one fault with its line, and raises none in what refers to it", () => {
  const faults = faultsWith(kind, replaced("limits:\n", "limits: [\n"));
  expect(new Set(faults.map(({ file }) => file))).toEqual(new Set([kind]));
  expect(new Set(faults.map(({ code }) => code))).toEqual(new Set(["syntax"]));
});

test("all faults of all files are told at once, by file and line", () => {
  const broken = new Map(files)
    .set(site, (files.get(site) as string).replace("chief: wang-haibin", "chief: x").replace("goal: 90", "goal: no"))
    .set(kind, (files.get(kind) as string).replace("onDelay: PT2M", "onDelay: soon"))
    .set("fleet/rain.csv", `${files.get("fleet/rain.csv")}r-1,rain,nowhere,,名,Name,1,2,,\n`);
  const reading = readDevices(broken, day);
  const faults = reading.kind === "faults" ? reading.faults : [];
  expect(faults.map(({ file, path }) => `${file} ${path}`)).toEqual([
    "fleet/rain.csv grid",
    "fleet/rain.csv street",
    "kinds/water/kind.yaml limits[0].onDelay",
    "site.yaml grids[0].chief",
    "site.yaml targets[5].goal",
  ]);
});

test("a broken person is told once, and not again by everybody who refers to them", () => {
  const faults = faultsWith(
    site,
    replaced("id: chen-jianguo, name: { zh: 陈建国, en: Chen Jianguo }", "id: chen-jianguo, name: 陈建国"),
  );
  expect(faults.map(({ path }) => path)).toEqual(["people[0].name"]);
});

test("grades become labels: knowledge is provisional, replaced standards are marked", () => {
  const limits = registryOf(files).kinds.flatMap((one) => one.limits);
  for (const { grade, labels } of limits) {
    expect(labels.includes("provisional")).toBe(grade === "K");
    expect(labels.includes("superseded-unchecked")).toBe(grade === "superseded-unchecked");
  }
});

test("no text of a file, however mangled, does anything but give faults or a registry", () => {
  const names = [...files.keys()].filter((path) => !path.endsWith(".md"));
  const mangled = fc.tuple(fc.constantFrom(...names), fc.nat(), fc.nat({ max: 40 }), fc.string({ maxLength: 12 }));
  fc.assert(
    fc.property(mangled, ([file, place, length, insert]) => {
      const text = files.get(file) as string;
      const start = place % text.length;
      const changed = text.slice(0, start) + insert + text.slice(start + length);
      const reading = readDevices(new Map(files).set(file, changed), day);
      if (reading.kind === "registry") return;
      expect(reading.faults.length).toBeGreaterThan(0);
      for (const fault of reading.faults) {
        expect(fault.line).toBeGreaterThan(0);
        expect(fault.message).not.toBe("");
      }
    }),
    { numRuns: 60 },
  );
}, 60_000);
