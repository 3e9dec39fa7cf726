import { randomBytes } from 'node:crypto';
import { join } from 'node:path';
import { afterAll, describe, expect, inject, test } from 'vitest';
import { commands } from '../../src/cli/commands.ts';
import { changeSpec, requireRollout } from '../../src/cli/rollout/change.ts';
import { runForTest } from '../fixtures/cli.ts';
import { run as runProgram } from '../../hack/lib/process.ts';
import type {
  ImageDistribution,
  ImageDistributionSpec,
  ImageDistributionStatus,
} from '../../src/api/imagedistribution.ts';
import { annotations, fieldManagers } from '../../src/api/names.ts';
import type { OSImage } from '../../src/api/osimage.ts';
import { hostedContainers, imageDistributions, nodeStores, osImages } from '../../src/kube/kinds.ts';
import type { DeepPartial } from '../../src/kube/types.ts';
import { binaryDirectory, missingBinaries } from '../fixtures/binaries.ts';
import { stored } from '../fixtures/builders.ts';
import { connect, createNamespace } from './environment.ts';

/** The plugin against a real API server; the status is what an operator would write. */

const kubeconfig = inject('kubeconfig');
const { connection, client } = connect(kubeconfig);
afterAll(() => connection.close());

const run = (...argv: string[]) => runForTest([...argv, '--kubeconfig', kubeconfig], commands);
/** An OS of its own for each test. */
const newOs = () => `cli-${randomBytes(4).toString('hex')}`;

const time = '2026-01-01T00:00:00Z';
const condition = (type: string, status: 'True' | 'False', message = '') => ({
  type,
  status,
  reason: 'Because',
  message,
  lastTransitionTime: time,
});

async function createDistribution(os: string, existingContainers?: object): Promise<string> {
  const activate = { newContainers: true, ...(existingContainers && { existingContainers }) };
  const spec = { image: `${os}:2`, activate } as ImageDistributionSpec;
  await client.create(imageDistributions, { metadata: { name: os }, spec });
  return os;
}

async function tell(name: string, status: DeepPartial<ImageDistributionStatus>, fresh = true): Promise<void> {
  const { metadata } = await read(name);
  const observedGeneration = fresh ? (metadata.generation ?? 0) : 0;
  const object = { metadata: { name }, status: { observedGeneration, ...status } };
  await client.applyStatus(imageDistributions, object, { fieldManager: fieldManagers.operator });
}

async function read(name: string): Promise<ImageDistribution> {
  const found = await client.get(imageDistributions, { name });
  if (!found) throw new Error(`${name} is missing`);
  return found;
}
const rolloutOf = async (name: string) => (await read(name)).spec.activate.existingContainers;

async function createImage(image: string): Promise<void> {
  const [os = '', version = ''] = image.split(':');
  const source = { http: { url: 'http://web/os.tar', sha256: 'a'.repeat(64) } };
  const spec = { os, version, source } as OSImage['spec'];
  await client.create(osImages, { metadata: { name: `${os}.${version}` }, spec });
}

async function condemn(image: string, evidence: string): Promise<void> {
  const metadata = { name: image.replace(':', '.'), annotations: { [annotations.condemned]: evidence } };
  await client.apply(osImages, { metadata }, { fieldManager: fieldManagers.condemn });
}

