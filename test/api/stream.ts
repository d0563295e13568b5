import { createConnection, type Socket } from "node:net";
import type { House } from "./house.ts";

export type Told = { readonly id: string; readonly event: string; readonly data: unknown };

/** A client of `/live` over a bare socket, so that a test decides when it reads and when it goes away. */
export const openStream = async (
  house: Pick<House, "port" | "as">,
  username: string,
  options: { readonly things?: readonly string[]; readonly lastEventId?: string } = {},
) => {
  const token = await house.as(username);
  const socket: Socket = createConnection({ host: "127.0.0.1", port: house.port });
  const told: Told[] = [];
  let status = 0;
  let lastEventId = options.lastEventId ?? "";
  let comments = 0;
  let closed = false;
  let rest = "";
  let waiting: () => void = () => {};
  const parse = createBlockParser((block) => {
    let event = "message";
    const data: string[] = [];
    for (const line of block) {
      if (line.startsWith(":")) comments += 1;
      else if (line.startsWith("id: ")) lastEventId = line.slice(4);
      else if (line.startsWith("event: ")) event = line.slice(7);
      else if (line.startsWith("data: ")) data.push(line.slice(6));
    }
    if (data.length > 0) told.push({ id: lastEventId, event, data: JSON.parse(data.join("\n")) });
    waiting();
  });
  socket.on("data", (bytes) => {
    rest += bytes.toString("latin1");
    if (status === 0) {
      const end = rest.indexOf("\r\n\r\n");
      if (end < 0) return;
      status = Number(/^HTTP\/1\.1 (\d+)/.exec(rest)?.[1]);
      rest = rest.slice(end + 4);
      waiting();
    }
    if (status === 200) rest = unchunk(rest, parse);
  });
  socket.on("close", () => {
    closed = true;
    waiting();
  });
  socket.on("error", () => {});
  const query = options.things === undefined ? "" : `?things=${options.things.join(",")}`;
  const resume = options.lastEventId === undefined ? "" : `last-event-id: ${options.lastEventId}\r\n`;
  socket.write(`GET /api/v1/live${query} HTTP/1.1\r\nhost: x\r\nauthorization: Bearer ${token}\r\n${resume}\r\n`);
  const until = async (condition: () => boolean, within = 10_000): Promise<void> => {
    const deadline = performance.now() + within;
    while (!condition()) {
      if (performance.now() > deadline) throw new Error(`waited in vain; told ${JSON.stringify(told).slice(0, 2_000)}`);
      await new Promise<void>((resolve) => {
        waiting = resolve;
        setTimeout(resolve, 50);
      });
    }
  };
  await until(() => status !== 0 || closed);
  return {
    socket,
    told,
    until,
    status: () => status,
    lastEventId: () => lastEventId,
    comments: () => comments,
    closed: () => closed,
    of: (event: string) => told.filter((one) => one.event === event),
    close: () => socket.destroy(),
  };
};
export type Stream = Awaited<ReturnType<typeof openStream>>;

/** Whole chunks go to `take`; what remains is answered. */
const unchunk = (text: string, take: (body: string) => void): string => {
  let rest = text;
  for (;;) {
    const end = rest.indexOf("\r\n");
    if (end < 0) return rest;
    const size = Number.parseInt(rest.slice(0, end), 16);
    if (rest.length < end + 2 + size + 2) return rest;
    take(Buffer.from(rest.slice(end + 2, end + 2 + size), "latin1").toString());
    rest = rest.slice(end + 2 + size + 2);
  }
};

const createBlockParser = (take: (lines: string[]) => void) => {
  let rest = "";
  return (text: string): void => {
    const blocks = (rest + text).split("\n\n");
    rest = blocks.pop() ?? "";
    for (const block of blocks) take(block.split("\n"));
  };
};
