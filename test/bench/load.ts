import { connect, type Socket } from "node:net";
import { parseArgs } from "node:util";

// A lean load generator: encodes each PUBLISH once into a buffer of its own connection, keeps a window of them
// unacknowledged, counts PUBACKs. It has to cost little, because it shares the machine with what it measures.
//
//   node test/bench/load.ts --port N --clients 20 --window 100 --messages 200000 --values 1
//
// Prints one line of JSON when all are acknowledged: how many, since when (every `ts` is at or after it), in how many
// seconds, and the rate.

type Options = {
  readonly port: number;
  readonly clients: number;
  readonly window: number;
  /** In all; each client stops after its share. */
  readonly messages: number;
  readonly values: number;
};

const connectFrame = (clientId: string): Buffer => {
  const id = Buffer.from(clientId);
  const body = Buffer.concat([
    Buffer.from([0, 4, 0x4d, 0x51, 0x54, 0x54, 4, 2, 0, 60, id.length >> 8, id.length & 255]),
    id,
  ]);
  return Buffer.concat([Buffer.from([0x10, body.length]), body]);
};

/** About 60 bytes of payload, as a probe sends it; `{ts}` and `{v}` change with each message. */
const payloadOf = (values: number, ts: number, value: number): string => {
  const names = ["turbidity", "ph", "freeChlorine", "temperature", "conductivity"].slice(0, values);
  const body = names.map((name) => `"${name}":${value}`).join(",");
  return `{"ts":${ts},"values":{${body}}}`;
};

const remainingLength = (length: number): number[] => (length < 128 ? [length] : [(length & 127) | 128, length >> 7]);

/** Publishes `share` messages with at most `window` unacknowledged. */
const run = async (options: Options, at: number, share: number, began: number): Promise<void> => {
  const { port, window, values } = options;
  const topic = Buffer.from(`meizhen/xinghai/water/xh-water-${String(at + 1).padStart(2, "0")}/readings`);
  const socket: Socket = connect({ port, host: "127.0.0.1", noDelay: true });
  const done = Promise.withResolvers<void>();
  let sent = 0;
  let acknowledged = 0;
  let ready = false;
  const batch = Buffer.allocUnsafe(window * 512);
  const send = () => {
    let length = 0;
    while (sent < share && sent - acknowledged < window) {
      const payload = payloadOf(values, began + sent, 0.3 + (sent % 50) / 100);
      const body = 2 + topic.length + 2 + payload.length;
      batch[length++] = 0x32;
      for (const byte of remainingLength(body)) batch[length++] = byte;
      batch[length++] = topic.length >> 8;
      batch[length++] = topic.length & 255;
      length += topic.copy(batch, length);
      const id = (sent % 65_535) + 1;
      batch[length++] = id >> 8;
      batch[length++] = id & 255;
      length += batch.write(payload, length, "latin1");
      sent++;
    }
    if (length > 0) socket.write(Buffer.from(batch.subarray(0, length)));
  };
  let bytes = 0;
  socket.on("data", (chunk) => {
    // CONNACK and PUBACK have four bytes each, and nothing else comes
    bytes += chunk.length;
    if (!ready && bytes >= 4) ready = true;
    acknowledged = (bytes >> 2) - 1;
    if (acknowledged >= share) {
      socket.end();
      done.resolve();
    } else if (sent - acknowledged <= window / 2) send();
  });
  socket.on("error", done.reject);
  socket.on("close", () =>
    acknowledged >= share ? done.resolve() : done.reject(new Error(`closed after ${acknowledged}`)),
  );
  socket.write(connectFrame(`load-${process.pid}-${at}`));
  await done.promise;
};

const { values: given } = parseArgs({
  options: {
    port: { type: "string" },
    clients: { type: "string", default: "20" },
    window: { type: "string", default: "100" },
    messages: { type: "string", default: "200000" },
    values: { type: "string", default: "1" },
  },
});
const options: Options = {
  port: Number(given.port),
  clients: Number(given.clients),
  window: Number(given.window),
  messages: Number(given.messages),
  values: Number(given.values),
};
const began = Date.now();
const start = performance.now();
const share = Math.ceil(options.messages / options.clients);
await Promise.all(Array.from({ length: options.clients }, (_, at) => run(options, at, share, began)));
const seconds = (performance.now() - start) / 1000;
const messages = share * options.clients;
process.stdout.write(`${JSON.stringify({ messages, began, seconds, rate: messages / seconds })}\n`);
