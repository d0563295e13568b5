import { readFile } from "node:fs/promises";
import { isDevicesFile, readDevices } from "../src/codec/devices.ts";
import type { Registry } from "../src/domain/registry.ts";
import { day } from "../src/domain/time.ts";
import { FilesError, readTextTree } from "../src/platform/files.ts";
import { ArgumentsError } from "./arguments.ts";
import { readScenario, type Scenario, ScenarioError } from "./scenario.ts";

/** The district of a devices folder; ArgumentsError with every fault. */
export const loadRegistry = async (folder: string): Promise<Registry> => {
  const files = await readTextTree(folder, isDevicesFile).catch((error: unknown) => {
    if (error instanceof FilesError) throw new ArgumentsError([`--devices: ${error.message}`]);
    throw error;
  });
  // How long the service keeps what is sent is the service's matter; no simulator looks at it.
  const reading = readDevices(files, 30 * day);
  if (reading.kind === "registry") return reading.registry;
  throw new ArgumentsError(
    reading.faults.map(({ file, line, path, message }) => `${file}:${line} ${path}: ${message}`),
  );
};

/** A scenario by name (of `simulators/scenarios`) or by the path of a `.yaml` file; ArgumentsError with every fault. */
export const loadScenario = async (name: string, registry: Registry): Promise<Scenario> => {
  const path = name.endsWith(".yaml") ? name : new URL(`scenarios/${name}.yaml`, import.meta.url);
  const text = await readFile(path, "utf8").catch(() => {
    throw new ArgumentsError([`--scenario: no scenario ${name}`]);
  });
  try {
    return readScenario(name, text, registry);
  } catch (error) {
    if (error instanceof ScenarioError) throw new ArgumentsError(error.faults.map((fault) => `${name}: ${fault}`));
    throw error;
  }
};

/** Secrets by id: a JSON object `{"water-xinghai-1": "…"}`; ArgumentsError when it is none. */
export const loadCredentials = async (path: string | undefined): Promise<ReadonlyMap<string, string> | null> => {
  if (path === undefined) return null;
  const read = async () => new Map(Object.entries(JSON.parse(await readFile(path, "utf8")) as Record<string, string>));
  return await read().catch(() => {
    throw new ArgumentsError([`--credentials: ${path} is no JSON object of secrets by id`]);
  });
};
