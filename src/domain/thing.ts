import type { Brand } from "./brand.ts";
import type { DurationMs } from "./time.ts";

/** `[a-z0-9-]{1,64}`, unique in the district. */
export type ThingId = Brand<string, "ThingId">;
/** `water`, `outfall`…: the name of a folder under `devices/kinds`. */
export type KindId = Brand<string, "KindId">;
export type PropertyId = Brand<string, "PropertyId">;
export type LimitId = Brand<string, "LimitId">;
export type StreetId = Brand<string, "StreetId">;
export type GridId = Brand<string, "GridId">;
export type PersonId = Brand<string, "PersonId">;

/** A text that a person reads, in both languages of the house. */
export type Text = { readonly zh: string; readonly en: string };

/** OGC SensorThings Thing: a probe, an outfall station, a toilet, a camera, a gateway (kind `gateway`) or `house`. */
export type Thing = {
  readonly id: ThingId;
  readonly kind: KindId;
  readonly street: StreetId;
  readonly grid: GridId;
  readonly name: Text;
  /** WGS 84, degrees. */
  readonly location: { readonly longitude: number; readonly latitude: number } | null;
  readonly gateway: ThingId | null;
  /** The fleet's own reporting interval; null: the kind's. */
  readonly every: DurationMs | null;
  /** Further columns of the fleet file: station, disinfectant, class, unit, unit_type, tidal, entrance… */
  readonly attributes: Readonly<Record<string, string>>;
};

/** The thing that alarms about the service itself belong to. */
export const houseId = "house" as ThingId;

export type Presence = "online" | "silent" | "offline" | "never";
