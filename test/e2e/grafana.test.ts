import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { parse } from "yaml";
import { dashboardsOf, thresholdsOf } from "../../dashboards/grafana/make.ts";
import { isDevicesFile, readDevices } from "../../src/codec/devices.ts";
import { createObservationEncoder, emptyBatch } from "../../src/codec/line-batch.ts";
import { encodeTransition } from "../../src/codec/lineprotocol.ts";
import type { Datastream, Observation } from "../../src/domain/change.ts";
import type { Kind } from "../../src/domain/kind.ts";
import type { Registry } from "../../src/domain/registry.ts";
import type { Thing } from "../../src/domain/thing.ts";
import { createInfluxHistorian } from "../../src/historian/influx.ts";
import { readTextTree } from "../../src/platform/files.ts";
import { type InfluxServer, influx1Absent, influx2Absent, startInflux1, startInflux2 } from "./influx.ts";

const root = join(import.meta.dirname, "../..");
const folder = join(root, "dashboards/grafana");
const devices = join(root, "devices");

type Target = { readonly refId: string; readonly query: string; readonly datasource: { uid: string } };
type Panel = {
  readonly id: number;
  readonly title: string;
  readonly type: string;
  readonly gridPos: { x: number; y: number; w: number; h: number };
  readonly targets: readonly Target[];
  readonly fieldConfig: {
    readonly defaults: { readonly thresholds?: { readonly steps: readonly { value: number | null }[] } };
  };
};
type Dashboard = {
  readonly uid: string;
  readonly title: string;
  readonly panels: readonly Panel[];
  readonly templating: { readonly list: readonly { name: string; query: string }[] };
};
const files = readdirSync(join(folder, "dashboards"));
const dashboards = files.map((name) => JSON.parse(readFileSync(join(folder, "dashboards", name), "utf8")) as Dashboard);

const reading = readDevices(await readTextTree(devices, isDevicesFile), 30 * 86_400_000);
if (reading.kind === "faults") throw new Error(JSON.stringify(reading.faults));
const registry: Registry = reading.registry;

test("the dashboards are what the devices folder makes: node dashboards/grafana/make.ts", async () => {
  const made = await dashboardsOf(devices);
  expect(files.toSorted()).toEqual([...made.keys()].toSorted());
  for (const [name, text] of made) expect(readFileSync(join(folder, "dashboards", name), "utf8"), name).toBe(text);
});

test("each of the five kinds has a dashboard, its properties in both languages, its limits as lines, its quality", () => {
  for (const id of ["water", "outfall", "toilet", "camera", "rain"]) {
    const kind = registry.kinds.find((one) => one.id === id) as Kind;
    const dashboard = dashboards.find(({ uid }) => uid === `meizhen-${id}`) as Dashboard;
    expect(dashboard.title).toBe(`${kind.name.zh} ${kind.name.en}`);
    for (const property of kind.properties.filter((one) => one.id !== "heartbeat")) {
      const panel = dashboard.panels.find(
        ({ type, title }) => type === "timeseries" && title.startsWith(property.name.zh),
      );
      expect(panel?.title, property.id).toContain(property.name.en);
      const drawn = new Set(panel?.fieldConfig.defaults.thresholds?.steps.map(({ value }) => value));
      const limits = kind.limits.filter((limit) => limit.property === property.id && limit.statistic === "instant");
      for (const { setpoint } of limits) expect(drawn, `${id} ${property.id}`).toContain(setpoint);
    }
    const flags = dashboard.panels
      .find(({ type }) => type === "state-timeline")
      ?.targets.map(({ query }) => query)
      .join("\n");
    for (const { id: property } of kind.properties) expect(flags).toContain(`"${property}_qc"`);
  }
});

test("a value is green within all limits, orange within some, red within none", () => {
  const limit = (direction: string, setpoint: number, statistic = "instant") =>
    ({ direction, setpoint, statistic }) as never;
  expect(thresholdsOf([])).toEqual([{ color: "green", value: null }]);
  expect(thresholdsOf([limit("low", 6.5), limit("high", 8.5)])).toEqual([
    { color: "red", value: null },
    { color: "green", value: 6.5 },
    { color: "red", value: 8.5 },
  ]);
  expect(thresholdsOf([limit("high", 3), limit("high", 1), limit("high", 0.2, "dailyMean")])).toEqual([
    { color: "green", value: null },
    { color: "orange", value: 1 },
    { color: "red", value: 3 },
  ]);
});

test("panels have ids and places of their own and the provisioned data source", () => {
  const provisioned = parse(readFileSync(join(folder, "provisioning/datasources/influxdb.yaml"), "utf8")) as {
    datasources: { uid: string; jsonData: { version: string } }[];
  };
  expect(provisioned.datasources).toMatchObject([{ uid: "meizhen-influxdb", jsonData: { version: "InfluxQL" } }]);
  for (const { panels, uid } of dashboards) {
    expect(new Set(panels.map(({ id }) => id)).size).toBe(panels.length);
    const cells = panels.flatMap(({ gridPos: { x, y, w, h } }) =>
      Array.from({ length: w * h }, (_, cell) => `${x + (cell % w)}/${y + Math.floor(cell / w)}`),
    );
    expect(new Set(cells).size, uid).toBe(cells.length);
    for (const { datasource } of panels.flatMap(({ targets }) => targets))
      expect(datasource.uid).toBe("meizhen-influxdb");
  }
});

