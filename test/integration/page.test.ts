import { createServer } from 'node:http';
import type { IncomingHttpHeaders } from 'node:http';
import type { AddressInfo } from 'node:net';
import type { Browser, BrowserContext, Page } from 'playwright-core';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { pageAssets } from '../../hack/lib/page.ts';
import { loopbackHosts } from '../../src/cli/dashboard/access.ts';
import { followFleet } from '../../src/cli/dashboard/live.ts';
import { serveDashboard } from '../../src/cli/dashboard/server.ts';
import type { Dashboard } from '../../src/cli/dashboard/server.ts';
import type { Client } from '../../src/kube/client.ts';
import { hostedContainers } from '../../src/kube/kinds.ts';
import type { Connection } from '../../src/kube/connection.ts';
import { startBrowser, withLooks } from '../fixtures/browser.ts';
import type { Look } from '../fixtures/browser.ts';
import { hostileLog, longNames, recordedFleet } from '../fixtures/fleet.ts';
import { startTestCluster } from './apiserver.ts';
import type { TestCluster } from './apiserver.ts';
import { connect, logger } from './environment.ts';
import { record } from './recorded-fleet.ts';

// The page in a real Chromium, of a fleet that was recorded in the middle of a rollout, from a real API server of its own.
const stop = new AbortController();
let cluster: TestCluster;
let connection: Connection;
let client: Client;
let running: Promise<void>;
let served: Dashboard;
let browser: Browser;
let context: BrowserContext;
let page: Page;
let look: Look;
/** What the browser complains about: refused by the policy of the page, not found, thrown. */
const complaints: string[] = [];
const origin = () => `http://127.0.0.1:${served.port}`;

const large = { width: 1280, height: 900 };
const small = { width: 375, height: 812 };
const views: Record<string, string> = {
  fleet: '/',
  rollouts: '/rollouts',
  rollout: '/rollouts/debian-12',
  'rollout that halted': '/rollouts/alpine-3',
  images: '/images',
  image: '/images/debian-12.v38',
  'image that is condemned': '/images/alpine-3.v8',
  nodes: '/nodes',
  node: '/nodes/node-005',
  container: '/containers/shops/shop-00062',
  history: '/history?os=debian-12',
};

beforeAll(async () => {
  const [started, chromium] = await Promise.all([startTestCluster(), startBrowser()]);
  cluster = started;
  browser = chromium;
  ({ client, connection } = connect(cluster.kubeconfig));
  const now = () => new Date();
  await record(client, longNames(recordedFleet({ containers: 300, nodes: 12, now: now() })));
  const live = followFleet({ client, logger, now });
  running = live.run(stop.signal);
  const about = { cluster: cluster.url, version: '0.0.0' };
  served = await serveDashboard({
    port: 0,
    host: '127.0.0.1',
    access: { hosts: loopbackHosts, key: 'key', ticket: 'once' },
    assets: await pageAssets(),
    live,
    now,
    logger,
    about,
  });
  context = await browser.newContext({ viewport: large });
  page = await context.newPage();
  page.setDefaultTimeout(30_000);
  page.on('console', (message) => {
    if (['error', 'warning'].includes(message.type())) complaints.push(message.text());
  });
  page.on('pageerror', (error) => complaints.push(error.message));
  look = await withLooks(page);
  await page.goto(`${origin()}/#ticket=once`);
  await page.locator('.live.good').waitFor();
}, 240_000);
afterAll(async () => {
  stop.abort();
  await browser.close();
  await served.close();
  await running;
  await connection.close();
  await cluster.stop();
});

/** Opens a view and waits until it shows what it is about. */
async function open(path: string): Promise<void> {
  await page.goto(origin() + path, { waitUntil: 'commit' });
  await page.locator('.live.good').waitFor();
  await page.locator('main .card').first().waitFor();
}

describe.each(Object.entries(views))('the view %s', (_name, path) => {
  test('fits a large and a small window, in light and dark, with texts that can be read and no state by colour alone', async () => {
    await page.setViewportSize(large);
    await open(path);
    expect(await page.locator('main > .empty').count()).toBe(0);
    for (const viewport of [large, small]) {
      await page.setViewportSize(viewport);
      for (const colorScheme of ['light', 'dark'] as const) {
        await page.emulateMedia({ colorScheme });
        const how = `${path} ${viewport.width} ${colorScheme}`;
        expect(await look<number>('visibleTexts'), how).toBeGreaterThan(20);
        expect(await look<number>('overflow'), how).toBeLessThanOrEqual(0);
        expect(await look<string[]>('pale'), how).toEqual([]);
        expect(await look<string[]>('colourAlone'), how).toEqual([]);
      }
    }
  });
});

test('texts of others stay texts: the browser refused nothing, and nothing of them ran', async () => {
  await page.setViewportSize(large);
  for (const path of ['/', '/containers/shops/shop-00062', '/rollouts/alpine-3']) {
    await open(path);
    expect(await page.title()).toMatch(/ · Monoroot$/);
    expect(await page.locator('main img, main script').count()).toBe(0);
  }
  await open('/containers/shops/shop-00062');
  expect(await page.locator('pre').first().textContent()).toContain(hostileLog.slice(0, 40));
  expect(complaints).toEqual([]);
});

