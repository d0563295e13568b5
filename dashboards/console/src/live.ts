import { reactive, readonly } from "vue";
import { liveAddress, Problem } from "./api.ts";
import { instant, second } from "./clock.ts";
import { createParser, type EventHandler } from "./event-stream.ts";

/**
 * The live stream (server-sent events), read with fetch rather than EventSource: only so can a refused session be told
 * from a lost network, and silence of the stream be told from a quiet district. It reconnects by itself with
 * `Last-Event-ID`, so nothing is missed within the 24 h that the service keeps.
 */

/** The service writes at least every 10 s; twice that and a little without a byte is a dead stream. */
const silenceMax = 25 * second;
const waits = [0.5, 1, 2, 4, 8, 15].map((seconds) => seconds * second);

const state = reactive({
  /** `connecting`: for the first time; `stale`: what is shown is as old as `since`. */
  stream: "connecting" as "connecting" | "live" | "stale",
  since: instant(),
});
export const connection = readonly(state);

let wanted: readonly string[] = [];
let lastEventId = "";
let running: AbortController | null = null;
let current: AbortController | null = null;

/** Begins to follow the district; what `handle` is given has the shape of the GET of the same noun. */
export const follow = (handle: EventHandler, onUnauthorized: () => void): void => {
  unfollow();
  const controller = new AbortController();
  running = controller;
  state.stream = "connecting";
  void run(controller.signal, handle, onUnauthorized);
};

export const unfollow = (): void => {
  running?.abort();
  running = null;
  lastEventId = "";
};

/** Asks for the observations of these things, instead of those asked for before. */
export const watchThings = (things: readonly string[]): void => {
  const next = [...new Set(things)].sort().slice(0, 50);
  if (next.join() === wanted.join()) return;
  wanted = next;
  current?.abort("things");
};

const run = async (signal: AbortSignal, handle: EventHandler, onUnauthorized: () => void): Promise<void> => {
  let failures = 0;
  while (!signal.aborted) {
    const attempt = new AbortController();
    current = attempt;
    try {
      await readStream(AbortSignal.any([signal, attempt.signal]), attempt, handle, () => {
        failures = 0;
      });
    } catch (error) {
      if (error instanceof Problem && error.status === 401) return onUnauthorized();
    }
    if (signal.aborted) return;
    // a change of what is watched is no failure: on again at once
    if (attempt.signal.reason === "things") continue;
    if (state.stream === "live") state.stream = "stale";
    await pause(waits[Math.min(failures, waits.length - 1)] ?? second, signal);
    failures += 1;
    if (failures > 1 && state.stream === "connecting") state.stream = "stale";
  }
};

const readStream = async (
  signal: AbortSignal,
  attempt: AbortController,
  handle: EventHandler,
  opened: () => void,
): Promise<void> => {
  const headers: Record<string, string> = { accept: "text/event-stream" };
  if (lastEventId !== "") headers["last-event-id"] = lastEventId;
  let watchdog = setTimeout(() => attempt.abort("silence"), silenceMax);
  try {
    const response = await fetch(liveAddress(wanted), { headers, credentials: "same-origin", signal });
    if (!response.ok || response.body === null) throw new Problem(response.status, "live", response.statusText);
    opened();
    const reader = response.body.pipeThrough(new TextDecoderStream()).getReader();
    const parse = createParser(handle, (id) => {
      lastEventId = id;
    });
    for (;;) {
      const { done, value } = await reader.read();
      if (done) return;
      clearTimeout(watchdog);
      watchdog = setTimeout(() => attempt.abort("silence"), silenceMax);
      state.stream = "live";
      state.since = instant();
      parse(value);
    }
  } finally {
    clearTimeout(watchdog);
  }
};

/** Ends early when the page comes back to the front or the network returns. */
const pause = (duration: number, signal: AbortSignal): Promise<void> =>
  new Promise((resolve) => {
    const end = (): void => {
      clearTimeout(timer);
      document.removeEventListener("visibilitychange", wake);
      window.removeEventListener("online", end);
      signal.removeEventListener("abort", end);
      resolve();
    };
    const wake = (): void => {
      if (document.visibilityState === "visible") end();
    };
    // jitter: two hundred consoles must not come back in the same instant
    const jitter = (crypto.getRandomValues(new Uint8Array(1))[0] ?? 0) / 255;
    const timer = setTimeout(end, duration * (0.75 + jitter / 2));
    document.addEventListener("visibilitychange", wake);
    window.addEventListener("online", end);
    signal.addEventListener("abort", end);
  });