describe('rollout pause and resume', () => {
  test('pausing and resuming writes one field, as kubectl-monoroot', async () => {
    const name = await createDistribution(newOs(), { maxFailures: 3 });
    expect(await run('rollout', 'pause', name)).toEqual({
      code: 0,
      stdout: `imagedistribution/${name} paused\n`,
      stderr: '',
    });
    expect(await rolloutOf(name)).toMatchObject({ paused: true, maxFailures: 3 });
    const { managedFields } = (await read(name)).metadata as { managedFields?: { manager: string }[] };
    expect(managedFields?.map(({ manager }) => manager)).toContain('kubectl-monoroot');

    expect((await run('rollout', 'resume', name)).stdout).toBe(`imagedistribution/${name} resumed\n`);
    expect(await rolloutOf(name)).toMatchObject({ paused: false, maxFailures: 3 });
  });

  test('what is so already is not written', async () => {
    const name = await createDistribution(newOs(), {});
    const { resourceVersion } = (await read(name)).metadata;
    expect((await run('rollout', 'resume', name)).stdout).toBe(`imagedistribution/${name} already resumed\n`);
    expect((await read(name)).metadata.resourceVersion).toBe(resourceVersion);
  });

  test('a distribution that moves no containers is left alone: it would begin to', async () => {
    const name = await createDistribution(newOs());
    const ran = await run('rollout', 'pause', name);
    expect([ran.code, ran.stderr]).toEqual([2, expect.stringContaining('moves no existing containers')]);
    expect(await rolloutOf(name)).toBeUndefined();
  });

  test('what somebody else takes away meanwhile does not come back', async () => {
    const name = await createDistribution(newOs(), {});
    const remove = { spec: { activate: { existingContainers: null } } };
    const meanwhile: Pick<typeof client, 'mergePatch'> = {
      async mergePatch(...call) {
        await client.mergePatch(imageDistributions, { name }, remove);
        return client.mergePatch(...call);
      },
    };
    const pause = (distribution: ImageDistribution) => {
      requireRollout(distribution);
      return { activate: { existingContainers: { paused: true } } };
    };
    await expect(changeSpec({ ...client, ...meanwhile }, name, pause)).rejects.toThrow('moves no existing containers');
    expect(await rolloutOf(name)).toBeUndefined();
  });

  test('one that is not there is an error', async () => {
    const ran = await run('rollout', 'pause', 'nobody');
    expect(ran).toEqual({
      code: 2,
      stdout: '',
      stderr: 'Error: There is no ImageDistribution nobody; kubectl get imgdist lists them\n',
    });
  });
});

describe('rollout retry', () => {
  const halted = { conditions: [condition('RolloutHalted', 'True', '2 reverted')], containers: undefined };

  test('a halted rollout gets a new token', async () => {
    const name = await createDistribution(newOs(), { retryToken: 'before' });
    await tell(name, halted);
    expect(await run('rollout', 'retry', name)).toMatchObject({
      code: 0,
      stdout: `imagedistribution/${name} retries ${name}:2\n`,
    });
    expect((await rolloutOf(name))?.retryToken).toBe('2026-01-01T12:00:00.000Z');
  });

  test('where nothing has failed there is nothing to retry', async () => {
    const name = await createDistribution(newOs(), {});
    const ran = await run('rollout', 'retry', name);
    expect([ran.code, ran.stderr]).toEqual([2, expect.stringContaining('nothing to retry')]);
    expect((await rolloutOf(name))?.retryToken).toBe('');
  });

  test('a condemned image shows its evidence, and is lifted only when that is asked for', async () => {
    const name = await createDistribution(newOs(), {});
    await createImage(`${name}:2`);
    await condemn(`${name}:2`, '2 of 2 canaries were reverted');
    const annotationsOf = async () => (await client.get(osImages, { name: `${name}.2` }))?.metadata.annotations ?? {};

    const refused = await run('rollout', 'retry', name);
    expect(refused).toMatchObject({ code: 2, stdout: `${name}:2 is condemned: 2 of 2 canaries were reverted\n` });
    expect(refused.stderr).toContain('add --lift');
    expect(await annotationsOf()).toHaveProperty([annotations.condemned]);
    expect((await rolloutOf(name))?.retryToken).toBe('');

    const lifted = await run('rollout', 'retry', name, '--lift');
    expect([lifted.code, lifted.stdout.split('\n')[1]]).toEqual([0, `osimage/${name}.2 lifted`]);
    expect(await annotationsOf()).toEqual({});
    expect((await rolloutOf(name))?.retryToken).not.toBe('');
  });
});

