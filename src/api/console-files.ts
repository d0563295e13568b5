import { existsSync } from "node:fs";
import { join, resolve } from "node:path";
import files from "@fastify/static";
import type { FastifyInstance, FastifyReply, FastifyRequest } from "fastify";

/** Addresses that are never the console's own, whatever a browser says that it accepts. */
const notConsole = /^\/(api|ack|healthz|readyz|metrics)(\/|$|\?)/;

export type Console = {
  /** Whether this request for an unknown address is a page of the console, which its script will show. */
  isPage(request: FastifyRequest): boolean;
  page(reply: FastifyReply): FastifyReply;
};

/** Serves the built console; its pages are one file, whatever their address. Without it, a page that says so. */
export const serveConsole = async (app: FastifyInstance, folder: string | null): Promise<Console> => {
  const root = folder === null ? null : resolve(folder);
  const built = root !== null && existsSync(join(root, "index.html"));
  if (built) {
    await app.register(files, {
      root,
      index: false,
      dotfiles: "ignore",
      cacheControl: false,
      // the build lays .br and .gz beside each file
      preCompressed: true,
      setHeaders: ({ raw }, path) => void raw.setHeader("cache-control", cacheOf(path)),
    });
  }
  return {
    isPage: (request) => {
      const asked = request.headers.accept ?? "*/*";
      const isFile = /\.[a-z0-9]{1,8}(\?|$)/i.test(request.url);
      const reads = request.method === "GET" || request.method === "HEAD";
      return reads && !notConsole.test(request.url) && !isFile && /text\/html|\*\/\*/.test(asked);
    },
    page: (reply) => (built ? reply.sendFile("index.html") : reply.type("text/html; charset=utf-8").send(unbuilt)),
  };
};

/** Vite names files in `assets` after their content. */
const cacheOf = (path: string): string =>
  /[\\/]assets[\\/]/.test(path) ? "public, max-age=31536000, immutable" : "no-cache";

const unbuilt = `<!doctype html>
<html lang="zh">
<meta charset="utf-8">
<meta name="viewport" content="width=device-width">
<title>Meizhen 美镇</title>
<style>body{font:16px/1.6 system-ui,sans-serif;max-width:40em;margin:4em auto;padding:0 1em}</style>
<h1>美镇 Meizhen</h1>
<p>服务正在运行,但控制台尚未构建。请在项目目录中执行 <code>npm ci</code> 或 <code>npm run build</code>,然后刷新本页。</p>
<p lang="en">The service is running, but its console has not been built. Run <code>npm ci</code> or
<code>npm run build</code> in the project folder, then reload this page.</p>
<p><a href="/api/openapi.json">OpenAPI</a> · <a href="/readyz">readyz</a> · <a href="/metrics">metrics</a></p>
</html>
`;
