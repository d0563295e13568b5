/** QARTOD flag (IOOS, Manual for Real-Time Quality Control, flags v1.2). */
export type Quality = 1 | 2 | 3 | 4 | 9;

export const good: Quality = 1;
export const suspect: Quality = 3;
export const fail: Quality = 4;
export const missing: Quality = 9;

/** QARTOD roll-up precedence, low to high: 9 < 2 < 1 < 3 < 4 (ioos_qc `qartod_compare`). */
const precedence: Readonly<Record<Quality, number>> = { 9: 0, 2: 1, 1: 2, 3: 3, 4: 4 };

/** The flag of a reading from the flags of its tests: the one of highest precedence. */
export const rollUp = (first: Quality, second: Quality): Quality =>
  precedence[first] >= precedence[second] ? first : second;

/** Inclusive on both sides, in the property's unit. */
export type Span = readonly [low: number, high: number];

/**
 * QARTOD gross range: outside the sensor's measuring span 4, outside the operator's span 3, else 1.
 * Bounds belong to the span (ioos_qc `gross_range_test`).
 */
export const grossRange = (value: number, span: Span, operatorSpan: Span | null): Quality => {
  if (value < span[0] || value > span[1]) return fail;
  if (operatorSpan !== null && (value < operatorSpan[0] || value > operatorSpan[1])) return suspect;
  return good;
};