test('the key leaves the address, is sent to this very port alone, and without it there is nothing', async () => {
  expect(page.url()).not.toContain('once');
  const asked: IncomingHttpHeaders[] = [];
  const stranger = createServer((request, response) => {
    asked.push(request.headers);
    response.writeHead(200, { 'content-type': 'text/html' }).end('<title>Another port</title>');
  });
  await new Promise<void>((resolve) => stranger.listen(0, '127.0.0.1', resolve));
  const other = await context.newPage();
  await other.goto(`http://127.0.0.1:${(stranger.address() as AddressInfo).port}/`);
  const url = JSON.stringify(`${origin()}/api/stream`);
  const tries = ['{}', "{ mode: 'no-cors', credentials: 'include' }", "{ headers: { authorization: 'Bearer key' } }"];
  for (const how of tries)
    expect(await other.evaluate(`fetch(${url}, ${how}).then((it) => it.text(), () => 'refused')`)).toBe('refused');
  expect(await other.evaluate('localStorage.length')).toBe(0);
  expect(JSON.stringify(asked)).not.toMatch(/key|cookie/);
  await other.close();
  stranger.close();

  const fresh = await browser.newContext();
  const keyless = await fresh.newPage();
  for (const hash of ['', '#key=wrong', '#ticket=once']) {
    await keyless.goto('about:blank');
    await keyless.goto(`${origin()}/${hash}`);
    await keyless.getByText('This page has no key').waitFor();
    expect(await keyless.locator('main').textContent()).toBe('');
  }
  await keyless.goto(`${origin()}/#key=key`);
  await keyless.locator('.live.good').waitFor();
  await fresh.close();
});

test('a change in the cluster arrives in the page by itself', async () => {
  // High enough for the list: only rows that can be seen are in the page.
  await page.setViewportSize({ width: 1280, height: 2000 });
  await open('/?q=shop-00001');
  const list = page.locator('.containers .virtual');
  await list.locator('.row').first().waitFor();
  const name = { namespace: 'shops', name: 'shop-00001' };
  await client.mergePatch(hostedContainers, name, { status: { nodeName: 'moved-here' } });
  await expect.poll(() => list.textContent(), { timeout: 30_000 }).toContain('moved-here');
  await client.delete(hostedContainers, name);
  await expect.poll(() => list.locator('.row').count(), { timeout: 30_000 }).toBe(0);
});

describe('with the keyboard alone', () => {
  interface Focus {
    what: string;
    text: string;
    isSeen: boolean;
  }
  const press = async (key: string): Promise<Focus> => {
    await page.keyboard.press(key);
    return look<Focus>('focus');
  };
  /** Presses until the focus has moved: a browser that is busy has not drawn the next rows yet. */
  async function arrow(key: string, from: string): Promise<Focus> {
    for (;;) {
      const at = await press(key);
      if (at.text !== from) return at;
    }
  }
  /** Goes on with Tab to what has this text; all on the way must be seen. */
  async function tabTo(text: string | RegExp): Promise<Focus> {
    for (let steps = 0; steps < 80; steps += 1) {
      const at = await press('Tab');
      expect(at.isSeen, `${at.what} ${at.text}`).toBe(true);
      if (typeof text === 'string' ? at.text === text : text.test(at.text)) return at;
    }
    throw new Error(`Tab does not lead to ${String(text)}`);
  }

  test('a person gets past the head, to each view, through lists, and sees where they are', async () => {
    await page.setViewportSize(large);
    await page.emulateMedia({ colorScheme: 'light' });
    await open('/');
    await tabTo('To the content');
    await page.keyboard.press('Enter');
    expect((await look<Focus>('focus')).what).toContain('main');
    await open('/');
    await tabTo('Nodes');
    await page.keyboard.press('Enter');
    await page.getByText('node-001', { exact: true }).waitFor();
    expect(new URL(page.url()).pathname).toBe('/nodes');
  });

  test(
    'a filter narrows a list, and arrow keys go from row to row beyond what is drawn',
    { timeout: 180_000 },
    async () => {
      await page.setViewportSize(large);
      await open('/');
      await tabTo('Filter containers');
      await page.keyboard.type('alpine-3');
      await expect.poll(() => new URL(page.url()).searchParams.get('q')).toBe('alpine-3');
      const first = await tabTo(/^alpine\//);
      const names = [first.text];
      for (let row = 1; row < 40; row += 1) {
        const at = await arrow('ArrowDown', names[row - 1] ?? '');
        expect(at.isSeen, `row ${row}`).toBe(true);
        names.push(at.text);
      }
      expect(new Set(names).size).toBe(40);
      expect((await arrow('ArrowUp', names[39] ?? '')).text).toBe(names[38]);
      await page.keyboard.press('Enter');
      await page.getByRole('heading', { name: names[38]?.split('/')[1] ?? '', exact: true }).waitFor();
    },
  );

  test('arrow keys go through the cells of a rollout in four directions', async () => {
    await page.setViewportSize(large);
    await open('/rollouts/debian-12');
    const first = await tabTo(/^shops\//);
    const right = await press('ArrowRight');
    const below = await press('ArrowDown');
    expect(new Set([first.text, right.text, below.text]).size).toBe(3);
    expect((await press('ArrowUp')).text).toBe(right.text);
    expect((await press('ArrowLeft')).text).toBe(first.text);
  });
});

test(
  'when the API server goes away the page says so, and goes on by itself when it is back',
  { timeout: 240_000 },
  async () => {
    await page.setViewportSize({ width: 1280, height: 2000 });
    await open('/');
    await cluster.killApiServer();
    await page.locator('.alarm.bad').waitFor({ timeout: 90_000 });
    expect(await page.locator('.alarm.bad').textContent()).toContain('The API server does not answer');
    expect(await page.locator('.containers .row').count()).toBeGreaterThan(0);
    await cluster.startApiServer();
    await page.locator('.live.good').waitFor({ timeout: 90_000 });
    await page.locator('.alarm').waitFor({ state: 'detached' });
  },
);
