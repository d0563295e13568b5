import type { DurationMs } from "../domain/time.ts";
import type { Refusal } from "./refusal.ts";

export type DoorSettings = {
  /** Open at one time, over all listeners. */
  readonly connections: number;
  readonly connectionsPerAddress: number;
  /** New connections per second that one address may keep up; twice that at once. */
  readonly connectRate: number;
  /** Loopback is this machine: simulators, gateways and TLS terminators that stand for thousands of devices. */
  readonly perAddressOnLoopback: "unbounded" | "bounded";
};

export type Door = {
  /** Null: come in, and `leave` afterwards. `now` in monotonic milliseconds. */
  enter(address: string, now: number): Refusal | null;
  leave(address: string): void;
  /** Forgets addresses that have nothing open and a full allowance. */
  forget(now: number): void;
  open(): number;
  /** Addresses remembered. */
  addresses(): number;
};

type Caller = { open: number; tokens: number; at: number };

/** 127.0.0.0/8, ::1, and the former mapped into IPv6. */
export const isLoopback = (address: string): boolean =>
  address === "::1" || address.startsWith("127.") || address.startsWith("::ffff:127.");

/** Who may open a connection: bounds for all, for one address, and for how fast one address comes. */
export const createDoor = (settings: DoorSettings): Door => {
  const callers = new Map<string, Caller>();
  const burst = settings.connectRate * 2;
  let open = 0;

  const refill = (caller: Caller, now: number) => {
    caller.tokens = Math.min(burst, caller.tokens + ((now - caller.at) * settings.connectRate) / 1000);
    caller.at = now;
  };
  const callerAt = (address: string, now: number): Caller => {
    const known = callers.get(address) ?? { open: 0, tokens: burst, at: now };
    callers.set(address, known);
    refill(known, now);
    return known;
  };

  return {
    enter(address, now) {
      if (open >= settings.connections) return "connections";
      if (settings.perAddressOnLoopback === "bounded" || !isLoopback(address)) {
        const caller = callerAt(address, now);
        if (caller.open >= settings.connectionsPerAddress) return "address_connections";
        if (caller.tokens < 1) return "address_rate";
        caller.tokens--;
        caller.open++;
      }
      open++;
      return null;
    },
    leave(address) {
      open--;
      const caller = callers.get(address);
      if (caller !== undefined) caller.open--;
    },
    forget(now) {
      for (const [address, caller] of callers) {
        refill(caller, now);
        if (caller.open === 0 && caller.tokens >= burst) callers.delete(address);
      }
    },
    open: () => open,
    addresses: () => callers.size,
  };
};

export type TakeoverSettings = { readonly perMinute: number; readonly banned: DurationMs };

/** Two devices with one id kick each other out for ever: past `perMinute` takeovers the newcomer waits out a ban. */
export const createTakeovers = (settings: TakeoverSettings) => {
  const minuteMs = 60_000;
  const counts = new Map<string, { since: number; count: number; bannedUntil: number }>();
  return {
    /** Whether the client id may be taken over now. */
    may(clientId: string, now: number): boolean {
      const known = counts.get(clientId);
      if (known === undefined || (now - known.since > minuteMs && now >= known.bannedUntil)) {
        counts.set(clientId, { since: now, count: 1, bannedUntil: 0 });
        return true;
      }
      if (now < known.bannedUntil) return false;
      known.count++;
      if (known.count <= settings.perMinute) return true;
      known.bannedUntil = now + settings.banned;
      return false;
    },
    forget(now: number): void {
      for (const [clientId, known] of counts) {
        if (now - known.since > minuteMs && now >= known.bannedUntil) counts.delete(clientId);
      }
    },
  };
};
