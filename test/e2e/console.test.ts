import { gzipSync } from "node:zlib";
import { connectAsync } from "mqtt";
import type { Browser, Page } from "playwright-core";
import { afterAll, beforeAll, expect, test } from "vitest";
import { buildConsole, launchBrowser, openWindow, type Window, type WindowOptions } from "./console-browser.ts";
import { adminPassword, type Service, startService } from "./service.ts";

// The console in a real browser, served by the real service, fed over real MQTT.

const browser: Browser | null = await launchBrowser();
if (browser === null) process.stderr.write("console.test.ts skipped: no Chromium starts here\n");
const inBrowser = test.skipIf(browser === null);

const thing = { id: "water-tianhe-3", topic: "meizhen/tianhe/water/water-tianhe-3/readings", name: "三甲末梢水1号点" };
const other = {
  id: "water-xinghai-1",
  topic: "meizhen/xinghai/water/water-xinghai-1/readings",
  name: "星海水厂出厂水",
};

let service: Service;
beforeAll(async () => {
  if (browser === null) return;
  await buildConsole();
  service = await startService();
}, 120_000);
afterAll(async () => {
  await service?.stop();
  await browser?.close();
});

const publish = async (topic: string, payload: string): Promise<void> => {
  const client = await connectAsync(`mqtt://127.0.0.1:${service.mqtt}`);
  await client.publishAsync(topic, payload, { qos: 1 });
  await client.endAsync();
};
/** A value once a minute for the last six, which is longer than the limit's delay. */
const breach = (topic: string, values: Record<string, number>): Promise<void> => {
  const now = Date.now();
  const elements = [6, 5, 4, 3, 2, 1, 0].map((ago) => ({ ts: now - ago * 60_000, values }));
  return publish(topic, JSON.stringify(elements));
};

/** The cookies of the one sign-in: a hash of a password costs a second, and a session is taken up by every window. */
let cookies: NonNullable<WindowOptions["cookies"]> = [];
const open = async (options: WindowOptions = {}): Promise<Window> =>
  await openWindow(browser as Browser, service.url, options);
const enter = async (path: string, options: WindowOptions = {}): Promise<Window> => {
  const window = await open({ ...options, cookies });
  const { page, context } = window;
  await page.goto(service.url + path);
  if (cookies.length === 0) {
    await page.getByLabel("用户名").fill("admin");
    await page.getByLabel("密码").fill(adminPassword);
    await page.getByRole("button", { name: "登录" }).click();
  }
  await page.getByRole("navigation", { name: "主导航" }).waitFor();
  if (cookies.length === 0) cookies = await context.cookies();
  return window;
};
const rows = (page: Page) => page.getByRole("region", { name: "报警列表" }).getByRole("listitem");

inBrowser("a wrong password is told in words, and nothing of the district is shown", async () => {
  const { context, page } = await open();
  await page.goto(`${service.url}/things`);
  await page.getByLabel("用户名").fill("admin");
  await page.getByLabel("密码").fill("not the password");
  await page.getByRole("button", { name: "登录" }).click();
  await page.getByRole("alert").getByText("用户名或密码不对").waitFor();
  expect(await page.getByRole("navigation").count()).toBe(0);
  await context.close();
});

