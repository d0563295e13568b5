import { chmod, rm } from "node:fs/promises";
import { createConnection, createServer, type Server, type Socket } from "node:net";
import { join } from "node:path";
import type { AdminAnswer } from "./request.ts";

/** One request and one answer, each a line of JSON; the file's mode is the access control. */
export const socketPath = (directory: string): string => join(directory, "admin.sock");

const requestBytesMax = 64 * 1024;

export type AdminSocket = { start(): Promise<void>; stop(): Promise<void> };

/** Listens in the data folder, for its owner only (mode 0600). */
export const createAdminSocket = (
  directory: string,
  answer: (argv: readonly string[]) => Promise<AdminAnswer>,
): AdminSocket => {
  const path = socketPath(directory);
  const server: Server = createServer((socket) => void serve(socket, answer));
  return {
    async start() {
      // the folder has one owner (the journal's lock), so what lies here is left from a process that is gone
      await rm(path, { force: true });
      const mask = process.umask(0o177);
      try {
        await new Promise<void>((resolve, reject) => server.once("error", reject).listen(path, resolve));
      } finally {
        process.umask(mask);
      }
      await chmod(path, 0o600);
    },
    async stop() {
      await new Promise<void>((resolve) => server.close(() => resolve()));
      await rm(path, { force: true });
    },
  };
};

const serve = async (socket: Socket, answer: (argv: readonly string[]) => Promise<AdminAnswer>): Promise<void> => {
  socket.on("error", () => socket.destroy());
  try {
    const request: unknown = JSON.parse(await readLine(socket));
    const valid = Array.isArray(request) && request.every((word) => typeof word === "string");
    const reply: AdminAnswer = valid
      ? await answer(request)
      : { ok: false, code: "usage", lines: ["expected a list of words"] };
    socket.end(`${JSON.stringify(reply)}\n`);
  } catch (error) {
    socket.end(`${JSON.stringify({ ok: false, code: "failed", lines: [(error as Error).message] })}\n`);
  }
};

const readLine = async (socket: Socket): Promise<string> => {
  let text = "";
  socket.setEncoding("utf8");
  for await (const chunk of socket.iterator({ destroyOnReturn: false })) {
    text += chunk;
    const end = text.indexOf("\n");
    if (end >= 0) return text.slice(0, end);
    if (text.length > requestBytesMax) break;
  }
  throw new Error("no request");
};

/** Asks a running house; undefined when none runs here. */
export const ask = async (directory: string, argv: readonly string[]): Promise<AdminAnswer | undefined> => {
  const socket = createConnection(socketPath(directory));
  try {
    await new Promise<void>((resolve, reject) => socket.once("connect", resolve).once("error", reject));
  } catch {
    return undefined;
  }
  socket.write(`${JSON.stringify(argv)}\n`);
  try {
    return JSON.parse(await readLine(socket)) as AdminAnswer;
  } finally {
    socket.destroy();
  }
};
