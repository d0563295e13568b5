// The doors of the process: arguments and signals in, an exit code out.

const nodeMajor = 24;

/** Exit codes: 0 an orderly end, 1 a failure while starting or running, 2 a fault in settings or devices. */
const main = async (argv: readonly string[]): Promise<number> => {
  if (Number(process.versions.node.split(".")[0]) !== nodeMajor) {
    process.stderr.write(
      `meizhen runs on Node ${nodeMajor}, this is ${process.version}: use npm start, which brings its own\n`,
    );
    return 1;
  }
  // nothing else is loaded before the check: an older Node fails in the middle of an import
  const { command } = await import("./command.ts");
  return await command(argv, {
    out: (line) => process.stdout.write(`${line}\n`),
    err: (line) => process.stderr.write(`${line}\n`),
    onStop: (stop) => {
      process.on("SIGTERM", stop);
      process.on("SIGINT", stop);
    },
  });
};

process.exitCode = await main(process.argv.slice(2));
// threads and sockets are closed in order by now; what a library left behind must not hold the process
process.exit();
