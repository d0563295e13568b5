import { type DurationMs, second } from "../domain/time.ts";
import type { ChangeId } from "../ports.ts";
import type { ServerOptions } from "./desk.ts";
import { healthJson } from "./house.ts";
import { changeIdText, encode, type Frame, isAfter, type LiveClient } from "./live-client.ts";
import type { SessionBook } from "./session-book.ts";

/** A comment at least so often, so that a quiet stream is told from a dead one. */
const beatEvery: DurationMs = 10 * second;
const mindedEvery: DurationMs = second;
/** With the second between two looks, a reader that has frozen is cut within ten. */
const stuckAfterDefault: DurationMs = 8 * second;

type Ports = Pick<ServerOptions, "clock" | "health" | "settings" | "telemetry"> & {
  readonly sessions: SessionBook;
  readonly clients: ReadonlySet<LiveClient>;
  readonly place: () => ChangeId;
};

/** Once a second: who no longer reads or no longer may is cut, who is quiet gets a beat, a change of health is told. */
export const createLiveMinder = (ports: Ports): ((signal: AbortSignal) => Promise<void>) => {
  const { clock, health, clients } = ports;
  let told = JSON.stringify(health());
  return async (signal) => {
    await clock.sleep(mindedEvery, signal);
    const current = health();
    const changed = JSON.stringify(current) !== told;
    told = JSON.stringify(current);
    const news = changed ? encode(null, "health", healthJson(current)) : null;
    for (const client of [...clients]) look(client, news, ports);
  };
};

const look = (client: LiveClient, news: Frame | null, { clock, sessions, settings, telemetry, place }: Ports): void => {
  const now = clock.monotonic();
  if (client.backlog() > 0) client.stuckSince ??= now;
  if (client.stuckSince !== null && now - client.stuckSince >= (settings.liveStuckAfter ?? stuckAfterDefault)) {
    telemetry.warned({ room: "live", backlog: client.backlog() }, "a live stream took nothing more and was cut");
    client.cut();
  } else if (!sessions.lives(client.principal)) {
    client.end();
  } else {
    if (news !== null) client.give(news);
    if (now - client.beatAt >= beatEvery) beat(client, place(), now);
    client.flush();
  }
};

/** A comment, and the place that the client has come to: a block without data moves `Last-Event-ID` and nothing else. */
const beat = (client: LiveClient, place: ChangeId, now: number): void => {
  client.beatAt = now;
  if (client.state === "live" && isAfter(place, client.position)) client.position = place;
  const bytes = Buffer.from(`: beat\nid: ${changeIdText(client.position)}\n\n`);
  client.give({ event: "", id: null, street: null, bytes });
};
