import { afterAll, afterEach, describe, expect, test } from 'vitest';
import { annotations, labels, systemNamespace, verificationNamespace } from '../../../src/api/names.ts';
import { productionReference, testingReference } from '../../../src/api/images.ts';
import { configMaps, jobs } from '../../../src/kube/resources.ts';
import { imageDistributions, nodeStores, osImages } from '../../../src/kube/kinds.ts';
import { events, nodes, pods } from '../../../src/kube/resources.ts';
import type { NewObject } from '../../../src/kube/client.ts';
import type { Job } from '../../../src/api/kubernetes/objects.ts';
import { findCondition } from '../../../src/runtime/conditions.ts';
import { Reflector } from '../../../src/runtime/reflector.ts';
import { sha256Of } from '../../fixtures/builders.ts';
import { logger } from '../environment.ts';
import { eventually } from '../eventually.ts';
import { nodeNames, objectName, openStage } from './stage.ts';

const stage = await openStage();
const { client, ends, states, createImage, distribute, until, told } = stage;
afterEach(() => stage.reset());
afterAll(() => stage.close());

const at = systemNamespace;
const repository = 'registry.example.com/os';
const recipe = {
  from: { debootstrap: { suite: 'bookworm', mirror: 'http://deb.example.com/debian' } },
  packages: { install: ['nginx'] },
  repository,
  pushSecretRef: { name: 'push' },
};
const digestOf = (image: string) => `sha256:${sha256Of(image)}`;
const verification = { command: ['/usr/bin/selftest'] };
const built = (image: string) => ({
  exitCode: 0,
  message: JSON.stringify({ digest: digestOf(image), bundleBytes: 123, packages: 45 }),
});
const published = (image: string) => {
  const [os = '', version = ''] = image.split(':');
  return {
    exitCode: 0,
    message: JSON.stringify({ reference: productionReference({ repository }, { os, version }), signed: false }),
  };
};
const passed = { exitCode: 0, message: '' };
const imageObject = (image: string) => client.get(osImages, { name: objectName(image) });
const messageOf = async (image: string, type: string) =>
  findCondition((await imageObject(image))?.status?.conditions, type)?.message ?? '';
const ofStep = async (step: string, image: string) =>
  (await client.list(pods, { labelSelector: `${labels.step}=${step}` })).filter(
    (pod) => pod.metadata.labels?.[labels.image] === objectName(image),
  );
const retry = (image: string, token: string) =>
  client.mergePatch(
    osImages,
    { name: objectName(image) },
    { metadata: { annotations: { [annotations.retry]: token } } },
  );
const nodesTold = async (image: string) => {
  const all = await Promise.all(nodeNames.map(async (node) => ((await told(node)) ?? []).includes(image) && node));
  return all.filter((node) => node !== false);
};

/** Every node that is ever told to store the image, until it is stopped. */
function recordTold(image: string): { nodes: Set<string>; synced: Promise<void>; stop: () => Promise<void> } {
  const stop = new AbortController();
  const told = new Set<string>();
  const reflector = new Reflector({ name: 'record', source: client.listWatcher(nodeStores), logger });
  reflector.store.subscribe((_key, _old, current) => {
    if (current?.spec.images.some(({ os, version }) => `${os}:${version}` === image)) told.add(current.metadata.name);
  });
  const running = reflector.run(stop.signal);
  return {
    nodes: told,
    synced: reflector.synced(stop.signal),
    stop: async () => {
      stop.abort();
      await running;
    },
  };
}

/** Deletes the Job as soon as there is one that was not deleted yet, at once, as somebody who fights for it would. */
async function deleteJob(name: string, deleted: Set<string>): Promise<void> {
  await eventually(async () => {
    const job = await client.get(jobs, { namespace: at, name });
    const { uid = '' } = job?.metadata ?? {};
    expect([job === undefined, deleted.has(uid)]).toEqual([false, false]);
    await client.delete(jobs, { namespace: at, name }, { uid, propagationPolicy: 'Background' });
    deleted.add(uid);
  });
}

