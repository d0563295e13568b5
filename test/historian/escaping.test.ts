import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { encodePoint, LineProtocolError } from "../../src/codec/lineprotocol.ts";
import { createInfluxHistorian } from "../../src/historian/influx.ts";
import { free, name, parseLines } from "../codec/lineprotocol-model.ts";
import { type InfluxServer, influx1Absent, influx2Absent, startInflux1, startInflux2 } from "../e2e/influx.ts";

// The model of the codec's tests is ours; here the servers themselves say which series they have read.

const points = fc.sample(fc.record({ measurement: name, tags: fc.array(fc.tuple(name, free), { maxLength: 3 }) }), {
  numRuns: 3_000,
  seed: 20_261_123,
});
const lines = points.flatMap(({ measurement, tags }, time) => {
  try {
    return [encodePoint({ measurement, tags, fields: [["v", { float: 1 }]], time })];
  } catch (error) {
    if (error instanceof LineProtocolError) return [];
    throw error;
  }
});
const seriesOf = (text: string) =>
  parseLines(text).map(({ measurement, tags }) => JSON.stringify([measurement, [...tags].toSorted()]));

const servers: [string, boolean, () => Promise<InfluxServer>][] = [
  ["InfluxDB 2", influx2Absent(), startInflux2],
  ["InfluxDB 1.x", influx1Absent(), startInflux1],
];
describe.each(servers)("%s", (_, absent, start) => {
  test.skipIf(absent)("has the series that were meant and no others, whatever their names", async () => {
    const server = await start();
    const { url, token, org, bucket } = server;
    const historian = createInfluxHistorian({ url, token: token || null, org, bucket, version: null });
    const signal = new AbortController().signal;
    await historian.prepare(signal);
    expect(await historian.write(lines, signal)).toEqual({ kind: "accepted" });
    const keys = (await server.query("SHOW SERIES")).map(({ key }) => `${key} v=1 1`);
    expect(new Set(keys.flatMap(seriesOf))).toEqual(new Set(lines.flatMap(seriesOf)));
    expect(lines.length).toBeGreaterThan(2_000);
    await server.stop();
  });
});
