/** A point of a line: time in milliseconds, value (null: the line breaks here), and what the pointer tells. */
export type Cell = readonly [time: number, value: number | null, ...rest: (number | null)[]];
export type Range = { readonly min: number; readonly max: number };

/** A break (null) where the time between neighbours says that nothing was heard, and where there is no value. */
export const withGaps = (cells: readonly Cell[], gap: number): Cell[] => {
  const drawn: Cell[] = [];
  for (const cell of cells) {
    const last = drawn.at(-1);
    if (last !== undefined && cell[0] - last[0] > gap) drawn.push([last[0] + gap / 2, null]);
    drawn.push(cell);
  }
  return drawn;
};

/** Room for the data and for the limits that lie near it; a limit far away must not press the line flat. */
export const valueRange = (data: readonly number[], limits: readonly number[]): Range => {
  if (data.length === 0 && limits.length === 0) return { min: 0, max: 1 };
  const seen = data.length > 0 ? data : limits;
  let [low, high] = [Infinity, -Infinity];
  for (const value of seen) {
    low = Math.min(low, value);
    high = Math.max(high, value);
  }
  const reach = Math.max((high - low) * 6, Math.abs(high) * 4, 1e-6);
  for (const limit of limits) {
    if (limit < low && low - limit <= reach) low = limit;
    if (limit > high && limit - high <= reach) high = limit;
  }
  const room = Math.max(high - low, Math.abs(high) * 0.05, 1e-6) * 0.12;
  return { min: low >= 0 && low - room < 0 ? 0 : low - room, max: high + room };
};
