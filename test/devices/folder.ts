import { resolve } from "node:path";
import { type DevicesReading, isDevicesFile, readDevices } from "../../src/codec/devices.ts";
import type { Registry } from "../../src/domain/registry.ts";
import { day } from "../../src/domain/time.ts";
import { readTextTree } from "../../src/platform/files.ts";

export const devicesFolder = resolve(import.meta.dirname, "../../devices");

/** The files of the shipped folder, for tests to change a copy of. */
export const shippedFiles = async (): Promise<Map<string, string>> =>
  new Map(await readTextTree(devicesFolder, isDevicesFile));

/** The registry of a folder's files; fails with every fault. */
export const registryOf = (files: ReadonlyMap<string, string>): Registry => {
  const reading = readDevices(files, 30 * day);
  if (reading.kind === "registry") return reading.registry;
  throw new Error(told(reading));
};

const told = (reading: Extract<DevicesReading, { kind: "faults" }>): string =>
  reading.faults.map(({ file, line, path, message }) => `${file}:${line} ${path}: ${message}`).join("\n");
