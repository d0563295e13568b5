import { mkdir, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { isDevicesFile, readDevices } from "../../src/codec/devices.ts";
import type { Kind, Property } from "../../src/domain/kind.ts";
import type { Limit } from "../../src/domain/limit.ts";
import { readTextTree } from "../../src/platform/files.ts";

// Grafana's dashboards, one per kind of device, made from the devices folder: names, units and limits stand in one
// place. After a change there: `node dashboards/grafana/make.ts`. A test compares what lies in `dashboards/`.

const source = { type: "influxdb", uid: "meizhen-influxdb" } as const;
type Panel = Readonly<Record<string, unknown>> & { readonly height: number; readonly width: number };

/** Both languages, as everywhere. */
const titled = (name: { zh: string; en: string }, unit = ""): string =>
  `${name.zh === name.en ? name.zh : `${name.zh} ${name.en}`}${unit === "" ? "" : ` (${unit})`}`;

/** UCUM code to what Grafana writes behind a number. */
const unitOf = (unit: string): string => ({ "1": "", "[pH]": "", Cel: "°C", "mg/m3": "mg/m³" })[unit] ?? unit;

const ofThings = (measurement: string): string => `FROM "${measurement}" WHERE "thing" =~ /^$thing$/ AND $timeFilter`;

/** An amount since the reading before is added up, not averaged. */
const isAmount = ({ name }: Property): boolean => /since the reading before/i.test(name.en);

const target = (refId: string, query: string, more: object = {}) => ({
  datasource: source,
  refId,
  query,
  rawQuery: true,
  resultFormat: "time_series",
  alias: "$tag_thing",
  ...more,
});

/**
 * The lines to draw for a property: its setpoints for single readings, else the strictest and the mildest of its means.
 * Green is within all, orange within some, red within none.
 */
export const thresholdsOf = (limits: readonly Limit[]): { color: string; value: number | null }[] => {
  const instant = limits.filter(({ statistic }) => statistic === "instant");
  const drawn = instant.length > 0 ? instant : limits;
  const setpoints = (direction: Limit["direction"]) => {
    const all = [...new Set(drawn.filter((limit) => limit.direction === direction).map(({ setpoint }) => setpoint))];
    const sorted = all.sort((a, b) => a - b);
    return instant.length > 0 ? sorted : [...new Set([sorted.at(0), sorted.at(-1)])].filter((one) => one !== undefined);
  };
  const [lows, highs] = [setpoints("low"), setpoints("high")];
  const steps: { color: string; value: number | null }[] = [{ color: lows.length > 0 ? "red" : "green", value: null }];
  for (const value of lows) steps.push({ color: value === lows.at(-1) ? "green" : "orange", value });
  for (const value of highs) steps.push({ color: value === highs.at(-1) ? "red" : "orange", value });
  return steps;
};

/** Values over time; readings judged as failed are left out, as the house leaves them out of its means. */
const valuePanel = (kind: Kind, property: Property): Panel => {
  const limits = kind.limits.filter((limit) => limit.property === property.id);
  const thresholds = thresholdsOf(limits);
  const amount = isAmount(property);
  const value = `${amount ? "sum" : "mean"}("${property.id}")`;
  const unit = unitOf(property.unit);
  const good = `AND "${property.id}_qc" < 4`;
  return {
    type: "timeseries",
    title: titled(property.name, unit),
    description: limits
      .map(
        (limit) =>
          `${titled(limit.name)}: ${limit.direction === "high" ? ">" : "<"} ${limit.setpoint} ${unit} (${limit.standard} ${limit.clause})`,
      )
      .join("\n\n"),
    targets: [
      target("A", `SELECT ${value} ${ofThings(kind.id)} ${good} GROUP BY time($__interval), "thing" fill(none)`),
    ],
    fieldConfig: {
      defaults: {
        ...(unit === "" ? {} : { unit: `suffix: ${unit}` }),
        thresholds: { mode: "absolute", steps: thresholds },
        custom: {
          drawStyle: amount ? "bars" : "line",
          lineWidth: 1,
          fillOpacity: amount ? 60 : 0,
          showPoints: "never",
          spanNulls: 3 * kind.every,
          thresholdsStyle: { mode: thresholds.length > 1 ? "line" : "off" },
        },
      },
      overrides: [],
    },
    options: {
      legend: { showLegend: true, displayMode: "list", placement: "bottom" },
      tooltip: { mode: "multi", sort: "desc" },
    },
    width: 12,
    height: 8,
  };
};

const qualityMappings = [
  { value: "1", text: "良好 good", color: "green" },
  { value: "2", text: "未评定 not evaluated", color: "blue" },
  { value: "3", text: "可疑 suspect", color: "yellow" },
  { value: "4", text: "失败 fail", color: "red" },
  { value: "9", text: "缺失 missing", color: "gray" },
];

const qualityPanel = (kind: Kind, properties: readonly Property[]): Panel => ({
  type: "state-timeline",
  title: titled({ zh: "质量标记 (QARTOD)", en: "Quality flags" }),
  targets: properties.map((property, index) =>
    target(
      `Q${index}`,
      `SELECT last("${property.id}_qc") ${ofThings(kind.id)} GROUP BY time($__interval), "thing" fill(none)`,
      {
        alias: `$tag_thing · ${property.name.zh}`,
      },
    ),
  ),
  fieldConfig: {
    defaults: {
      custom: { fillOpacity: 80, lineWidth: 0 },
      mappings: [
        {
          type: "value",
          options: Object.fromEntries(
            qualityMappings.map(({ value, ...shown }, index) => [value, { ...shown, index }]),
          ),
        },
      ],
    },
    overrides: [],
  },
  options: {
    mergeValues: true,
    showValue: "never",
    rowHeight: 0.8,
    legend: { showLegend: true, displayMode: "list", placement: "bottom" },
    tooltip: { mode: "single" },
  },
  width: 24,
  height: 10,
});

const heartbeatPanel = (kind: Kind): Panel => ({
  type: "timeseries",
  title: titled({ zh: "收到的心跳数", en: "Heartbeats received" }),
  description: titled({
    zh: "没有心跳即为无声，无声不等于正常。",
    en: "No heartbeat is silence, and silence is never an all-clear.",
  }),
  targets: [target("A", `SELECT count("heartbeat") ${ofThings(kind.id)} GROUP BY time($__interval), "thing" fill(0)`)],
  fieldConfig: {
    defaults: { min: 0, custom: { drawStyle: "line", lineInterpolation: "stepAfter", showPoints: "never" } },
    overrides: [],
  },
  options: { legend: { showLegend: true, displayMode: "list", placement: "bottom" }, tooltip: { mode: "multi" } },
  width: 12,
  height: 8,
});

const latestPanel = (kind: Kind, properties: readonly Property[]): Panel => {
  const columns = properties.map(({ id, name, unit }) => `last("${id}") AS "${titled(name, unitOf(unit))}"`);
  return {
    type: "table",
    title: titled({ zh: "最新读数", en: "Latest readings" }),
    targets: [
      target("A", `SELECT ${columns.join(", ")} ${ofThings(kind.id)} GROUP BY "thing"`, {
        resultFormat: "table",
        alias: "",
      }),
    ],
    fieldConfig: { defaults: { custom: { align: "auto" } }, overrides: [] },
    options: { showHeader: true, cellHeight: "sm" },
    width: 12,
    height: 8,
  };
};

const alarmPanel = (): Panel => ({
  type: "table",
  title: titled({ zh: "报警", en: "Alarms" }),
  targets: [
    target(
      "A",
      `SELECT "id", "value", "setpoint", "thing", "limit", "priority", "state" FROM "alarm" WHERE "thing" =~ /^$thing$/ AND $timeFilter ORDER BY time DESC LIMIT 200`,
      {
        resultFormat: "table",
        alias: "",
      },
    ),
  ],
  fieldConfig: {
    defaults: { custom: { align: "auto" } },
    overrides: [{ matcher: { id: "byName", options: "id" }, properties: [{ id: "custom.hidden", value: true }] }],
  },
  options: { showHeader: true, cellHeight: "sm" },
  width: 12,
  height: 8,
});

/** Left to right, top to bottom. */
const placed = (panels: readonly Panel[]) => {
  let [x, y, row] = [0, 0, 0];
  return panels.map(({ width, height, ...panel }, index) => {
    if (x + width > 24) [x, y, row] = [0, y + row, 0];
    const gridPos = { x, y, w: width, h: height };
    x += width;
    row = Math.max(row, height);
    return { id: index + 1, datasource: source, gridPos, ...panel };
  });
};

// "All" is spelled out as the things listed, so that a chosen street narrows every panel, alarms included
const variable = (name: string, label: string, query: string) => ({
  name,
  label,
  type: "query",
  datasource: source,
  query,
  refresh: 2,
  sort: 1,
  multi: true,
  includeAll: true,
  current: { text: "All", value: "$__all" },
});

const dashboardOf = (kind: Kind): object => {
  const values = kind.properties.filter(({ id }) => id !== "heartbeat");
  const things = `SHOW TAG VALUES FROM "${kind.id}" WITH KEY =`;
  return {
    uid: `meizhen-${kind.id}`,
    title: titled(kind.name),
    tags: ["meizhen", kind.id],
    timezone: "browser",
    schemaVersion: 41,
    version: 1,
    editable: false,
    graphTooltip: 1,
    refresh: "1m",
    time: { from: "now-24h", to: "now" },
    templating: {
      list: [
        variable("street", "街道 Street", `${things} "street"`),
        variable("thing", titled(kind.name), `${things} "thing" WHERE "street" =~ /^$street$/`),
      ],
    },
    links: [
      {
        type: "dashboards",
        title: "美镇 Meizhen",
        tags: ["meizhen"],
        asDropdown: true,
        includeVars: false,
        keepTime: true,
      },
    ],
    panels: placed([
      ...(values.length > 0 ? [latestPanel(kind, values)] : []),
      alarmPanel(),
      ...values.map((property) => valuePanel(kind, property)),
      heartbeatPanel(kind),
      qualityPanel(kind, kind.properties),
    ]),
  };
};

/** File name to text, for every kind of the folder. */
export const dashboardsOf = async (devices: string): Promise<ReadonlyMap<string, string>> => {
  const reading = readDevices(await readTextTree(devices, isDevicesFile), 0);
  if (reading.kind === "faults")
    throw new Error(`${devices} has ${reading.faults.length} faults: ${JSON.stringify(reading.faults[0])}`);
  return new Map(
    reading.registry.kinds.map((kind) => [`${kind.id}.json`, `${JSON.stringify(dashboardOf(kind), null, 2)}\n`]),
  );
};

if (import.meta.main) {
  const folder = join(import.meta.dirname, "dashboards");
  await mkdir(folder, { recursive: true });
  const made = await dashboardsOf(join(import.meta.dirname, "../../devices"));
  await Promise.all([...made].map(([name, text]) => writeFile(join(folder, name), text)));
}
