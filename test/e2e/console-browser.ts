import { existsSync, readdirSync, statSync } from "node:fs";
import { join } from "node:path";
import { type Browser, type BrowserContext, chromium, type Page } from "playwright-core";
import { build } from "vite";
import { root } from "./service.ts";

const consoleFolder = join(root, "dashboards/console");
const installed = ["/usr/bin/chromium", "/usr/bin/chromium-browser", "/usr/bin/google-chrome"];
const flags = [
  "--headless",
  "--no-sandbox",
  "--disable-gpu",
  "--no-first-run",
  "--disable-background-networking",
  "--disable-component-update",
  "--disable-sync",
];

/** The system's Chromium, else the one inside the npm package; null where neither starts. */
export const launchBrowser = async (): Promise<Browser | null> => {
  const system = installed.find((path) => existsSync(path));
  try {
    if (system !== undefined) return await chromium.launch({ executablePath: system, args: flags });
    const { default: packaged } = await import("@sparticuz/chromium");
    return await chromium.launch({
      executablePath: await packaged.executablePath(),
      args: [...packaged.args, ...flags],
    });
  } catch (error) {
    // in CI a browser that does not start is a failure, not a reason to skip
    if (process.env.CI !== undefined) throw error;
    return null;
  }
};

const newest = (folder: string): number =>
  Math.max(
    ...readdirSync(folder, { recursive: true, withFileTypes: true })
      .filter((entry) => entry.isFile())
      .map((entry) => statSync(join(entry.parentPath, entry.name)).mtimeMs),
  );

/** Builds the console unless what is built is newer than what it is built from. */
export const buildConsole = async (): Promise<void> => {
  const built = join(consoleFolder, "dist/index.html");
  const sources = Math.max(newest(join(consoleFolder, "src")), statSync(join(consoleFolder, "vite.config.ts")).mtimeMs);
  if (existsSync(built) && statSync(built).mtimeMs > sources) return;
  await build({ root: consoleFolder, configFile: join(consoleFolder, "vite.config.ts"), logLevel: "error" });
};

/** A browser window, and everything in it that should not have happened. */
export type Window = {
  readonly context: BrowserContext;
  readonly page: Page;
  /** Errors of the page, of the console, of the security policy, and requests to anywhere else. */
  readonly faults: string[];
  /** Addresses of the scripts and style sheets that came. */
  readonly assets: ReadonlySet<string>;
};

export type WindowOptions = {
  readonly width?: number;
  readonly height?: number;
  readonly theme?: "light" | "dark";
  /** Of a window that has signed in. */
  readonly cookies?: Awaited<ReturnType<BrowserContext["cookies"]>>;
};

export const openWindow = async (browser: Browser, origin: string, options: WindowOptions = {}): Promise<Window> => {
  const { width = 1360, height = 900, theme = "light", cookies = [] } = options;
  const context = await browser.newContext({ viewport: { width, height }, locale: "zh-CN", colorScheme: theme });
  await context.addCookies([...cookies]);
  // below the test's own, so that the step that waits in vain is named
  context.setDefaultTimeout(20_000);
  const page = await context.newPage();
  const faults: string[] = [];
  const assets = new Set<string>();
  page.on("console", (message) => {
    if (message.type() === "error") faults.push(`console: ${message.text()}`);
  });
  page.on("pageerror", (error) => faults.push(`page: ${error.message}`));
  page.on("request", (request) => {
    const url = new URL(request.url());
    if (url.origin !== origin && url.protocol !== "data:" && url.protocol !== "blob:")
      faults.push(`outside: ${url.href}`);
  });
  page.on("response", (response) => {
    const { pathname } = new URL(response.url());
    if (/\.(js|css)$/.test(pathname) && response.ok()) assets.add(response.url());
  });
  await page.addInitScript(`document.addEventListener("securitypolicyviolation", (event) => {
    console.error("security policy: " + event.violatedDirective + " " + event.blockedURI);
  })`);
  return { context, page, faults, assets };
};
