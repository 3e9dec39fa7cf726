import { afterAll, afterEach, expect, test } from 'vitest';
import { labels } from '../../../src/api/names.ts';
import { configMaps, jobs } from '../../../src/kube/resources.ts';
import { osImages } from '../../../src/kube/kinds.ts';
import { pods } from '../../../src/kube/resources.ts';
import type { Resource } from '../../../src/kube/resources.ts';
import type { KubeObject } from '../../../src/runtime/object.ts';
import { sha256Of } from '../../fixtures/builders.ts';
import { eventually } from '../eventually.ts';
import { objectName, openStage } from './stage.ts';

/** What Kubernetes itself makes of our Jobs, and of what is left of a deleted OSImage. */
const stage = await openStage({ controllers: ['job-controller', 'garbage-collector-controller'] });
const { client, ends, createImage, distribute, until } = stage;
afterEach(() => stage.reset());
afterAll(() => stage.close());

const repository = 'registry.example.com/os';
const from = { debootstrap: { suite: 'bookworm', mirror: 'http://deb.example.com/debian' } };
const spec = { source: { build: { from, repository } }, verification: { command: ['/selftest'] } };
const digestOf = (image: string) => `sha256:${sha256Of(image)}`;
const built = (image: string) => JSON.stringify({ digest: digestOf(image), bundleBytes: 1, packages: 1 });
const published = JSON.stringify({ reference: `${repository}/production/x:v1`, signed: false });
const disrupted = [{ type: 'DisruptionTarget', status: 'True', reason: 'EvictionByEvictionAPI' }];

const leftOf = async (image: string): Promise<string[]> => {
  const selection = { labelSelector: `${labels.image}=${objectName(image)}` };
  const kinds = [jobs, pods, configMaps] as unknown as Resource<KubeObject>[];
  const lists = await Promise.all(kinds.map((kind) => client.list(kind, selection)));
  return lists.flat().map(({ kind, metadata }) => `${kind} ${metadata.name}`);
};

test('real Jobs build and publish an image, and nothing is left when it is deleted', async () => {
  const image = 'real:v1';
  await createImage(image, spec);
  await distribute(image);
  await until(osImages, 'real.v1', { Built: 'Unknown/Building' });
  ends.set(`build ${image}`, { exitCode: 0, message: built(image) });
  await until(osImages, 'real.v1', { Built: 'True/Pushed', Verified: 'Unknown/Running' });
  ends.set(`verify ${image}`, { exitCode: 0, message: '' });
  ends.set(`publish ${image}`, { exitCode: 0, message: published });
  await until(osImages, 'real.v1', { Published: 'True/Published', Ready: 'True/Stored' });
  expect(await leftOf(image)).toEqual(expect.arrayContaining(['Job build-real.v1', 'Job publish-real.v1']));
  await client.delete(osImages, { name: 'real.v1' });
  await eventually(async () => expect(await leftOf(image)).toEqual([]));
});

test('a real Job that fails, fails once', async () => {
  const image = 'fails:v1';
  ends.set(`build ${image}`, { exitCode: 1, message: '{"reason":"PackagesFailed","message":"no nginx"}' });
  await createImage(image, spec);
  await until(osImages, 'fails.v1', { Built: 'False/PackagesFailed', Stalled: 'True/PackagesFailed' });
  expect((await leftOf(image)).filter((it) => it.startsWith('Pod'))).toHaveLength(1);
});

test('a build whose Pod is evicted goes on in another one', async () => {
  const image = 'evicted:v1';
  ends.set(`build ${image}`, { exitCode: 137, message: 'Killed', conditions: disrupted });
  await createImage(image, spec);
  const podsOfBuild = async () => (await leftOf(image)).filter((it) => it.startsWith('Pod build-')).length;
  await eventually(async () => expect(await podsOfBuild()).toBeGreaterThan(1));
  ends.set(`build ${image}`, { exitCode: 0, message: built(image) });
  await until(osImages, 'evicted.v1', { Built: 'True/Pushed' });
});
