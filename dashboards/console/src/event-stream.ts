export type EventHandler = (event: string, data: unknown) => void;

/**
 * Splits a stream of server-sent events (WHATWG HTML, 9.2.6); comments and unknown fields are passed over. `place` is
 * called with the id that a whole event has brought: only that moves the place which is resumed from.
 */
export const createParser = (handle: EventHandler, place: (id: string) => void): ((chunk: string) => void) => {
  let rest = "";
  let event = "";
  let id: string | null = null;
  let data: string[] = [];
  const line = (text: string): void => {
    if (text === "") {
      if (id !== null) place(id);
      if (data.length > 0) dispatch(event, data.join("\n"), handle);
      event = "";
      id = null;
      data = [];
    } else if (text.startsWith("data:")) data.push(text.slice(5).replace(/^ /, ""));
    else if (text.startsWith("event:")) event = text.slice(6).trim();
    else if (text.startsWith("id:")) id = text.slice(3).trim();
  };
  return (chunk) => {
    const lines = (rest + chunk).split(/\r?\n/);
    rest = lines.pop() ?? "";
    for (const text of lines) line(text);
  };
};

const dispatch = (event: string, data: string, handle: EventHandler): void => {
  let parsed: unknown;
  try {
    parsed = JSON.parse(data);
  } catch {
    // an event that is no JSON is not ours; the next one may be
    return;
  }
  handle(event === "" ? "message" : event, parsed);
};
