import { spawn } from "node:child_process";
import { once } from "node:events";
import { createReadStream, existsSync } from "node:fs";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { createGunzip } from "node:zlib";
import { afterAll, expect, test } from "vitest";
import { type InfluxServer, influx2Absent, startInflux2 } from "./influx.ts";
import { root, type Service, startService, until } from "./service.ts";

// A real drinking-water series (GECCO 2018, a minute a row, 97 days) from its file through MQTT into the store and into
// a real InfluxDB. It is read where it lies; its zone is Europe/Berlin, and the hour 02:00 of 2016-10-30 stands twice.

const series = join(root, "../shared/data/gecco2018/gecco2018_water_quality.csv.gz");
const here = existsSync(series);
if (!here) process.stdout.write(`skipped: ${series} is not there\n`);
const skipped = (!here && process.env.CI === undefined) || influx2Absent();

const map = "Tp=temperature,Cl=chlorineDioxide,pH=ph,Redox=orp,Leit=conductivity,Trueb=turbidity";
const properties = ["temperature", "chlorineDioxide", "ph", "orp", "conductivity", "turbidity"];
const thing = "water-xinghai-1";

let influx: InfluxServer | undefined;
let service: Service | undefined;
afterAll(async () => {
  await service?.stop();
  await influx?.stop();
});

/** Rows of the file, and how many of them carry each column. */
const countRows = async () => {
  const present = new Map<string, number>();
  let header: string[] = [];
  let rows = 0;
  for await (const line of createInterface({ input: createReadStream(series).pipe(createGunzip()) })) {
    const cells = line.split(",").map((cell) => cell.replaceAll('"', ""));
    if (header.length === 0) {
      header = cells;
      continue;
    }
    rows += 1;
    for (const pair of map.split(",")) {
      const [column, property] = pair.split("=") as [string, string];
      if (cells[header.indexOf(column)] !== "NA") present.set(property, (present.get(property) ?? 0) + 1);
    }
  }
  return { rows, present };
};

const replay = async (broker: string): Promise<number | null> => {
  const words = [
    "--thing",
    thing,
    "--time",
    "Time",
    "--map",
    map,
    "--zone",
    "Europe/Berlin",
    "--shift",
    "now",
    "--broker",
    broker,
  ];
  const child = spawn(process.execPath, [join(root, "simulators/replay.ts"), series, ...words], { stdio: "ignore" });
  const [code] = (await once(child, "exit")) as [number | null];
  return code;
};

test.skipIf(skipped)(
  "97 days of a waterworks reach store and InfluxDB whole, each instant once",
  async () => {
    influx = await startInflux2();
    const { url, token, org, bucket } = influx;
    service = await startService({
      env: {
        ...{ INFLUX_URL: url, INFLUX_TOKEN: token, INFLUX_ORG: org, INFLUX_BUCKET: bucket },
        MEIZHEN_RETENTION_DAYS: "120",
      },
    });
    const { rows, present } = await countRows();
    expect(rows).toBeGreaterThan(100_000);
    expect(await replay(`mqtt://127.0.0.1:${service.mqtt}`)).toBe(0);

    const { body: ledger } = await until(
      () => (service as Service).call("GET", `/api/v1/ledger?thing=${thing}`),
      ({ body }) => body.pending === 0 && body.stored >= rows * properties.length,
      60_000,
    );
    expect(ledger).toMatchObject({ received: rows * properties.length, stored: rows * properties.length });
    expect(ledger).toMatchObject({ duplicate: 0, rejected: 0, pending: 0, remainder: 0 });

    const fields = properties.flatMap((property) => [
      `count("${property}") AS ${property}`,
      `count("${property}_qc") AS ${property}_qc`,
    ]);
    const query = `SELECT ${fields.join(", ")} FROM "water" WHERE "thing" = '${thing}'`;
    const [counted] = await until(
      () => (influx as InfluxServer).query(query),
      // a query that runs while a batch is written sees some of its fields sooner than others
      ([row]) => properties.every((property) => row?.[`${property}_qc`] === rows),
      120_000,
    );
    for (const property of properties) {
      expect([property, counted?.[property], counted?.[`${property}_qc`]]).toEqual([
        property,
        present.get(property),
        rows,
      ]);
    }

    // the series has a row each minute of real time: across the repeated hour the instants go on minute by minute
    const times = (await influx.query(`SELECT "ph_qc" FROM "water" WHERE "thing" = '${thing}'`)).map((row) =>
      new Date(row.time as string | number).getTime(),
    );
    expect(times).toHaveLength(rows);
    const first = times[0] as number;
    expect(times.findIndex((time, index) => time !== first + index * 60_000)).toBe(-1);
  },
  240_000,
);
