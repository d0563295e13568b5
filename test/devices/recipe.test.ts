import { readFileSync } from "node:fs";
import { join } from "node:path";
import { expect, test } from "vitest";
import { devicesFolder, registryOf, shippedFiles } from "./folder.ts";

// devices/README.md, followed word by word.

const readme = readFileSync(join(devicesFolder, "README.md"), "utf8");
const block = (language: string): string => {
  const text = new RegExp(`\`\`\`${language}\\n([\\s\\S]*?)\`\`\``).exec(readme)?.[1] as string;
  const indent = /^ */.exec(text)?.[0] ?? "";
  return text.replaceAll(new RegExp(`^${indent}`, "gm"), "");
};
const quoted = (start: string): string => new RegExp(`\`(${start}[^\`]*)\``).exec(readme)?.[1] as string;

test("the kind of the README is complete: put in a folder it loads, with things of it", async () => {
  const files = await shippedFiles();
  const header = quoted("id,kind");
  files.set("kinds/manhole/kind.yaml", block("yaml"));
  files.set(
    "fleet/manhole.csv",
    `${header}\nmanhole-1,manhole,tianhe,tianhe-sanjia,三甲路窨井,Sanjia Road manhole,120.80,27.87,,\n`,
  );
  const registry = registryOf(files);
  const kind = registry.kinds.find(({ id }) => id === "manhole");
  expect(kind).toMatchObject({ level: "bronze", every: 300_000, failAfter: 900_000 });
  expect(kind?.limits[0]).toMatchObject({ id: "level-high", setpoint: 3, statistic: "instant", accepts: [1, 2, 3] });
  expect(registry.things.find(({ id }) => id === "manhole-1")?.attributes).toEqual({});
});

test("a limit as the README has it can be appended to a kind that exists", async () => {
  const files = await shippedFiles();
  const limit = block("yaml").split("limits:\n")[1] as string;
  const camera = files.get("kinds/camera/kind.yaml") as string;
  const moved = limit.replace("property: level", "property: imageOk").replace("above: 3", "above: 0.5");
  files.set("kinds/camera/kind.yaml", `${camera.trimEnd()}\n${moved}`);
  expect(registryOf(files).kinds.find(({ id }) => id === "camera")?.limits).toHaveLength(2);
});

test("a person as the README has it can be appended and made 网格长", async () => {
  const files = await shippedFiles();
  const site = files.get("site.yaml") as string;
  const added = site.replace("people:\n", `people:\n  - ${quoted("\\{ id: wang-wu")}\n`);
  files.set("site.yaml", added.replace("chief: dong-lixin", "chief: wang-wu"));
  const registry = registryOf(files);
  expect(registry.grids.find(({ id }) => id === "tianhe-sanjia")?.chief).toBe("wang-wu");
});

test("a thing can be appended to the file of its kind", async () => {
  const files = await shippedFiles();
  const water = files.get("fleet/water.csv") as string;
  files.set(
    "fleet/water.csv",
    `${water}water-tianhe-9,water,tianhe,tianhe-sijia,四甲末梢水9号点,Sijia tap 9,120.80,27.87,gateway-tianhe-3,PT5M,tap,freeChlorine,\n`,
  );
  const thing = registryOf(files).things.find(({ id }) => id === "water-tianhe-9");
  expect(thing).toMatchObject({
    every: 300_000,
    gateway: "gateway-tianhe-3",
    attributes: { station: "tap", supply: "public" },
  });
});

test("the faults that the README shows are faults of that form", async () => {
  const files = await shippedFiles();
  files.set(
    "fleet/water.csv",
    (files.get("fleet/water.csv") as string).replace(
      /^(water-[^,]*,water,xinghai,)xinghai-jinhai/m,
      "$1xinghai-jinhia",
    ),
  );
  expect(() => registryOf(files)).toThrow(/^fleet\/water\.csv:\d+ grid: no grid xinghai-jinhia$/);
});