describe('an image that is built', () => {
  test('while somebody deletes its Job: each further one comes later, then it is built', async () => {
    const image = 'fought:v1';
    await createImage(image, { source: { build: recipe } });
    const deleted = new Set<string>();
    for (let i = 0; i < 2; i++) await deleteJob('build-fought.v1', deleted);
    const { interruption, third } = await eventually(async () => {
      const job = await client.get(jobs, { namespace: at, name: 'build-fought.v1' });
      const status = await imageObject(image);
      expect([job === undefined, deleted.has(job?.metadata.uid ?? '')]).toEqual([false, false]);
      return { interruption: status?.status?.build?.interruption, third: job };
    });
    expect(interruption).toMatchObject({ count: 2, reason: 'Deleted' });
    // Times of objects are cut to seconds.
    const made = Date.parse(third?.metadata.creationTimestamp ?? '') + 999;
    expect(made).toBeGreaterThanOrEqual(Date.parse(interruption?.retryTime ?? ''));
    ends.set(`build ${image}`, built(image));
    const { status } = await until(osImages, 'fought.v1', { Built: 'True/Pushed' });
    expect(status?.build?.interruption).toBeUndefined();
  });

  test('is built, tested on one node, published, and only then reaches the others', async () => {
    const image = 'made:v1';
    await createImage(image, { source: { build: recipe }, verification });
    await distribute(image);
    await until(osImages, 'made.v1', {
      Built: 'Unknown/Building',
      Verified: 'Unknown/WaitingForBuild',
      Published: 'False/WaitingForBuild',
      Ready: 'False/Building',
      Reconciling: 'True/Building',
      Stalled: 'False/Settled',
    });
    expect(await messageOf(image, 'Built')).toContain(`kubectl -n ${at} logs -f job/build-made.v1`);
    await eventually(async () => {
      const waits = await until(imageDistributions, 'made.v1', { Distributed: 'False/ImageNotBuilt' });
      expect(findCondition(waits.status?.conditions, 'Distributed')?.message).toContain('OSImage made.v1: Building');
    });
    expect(await nodesTold(image)).toEqual([]);

    ends.set(`build ${image}`, built(image));
    await until(osImages, 'made.v1', { Built: 'True/Pushed', Verified: 'Unknown/Running', Ready: 'False/Running' });
    await until(imageDistributions, 'made.v1', { Distributed: 'False/ImageNotVerified' });
    const [tester, ...others] = await nodesTold(image);
    expect([tester, others]).toEqual([(await imageObject(image))?.status?.verification?.node, []]);
    const store = await client.get(nodeStores, { name: tester ?? '' });
    expect(store?.spec.images.find(({ os }) => os === 'made')?.source.oci).toMatchObject({
      reference: testingReference(recipe, { os: 'made', version: 'v1' }),
      digest: digestOf(image),
      pullSecretRef: { name: 'push' },
    });
    await eventually(async () => {
      const [pod] = await ofStep('verify', image);
      const containers = [{ args: verification.command }];
      expect(pod?.metadata.namespace).toBe(verificationNamespace);
      expect(pod?.spec).toMatchObject({ restartPolicy: 'Never', nodeName: tester, containers });
    });

    ends.set(`verify ${image}`, passed);
    await until(osImages, 'made.v1', { Verified: 'True/Passed', Published: 'Unknown/Publishing' });
    await until(imageDistributions, 'made.v1', { Distributed: 'False/ImageNotPublished' });
    expect(await nodesTold(image)).toEqual([tester]);
    await eventually(async () => expect(await ofStep('verify', image)).toEqual([]));

    ends.set(`publish ${image}`, published(image));
    const done = await until(osImages, 'made.v1', {
      Built: 'True/Pushed',
      Verified: 'True/Passed',
      Published: 'True/Published',
      Ready: 'True/Stored',
      Reconciling: 'False/Settled',
    });
    expect(done.status).toMatchObject({
      digest: digestOf(image),
      build: { job: 'build-made.v1', digest: digestOf(image), bundleBytes: 123, packages: 45 },
      verification: { node: tester, outcome: 'Passed' },
      publication: { job: 'publish-made.v1', reference: `${repository}/production/made:v1`, signed: false },
    });
    await until(imageDistributions, 'made.v1', { Distributed: 'True/AllNodes' });
    for (const node of nodeNames) {
      const entry = (await client.get(nodeStores, { name: node }))?.spec.images.find(({ os }) => os === 'made');
      expect(entry?.source.oci?.reference).toBe(`${repository}/production/made:v1`);
    }
    await eventually(async () => {
      const told = (await client.list(events)).filter(({ regarding }) => regarding?.name === 'made.v1');
      expect(told.map(({ reason }) => reason)).toEqual(
        expect.arrayContaining(['BuildStarted', 'Built', 'VerificationPassed', 'PublishStarted', 'Published']),
      );
    });
  });

  test('owns all that is made for it, so that all goes with it', async () => {
    const owner = { kind: 'OSImage', name: 'made.v1', controller: true };
    for (const name of ['build-made.v1', 'publish-made.v1'])
      expect((await client.get(jobs, { namespace: at, name }))?.metadata.ownerReferences?.[0]).toMatchObject(owner);
    const maps = await client.list(configMaps, { namespace: at, labelSelector: `${labels.image}=made.v1` });
    expect(maps.map(({ metadata }) => metadata.ownerReferences?.[0])).toEqual([expect.objectContaining(owner)]);
    expect(JSON.parse(maps[0]?.data?.['recipe.json'] ?? '')).toMatchObject({ os: 'made', build: { repository } });
  });

  test('that fails tells the last lines, and is built again when the annotation asks for it', async () => {
    const image = 'broken:v1';
    const lines = 'E: Unable to locate package nginxx';
    ends.set(`build ${image}`, { exitCode: 100, message: lines });
    await createImage(image, { source: { build: recipe } });
    await distribute(image);
    const failed = await until(osImages, 'broken.v1', {
      Built: 'False/BuildFailed',
      Published: 'False/WaitingForBuild',
      Ready: 'False/BuildFailed',
      Stalled: 'True/BuildFailed',
    });
    expect(failed.status?.build).toMatchObject({ job: 'build-broken.v1', reason: 'BuildFailed' });
    expect(failed.status?.build?.message).toContain(lines);
    expect(await messageOf(image, 'Ready')).toContain('monoroot.dev/retry');
    await until(imageDistributions, 'broken.v1', { Distributed: 'False/ImageNotBuilt', Stalled: 'True/ImageNotBuilt' });

    ends.set(`build ${image}`, { exitCode: 1, message: JSON.stringify({ reason: 'PackagesFailed', message: 'no' }) });
    await retry(image, '1');
    const again = await until(osImages, 'broken.v1', { Built: 'False/PackagesFailed' });
    expect(again.status?.retryToken).toBe('1');
    expect(again.status?.build?.job).toMatch(/^build-broken\.v1-[0-9a-f]{8}$/);
    await eventually(async () =>
      expect(await client.get(jobs, { namespace: at, name: 'build-broken.v1' })).toBeUndefined(),
    );

    ends.set(`build ${image}`, built(image));
    ends.set(`publish ${image}`, published(image));
    await retry(image, '2');
    await until(osImages, 'broken.v1', { Built: 'True/Pushed', Published: 'True/Published', Ready: 'True/Stored' });
  });

  test('that cannot be published says why, and is published when it is asked for again', async () => {
    const image = 'kept:v1';
    ends.set(`build ${image}`, built(image));
    const taken = { reason: 'AlreadyPublished', message: 'production/kept:v1 is another image' };
    ends.set(`publish ${image}`, { exitCode: 1, message: JSON.stringify(taken) });
    await createImage(image, { source: { build: recipe } });
    await distribute(image);
    await until(osImages, 'kept.v1', {
      Built: 'True/Pushed',
      Published: 'False/AlreadyPublished',
      Ready: 'False/AlreadyPublished',
    });
    expect(await nodesTold(image)).toEqual([]);
    ends.set(`publish ${image}`, published(image));
    await retry(image, 'again');
    const done = await until(osImages, 'kept.v1', { Published: 'True/Published', Ready: 'True/Stored' });
    expect(done.status?.build?.job).toBe('build-kept.v1');
  });
});