inBrowser(
  "an alarm comes by itself, is looked into, acknowledged, and never moves the row under the finger",
  async () => {
    const { context, page, faults } = await enter("/alarms");
    await page.getByText("没有符合的报警").waitFor();
    await page.getByText("实时").waitFor();

    await breach(thing.topic, { turbidity: 3.6 });
    await expect.poll(() => rows(page).count(), { timeout: 20_000 }).toBe(1);
    await rows(page).getByText("浑浊度超标").waitFor();

    // the second one is more urgent or newer, and waits for the reader all the same
    await breach(other.topic, { turbidity: 2.2 });
    const fresh = page.getByRole("button", { name: "显示新到的报警" });
    await fresh.waitFor({ timeout: 20_000 });
    expect(await rows(page).count()).toBe(1);
    expect(await rows(page).first().innerText()).toContain(thing.name);
    await fresh.click();
    await expect.poll(() => rows(page).count()).toBe(2);

    await rows(page).filter({ hasText: thing.name }).getByRole("link").click();
    await page.getByRole("heading", { level: 1, name: "浑浊度超标" }).waitFor();
    const words = await page.getByRole("main").innerText();
    for (const said of ["3.6 NTU", "≤ 1 NTU", "GB 5749-2022", "表1", "网格长", "怎么办"]) expect(words).toContain(said);
    await page.getByRole("img", { name: "浑浊度 的趋势图" }).locator("canvas").waitFor();

    await page.getByRole("button", { name: "确认", exact: true }).click();
    await page.getByRole("textbox").fill("正在冲洗管网 <img src=x onerror=alert(1)>");
    await page.getByRole("form", { name: "确认此报警" }).getByRole("button", { name: "确认", exact: true }).click();
    await page.getByText("已确认", { exact: true }).waitFor();
    await page.getByText("正在冲洗管网 <img src=x onerror=alert(1)>").waitFor();
    expect(await page.getByRole("button", { name: "确认", exact: true }).count()).toBe(0);
    const [alarm] = (await service.call("GET", `/api/v1/alarms?thing=${thing.id}`)).body.items;
    expect(alarm).toMatchObject({ state: "acknowledged", acknowledgedBy: "admin" });

    await page.getByRole("link", { name: "总览" }).click();
    await page.getByText("1 条报警等待确认").waitFor();
    expect(await page.locator("article").count()).toBe(9);
    expect(await page.getByRole("group", { name: /四街道设备示意图/ }).count()).toBe(1);
    expect(faults).toEqual([]);
    await context.close();
  },
);

inBrowser("an alarm is shelved for a time with a reason, and filters stand in the address", async () => {
  const [alarm] = (await service.call("GET", `/api/v1/alarms?thing=${other.id}`)).body.items;
  const { context, page, faults } = await enter(`/alarms/${encodeURIComponent(alarm.id)}`);
  await page.getByRole("button", { name: "搁置" }).click();
  const form = page.getByRole("form", { name: "搁置此报警" });
  await form.getByRole("button", { name: "2 小时" }).click();
  expect(await form.getByRole("button", { name: "搁置" }).isDisabled()).toBe(true);
  await form.getByRole("textbox").fill("计划检修");
  await form.getByRole("button", { name: "搁置" }).click();
  await page.getByRole("button", { name: "结束搁置" }).waitFor();
  const { body } = await service.call("GET", `/api/v1/alarms/${encodeURIComponent(alarm.id)}`);
  const hours = (Date.parse(body.shelvedUntil) - Date.now()) / 3_600_000;
  expect(hours).toBeGreaterThan(1.9);
  expect(hours).toBeLessThanOrEqual(2);

  await page.getByRole("link", { name: "返回报警" }).click();
  await page.getByLabel("全部街道").selectOption("tianhe");
  await expect.poll(() => page.url()).toContain("street=tianhe");
  await expect.poll(() => rows(page).count()).toBe(1);
  await page.reload();
  await expect.poll(() => rows(page).count()).toBe(1);
  expect(faults).toEqual([]);
  await context.close();
});

inBrowser("the language changes everywhere and is kept, and the theme too", async () => {
  const { context, page, faults } = await enter("/");
  await page.getByRole("button", { name: "切换为英文" }).click();
  await page.getByRole("heading", { name: "Targets of the plan" }).waitFor();
  expect(await page.locator("html").getAttribute("lang")).toBe("en");
  for (const path of ["/", "/alarms", "/data"]) {
    await page.goto(service.url + path);
    await page.getByRole("navigation", { name: "Main navigation" }).waitFor();
  }
  await page.getByRole("button", { name: "Switch between dark and light" }).click();
  await page.reload();
  expect(await page.locator("html").getAttribute("data-theme")).toBe("dark");
  expect(faults).toEqual([]);
  await context.close();
});

inBrowser("a thing's page moves with its readings, and its trend is drawn over a month as over an hour", async () => {
  const { context, page, faults } = await enter(`/things/${thing.id}`);
  await page.getByRole("heading", { level: 1, name: thing.name }).waitFor();
  await publish(thing.topic, JSON.stringify({ values: { temperature: 17.25, turbidity: 0.4 } }));
  await page.getByText("17.25").waitFor({ timeout: 15_000 });
  for (const span of ["1 小时", "24 小时", "7 天", "30 天"]) {
    await page.getByRole("button", { name: span }).click();
    await expect.poll(() => page.locator("canvas").count()).toBeGreaterThan(0);
  }
  await page.getByText("每 1 小时 的均值").first().waitFor();
  expect(faults).toEqual([]);
  await context.close();
});

