import type { AdminAnswer } from "./admin/request.ts";
import { ask } from "./admin/socket.ts";
import { openHouse, startHouse } from "./app.ts";
import { backfillFromStore } from "./backfill.ts";
import { type Config, ConfigError, environment, readConfig } from "./config.ts";
import type { Terminal } from "./platform/terminal.ts";

const usage = `meizhen [--config FILE]                       runs the service
meizhen device add|rotate|revoke|list …       credentials of things, gateways and observers
meizhen user add|password|remove|list …       accounts of people
meizhen backfill --from TIME [--to TIME]      writes stored observations to InfluxDB again`;

/** A failure with an exit code of its own: faults in settings or the devices folder end with 2. */
const exitCodeOf = (error: unknown): number => {
  const code = (error as { code?: unknown }).code;
  return error instanceof ConfigError || code === "devices_invalid" ? 2 : 1;
};

/** Runs one command to its end; answers the exit code. */
export const command = async (argv: readonly string[], terminal: Terminal): Promise<number> => {
  try {
    const { words, file } = splitConfig(argv);
    const [subject] = words;
    if (subject === undefined) return await serve(readConfig(environment(), file), terminal);
    if (subject === "device" || subject === "user")
      return await administer(words, readConfig(environment(), file), terminal);
    if (subject === "backfill")
      return await backfillFromStore(words.slice(1), readConfig(environment(), file), terminal);
    terminal.err(usage);
    return 2;
  } catch (error) {
    terminal.err((error as Error).message);
    return exitCodeOf(error);
  }
};

/** `--config FILE` may stand anywhere. */
const splitConfig = (argv: readonly string[]): { words: string[]; file: string | undefined } => {
  const at = argv.indexOf("--config");
  if (at < 0) return { words: [...argv], file: undefined };
  const file = argv[at + 1];
  if (file === undefined)
    throw new ConfigError([{ name: "--config", source: "command line", message: "expected a file" }]);
  return { words: argv.filter((_, index) => index !== at && index !== at + 1), file };
};

const serve = async (config: Config, terminal: Terminal): Promise<number> => {
  const stopping = Promise.withResolvers<void>();
  let signals = 0;
  terminal.onStop(() => {
    signals += 1;
    // whoever asks twice does not want to wait
    if (signals > 1) process.exit(1);
    stopping.resolve();
  });
  const house = await startHouse(config);
  if (house.generatedPassword !== null) {
    terminal.err(
      `user name admin, password ${house.generatedPassword} (shown this once; npm run user -- password admin changes it)`,
    );
  }
  terminal.out(JSON.stringify({ event: "ready", ...house.ports }));
  const failed = await Promise.race([stopping.promise.then(() => null), house.failed]);
  if (failed !== null) terminal.err(failed.stack ?? failed.message);
  await house.stop();
  return failed === null ? 0 : 1;
};

/** Through the socket of the running service, or with a house that opens no doors. */
const administer = async (argv: readonly string[], config: Config, terminal: Terminal): Promise<number> => {
  const answer = (await ask(config.MEIZHEN_DATA_DIR, argv)) ?? (await administerAlone(argv, config));
  for (const line of answer.lines) (answer.ok ? terminal.out : terminal.err)(line);
  if (answer.ok) return 0;
  return answer.code === "usage" ? 2 : 1;
};

const administerAlone = async (argv: readonly string[], config: Config): Promise<AdminAnswer> => {
  const house = await openHouse(config);
  try {
    return await house.administer(argv);
  } finally {
    await house.close();
  }
};
