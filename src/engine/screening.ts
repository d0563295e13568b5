import type { Property } from "../domain/kind.ts";
import { good, grossRange, missing, type Quality, rollUp } from "../domain/quality.ts";

/** A QARTOD test that is final at once: the flag of one value. */
type QualityTest = (value: number, property: Property) => Quality;

/** Every test that a value passes through; the flag is their roll-up. A further test is one line here. */
const tests: readonly QualityTest[] = [(value, { span, operatorSpan }) => grossRange(value, span, operatorSpan)];

/** The flag of a value as it comes in; null says "no value". */
export const screen = (value: number | null, property: Property): Quality => {
  if (value === null) return missing;
  let quality: Quality = good;
  for (const passes of tests) quality = rollUp(quality, passes(value, property));
  return quality;
};

/** On which side a value lies beyond the measuring span though it is physically possible (SEMANTICS 2.4). */
export const beyondSpan = (value: number, { span, possible }: Property): "high" | "low" | null => {
  if (value < possible[0] || value > possible[1]) return null;
  if (value > span[1]) return "high";
  return value < span[0] ? "low" : null;
};