inBrowser("what was refused is shown as it came, executes nothing, and is refused again when replayed", async () => {
  const hostile = '<script>document.title="owned"</script><img src=x onerror="document.title=1">';
  await publish(thing.topic, hostile);
  await publish(thing.topic, JSON.stringify({ values: { [`<b>${"x".repeat(20)}</b>`]: 1 } }));
  const { context, page, faults } = await enter("/data");
  await page.getByText("账是平的").waitFor();
  await page.getByRole("listitem").filter({ hasText: "没有这个测量项目" }).waitFor();
  await page.getByRole("button", { name: "展开原文" }).last().click();
  await page.getByText(hostile).waitFor();
  await page.getByRole("button", { name: "十六进制" }).click();
  await page.getByText("3c 73 63 72 69 70 74").waitFor();
  await page.getByRole("button", { name: "重放" }).last().click();
  // it is no JSON today either, and the reader is told so
  await page.getByText(/没有重放：.*JSON/).waitFor();
  expect(await page.title()).toBe("数据 · 美镇");
  expect(faults).toEqual([expect.stringContaining("409")]);
  await context.close();
});

for (const theme of ["light", "dark"] as const)
  inBrowser(`no page is wider than a phone of 390 pixels (${theme})`, async () => {
    const { context, page, faults } = await enter("/", { width: 390, height: 844, theme });
    const [alarm] = (await service.call("GET", "/api/v1/alarms")).body.items;
    const pages = [
      "/",
      "/alarms",
      `/alarms/${encodeURIComponent(alarm.id)}`,
      "/things",
      `/things/${thing.id}`,
      "/data",
    ];
    for (const path of pages) {
      await page.goto(service.url + path);
      await page.getByRole("heading", { level: 1 }).first().waitFor({ state: "attached" });
      const beyond = await page.evaluate("document.documentElement.scrollWidth - innerWidth");
      expect(beyond, path).toBeLessThanOrEqual(0);
    }
    expect(faults).toEqual([]);
    await context.close();
  });

inBrowser("the first page takes less than 300 kB compressed, and no chart comes with it", async () => {
  const { context, page, assets } = await enter("/");
  await page.getByRole("heading", { name: "行动方案目标" }).waitFor();
  let total = 0;
  for (const path of assets) {
    const bytes = Buffer.from(await (await fetch(path)).arrayBuffer());
    total += gzipSync(bytes).length;
    expect(bytes.includes("echarts"), path).toBe(false);
  }
  expect(assets.size).toBeGreaterThan(2);
  expect(total).toBeLessThan(300_000);
  await context.close();
});

inBrowser("the page's policy forbids inline scripts and eval, and the window would tell of it", async () => {
  const { context, page, faults } = await open();
  await page.goto(`${service.url}/sign-in`);
  const policy = (await fetch(service.url)).headers.get("content-security-policy") ?? "";
  expect(policy).toContain("script-src 'self'");
  expect(policy).not.toMatch(/script-src [^;]*unsafe/);
  await page.evaluate(`(() => {
    const script = document.createElement("script");
    script.textContent = "document.title = 'inline'";
    document.head.append(script);
  })()`);
  await expect.poll(() => faults.join()).toContain("security policy: script-src");
  expect(await page.title()).not.toBe("inline");
  await context.close();
});

inBrowser("a lost service is told with the time of what is shown, and taken up again by itself", async () => {
  const { context, page } = await enter("/");
  await page.getByText("实时").waitFor();
  await service.kill();
  await page.getByText(/您看到的是 \d\d:\d\d 的数据/).waitFor({ timeout: 15_000 });
  service = await startService({
    dataDir: service.dataDir,
    env: { MEIZHEN_HTTP_PORT: String(service.http), MEIZHEN_MQTT_PORT: String(service.mqtt) },
  });
  await page.getByText("实时").waitFor({ timeout: 25_000 });
  expect(await page.getByText(/您看到的是/).count()).toBe(0);
  expect((await page.getByText("1 条报警等待确认").count()) + (await page.getByText("没有未确认的报警").count())).toBe(
    1,
  );
  await context.close();
});
