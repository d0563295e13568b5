import { spawn } from "node:child_process";
import { once } from "node:events";
import { readdirSync } from "node:fs";
import { join } from "node:path";

// `npm run bench [-- name…]`: every benchmark beside this file, or those named, one after the other. Each prints its
// figures with its peers in the same run; read ratios, because machines are shared and noisy.

const wanted = process.argv.slice(2);
const names = readdirSync(import.meta.dirname)
  .filter((file) => file.endsWith(".bench.ts"))
  .map((file) => file.slice(0, -".bench.ts".length))
  .filter((name) => wanted.length === 0 || wanted.includes(name));

let failures = 0;
for (const name of names) {
  process.stdout.write(`\n== ${name}\n`);
  const child = spawn(process.execPath, [join(import.meta.dirname, `${name}.bench.ts`)], { stdio: "inherit" });
  const [code] = (await once(child, "exit")) as [number | null];
  if (code !== 0) failures += 1;
}
process.stdout.write(`\n${names.length} benchmarks, ${failures} missed a goal or failed\n`);
process.exitCode = failures === 0 ? 0 : 1;
