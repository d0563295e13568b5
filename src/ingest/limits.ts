import type { DurationMs } from "../domain/time.ts";
import type { DoorSettings, TakeoverSettings } from "./door.ts";
import type { GuardSettings } from "./guard.ts";

/** Every bound of the broker. */
export type BrokerLimits = GuardSettings &
  DoorSettings & {
    readonly takeovers: TakeoverSettings;
    /** Of all clients: bytes of messages waiting for the journal, of frames begun; see guard.ts. */
    readonly pendingBytes: number;
    readonly partialBytes: number;
    /** Longest keepalive in seconds, and the one of a client that asks for none. */
    readonly keepalive: number;
    readonly filters: number;
    readonly retained: number;
    readonly forwards: number;
    /** How often deadlines are looked at. */
    readonly sweepEvery: DurationMs;
    /** How long an orderly stop waits for acknowledgements. */
    readonly stopTimeout: DurationMs;
  };

export const defaultLimits: BrokerLimits = {
  frameBytesBefore: 4096,
  frameBytes: 131_072,
  controlBytes: 8192,
  inFlight: 256,
  rate: 20_000,
  burst: 40_000,
  connectTimeout: 5000,
  authenticateTimeout: 5000,
  stallAfter: 2000,
  connections: 12_000,
  connectionsPerAddress: 200,
  connectRate: 50,
  perAddressOnLoopback: "unbounded",
  takeovers: { perMinute: 15, banned: 300_000 },
  pendingBytes: 67_108_864,
  partialBytes: 67_108_864,
  keepalive: 300,
  filters: 20,
  retained: 100_000,
  forwards: 1000,
  sweepEvery: 1000,
  stopTimeout: 3000,
};