describe('rollout undo', () => {
  const imageOf = async (name: string) => (await read(name)).spec.image;

  test('goes back to the newest image before that is there and not condemned', async () => {
    const name = await createDistribution(newOs(), { maxFailures: 3 });
    for (const version of [0, 1, 2]) await createImage(`${name}:${version}`);
    await condemn(`${name}:1`, 'it was bad');
    await tell(name, { image: `${name}:2`, previousImages: [`${name}:9`, `${name}:1`, `${name}:0`] });
    expect(await run('rollout', 'undo', name)).toEqual({
      code: 0,
      stdout: `imagedistribution/${name} ${name}:2 -> ${name}:0\n`,
      stderr: '',
    });
    expect([await imageOf(name), (await rolloutOf(name))?.maxFailures]).toEqual([`${name}:0`, 3]);
    expect((await run('rollout', 'undo', name, '--to', `${name}:2`)).code).toBe(0);
    expect(await imageOf(name)).toBe(`${name}:2`);
  });

  test.each([
    ['nothing was distributed before', [], 'has distributed no other image'],
    ['the version is condemned', ['--to', 'OS:1'], 'OS:1 is condemned: it was bad'],
    ['the version is unknown', ['--to', 'OS:7'], 'There is no OSImage of OS:7'],
    ['it is another operating system', ['--to', 'debian:1'], 'debian:1 is another operating system than OS'],
    ['it is none', ['--to', 'OS'], 'OS is no image'],
  ])('leaves it alone when %s', async (_case, options, told) => {
    const name = await createDistribution(newOs(), {});
    await createImage(`${name}:1`);
    await condemn(`${name}:1`, 'it was bad');
    const ran = await run('rollout', 'undo', name, ...options.map((option) => option.replace('OS', name)));
    expect([ran.code, ran.stderr.replaceAll(name, 'OS')]).toEqual([2, expect.stringContaining(told)]);
    expect(await imageOf(name)).toBe(`${name}:2`);
  });
});

describe('rollout status', () => {
  const ready = (status: 'True' | 'False', message = '') => [condition('Ready', status, message)];
  const counts = { following: 4, updated: 2, updating: 1, reverted: 0, unavailable: 1 };

  test('follows until it is done', async () => {
    const name = await createDistribution(newOs(), {});
    await tell(name, { containers: counts, conditions: ready('False', 'Waits for places') });
    const following = run('rollout', 'status', name, '-o', 'json');
    await tell(name, { containers: { ...counts, updated: 3 }, conditions: ready('False', 'Waits for places') });
    await tell(name, { containers: { ...counts, updated: 4 }, conditions: ready('True') });
    const { code, stdout } = await following;
    const lines = stdout
      .trim()
      .split('\n')
      .map((line) => JSON.parse(line) as object);
    expect([code, lines.at(-1)]).toEqual([
      0,
      { name, image: `${name}:2`, standing: 'Done', containers: { ...counts, updated: 4 } },
    ]);
  });

  test('ends with 1 when it halts, and says what to do', async () => {
    const name = await createDistribution(newOs(), {});
    const following = run('rollout', 'status', name);
    await tell(name, {
      conditions: [condition('RolloutHalted', 'True', '2 containers were reverted, such as shop/web')],
    });
    const { code, stdout } = await following;
    expect(code).toBe(1);
    expect(stdout).toContain(
      '2 containers were reverted, such as shop/web\nWhen the cause is fixed: kubectl monoroot rollout retry',
    );
  });

  test.each([
    ['what is said of an earlier spec does not end it', 'True', ['--timeout', '1s'], [1, 'Not done within 1s']],
    ['with --once it tells how it is', 'False', ['--once'], [0, 'Waits']],
    ['a time that is none is wrong usage', 'False', ['--timeout', '5'], [2, '--timeout takes a time']],
  ] as const)('%s', async (_case, done, options, [code, told]) => {
    const name = await createDistribution(newOs(), {});
    await tell(name, { conditions: ready(done, 'Waits') }, done === 'False');
    const ran = await run('rollout', 'status', name, ...options);
    expect([ran.code, ran.stdout + ran.stderr]).toEqual([code, expect.stringContaining(told)]);
  });

  test('a distribution that is deleted meanwhile ends it', async () => {
    const name = await createDistribution(newOs(), {});
    const following = run('rollout', 'status', name);
    await client.delete(imageDistributions, { name });
    const { code, stderr } = await following;
    expect([code, stderr]).toEqual([2, expect.stringMatching(/was deleted|There is no ImageDistribution/)]);
  });
});

