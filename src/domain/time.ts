/** Milliseconds since 1970-01-01T00:00:00Z, an integer. */
export type Instant = number;

/** A span of time in milliseconds, an integer, not negative. */
export type DurationMs = number;

export const second: DurationMs = 1_000;
export const minute: DurationMs = 60_000;
export const hour: DurationMs = 3_600_000;
export const day: DurationMs = 86_400_000;

/** The newest and the oldest instant that InfluxDB can hold in nanoseconds (docs: "Write data", 2262-04-11). */
export const instantMax: Instant = 9_223_372_036_854;

/** ISO 8601 in UTC with milliseconds, as every answer of ours gives times. */
export const toIso = (instant: Instant): string => new Date(instant).toISOString();

/** The first instant of the hour of `instant`; hours are those of UTC, which are the district's (+08:00). */
export const hourOf = (instant: Instant): Instant => Math.floor(instant / hour) * hour;
