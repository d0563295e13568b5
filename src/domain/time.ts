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

const isoDuration = /^P(?:(\d+)D)?(?:T(?:(\d+)H)?(?:(\d+)M)?(?:(\d+(?:\.\d{1,3})?)S)?)?$/;

/** An ISO 8601 duration of days, hours, minutes and seconds (`PT2M`, `P1DT12H`); undefined for anything else, years and months included: their length varies. */
export const parseDuration = (text: string): DurationMs | undefined => {
  const match = isoDuration.exec(text);
  if (match === null || text === "P" || text.endsWith("T")) return undefined;
  const [days, hours, minutes, seconds] = match.slice(1).map((part) => Number(part ?? 0)) as [
    number,
    number,
    number,
    number,
  ];
  return Math.round(days * day + hours * hour + minutes * minute + seconds * second);
};

/** The shortest ISO 8601 duration of days, hours, minutes and seconds: `parseDuration` gives it back. */
export const toIsoDuration = (duration: DurationMs): string => {
  const parts: readonly (readonly [DurationMs, string])[] = [
    [hour, "H"],
    [minute, "M"],
  ];
  let rest = duration % day;
  let time = "";
  for (const [unit, letter] of parts) {
    if (rest >= unit) time += `${Math.floor(rest / unit)}${letter}`;
    rest %= unit;
  }
  if (rest > 0) time += `${rest / second}S`;
  const days = Math.floor(duration / day);
  if (days === 0 && time === "") return "PT0S";
  return `P${days > 0 ? `${days}D` : ""}${time === "" ? "" : `T${time}`}`;
};