test('fleet: versions, nodes and containers as the API server has them', async () => {
  const os = newOs();
  await createImage(`${os}:1`);
  await createImage(`${os}:2`);
  await condemn(`${os}:2`, 'it was bad');
  await client.applyStatus(
    osImages,
    { metadata: { name: `${os}.1` }, status: { defaultVersion: true } },
    { fieldManager: fieldManagers.operator },
  );
  await createDistribution(os, {});
  const store = { metadata: { name: `${os}-node` } };
  await client.apply(nodeStores, { ...store, spec: { images: [] } }, { fieldManager: fieldManagers.operator });
  const images = [stored(`${os}:1`, 'Ready'), stored(`${os}:2`, 'Ready')];
  await client.applyStatus(nodeStores, { ...store, status: { images } }, { fieldManager: fieldManagers.agent });
  const namespace = await createNamespace(client);
  for (const name of ['one', 'two']) {
    const metadata = { name, namespace };
    await client.apply(hostedContainers, { metadata, spec: { image: os } }, { fieldManager: 'test' });
    await client.applyStatus(
      hostedContainers,
      { metadata, status: { image: `${os}:1` } },
      { fieldManager: 'monoroot' },
    );
  }
  const { code, stdout } = await run('fleet', '--os', os);
  expect(code).toBe(0);
  expect(stdout.split('\n').map((line) => line.replace(/ +/g, ' '))).toEqual([
    `${os}, default 1`,
    ' VERSION NODES RUNNING TARGET FAILED',
    ' 1 1 kept 2 0 0 default',
    ' 2 1 kept 0 0 0 condemned: it was bad',
    ' DISTRIBUTION IMAGE NODES UPDATED REVERTED STATE',
    ` ${os} ${os}:2 - - - waiting: the operator has not seen the last change yet`,
    '',
  ]);
  const json = JSON.parse((await run('fleet', '--os', os, '-n', 'default', '-o', 'json')).stdout) as object[];
  expect(json).toMatchObject([{ os, default: '1', versions: [{ version: '1', running: 0 }, { version: '2' }] }]);
});

test('tree and fleet: by the name of an operating system, an image or a distribution, and in other formats', async () => {
  const os = newOs();
  await createImage(`${os}:1`);
  const whole = (await run('tree', os)).stdout;
  expect(whole).toContain(`osimage/${os}.1`);
  for (const text of [`os/${os}`, `osi/${os}.1`, `${os}:1`, `${os}.1`])
    expect((await run('tree', text)).stdout, text).toBe(whole);
  const name = await createDistribution(os);
  expect((await run('tree', `imgdist/${name}`)).stdout).toBe((await run('tree', os)).stdout);
  expect(await run('tree', 'imgdist/none')).toMatchObject({ code: 2, stderr: 'Error: There is no image of none\n' });
  expect((await run('fleet', '--os', os, '-o', 'yaml')).stdout).toMatch(new RegExp(`^- os: ${os}$`, 'm'));
  const ran = await run('fleet', '--os', 'none');
  expect(ran).toEqual({ code: 0, stdout: '', stderr: 'There is no image of none\n' });
});

test('names are completed from the API server', async () => {
  const name = await createDistribution(newOs(), {});
  await createImage(`${name}:2`);
  const offered = async (...words: string[]) =>
    (await runForTest(['__complete', '--kubeconfig', kubeconfig, ...words], commands)).stdout.trim().split('\n');
  expect(await offered('rollout', 'status', name)).toEqual([`${name}\t${name}:2`, ':4']);
  expect(await offered('diff', name)).toEqual([`${name}:2`, ':4']);
  expect(await offered('fleet', '-n', 'kube-sys')).toEqual(['kube-system', ':4']);
});

