import mqtt, { type MqttClient } from "mqtt";

export type Publisher = {
  readonly client: MqttClient;
  /** Resolves with the PUBACK; rejects when the connection ends before it. */
  publish(topic: string, payload: unknown): Promise<void>;
  end(): Promise<void>;
};

/** A client that does not come back by itself: what it was told was acknowledged is what was acknowledged. */
export const connectPublisher = async (port: number, options: mqtt.IClientOptions = {}): Promise<Publisher> => {
  const client = await mqtt.connectAsync(`mqtt://127.0.0.1:${port}`, { reconnectPeriod: 0, ...options });
  client.on("error", () => {});
  const gone = new Promise<never>((_, reject) => client.once("close", () => reject(new Error("connection closed"))));
  gone.catch(() => {});
  return {
    client,
    async publish(topic, payload) {
      const body = typeof payload === "string" || Buffer.isBuffer(payload) ? payload : JSON.stringify(payload);
      await Promise.race([client.publishAsync(topic, body, { qos: 1 }), gone]);
    },
    async end() {
      await client.endAsync(true).catch(() => {});
    },
  };
};
