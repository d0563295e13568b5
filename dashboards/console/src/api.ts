import type {
  Alarm,
  AlarmDetail,
  Bucket,
  Kind,
  Ledger,
  Page,
  RawPoint,
  Readiness,
  Rejection,
  Series,
  SignedIn,
  Site,
  Target,
  Thing,
  User,
} from "./shapes.ts";

/** Problem details (RFC 9457), or `network` when there was no answer at all. */
export class Problem extends Error {
  readonly status: number;
  readonly code: string;
  constructor(status: number, code: string, detail: string) {
    super(detail);
    this.status = status;
    this.code = code;
  }
}

type Query = Readonly<Record<string, string | number | undefined>>;

/** Requests that change something carry it: another site's form can't (double submit, SameSite=Strict beside it). */
const csrfHeader = "x-csrf-token";
const root = "/api/v1";

let signedOut: () => void = () => {};
/** Called when the session has ended at the service. */
export const onSignedOut = (then: () => void): void => {
  signedOut = then;
};

const cookie = (name: string): string =>
  document.cookie
    .split("; ")
    .find((pair) => pair.startsWith(`${name}=`))
    ?.slice(name.length + 1) ?? "";

/** Whether this browser was signed in: the session's own cookie can't be seen from here, its companion can. */
export const hasSession = (): boolean => cookie("meizhen_csrf") !== "";

const address = (path: string, query: Query = {}): string => {
  const given = Object.entries(query).filter(([, value]) => value !== undefined && value !== "");
  const text = new URLSearchParams(given.map(([name, value]) => [name, String(value)])).toString();
  return text === "" ? root + path : `${root}${path}?${text}`;
};

const problemOf = async (response: Response): Promise<Problem> => {
  const body = (await response.json().catch(() => ({}))) as { code?: string; detail?: string; title?: string };
  return new Problem(response.status, body.code ?? "unknown", body.detail ?? body.title ?? response.statusText);
};

const send = async (method: string, path: string, query?: Query, body?: unknown, key?: string): Promise<Response> => {
  const headers = new Headers({ accept: "application/json" });
  if (body !== undefined) headers.set("content-type", "application/json");
  if (method !== "GET") headers.set(csrfHeader, cookie("meizhen_csrf"));
  if (key !== undefined) headers.set("idempotency-key", key);
  let response: Response;
  try {
    response = await fetch(address(path, query), {
      method,
      headers,
      credentials: "same-origin",
      ...(body === undefined ? {} : { body: JSON.stringify(body) }),
    });
  } catch (cause) {
    throw new Problem(0, "network", String(cause));
  }
  if (response.ok) return response;
  const problem = await problemOf(response);
  if (problem.status === 401 && path !== "/session") signedOut();
  throw problem;
};

const get = async <T>(path: string, query?: Query): Promise<T> => (await (await send("GET", path, query)).json()) as T;
const post = async <T>(path: string, body: unknown, key?: string): Promise<T> =>
  (await (await send("POST", path, undefined, body, key)).json()) as T;

/** Every page of a list, up to `most` items. */
const all = async <T>(path: string, query: Query, most: number): Promise<T[]> => {
  const items: T[] = [];
  let cursor: string | null = null;
  do {
    const page: Page<T> = await get<Page<T>>(path, { ...query, limit: 1_000, cursor: cursor ?? undefined });
    items.push(...page.items);
    cursor = page.next;
  } while (cursor !== null && items.length < most);
  return items;
};

const points = async <P>(thing: string, query: Query, most: number): Promise<Series<P>> => {
  const path = `/things/${encodeURIComponent(thing)}/observations`;
  let page = await get<Series<P>>(path, { ...query, limit: 1_000 });
  const collected = [...page.points];
  while (page.next !== null && collected.length < most) {
    page = await get<Series<P>>(path, { ...query, limit: 1_000, cursor: page.next });
    collected.push(...page.points);
  }
  return { ...page, points: collected };
};

/** The same key for a second press of the same button: it is then one command. */
const commandKey = (): string => crypto.getRandomValues(new Uint32Array(4)).join("-");

const alarmPath = (id: string, verb = ""): string => `/alarms/${encodeURIComponent(id)}${verb}`;

/** Bounds of what one browser holds. */
const thingsMax = 20_000;
const alarmsMax = 10_000;
const pointsMax = 12_000;

export const api = {
  signIn: (username: string, password: string, otp?: string) =>
    post<SignedIn>("/session", { username, password, ...(otp ? { otp } : {}) }),
  session: () => get<{ user: User; expiresAt: string }>("/session"),
  signOut: () => send("DELETE", "/session"),
  site: () => get<Site>("/site"),
  kinds: () => all<Kind>("/kinds", {}, 1_000),
  things: () => all<Thing>("/things", {}, thingsMax),
  thing: (id: string) => get<Thing>(`/things/${encodeURIComponent(id)}`),
  activeAlarms: () => all<Alarm>("/alarms", { state: "active" }, alarmsMax),
  alarms: (query: Query) => get<Page<Alarm>>("/alarms", query),
  alarm: (id: string) => get<AlarmDetail>(alarmPath(id)),
  acknowledge: (id: string, note: string) => post<Alarm>(alarmPath(id, "/acknowledge"), { note }, commandKey()),
  shelve: (id: string, until: string, reason: string) =>
    post<Alarm>(alarmPath(id, "/shelve"), { until, reason }, commandKey()),
  unshelve: (id: string) => post<Alarm>(alarmPath(id, "/unshelve"), {}, commandKey()),
  comment: (id: string, text: string) => post<Alarm>(alarmPath(id, "/comment"), { text }, commandKey()),
  raw: (thing: string, property: string, from: string, to: string) =>
    points<RawPoint>(thing, { property, from, to }, pointsMax),
  buckets: (thing: string, property: string, from: string, to: string, every: string) =>
    points<Bucket>(thing, { property, from, to, every }, pointsMax),
  targets: async () => (await get<Page<Target>>("/targets")).items,
  ledger: (query: Query) => get<Ledger>("/ledger", query),
  rejections: (query: Query) => get<Page<Rejection>>("/rejections", query),
  rejection: (id: string) => get<Rejection>(`/rejections/${encodeURIComponent(id)}`),
  replay: (id: string) => post<Rejection>(`/rejections/${encodeURIComponent(id)}/replay`, {}, commandKey()),
};

/** Why the service can't journal, if it can't; it answers without a session, with 503 while it is not ready. */
export const readiness = async (): Promise<Readiness> => {
  const response = await fetch("/readyz", { headers: { accept: "application/json" } });
  const body = (await response.json().catch(() => ({}))) as Partial<Readiness>;
  return { ready: response.ok, causes: body.causes ?? [] };
};

/** Address of the live stream; `things`: those whose observations are wanted (50 at most). */
export const liveAddress = (things: readonly string[]): string =>
  address("/live", { things: things.slice(0, 50).join(",") });
