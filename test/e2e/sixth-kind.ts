import { cpSync, mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { root, temporaryFolder } from "./service.ts";

/** The shipped devices folder with one more kind and one thing of it; no file under src/ knows of it. */
export const devicesWithSixthKind = (): string => {
  const devices = temporaryFolder("devices");
  cpSync(join(root, "devices"), devices, { recursive: true });
  const kind = join(devices, "kinds/gallery");
  mkdirSync(kind);
  writeFileSync(join(kind, "README.md"), "# Utility tunnel\n");
  writeFileSync(join(kind, "kind.yaml"), readFileSync(join(root, "test/e2e/sixth-kind.yaml"), "utf8"));
  const header = "id,kind,street,grid,name_zh,name_en,longitude,latitude,gateway,every";
  const row = "gallery-1,gallery,xinghai,xinghai-binhai,一号管廊,Tunnel 1,120.84,27.87,,PT1M";
  writeFileSync(join(devices, "fleet/gallery.csv"), `${header}\n${row}\n`);
  return devices;
};
