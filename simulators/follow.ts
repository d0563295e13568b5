import { createInterface } from "node:readline";
import { Readable } from "node:stream";

type Alarm = {
  readonly id: string;
  readonly thing: string;
  readonly state: string;
  readonly priority: string;
  readonly late: boolean;
  readonly suppressedBy: string | null;
  readonly since: string;
  readonly clause: string;
  readonly standard: string;
  readonly text: { readonly zh: string; readonly en: string };
  readonly responsible: readonly { readonly person: string; readonly role: string }[];
};

export type FollowOptions = {
  /** Of the API, as `http://127.0.0.1:8080`. */
  readonly url: string;
  readonly username: string;
  readonly password: string;
  readonly onLine: (line: string) => void;
  readonly signal: AbortSignal;
};

/** Signs in, follows the live view and tells each alarm once when it is raised and once when it has returned. */
export const followAlarms = async (options: FollowOptions): Promise<void> => {
  const { url, signal, onLine } = options;
  const token = await signIn(options);
  const response = await fetch(`${url}/api/v1/live`, { headers: { authorization: `Bearer ${token}` }, signal });
  if (!response.ok || response.body === null) throw new Error(`the live view answers ${response.status}`);
  const told = new Map<string, string>();
  let event = "";
  for await (const line of createInterface({ input: Readable.fromWeb(response.body as never) })) {
    if (line.startsWith("event:")) event = line.slice(6).trim();
    if (!line.startsWith("data:") || event !== "alarm") continue;
    const alarm = JSON.parse(line.slice(5)) as Alarm;
    const news = newsOf(alarm, told.get(alarm.id));
    told.set(alarm.id, alarm.state);
    if (news !== null) onLine(news);
  }
};

const newsOf = (alarm: Alarm, before: string | undefined): string | null => {
  if (alarm.late || alarm.suppressedBy !== null || alarm.state === before) return null;
  const at = alarm.since.slice(11, 19);
  if (alarm.state === "unacknowledged") {
    const people = alarm.responsible.slice(0, 2).map(({ person }) => person);
    return `ALARM     ${alarm.priority.padEnd(8)} ${alarm.text.zh} / ${alarm.text.en} (since ${at}Z; ${alarm.standard} ${alarm.clause}; -> ${people.join(", ")})`;
  }
  if (alarm.state === "returned-unacknowledged")
    return `returned  ${alarm.priority.padEnd(8)} ${alarm.text.zh} / ${alarm.text.en}`;
  return null;
};

const signIn = async ({ url, username, password, signal }: FollowOptions): Promise<string> => {
  const response = await fetch(`${url}/api/v1/session`, {
    method: "POST",
    headers: { "content-type": "application/json" },
    body: JSON.stringify({ username, password }),
    signal,
  });
  if (!response.ok) throw new Error(`signing in answers ${response.status}`);
  return ((await response.json()) as { token: string }).token;
};
