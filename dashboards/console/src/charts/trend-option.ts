import { zoneOffset } from "../clock.ts";
import type { Bucket, Limit, RawPoint } from "../shapes.ts";
import type { Palette } from "../theme.ts";
import type { EChartsCoreOption } from "./kit.ts";
import { type Cell, type Range, valueRange, withGaps } from "./shape-of-line.ts";

export type Samples =
  | { readonly kind: "raw"; readonly points: readonly RawPoint[] }
  | { readonly kind: "buckets"; readonly points: readonly Bucket[] };
/** When an alarm began and, if it has, ended; drawn as a shade. */
export type Span = { readonly from: number; readonly to: number; readonly tone: keyof Palette; readonly label: string };
export type Words = {
  readonly limit: (limit: Limit) => string;
  readonly value: (value: number | null) => string;
  readonly quality: (quality: number) => string;
  readonly moment: (ms: number) => string;
  readonly samples: (good: number, count: number) => string;
};
export type Trend = {
  readonly samples: Samples;
  readonly from: number;
  readonly to: number;
  /** A longer time than this between two points is a gap, and is drawn as one. */
  readonly gap: number;
  readonly limits: readonly Limit[];
  readonly spans: readonly Span[];
  readonly deadbands: boolean;
  readonly colors: Palette;
  readonly font: string;
  readonly words: Words;
};

/** The axis counts in UTC and is given the district's local time, so that its ticks fall on the district's hours. */
const local = (ms: number): number => ms + zoneOffset;
const toUtc = (ms: number): number => ms - zoneOffset;

/** Faulty readings are shown as marks beside the line, never as part of it: the line is what is believed. */
const rawSeries = ({ points }: { points: readonly RawPoint[] }, trend: Trend, range: Range): object[] => {
  const { colors } = trend;
  // a faulty value may lie anywhere: its mark stays at the edge of the picture, the pointer tells the value
  const inside = (value: number): number => Math.min(range.max, Math.max(range.min, value));
  const believed = points.filter((point) => point.quality !== 4 && point.quality !== 9);
  const line = believed.map((point): Cell => [local(Date.parse(point.time)), point.value, point.quality]);
  const marked = (quality: number) =>
    points
      .filter((point) => point.quality === quality && point.value !== null)
      .map((point): Cell => [local(Date.parse(point.time)), inside(point.value ?? 0), quality, point.value]);
  return [
    {
      id: "line",
      type: "line",
      data: withGaps(line, trend.gap),
      showSymbol: line.length < 3,
      symbolSize: 5,
      sampling: "minmax",
      lineStyle: { width: 1.8, color: colors.accent },
      itemStyle: { color: colors.accent },
      connectNulls: false,
      z: 3,
    },
    flagged("suspect", marked(3), "triangle", colors.high),
    flagged("fail", marked(4), "path://M-1 -1L1 1M1 -1L-1 1", colors.unknown),
  ];
};
const flagged = (id: string, data: readonly Cell[], symbol: string, color: string): object => ({
  id,
  type: "scatter",
  data,
  symbol,
  symbolSize: 8,
  itemStyle: { color: "transparent", borderColor: color, borderWidth: 1.6 },
  z: 5,
});

const bucketSeries = ({ points }: { points: readonly Bucket[] }, trend: Trend): object[] => {
  const { colors } = trend;
  const cells = (pick: (bucket: Bucket) => number | null) =>
    withGaps(
      points.map(
        (bucket): Cell => [
          local(Date.parse(bucket.time)),
          pick(bucket),
          bucket.min,
          bucket.max,
          bucket.good,
          bucket.count,
        ],
      ),
      trend.gap,
    );
  const base = {
    type: "line",
    showSymbol: false,
    lineStyle: { opacity: 0 },
    stack: "range",
    silent: true,
    stackStrategy: "all",
  };
  return [
    { ...base, id: "min", data: cells((bucket) => bucket.min), tooltip: { show: false } },
    {
      ...base,
      id: "range",
      data: cells((bucket) => (bucket.max === null || bucket.min === null ? null : bucket.max - bucket.min)),
      areaStyle: { color: colors.accent, opacity: 0.16 },
    },
    {
      id: "line",
      type: "line",
      data: cells((bucket) => bucket.mean),
      showSymbol: points.length < 3,
      symbolSize: 5,
      lineStyle: { width: 1.8, color: colors.accent },
      itemStyle: { color: colors.accent },
      z: 3,
    },
  ];
};

