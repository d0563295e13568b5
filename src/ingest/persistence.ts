import { Readable } from "node:stream";

// All that aedes may remember in the ingest-only profile. Sessions end with their connection and devices follow nothing,
// so there are no stored subscriptions, no offline queue and no stored wills: what stock persistence keeps here is what
// attacks fed on (63 to 1,778 MB in 75 s), and where a denied filter came back from (a filter refused in a mixed
// SUBSCRIBE was stored with the others, and served on reconnect). What is left: the packet ids of QoS 2 publishes not
// yet released, and the retained messages, which the house alone writes.

type Client = { readonly id: string };
type Message = { readonly topic: string; readonly payload: Uint8Array; readonly messageId?: number | undefined };

const levelsOf = (topic: string) => topic.split("/");

/** Whether a topic matches a filter [MQTT-4.7]; topics with `$` are never retained here. */
export const matches = (filter: readonly string[], topic: readonly string[]): boolean => {
  for (const [at, level] of filter.entries()) {
    if (level === "#") return true;
    if (at >= topic.length || (level !== "+" && level !== topic[at])) return false;
  }
  return filter.length === topic.length;
};

/** aedes' persistence interface (aedes-persistence 11), as far as this profile lets it remember anything. */
export class IngestPersistence {
  readonly #retainedMax: number;
  readonly #retained = new Map<string, Message>();
  readonly #unreleased = new Map<string, Set<number>>();

  /** Keeps `retainedMax` retained topics at most; one more is refused. */
  constructor(retainedMax: number) {
    this.#retainedMax = retainedMax;
  }

  /** How much is remembered. */
  size(): { readonly retained: number; readonly unreleased: number } {
    return { retained: this.#retained.size, unreleased: this.#unreleased.size };
  }

  /** Whether one more retained topic may be stored, or this one replaced. */
  mayRetain(topic: string): boolean {
    return this.#retained.size < this.#retainedMax || this.#retained.has(topic);
  }

  async setup(): Promise<void> {}
  async destroy(): Promise<void> {}

  // retained messages
  async storeRetained(message: Message): Promise<void> {
    if (message.payload.length === 0) this.#retained.delete(message.topic);
    else if (this.mayRetain(message.topic)) this.#retained.set(message.topic, { ...message });
  }
  createRetainedStream(filter: string): Readable {
    return this.createRetainedStreamCombi([filter]);
  }
  createRetainedStreamCombi(filters: readonly string[]): Readable {
    return Readable.from(this.#retainedBy(filters.map(levelsOf)));
  }
  *#retainedBy(filters: readonly (readonly string[])[]) {
    for (const [topic, message] of this.#retained) {
      const levels = levelsOf(topic);
      if (filters.some((filter) => matches(filter, levels))) yield message;
    }
  }

  // QoS 2: ids only, for a repeated PUBLISH before its PUBREL [MQTT-4.3.3-2]
  async incomingStorePacket(client: Client, packet: Message): Promise<void> {
    const ids = this.#unreleased.get(client.id) ?? new Set();
    this.#unreleased.set(client.id, ids.add(packet.messageId as number));
  }
  async incomingGetPacket(client: Client, packet: Message): Promise<Message> {
    if (this.#unreleased.get(client.id)?.has(packet.messageId as number) !== true) throw new Error("no such packet");
    return packet;
  }
  async incomingDelPacket(client: Client, packet: Message): Promise<void> {
    const ids = this.#unreleased.get(client.id);
    ids?.delete(packet.messageId as number);
    if (ids?.size === 0) this.#unreleased.delete(client.id);
  }
  async cleanIncoming(client: Client): Promise<void> {
    this.#unreleased.delete(client.id);
  }

  // sessions, queues and wills: nothing is kept, so nothing is found
  async addSubscriptions(): Promise<void> {}
  async removeSubscriptions(): Promise<void> {}
  async cleanSubscriptions(): Promise<void> {}
  async subscriptionsByClient(): Promise<readonly never[]> {
    return [];
  }
  async subscriptionsByTopic(): Promise<readonly never[]> {
    return [];
  }
  async countOffline(): Promise<{ subsCount: number; clientsCount: number }> {
    return { subsCount: 0, clientsCount: 0 };
  }
  async outgoingEnqueue(): Promise<void> {}
  async outgoingEnqueueCombi(): Promise<void> {}
  async outgoingUpdate(): Promise<void> {}
  async outgoingClearMessageId(): Promise<void> {}
  outgoingStream(): Readable {
    return Readable.from([]);
  }
  async putWill(): Promise<void> {}
  async getWill(): Promise<void> {}
  async delWill(): Promise<void> {}
  streamWill(): Readable {
    return Readable.from([]);
  }
  getClientList(): Readable {
    return Readable.from([]);
  }
}
