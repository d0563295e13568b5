import { ask } from "../../src/admin/socket.ts";

/** What a command through the running service's socket prints. */
export const administerBySocket = async (dataDir: string, argv: readonly string[]): Promise<readonly string[]> => {
  const answer = await ask(dataDir, argv);
  if (answer === undefined) throw new Error("no service runs there");
  if (!answer.ok) throw new Error(answer.lines.join("\n"));
  return answer.lines;
};