describe('a Job that cannot be made', () => {
  test('because the API server refuses it is reported, in its words', async () => {
    const resources = { limits: { cpu: 'a lot' } };
    await createImage('refused:v1', { source: { build: { ...recipe, resources } } });
    await until(osImages, 'refused.v1', {
      Built: 'False/JobRefused',
      Ready: 'False/JobRefused',
      Stalled: 'True/JobRefused',
    });
    expect(await messageOf('refused:v1', 'Built')).toMatch(/quantities must match/);
    await client.delete(osImages, { name: 'refused.v1' });
  });

  test('because somebody has one of its name is made when that one is gone', async () => {
    const containers = [{ name: 'x', image: 'x' }];
    const template = { metadata: { labels: {} }, spec: { containers, restartPolicy: 'Never' } };
    const foreign = { metadata: { name: 'build-taken.v1', namespace: at }, spec: { template } };
    await client.create(jobs, foreign as unknown as NewObject<Job>);
    await createImage('taken:v1', { source: { build: recipe } });
    await until(osImages, 'taken.v1', { Built: 'False/JobRefused' });
    expect(await messageOf('taken:v1', 'Built')).toMatch(/"build-taken\.v1" already exists/);
    expect((await client.get(jobs, foreign.metadata))?.metadata.ownerReferences).toBeUndefined();
    await client.delete(jobs, foreign.metadata, { propagationPolicy: 'Background' });
    await until(osImages, 'taken.v1', { Built: 'Unknown/Building', Stalled: 'False/Settled' });
  });
});

