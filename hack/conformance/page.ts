// By hand: a recorded fleet in an API server of its own, the page of `kubectl monoroot dashboard` as a user starts it, and a real Chromium.
//   hack/node hack/conformance/page.ts              10,000 containers: memory, and how long changes take to be seen, also while 50 a second change
//   hack/node hack/conformance/page.ts --pictures   takes the pictures of docs/dashboard.md again, of a small fleet
import { execFileSync, spawn } from 'node:child_process';
import { mkdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import type { Browser, Page } from 'playwright-core';
import type { Client } from '../../src/kube/client.ts';
import { hostedContainers } from '../../src/kube/kinds.ts';
import { startBrowser } from '../../test/fixtures/browser.ts';
import { recordedFleet } from '../../test/fixtures/fleet.ts';
import { startTestCluster } from '../../test/integration/apiserver.ts';
import { connect } from '../../test/integration/environment.ts';
import { record } from '../../test/integration/recorded-fleet.ts';
import { readOptions } from '../lib/options.ts';

const root = join(import.meta.dirname, '../..');
const about = {
  name: 'hack/node hack/conformance/page.ts',
  does: 'Shows a recorded fleet in a real Chromium: measures, or takes the pictures of the documentation with --pictures.',
};
const { pictures, containers, nodes, rate, seconds } = readOptions(about, {
  pictures: { type: 'boolean', default: false },
  containers: { type: 'string', default: '10000' },
  nodes: { type: 'string', default: '100' },
  rate: { type: 'string', default: '50' },
  seconds: { type: 'string', default: '20' },
});

const log = 'nginx: [emerg] bind() to 0.0.0.0:80 failed (98: Address already in use)';
const size = pictures ? { containers: 400, nodes: 12, log } : { containers: Number(containers), nodes: Number(nodes) };

/** What is pictured, and how: all large and light, some small and dark. */
const views: readonly { name: string; path: string; alsoSmall?: boolean; height: number; from?: string }[] = [
  { name: 'fleet', path: '/', alsoSmall: true, height: 1000 },
  { name: 'rollout', path: '/rollouts/debian-12', alsoSmall: true, height: 820, from: '.told + .facts' },
  { name: 'rollouts', path: '/rollouts', height: 480 },
  { name: 'images', path: '/images', height: 520 },
  { name: 'nodes', path: '/nodes', height: 800 },
  { name: 'node', path: '/nodes/node-005', height: 720 },
  { name: 'container', path: '/containers/shops/shop-00062', alsoSmall: true, height: 1000 },
  { name: 'history', path: '/history?os=debian-12', height: 800 },
];

async function takePictures(browser: Browser, url: string): Promise<void> {
  const directory = join(root, 'docs/pictures');
  mkdirSync(directory, { recursive: true });
  const shots = [
    { suffix: '', viewport: { width: 1280, height: 800 }, colorScheme: 'light' as const, of: views },
    {
      suffix: '-small',
      viewport: { width: 375, height: 760 },
      colorScheme: 'dark' as const,
      of: views.filter(({ alsoSmall }) => alsoSmall === true),
    },
  ];
  for (const { suffix, viewport, colorScheme, of } of shots) {
    const context = await browser.newContext({ viewport, colorScheme, timezoneId: 'UTC', reducedMotion: 'reduce' });
    const page = await context.newPage();
    await show(page, url);
    for (const { name, path, height, from } of of) {
      await page.setViewportSize({ ...viewport, ...(suffix === '' && { height }) });
      await show(page, new URL(url).origin + path);
      if (from !== undefined) await page.evaluate(`document.querySelector(${JSON.stringify(from)}).scrollIntoView()`);
      // A Pod and events are read when somebody looks.
      await page.getByText('Reading…', { exact: true }).waitFor({ state: 'detached' });
      await page.screenshot({ path: join(directory, `page-${name}${suffix}.png`) });
      console.log(`Took docs/pictures/page-${name}${suffix}.png`);
    }
    await context.close();
  }
}

async function show(page: Page, url: string): Promise<void> {
  await page.goto(url, { waitUntil: 'commit', timeout: 60_000 });
  await page.locator('.live.good').waitFor({ timeout: 60_000 });
  await page.locator('main .card').first().waitFor({ timeout: 60_000 });
}

/** Milliseconds from the answer of the API server to the text in the page, one after the other. */
async function seen(page: Page, client: Client, times: number): Promise<string> {
  const took: number[] = [];
  for (let i = 0; i < times; i += 1) {
    const mark = `seen-${Date.now()}`;
    await client.mergePatch(
      hostedContainers,
      { namespace: 'shops', name: 'shop-00001' },
      { status: { nodeName: mark } },
    );
    const began = performance.now();
    await page.locator('.containers .virtual').getByText(mark).waitFor({ timeout: 60_000 });
    took.push(Math.round(performance.now() - began));
    await delay(500);
  }
  took.sort((a, b) => a - b);
  return `median ${took[times >> 1] ?? 0} ms, at most ${took.at(-1) ?? 0} ms`;
}

/** Moves containers from version to version, as a rollout does, until the signal aborts; gives how many a second. */
async function rollOut(client: Client, signal: AbortSignal): Promise<number> {
  const began = performance.now();
  let changes = 0;
  let pending = 0;
  while (!signal.aborted) {
    // An API server that cannot is not given more.
    while (pending > 100) await delay(20);
    const i = (changes * 7 + 2) % size.containers;
    if (i % 5 !== 0) {
      const image = `debian-12:v${37 + (changes % 2)}`;
      const status = { image, assignedImage: image, restarts: changes };
      const name = `shop-${String(i).padStart(5, '0')}`;
      pending += 1;
      void client
        .mergePatch(hostedContainers, { namespace: 'shops', name }, { status })
        .catch(() => undefined)
        .finally(() => (pending -= 1));
    }
    changes += 1;
    await delay(Math.max(0, began + (changes * 1000) / Number(rate) - performance.now()));
  }
  return changes / ((performance.now() - began) / 1000);
}

/** The longest time in which the page drew nothing, of those that began since the last call. */
const watchFrames = `
  let last = performance.now(); window.longestGap = 0; window.heap = 0;
  const look = (now) => {
    window.longestGap = Math.max(window.longestGap, now - last); last = now;
    window.heap = Math.max(window.heap, performance.memory.usedJSHeapSize);
    requestAnimationFrame(look);
  };
  requestAnimationFrame(look);`;
const gap = async (page: Page): Promise<string> =>
  `${Math.round(await page.evaluate<number>('(() => { const gap = window.longestGap; window.longestGap = 0; return gap; })()'))} ms`;

const kilobytes = (pid: number, file: string, name: string): number =>
  Number(new RegExp(`^${name}:\\s+(\\d+)`, 'm').exec(readFileSync(`/proc/${pid}/${file}`, 'utf8'))?.[1] ?? 0);
const mebibytesOf = (pid: number, file: string, name: string): string =>
  `${Math.round(kilobytes(pid, file, name) / 1024)} MiB`;

async function measure(browser: Browser, url: string, server: number, client: Client): Promise<void> {
  const session = await browser.newBrowserCDPSession();
  const context = await browser.newContext({ viewport: { width: 1280, height: 900 } });
  const page = await context.newPage();
  await page.addInitScript({ content: watchFrames });
  await show(page, url);
  const tab = async () => {
    const { processInfo } = await session.send('SystemInfo.getProcessInfo');
    const pids = processInfo.filter(({ type }) => type === 'renderer').map(({ id }) => id);
    const largest =
      pids.sort((a, b) => kilobytes(b, 'smaps_rollup', 'Pss') - kilobytes(a, 'smaps_rollup', 'Pss'))[0] ?? 0;
    const heap = Math.round((await page.evaluate<number>('window.heap')) / 2 ** 20);
    return `tab ${mebibytesOf(largest, 'smaps_rollup', 'Pss')}, of its JavaScript at most ${heap} MiB`;
  };
  const say = (text: string) => console.log(text);
  for (const [name, path] of [
    ['the whole fleet', '/'],
    ['the rollout', '/rollouts/debian-12'],
    ['the history', '/history?os=debian-12'],
    ['a list of one', '/?q=shop-00001'],
  ] as const) {
    const began = performance.now();
    await show(page, new URL(url).origin + path);
    say(`${name}: shown after ${Math.round(performance.now() - began)} ms`);
    await gap(page);
    if (name === 'a list of one') say(`  one change, seen: ${await seen(page, client, 10)}`);
    await delay(3000);
    say(`  in peace: longest time without a frame ${await gap(page)}; ${await tab()}`);
    const stop = new AbortController();
    const rolling = rollOut(client, stop.signal);
    if (name === 'a list of one') say(`  while many change, seen: ${await seen(page, client, 15)}`);
    else await delay(Number(seconds) * 1000);
    say(`  while many change: longest time without a frame ${await gap(page)}; ${await tab()}`);
    stop.abort();
    say(
      `  changes a second: ${(await rolling).toFixed(0)}; server ${mebibytesOf(server, 'status', 'VmRSS')}, at most ${mebibytesOf(server, 'status', 'VmHWM')}`,
    );
  }
  await context.close();
}

execFileSync(process.execPath, [join(root, 'hack/build.ts'), 'cli'], { stdio: 'inherit' });
const cluster = await startTestCluster();
const { client, connection } = connect(cluster.kubeconfig);
const browser = await startBrowser();
const began = performance.now();
await record(client, recordedFleet({ ...size, now: new Date() }));
console.log(`Recorded ${size.containers} containers in ${Math.round((performance.now() - began) / 1000)} s`);
const args = ['dashboard', '--no-open', '--kubeconfig', cluster.kubeconfig];
const child = spawn(process.execPath, [join(root, 'dist/cli.js'), ...args], { stdio: ['ignore', 'pipe', 'inherit'] });
try {
  const url = await new Promise<string>((resolve) =>
    child.stdout.once('data', (data: Buffer) => resolve(data.toString().trim())),
  );
  if (pictures) await takePictures(browser, url);
  else await measure(browser, url, child.pid ?? 0, client);
} finally {
  child.kill('SIGINT');
  await browser.close();
  await connection.close();
  await cluster.stop();
}
