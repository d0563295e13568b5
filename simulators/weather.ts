import { type DurationMs, day, hour, type Instant, minute } from "../src/domain/time.ts";
import { chance } from "./random.ts";

/** A shower that a scenario asks for. */
export type Shower = {
  readonly street: string;
  readonly from: Instant;
  readonly to: Instant;
  /** mm/h */
  readonly rate: number;
};

/** Sky and sea of the district, as pure functions of time. */
export type Weather = {
  /** mm/h over a street. */
  rain(street: string, at: Instant): number;
  /** mm that fell from one instant to another. */
  rainfall(street: string, from: Instant, to: Instant): number;
  /** m above mean sea level. */
  tide(at: Instant): number;
  /** Cel */
  air(at: Instant): number;
};

/** Where a rain may begin: once in such a block, in every eighth of them. About 40 rains a year of 6 mm and more. */
const block = 6 * hour;
const rainChance = 0.125;

export const createWeather = (
  seed: number,
  options: { readonly rain: "usual" | "none"; readonly showers: readonly Shower[] },
): Weather => {
  const rain = (street: string, at: Instant): number => {
    let rate = options.rain === "usual" ? usualRain(seed, street, at) : 0;
    for (const shower of options.showers) {
      if (shower.street === street && at >= shower.from && at < shower.to) rate += shower.rate;
    }
    return rate;
  };
  return {
    rain,
    rainfall(street, from, to) {
      const steps = Math.max(1, Math.ceil((to - from) / minute));
      const step = (to - from) / steps;
      let amount = 0;
      for (let index = 0; index < steps; index++) amount += (rain(street, from + (index + 0.5) * step) * step) / hour;
      return amount;
    },
    tide,
    air,
  };
};

/** Rains of this block and the one before, each a triangle in time, and not the same over every street. */
const usualRain = (seed: number, street: string, at: Instant): number => {
  const number = Math.floor(at / block);
  let rate = 0;
  for (const index of [number, number - 1]) {
    if (chance(seed, "rain", index) >= rainChance) continue;
    const start = index * block + chance(seed, "rain-start", index) * block * 0.5;
    const length = (0.5 + 4.5 * chance(seed, "rain-length", index)) * hour;
    const peak = 2 + 18 * chance(seed, "rain-peak", index) ** 2;
    const part = (at - start) / length;
    if (part > 0 && part < 1) rate += peak * (1 - Math.abs(2 * part - 1)) * (0.6 + 0.8 * chance(seed, street, index));
  }
  return rate;
};

/** The Ou estuary is macrotidal, about 4.5 m between the waters (K): M2, S2 and O1 with their periods in hours. */
const tide = (at: Instant): number =>
  [
    [1.9, 12.4206],
    [0.6, 12],
    [0.2, 25.8193],
  ].reduce(
    (level, [amplitude = 0, period = 1]) => level + amplitude * Math.sin((2 * Math.PI * at) / (period * hour)),
    0,
  );

/** Wenzhou: 18.5 Cel over the year, 28 in July, 9 in January, warmest at three in the afternoon. */
const air = (at: Instant): number => {
  const year = Math.cos((2 * Math.PI * (at - julyPeak)) / (365.25 * day));
  const daily = Math.cos((2 * Math.PI * (localHour(at) - 15)) / 24);
  return 18.5 + 9.5 * year + 3.5 * daily;
};
/** 2026-07-25T00:00:00Z */
const julyPeak: Instant = 1_784_937_600_000;

const chinaOffset: DurationMs = 8 * hour;
/** Hour of the day in China, from 0 to 24, with its fraction. */
export const localHour = (at: Instant): number => ((((at + chinaOffset) % day) + day) % day) / hour;
