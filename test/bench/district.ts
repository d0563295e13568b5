import { appendFileSync, cpSync } from "node:fs";
import { join } from "node:path";
import { root } from "../e2e/service.ts";

/** Of the district that ships, with so many more water stations and toilets: a fleet as large as a load has clients. */
export const widerDistrict = (folder: string, waters: number, toilets: number): string => {
  const devices = join(folder, "devices");
  cpSync(join(root, "devices"), devices, { recursive: true });
  const rows = (count: number, row: (id: string) => string) =>
    Array.from({ length: count }, (_, at) => `${row(String(at).padStart(4, "0"))}\n`).join("");
  const place = "xinghai,xinghai-binhai";
  appendFileSync(
    join(devices, "fleet/water.csv"),
    rows(waters, (id) => `bench-water-${id},water,${place},压测点,Bench ${id},120.84,27.86,,,network,freeChlorine,`),
  );
  appendFileSync(
    join(devices, "fleet/toilet.csv"),
    rows(toilets, (id) => `bench-toilet-${id},toilet,${place},压测厕所,Bench ${id},120.84,27.86,,,public,1`),
  );
  return devices;
};
export const waterOf = (at: number): string => `bench-water-${String(at).padStart(4, "0")}`;
export const toiletOf = (at: number): string => `bench-toilet-${String(at).padStart(4, "0")}`;
export const topicOf = (kind: string, thing: string): string => `meizhen/xinghai/${kind}/${thing}/readings`;