test('why: from a container to the node that cannot store its image, and with few rights what is not seen', async () => {
  const os = newOs();
  await createImage(`${os}:2`);
  const notStored = { ...condition('Ready', 'False', 'No node has room'), reason: 'NoSpace' };
  const operator = { fieldManager: fieldManagers.operator };
  await client.applyStatus(osImages, { metadata: { name: `${os}.2` }, status: { conditions: [notStored] } }, operator);
  const store = { metadata: { name: `${os}-node` } };
  await client.apply(nodeStores, { ...store, spec: { images: [] } }, operator);
  const images = [
    stored(`${os}:2`, 'Failed', { reason: 'NoSpace', message: 'It needs 3 GiB; free space on the node' }),
  ];
  await client.applyStatus(nodeStores, { ...store, status: { images } }, { fieldManager: fieldManagers.agent });
  const namespace = await createNamespace(client);
  const metadata = { name: 'web', namespace };
  await client.apply(hostedContainers, { metadata, spec: { image: `${os}:2` } }, { fieldManager: 'test' });
  const waits = { ...condition('ImageResolved', 'False', 'No node has it'), reason: 'ImageNotReady' };
  const conditions = [waits, { ...waits, type: 'Stalled', status: 'True' as const }];
  await client.applyStatus(hostedContainers, { metadata, status: { observedGeneration: 1, conditions } }, operator);

  const { code, stdout } = await run('why', 'hc/web', '-n', namespace);
  expect([code, stdout.replaceAll(os, 'OS')]).toEqual([
    1,
    expect.stringMatching(
      /OS:2 on OS-node +NoSpace[^]*Cause +NoSpace \(OS:2 on OS-node\): It needs 3 GiB[^]*Do +kubectl/,
    ),
  ]);
  const json = JSON.parse((await run('-n', namespace, 'why', 'web', '-o', 'json')).stdout) as object;
  expect(json).toMatchObject({ object: 'hostedcontainer/web', standing: 'Person', cause: { reason: 'NoSpace' } });
  expect(await run('why', 'hc/other', '-n', namespace)).toMatchObject({
    code: 2,
    stderr: `Error: There is no HostedContainer other (namespace ${namespace}; another one with -n)\n`,
  });
});

test('version: of the plugin and of Kubernetes; without Pods it says so', async () => {
  const { code, stdout } = await run('version', '-o', 'yaml');
  expect([code, stdout]).toEqual([0, expect.stringMatching(/^client: 1\.2\.3\n[^]*kubernetes: v1\.\d+/)]);
});

test('a request that takes longer than --request-timeout ends, and says which', async () => {
  const ran = await run('fleet', '--request-timeout', '0s');
  expect([ran.code, ran.stderr]).toEqual([2, expect.stringMatching(/^Error: No answer to GET .* within 0 s/)]);
});

test('--as acts as another user, who may not do it', async () => {
  const ran = await run('fleet', '--as', 'somebody');
  expect([ran.code, ran.stderr]).toEqual([2, expect.stringContaining('User "somebody" cannot list resource')]);
});

test.skipIf(missingBinaries('kubectl').length > 0)('kubectl finds the plugin in the PATH', async () => {
  const path = [join(import.meta.dirname, '../../hack/bin'), binaryDirectory(), process.env['PATH'] ?? ''].join(':');
  const kubectl = (...args: string[]) =>
    runProgram('kubectl', args, { env: { ...process.env, PATH: path, KUBECONFIG: kubeconfig } });
  expect((await kubectl('plugin', 'list')).stdout).toContain('hack/bin/kubectl-monoroot\n');
  const ran = await kubectl('monoroot', 'rollout', 'status', 'nobody');
  expect(ran).toMatchObject({
    code: 2,
    stderr: 'Error: There is no ImageDistribution nobody; kubectl get imgdist lists them\n',
  });
});
