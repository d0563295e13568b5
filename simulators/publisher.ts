import { connectAsync, type IClientOptions, type MqttClient } from "mqtt";
import type { Instant } from "../src/domain/time.ts";

/**
 * One MQTT connection that sends at QoS 1 until it is acknowledged. Delivery guarantee: at least once, in order. What
 * is in flight when a connection breaks is sent again by mqtt.js on the next one; what mqtt.js fails meanwhile
 * (MQTT.js #2015: publishes queued during the replay of its store) is sent again here, in order, before anything new.
 * At most `window` messages are unacknowledged; `publish` waits at the bound, nothing is dropped.
 */
export type Publisher = {
  /** Resolves when the message has a place in the window; rejects with the signal's reason. */
  publish(message: Message): Promise<void>;
  /** Resolves when everything is acknowledged; rejects with the signal's reason. */
  drain(): Promise<void>;
  /** Breaks the connection without a word, as a power cut does: the broker publishes the will. */
  cut(): void;
  /** Connects again after `cut`. */
  restore(): void;
  /** An orderly end: offline, DISCONNECT. */
  close(): Promise<void>;
};

export type Message = { readonly topic: string; readonly payload: string; acknowledged?(): void };

export type PublisherOptions = {
  readonly url: string;
  readonly clientId: string;
  readonly credential: { readonly username: string; readonly password: string } | null;
  /** Where `online`, and as a will `offline`, are told; null: nowhere. */
  readonly statusTopic: string | null;
  readonly window: number;
  /** Ends waiting, not the connection. */
  readonly signal: AbortSignal;
  readonly connectTimeout?: Instant;
};

type Outgoing = { readonly order: number; readonly message: Message; state: "sent" | "failed" };

/** Rejects when the broker cannot be reached or refuses at first; later it reconnects every second. */
export const openPublisher = async (options: PublisherOptions): Promise<Publisher> => {
  const client = await connectAsync(options.url, clientOptions(options), false);
  const window = new Map<number, Outgoing>();
  const changed = createBell();
  let order = 0;

  const send = (outgoing: Outgoing): void => {
    outgoing.state = "sent";
    client.publish(outgoing.message.topic, outgoing.message.payload, { qos: 1 }, (error) => {
      if (error) outgoing.state = "failed";
      else {
        window.delete(outgoing.order);
        outgoing.message.acknowledged?.();
      }
      resendFailed();
      changed.ring();
    });
  };
  /** Only when nothing is under way any more, so that the order stays. */
  const resendFailed = (): void => {
    const waiting = [...window.values()];
    if (waiting.some(({ state }) => state === "sent")) return;
    for (const outgoing of waiting) send(outgoing);
  };
  const until = async (holds: () => boolean): Promise<void> => {
    while (!holds()) await changed.wait(options.signal);
  };
  const hasFailed = () => [...window.values()].some(({ state }) => state === "failed");
  announce(client, options.statusTopic);
  return {
    async publish(message) {
      options.signal.throwIfAborted();
      await until(() => window.size < options.window && !hasFailed());
      const outgoing: Outgoing = { order: order++, message, state: "sent" };
      window.set(outgoing.order, outgoing);
      send(outgoing);
    },
    drain: () => until(() => window.size === 0),
    cut() {
      client.options.reconnectPeriod = 0;
      client.stream.destroy();
    },
    restore() {
      client.options.reconnectPeriod = reconnectPeriod;
      client.reconnect();
    },
    async close() {
      if (client.connected && options.statusTopic !== null) {
        await client.publishAsync(options.statusTopic, "offline", { qos: 0 }).catch(() => undefined);
      }
      await client.endAsync(!client.connected);
    },
  };
};

/** Milliseconds between attempts to connect again. */
const reconnectPeriod = 1_000;

const clientOptions = (options: PublisherOptions): IClientOptions => ({
  clientId: options.clientId,
  protocolVersion: 4,
  clean: true,
  keepalive: 60,
  connectTimeout: options.connectTimeout ?? 10_000,
  reconnectPeriod,
  queueQoSZero: false,
  ...(options.credential ?? {}),
  ...(options.statusTopic === null
    ? {}
    : { will: { topic: options.statusTopic, payload: Buffer.from("offline"), qos: 1, retain: false } }),
});

const announce = (client: MqttClient, statusTopic: string | null): void => {
  // An error event without a listener would end the process; the client tries again by itself.
  client.on("error", () => undefined);
  if (statusTopic === null) return;
  const online = () => client.publish(statusTopic, "online", { qos: 1 }, () => undefined);
  client.on("connect", online);
  online();
};

/** Wakes everybody who waits. */
const createBell = () => {
  let next = Promise.withResolvers<void>();
  return {
    ring() {
      next.resolve();
      next = Promise.withResolvers<void>();
    },
    async wait(signal: AbortSignal): Promise<void> {
      signal.throwIfAborted();
      const aborted = Promise.withResolvers<never>();
      const abort = () => aborted.reject(signal.reason);
      signal.addEventListener("abort", abort, { once: true });
      try {
        await Promise.race([next.promise, aborted.promise]);
      } finally {
        signal.removeEventListener("abort", abort);
      }
    },
  };
};
