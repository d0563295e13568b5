import { Aedes, type AedesOptions, type Client, type PublishPacket } from "aedes";
import { parseTopic } from "../codec/topic.ts";

type Done = (error?: Error) => void;
type Publish = (packet: PublishPacket, client: Client | null, done: Done) => void;

/** What a device may say to observers. `…/alarms/…` is the house's own voice: a device's is journaled and goes no further. */
const spoken: ReadonlySet<string> = new Set(["readings", "heartbeat", "status"]);

export type Forwarding = {
  /** Subscriptions that a device's message can match now. */
  readonly followers: () => number;
  /** Messages on their way to observers at one time; beyond it live copies are dropped, never acknowledgements delayed. */
  readonly forwardMax: number;
  readonly onDropped: () => void;
};

/**
 * aedes with its fan-out behind the acknowledgement instead of before it. Stock aedes is done with a PUBLISH when every
 * subscriber has it: a frozen one stops its publishers (1,015 of 5,000 acknowledged), and readings that nobody follows
 * cost a tenth of the CPU. Here a device's message is done with when it is journaled; observers get a copy, best effort.
 */
export class IngestAedes extends Aedes {
  readonly #forwarding: Forwarding;
  #forwardingNow = 0;

  constructor(options: AedesOptions, forwarding: Forwarding) {
    super(options);
    this.#forwarding = forwarding;
  }

  /** Called by aedes with a client for what clients send (wills too), and without one by itself and by the house. */
  override publish(packet: PublishPacket, client: Client | null | Done, done?: Done): void {
    if (client === null || typeof client === "function") {
      this.#publish(packet, null, (typeof client === "function" ? client : done) ?? (() => {}));
      return;
    }
    if (this.#forwarding.followers() > 0 && spoken.has(parseTopic(packet.topic)?.last ?? "")) {
      this.#forward(packet, client);
    }
    done?.();
  }

  #forward(packet: PublishPacket, client: Client): void {
    if (this.#forwardingNow >= this.#forwarding.forwardMax) {
      this.#forwarding.onDropped();
      return;
    }
    this.#forwardingNow++;
    // [MQTT-3.3.1-3] the DUP flag of what came in says nothing about what goes out
    this.#publish({ ...packet, dup: false, retain: false }, client, () => {
      this.#forwardingNow--;
    });
  }

  /** aedes also takes a client in the middle, which its types leave out. */
  #publish(packet: PublishPacket, client: Client | null, done: Done): void {
    (super.publish as unknown as Publish).call(this, packet, client, done);
  }
}
