import type { Brand } from "./brand.ts";
import type { Seq } from "./entry.ts";
import type { ThingId } from "./thing.ts";
import type { Instant } from "./time.ts";

/** Why a reading was not taken: the closed list of SURFACE.md section 4. */
export const reasons = [
  "topic",
  "thing_unknown",
  "thing_mismatch",
  "not_json",
  "too_large",
  "too_deep",
  "shape",
  "too_many",
  "property_unknown",
  "value_type",
  "value_not_finite",
  "time_shape",
  "time_future",
  "time_too_old",
] as const;
export type Reason = (typeof reasons)[number];

export type RejectionId = Brand<string, "RejectionId">;

/** One reading that was refused, with all that is needed to correct and replay it. */
export type Rejection = {
  /** `{seq}-{n}`: the entry and the place in it, so that replaying the journal gives it again. */
  readonly id: RejectionId;
  readonly seq: Seq;
  readonly n: number;
  readonly receivedAt: Instant;
  readonly topic: string;
  /** Empty when no known thing could be told. */
  readonly thing: ThingId | "";
  readonly reason: Reason;
  /** Where in the payload, as `[3].values.ph`; empty: the whole of it. */
  readonly path: string;
  /** A sentence for a person. */
  readonly detail: string;
  /** The whole message as it came. */
  readonly raw: Uint8Array;
};
