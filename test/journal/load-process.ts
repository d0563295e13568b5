import { fsyncSync, openSync, writeSync } from "node:fs";
import { parseArgs } from "node:util";
import type { Entry } from "../../src/domain/entry.ts";
import { joinJournal } from "../../src/journal/joined.ts";
import { openJournal } from "../../src/journal/sqlite.ts";
import { createTelemetry } from "../../src/platform/telemetry.ts";

// A process that appends numbered messages as fast as they are acknowledged, through two senders, and notes every
// acknowledged number and seq in a file of its own, until it is killed. Run by the durability tests.

const { values } = parseArgs({
  options: {
    directory: { type: "string", default: "" },
    acknowledged: { type: "string", default: "" },
    first: { type: "string", default: "0" },
    worker: { type: "string" },
    appenders: { type: "string", default: "16" },
    /** Stops by itself, without closing anything, after this many. */
    count: { type: "string", default: "Infinity" },
  },
});
const telemetry = createTelemetry({ level: "silent", thread: "load" });
const note = openSync(values.acknowledged, "a");
const say = (line: string) => writeSync(1, `${line}\n`);
let next = Number(values.first);
const end = next + Number(values.count);

const message = (number: number): Entry => ({
  ...{ kind: "message", at: Date.now(), topic: "meizhen/xinghai/water/wt-1/readings" },
  ...{ payload: Buffer.from(String(number).padEnd(40 + (number % 400))), principal: null, qos: 1 },
});

try {
  const journal = await openJournal({
    ...{ directory: values.directory, bytesMax: 2 ** 30, telemetry },
    ...(values.worker === undefined ? {} : { worker: new URL(values.worker) }),
    onFatal(error) {
      say(`fatal ${error.message}`);
      process.exit(70);
    },
  });
  const second = joinJournal(journal.connect(), { telemetry });
  say("ready");
  let noted = 0;
  const appender = async (through: typeof second) => {
    while (next < end) {
      const number = next++;
      const seq = await through.append([message(number)]);
      writeSync(note, `${number} ${seq}\n`);
      if (++noted % 500 === 0) fsyncSync(note);
    }
  };
  const appenders = Array.from({ length: Number(values.appenders) }, (_, place) =>
    appender(place % 4 === 0 ? second : journal),
  );
  await Promise.all(appenders);
  process.kill(process.pid, "SIGKILL");
} catch (error) {
  say(`refused ${error instanceof Error && "code" in error ? error.code : error}`);
  process.exit(71);
}
