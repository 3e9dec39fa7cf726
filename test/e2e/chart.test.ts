import { join } from 'node:path';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { run } from '../../hack/lib/process.ts';
import { systemNamespace } from '../../src/api/names.ts';
import { nodeStores } from '../../src/kube/kinds.ts';
import { serveFiles } from './lib/files.ts';
import { provide } from './lib/images.ts';
import { applyContainer, page, pods, remove, upToDate } from './lib/objects.ts';
import { hack, has, kubectl, namespace, until } from './lib/system.ts';

/** The chart over what `kubectl apply -k` installed, and in another namespace, while containers run: none of them may notice. */

const chart = join(import.meta.dirname, '../../charts/monoroot');
const elsewhere = 'os-hosting';
const settings = ['--set', 'agent.minFree=1Gi'];
const names = ['chart-0', 'chart-1', 'chart-2'];

async function helm(version: 3 | 4, at: string, ...args: string[]): Promise<string> {
  await hack('cluster', 'binaries', `helm${version}`);
  const { code, stdout, stderr } = await run(`helm${version}`, [...args, '--namespace', at], {
    env: kubectl.env,
    timeoutSeconds: 300,
  });
  if (code !== 0) throw new Error(`helm${version} ${args.join(' ')}: ${stderr}`);
  return stdout;
}

const podsOf = async () =>
  Promise.all(names.map(async (name) => (await kubectl.get(pods, { name, namespace }))?.metadata.uid));
const ready = async () => {
  for (const { metadata } of await kubectl.list(nodeStores)) {
    await until(nodeStores, metadata, 'is Ready', (store) => has(store, 'Ready', 'True/Ready'), 120);
  }
};

beforeAll(async () => {
  await serveFiles();
  await provide('tiny:chart1', 'tiny:chart2');
  for (const name of names) await applyContainer(name, { image: 'tiny:chart1' });
  for (const name of names) await upToDate(name, 'tiny:chart1');
});
afterAll(async () => {
  for (const at of [systemNamespace, elsewhere]) await helm(4, at, 'uninstall', 'monoroot', '--ignore-not-found');
  await hack('install');
  await kubectl.run(['delete', 'namespace', elsewhere, '--ignore-not-found', '--wait=false']);
  await remove({ containers: names, images: ['tiny:chart1', 'tiny:chart2'] });
});

test('takes over, upgrades, goes back and leaves without a container noticing', { timeout: 600_000 }, async () => {
  const before = await podsOf();
  const at = systemNamespace;
  await helm(3, at, 'install', 'monoroot', chart, '--take-ownership', '--wait', ...settings);
  expect(await helm(3, at, 'test', 'monoroot')).toContain('Succeeded');
  await helm(3, at, 'upgrade', 'monoroot', chart, '--wait', ...settings, '--set', 'agent.podAnnotations.rolled=yes');
  await ready();
  await helm(4, at, 'rollback', 'monoroot', '1', '--wait');
  await ready();
  expect(await podsOf()).toEqual(before);
  await helm(4, at, 'uninstall', 'monoroot', '--wait');
  expect(await podsOf()).toEqual(before);
});

test('works in another namespace, with the images and containers that are there', { timeout: 600_000 }, async () => {
  const before = await podsOf();
  await helm(4, elsewhere, 'install', 'monoroot', chart, '--create-namespace', '--wait', ...settings);
  expect(await helm(4, elsewhere, 'test', 'monoroot')).toContain('Succeeded');
  expect(await podsOf()).toEqual(before);
  await applyContainer(names[0] ?? '', { image: 'tiny:chart2' });
  await upToDate(names[0] ?? '', 'tiny:chart2');
  expect(await page(names[0] ?? '')).toContain('chart2');
});