/** Limits and alarms hang on a series of their own, so that they are drawn even where there is no point. */
const marks = ({ limits, spans, deadbands, colors, words }: Trend): object => ({
  id: "marks",
  type: "line",
  data: [],
  silent: true,
  markLine: {
    symbol: "none",
    animation: false,
    data: limits.map((limit) => ({
      yAxis: limit.above ?? limit.below,
      lineStyle: { color: colors[limit.priority], type: limit.when.length > 0 ? "dashed" : "solid", width: 1.3 },
      label: {
        formatter: words.limit(limit),
        position: limit.above === undefined ? "insideEndBottom" : "insideEndTop",
        color: colors[limit.priority],
        fontSize: 11,
        textBorderColor: colors.surface,
        textBorderWidth: 3,
      },
    })),
  },
  markArea: {
    silent: true,
    data: [
      ...spans.map((span) => [
        { xAxis: local(span.from), itemStyle: { color: colors[span.tone], opacity: 0.1 } },
        { xAxis: local(span.to) },
      ]),
      ...(deadbands ? limits.filter((limit) => limit.deadband > 0) : []).map((limit) => [
        {
          yAxis: limit.above === undefined ? limit.below : (limit.above as number) - limit.deadband,
          itemStyle: { color: colors[limit.priority], opacity: 0.12 },
        },
        { yAxis: limit.above === undefined ? (limit.below as number) + limit.deadband : limit.above },
      ]),
    ],
  },
});

const values = ({ samples }: Trend): number[] =>
  samples.kind === "raw"
    ? samples.points
        .filter((point) => point.quality !== 4)
        .map((point) => point.value)
        .filter((value) => value !== null)
    : samples.points.flatMap((bucket) => [bucket.min, bucket.max]).filter((value) => value !== null);

/** Of a time axis, in both languages alike. */
export const timeLabels = {
  year: "{yyyy}",
  month: "{yyyy}-{MM}",
  day: "{MM}-{dd}",
  hour: "{HH}:{mm}",
  minute: "{HH}:{mm}",
  second: "{HH}:{mm}:{ss}",
};

/** Built of text nodes: what a device or a register says never becomes markup. */
const tip =
  (trend: Trend) =>
  (given: unknown): HTMLElement => {
    const items = (Array.isArray(given) ? given : [given]) as { seriesId: string; value: Cell }[];
    const box = document.createElement("div");
    const line = (text: string, style: string): void => {
      const row = document.createElement("div");
      row.textContent = text;
      row.style.cssText = style;
      box.append(row);
    };
    const flag = items.find((one) => one.seriesId === "fail" || one.seriesId === "suspect");
    const item = flag ?? items.find((one) => one.seriesId === "line" && one.value[1] !== null);
    if (item === undefined) return box;
    const [time, drawn, ...rest] = item.value;
    const value = flag === undefined ? drawn : (rest[1] ?? drawn);
    line(trend.words.moment(toUtc(time)), `color:${trend.colors.muted};font-size:12px`);
    line(trend.words.value(value), "font-weight:650;font-size:15px");
    if (trend.samples.kind === "raw") {
      const quality = rest[0];
      if (typeof quality === "number") line(trend.words.quality(quality), `color:${trend.colors.muted};font-size:12px`);
    } else {
      const [min, max, good, count] = rest as (number | null)[];
      line(
        `${trend.words.value(min ?? null)} – ${trend.words.value(max ?? null)}`,
        `color:${trend.colors.muted};font-size:12px`,
      );
      line(trend.words.samples(good ?? 0, count ?? 0), `color:${trend.colors.muted};font-size:12px`);
    }
    return box;
  };

export const trendOption = (trend: Trend): EChartsCoreOption => {
  const { colors } = trend;
  const range = valueRange(
    values(trend),
    trend.limits.map((limit) => (limit.above ?? limit.below) as number),
  );
  const text = { color: colors.muted, fontSize: 11.5, fontFamily: trend.font };
  return {
    useUTC: true,
    animation: false,
    textStyle: { fontFamily: trend.font },
    grid: { left: 8, right: 14, top: 14, bottom: 4, outerBoundsMode: "same", outerBoundsContain: "axisLabel" },
    xAxis: {
      type: "time",
      min: local(trend.from),
      max: local(trend.to),
      axisLine: { lineStyle: { color: colors.line } },
      axisTick: { lineStyle: { color: colors.line } },
      axisLabel: { ...text, hideOverlap: true, formatter: timeLabels },
      splitLine: { show: false },
    },
    yAxis: {
      type: "value",
      ...range,
      axisLabel: {
        ...text,
        showMinLabel: false,
        showMaxLabel: false,
        formatter: (value: number) => String(Number(value.toPrecision(4))),
      },
      splitLine: { lineStyle: { color: colors.line, opacity: 0.6 } },
      splitNumber: 4,
    },
    tooltip: {
      trigger: "axis",
      axisPointer: { type: "line", lineStyle: { color: colors.faint } },
      backgroundColor: colors.surface,
      borderColor: colors.line,
      textStyle: { color: colors.ink, fontSize: 13, fontFamily: trend.font },
      padding: [7, 11],
      confine: true,
      formatter: tip(trend),
    },
    // on a phone a finger scrolls the page; two fingers, or the wheel with Ctrl, zoom the time
    dataZoom: [
      {
        type: "inside",
        zoomOnMouseWheel: "ctrl",
        moveOnMouseMove: false,
        moveOnMouseWheel: false,
        preventDefaultMouseMove: false,
        filterMode: "none",
      },
    ],
    series: [
      ...(trend.samples.kind === "raw" ? rawSeries(trend.samples, trend, range) : bucketSeries(trend.samples, trend)),
      marks(trend),
    ],
  };
};