describe('an image that is tested', () => {
  test('and fails never reaches another node', async () => {
    const image = 'bad:v1';
    const record = recordTold(image);
    await record.synced;
    await createImage(image, { verification });
    await distribute(image, { activate: { newContainers: true } });
    await until(osImages, 'bad.v1', { Verified: 'Unknown/Running', Ready: 'False/Running' });
    await until(imageDistributions, 'bad.v1', {
      Distributed: 'False/ImageNotVerified',
      Activated: 'False/WaitingForNodes',
    });
    ends.set(`verify ${image}`, { exitCode: 3, message: 'nginx: [emerg] no such file' });
    const failed = await until(osImages, 'bad.v1', {
      Verified: 'False/Failed',
      Published: 'True/ExternalSource',
      Ready: 'False/Failed',
      Stalled: 'True/Failed',
    });
    const node = failed.status?.verification?.node ?? '';
    expect(failed.status?.verification).toMatchObject({ outcome: 'Failed', reason: 'Failed' });
    expect(failed.status?.verification?.message).toMatch(/exit code 3[^]*nginx: \[emerg\] no such file/);
    await until(imageDistributions, 'bad.v1', {
      Distributed: 'False/ImageNotVerified',
      Stalled: 'True/ImageNotVerified',
    });
    await eventually(async () => expect(await nodesTold(image)).toEqual([]));
    expect((await ofStep('verify', image)).map(({ metadata }) => metadata.name)).toEqual([
      failed.status?.verification?.pod,
    ]);
    // Whatever makes the operator look again.
    stage.operator.reconcileAll();
    await stage.operator.stop();
    await stage.operator.start();
    stage.operator.reconcileAll();
    await until(osImages, 'bad.v1', { Verified: 'False/Failed' });
    expect([...record.nodes]).toEqual([node]);

    ends.set(`verify ${image}`, passed);
    await retry(image, 'fixed');
    await until(osImages, 'bad.v1', { Verified: 'True/Passed', Ready: 'True/Stored' });
    await until(imageDistributions, 'bad.v1', { Distributed: 'True/AllNodes' });
    await eventually(async () => expect(await ofStep('verify', image)).toEqual([]));
    await record.stop();
    expect([...record.nodes].sort()).toEqual(nodeNames);
  });

  test('needs no distribution for it', async () => {
    const image = 'alone:v1';
    ends.set(`verify ${image}`, passed);
    await createImage(image, { verification });
    await until(osImages, 'alone.v1', { Verified: 'True/Passed' });
    await until(osImages, 'alone.v1', { Ready: 'False/NotDistributed' });
    await eventually(async () => expect(await nodesTold(image)).toEqual([]));
  });

  test('waits for a node that it may be tested on', async () => {
    const image = 'picky:v1';
    await createImage(image, { verification: { ...verification, nodeSelector: { pool: 'test' } } });
    await until(osImages, 'picky.v1', { Verified: 'Unknown/WaitingForNode', Ready: 'False/WaitingForNode' });
    expect(await messageOf(image, 'Verified')).toContain('pool=test');
    expect(await nodesTold(image)).toEqual([]);
  });

  test('is tested on another node when the first one goes away, and starts again there', async () => {
    const image = 'moving:v1';
    await createImage(image, { verification });
    const running = await until(osImages, 'moving.v1', { Verified: 'Unknown/Running' });
    const first = running.status?.verification?.node ?? '';
    const taints = [{ key: 'node.kubernetes.io/unreachable', effect: 'NoExecute' }];
    await client.mergePatch(nodes, { name: first }, { spec: { taints } });
    const second = await eventually(async () => {
      const object = await until(osImages, 'moving.v1', { Verified: 'Unknown/Running' }, 1);
      expect(object.status?.verification?.node).not.toBe(first);
      return object.status?.verification;
    });
    await eventually(async () => {
      expect((await ofStep('verify', image)).map(({ metadata }) => metadata.name)).toEqual([second?.pod]);
      expect(await nodesTold(image)).toEqual([second?.node]);
    });
    await client.mergePatch(nodes, { name: first }, { spec: { taints: null } });
    ends.set(`verify ${image}`, passed);
    const done = await until(osImages, 'moving.v1', { Verified: 'True/Passed' });
    expect(done.status?.verification?.node).toBe(second?.node);
  });

  test('says what keeps its node from storing it', async () => {
    const image = 'corrupt:v1';
    for (const node of nodeNames) states.set(`${node} ${image}`, 'Failed');
    await createImage(image, { verification });
    await until(osImages, 'corrupt.v1', { Verified: 'False/DigestMismatch', Stalled: 'True/DigestMismatch' });
    expect(await nodesTold(image)).toHaveLength(1);
    ends.set(`verify ${image}`, passed);
    states.clear();
    await until(osImages, 'corrupt.v1', { Verified: 'True/Passed' });
  });
});

