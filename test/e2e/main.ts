import { spawn } from "node:child_process";
import { once } from "node:events";
import { join } from "node:path";
import { root } from "./service.ts";

/** Runs `node src/main.ts …` to its end. */
export const runMain = async (argv: readonly string[], env: Record<string, string>) => {
  const inherited = Object.entries(process.env).filter(([name]) => !/^(MEIZHEN|INFLUX)_/.test(name));
  const child = spawn(process.execPath, [join(root, "src/main.ts"), ...argv], {
    cwd: root,
    env: { ...Object.fromEntries(inherited), MEIZHEN_LOG_LEVEL: "error", ...env },
  });
  let out = "";
  let err = "";
  child.stdout.on("data", (chunk) => {
    out += chunk;
  });
  child.stderr.on("data", (chunk) => {
    err += chunk;
  });
  const [code] = (await once(child, "close")) as [number];
  return { code, out, err };
};