// Grafana's own substitution (InfluxQL data source, backend): macros, then variables, several values as a regex group.

const hours = 3;
const end = Date.parse("2026-11-23T08:00:00Z");
const start = end - hours * 3_600_000;
const escaped = (value: string) => value.replace(/[\\^$*+?.()|[\]{}/]/g, "\\$&");
const group = (values: readonly string[]) => `(${values.map(escaped).join("|")})`;
const substituted = (query: string, variables: Record<string, readonly string[]>): string =>
  Object.entries(variables).reduce(
    (text, [name, values]) => text.replaceAll(`$${name}$/`, `${group(values)}$/`),
    query.replaceAll("$timeFilter", `time >= ${start}ms and time <= ${end}ms`).replaceAll("$__interval", "1m"),
  );

/** Two things of each kind, every property at each interval, one in fifty missing, and an alarm raised and cleared. */
const simulated = (): { lines: string[]; things: Map<string, Thing[]> } => {
  const things = new Map(
    registry.kinds.map(({ id }) => [id as string, registry.things.filter(({ kind }) => kind === id).slice(0, 2)]),
  );
  const datastreams: Datastream[] = [];
  const observations: Observation[] = [];
  for (const kind of registry.kinds) {
    for (const { id: thing } of things.get(kind.id) ?? []) {
      const ids = kind.properties.map((property) =>
        datastreams.push({ id: datastreams.length + 1, thing, property: property.id }),
      );
      for (let time = start; time < end; time += kind.every) {
        kind.properties.forEach(({ possible, type }, index) => {
          const missing = (time / kind.every) % 50 === 0;
          const value = missing
            ? null
            : type === "boolean"
              ? 1
              : possible[0] + ((possible[1] - possible[0]) / 10) * (1 + Math.sin(time / 1e6));
          observations.push({
            datastream: ids[index] as number,
            time,
            value,
            quality: missing ? 9 : 1,
            seq: 1,
            receivedAt: time,
          });
        });
      }
    }
  }
  const encoder = createObservationEncoder("test", (after) => datastreams.filter(({ id }) => id > after));
  encoder.learn(registry);
  const lines: string[] = [];
  for (let at = 0; at < observations.length; ) {
    const batch = emptyBatch();
    at = encoder.encode(observations, at, batch);
    expect(batch.dead).toEqual([]);
    lines.push(...batch.lines);
  }
  const alarms = [...things.values()].flatMap(([thing]) => {
    const alarm = {
      id: `${thing?.id}.x.1`,
      thing: thing?.id,
      street: thing?.street,
      limit: "x",
      priority: "high",
      value: 1,
      setpoint: null,
    };
    return ["unacknowledged", "normal"].map((state, index) =>
      encodeTransition({ at: start + index * 60_000, alarm: { ...alarm, state } } as never),
    );
  });
  return { lines: [...lines, ...alarms], things };
};

const servers: [string, boolean, () => Promise<InfluxServer>][] = [
  ["InfluxDB 2", influx2Absent(), startInflux2],
  ["InfluxDB 1.x", influx1Absent(), startInflux1],
];
describe.each(servers)("every query of every panel returns points from %s", (_, absent, open) => {
  const { lines, things } = simulated();
  let server: InfluxServer;
  beforeAll(async () => {
    if (absent) return;
    server = await open();
    const { url, token, org, bucket } = server;
    const historian = createInfluxHistorian({ url, token: token || null, org, bucket, version: null });
    const signal = new AbortController().signal;
    expect(await historian.prepare(signal)).toBeNull();
    for (let at = 0; at < lines.length; at += 5_000)
      expect(await historian.write(lines.slice(at, at + 5_000), signal)).toEqual({ kind: "accepted" });
  });
  afterAll(async () => await server?.stop());

  test.skipIf(absent).each(dashboards.map((dashboard) => [dashboard.uid, dashboard] as const))(
    "%s",
    async (uid, dashboard) => {
      const kind = uid.slice("meizhen-".length);
      const listed = things.get(kind) ?? [];
      const variables = {
        thing: listed.map(({ id }) => id),
        street: [...new Set(listed.map(({ street }) => street as string))],
      };
      for (const { name, query } of dashboard.templating.list) {
        const rows = await server.query(substituted(query, variables));
        expect(new Set(rows.map(({ value }) => value)), name).toEqual(new Set(variables[name as "thing" | "street"]));
      }
      for (const panel of dashboard.panels) {
        expect(panel.targets.length).toBeGreaterThan(0);
        for (const { query } of panel.targets) {
          const text = substituted(query, variables);
          expect(text.replaceAll("$/", "/")).not.toContain("$");
          const rows = await server.query(text);
          const points = rows.filter((row) =>
            Object.entries(row).some(
              ([column, value]) => !["time", "thing"].includes(column) && value !== null && value !== 0,
            ),
          );
          expect(points.length, `${panel.title}: ${text}`).toBeGreaterThan(0);
        }
      }
    },
  );

  test.skipIf(absent)("a query of a field that is not there returns none, so the test above can fail", async () => {
    expect(await server.query('SELECT mean("phh") FROM "water"')).toEqual([]);
  });
});
