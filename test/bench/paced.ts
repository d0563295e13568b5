import { once } from "node:events";
import { request } from "node:http";
import { connect, type Socket } from "node:net";
import { setTimeout as delay } from "node:timers/promises";

// An open-loop generator: so many messages a second whatever comes back, spread over many connections, and how long each
// waited for its PUBACK. It keeps its time by the clock and not by its acknowledgements, so that a stall of the service
// is seen by every message that it would have met. It has to cost little, because it shares the machine.

export type Publisher = {
  /** QoS 1; `acknowledged` gets the milliseconds to its PUBACK. */
  publish(topic: string, payload: string): void;
  waiting(): number;
  close(): void;
};

/** An MQTT 3.1.1 client that can connect and publish; rejects when it is refused. */
export const openPublisher = async (
  port: number,
  clientId: string,
  acknowledged: (ms: number) => void = () => {},
): Promise<Publisher> => {
  const socket: Socket = connect({ port, host: "127.0.0.1", noDelay: true });
  await once(socket, "connect");
  socket.on("error", () => {});
  socket.write(connectFrame(clientId));
  const [connack] = (await once(socket, "data")) as [Buffer];
  if (connack.length !== 4 || connack[3] !== 0) throw new Error(`refused: ${connack.toString("hex")}`);
  /** When each unacknowledged message was sent: PUBACKs come in their order [MQTT-4.6.0-2]. */
  const sent: number[] = [];
  let first = 0;
  let bytes = 0;
  let packetId = 0;
  socket.on("data", (chunk: Buffer) => {
    const now = performance.now();
    // a PUBACK has four bytes, and nothing else comes
    for (bytes += chunk.length; bytes >= 4; bytes -= 4) acknowledged(now - (sent[first++] as number));
    if (first > 4_096) {
      sent.splice(0, first);
      first = 0;
    }
  });
  return {
    publish(topic, payload) {
      packetId = (packetId % 65_535) + 1;
      sent.push(performance.now());
      socket.write(publishFrame(topic, payload, packetId));
    },
    waiting: () => sent.length - first,
    close: () => socket.destroy(),
  };
};

const connectFrame = (clientId: string): Buffer => {
  const id = Buffer.from(clientId);
  const head = [0, 4, 0x4d, 0x51, 0x54, 0x54, 4, 2, 1, 44, id.length >> 8, id.length & 255];
  return Buffer.concat([Buffer.from([0x10, head.length + id.length, ...head]), id]);
};

const publishFrame = (topic: string, payload: string, packetId: number): Buffer => {
  const body = 4 + topic.length + payload.length;
  const frame = Buffer.allocUnsafe(body + (body < 128 ? 2 : 3));
  let at = 0;
  frame[at++] = 0x32;
  if (body >= 128) frame[at++] = (body & 127) | 128;
  frame[at++] = body < 128 ? body : body >> 7;
  at = frame.writeUInt16BE(topic.length, at);
  at += frame.write(topic, at, "latin1");
  at = frame.writeUInt16BE(packetId, at);
  frame.write(payload, at, "latin1");
  return frame;
};

/** Calls `act` with 0, 1, 2… `rate` times a second; answers how late the latest of its own turns was, in milliseconds. */
export const paced = async (rate: number, seconds: number, act: (number: number) => void): Promise<number> => {
  const began = performance.now();
  const total = rate * seconds;
  let late = 0;
  for (let number = 0; number < total; ) {
    const due = Math.min(total, Math.floor(((performance.now() - began) * rate) / 1_000));
    if (due > number) late = Math.max(late, ((due - number) * 1_000) / rate);
    for (; number < due; number++) act(number);
    await delay(1);
  }
  return late;
};

/** Milliseconds, of which percentiles are asked. */
export const createSample = () => {
  const values: number[] = [];
  return {
    add: (ms: number): void => {
      values.push(ms);
    },
    count: () => values.length,
    /** `share` from 0 to 1; NaN of nothing. */
    percentile(share: number): number {
      const sorted = values.toSorted((one, other) => one - other);
      return sorted[Math.min(sorted.length - 1, Math.floor(share * sorted.length))] ?? Number.NaN;
    },
  };
};
export type Sample = ReturnType<typeof createSample>;

/** The live view as the console reads it: `told` gets the data of each event of this kind as it comes. */
export const listenLive = async (
  url: string,
  token: string,
  kind: string,
  told: (data: string) => void,
): Promise<() => void> => {
  const asked = request(`${url}/api/v1/live`, { headers: { authorization: `Bearer ${token}` } });
  asked.end();
  const [response] = await once(asked, "response");
  let rest = "";
  response.setEncoding("utf8").on("error", () => {});
  response.on("data", (text: string) => {
    const events = (rest + text).split("\n\n");
    rest = events.pop() ?? "";
    for (const event of events) {
      const data = event.split("\n").find((line) => line.startsWith("data: "));
      if (data !== undefined && event.includes(`event: ${kind}\n`)) told(data.slice(6));
    }
  });
  return () => asked.destroy();
};