test('an operator that is ended at any step is followed by one that goes on, with one Job for each step', async () => {
  const image = 'survivor:v1';
  const restart = async () => {
    await stage.operator.stop();
    await stage.operator.start();
  };
  const step = async (end: string, how: { exitCode: number; message: string }, wanted: Record<string, string>) => {
    // It ends while no one looks.
    await stage.operator.stop();
    ends.set(`${end} ${image}`, how);
    await stage.operator.start();
    await restart();
    await until(osImages, 'survivor.v1', wanted);
  };
  await createImage(image, { source: { build: recipe }, verification });
  await distribute(image);
  await restart();
  await until(osImages, 'survivor.v1', { Built: 'Unknown/Building' });
  await step('build', built(image), { Built: 'True/Pushed', Verified: 'Unknown/Running' });
  await step('verify', passed, { Verified: 'True/Passed', Published: 'Unknown/Publishing' });
  await step('publish', published(image), { Published: 'True/Published', Ready: 'True/Stored' });
  const made = await client.list(jobs, { namespace: at, labelSelector: `${labels.image}=survivor.v1` });
  expect(made.map(({ metadata }) => metadata.name).sort()).toEqual(['build-survivor.v1', 'publish-survivor.v1']);
});

test('nothing is written when nothing changes', async () => {
  await eventually(async () => {
    const before = await stage.operator.counts();
    stage.operator.reconcileAll();
    await eventually(async () => expect((await stage.operator.counts()).runs).toBeGreaterThan(before.runs + 10));
    expect((await stage.operator.counts()).writes).toBe(before.writes);
  });
});
