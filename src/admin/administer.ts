import { device } from "./device.ts";
import { type AdminAnswer, AdminError, type AdminPorts } from "./request.ts";
import { user } from "./user.ts";

/** What can be asked of the house by command: the same words through its socket and while it does not run. */
const subjects = { device, user } as const;

/**
 * Carries out `device …` or `user …` and answers what to print. Every change is a journal entry, and is answered after
 * it has been applied.
 */
export const administer = async (argv: readonly string[], ports: AdminPorts): Promise<AdminAnswer> => {
  const [subject = "", verb = "", ...rest] = argv;
  if (!(subject in subjects)) return { ok: false, code: "usage", lines: [`unknown subject: ${subject}`] };
  try {
    return { ok: true, lines: await subjects[subject as keyof typeof subjects](verb, rest, ports) };
  } catch (error) {
    if (error instanceof AdminError) return { ok: false, code: error.code, lines: [error.message] };
    throw error;
  }
};
