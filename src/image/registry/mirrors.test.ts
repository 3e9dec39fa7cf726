import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { temporaryDirectory } from '../../../test/fixtures/agent/directory.ts';
import { readMirrors } from './mirrors.ts';

async function mirrors(text: string | undefined, registry = 'registry.example.com') {
  const file = join(temporaryDirectory(), 'registries.yaml');
  if (text !== undefined) await writeFile(file, text);
  const warnings: string[] = [];
  return { found: await readMirrors(file, registry, (message) => warnings.push(message)), warnings };
}

const file = `
registries:
  registry.example.com:
    mirrors: [http://127.0.0.1:30020, https://cache.example.com/hub]
  "*":
    mirrors: [http://127.0.0.1:4001]
`;

test('mirrors are found by registry, in their order, else those for all', async () => {
  expect((await mirrors(file)).found).toEqual(['http://127.0.0.1:30020', 'https://cache.example.com/hub']);
  expect((await mirrors(file, 'docker.io')).found).toEqual(['http://127.0.0.1:4001']);
});

test('no file is no mirror, and nothing to tell', async () => {
  expect(await mirrors(undefined)).toEqual({ found: [], warnings: [] });
});

test.each([
  ['no YAML', 'registries: ['],
  ['another shape', 'mirrors: []'],
  ['an unknown field', 'registries: {a.b: {mirrors: [], order: 1}}'],
  ['no URL', 'registries: {a.b: {mirrors: ["127.0.0.1:5000"]}}'],
  ['credentials in a URL', 'registries: {a.b: {mirrors: ["http://u:p@127.0.0.1:5000"]}}'],
])('a file with %s is reported, and gives no mirrors', async (_name, text) => {
  const { found, warnings } = await mirrors(text);
  expect(found).toEqual([]);
  expect(warnings).toEqual([expect.stringContaining('ConfigMap monoroot-registries')]);
});
