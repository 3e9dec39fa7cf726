import { randomBytes } from 'node:crypto';
import { afterAll, expect, inject, test } from 'vitest';
import type { HostedContainer, HostedContainerStatus } from '../../src/api/hostedcontainer.ts';
import { annotations, fieldManagers } from '../../src/api/names.ts';
import type { OSImage } from '../../src/api/osimage.ts';
import { commands } from '../../src/cli/commands.ts';
import { hostedContainers, osImages } from '../../src/kube/kinds.ts';
import type { DeepPartial } from '../../src/kube/types.ts';
import { runForTest } from '../fixtures/cli.ts';
import { connect, createNamespace } from './environment.ts';
import { waitSeconds } from './eventually.ts';

/** Commands that change containers and images, against a real API server; the status is what an operator would write. */

const kubeconfig = inject('kubeconfig');
const { connection, client } = connect(kubeconfig);
afterAll(() => connection.close());

const time = '2026-01-01T00:00:00Z';
const condition = (type: string, status: 'True' | 'False' | 'Unknown', reason = 'Because', message = 'told') => ({
  type,
  status,
  reason,
  message,
  lastTransitionTime: time,
});

/** A container of an OS of its own with versions 1 and 2, and what is typed about it. */
async function openContainer({ image = '1', manager = 'test' }: { image?: string; manager?: string } = {}) {
  const os = `cli-${randomBytes(4).toString('hex')}`;
  for (const version of ['1', '2']) {
    const source = { http: { url: 'http://web/os.tar', sha256: 'a'.repeat(64) } };
    const spec = { os, version, source } as OSImage['spec'];
    await client.create(osImages, { metadata: { name: `${os}.${version}` }, spec });
  }
  const namespace = await createNamespace(client);
  const name = { name: 'web', namespace };
  const asked = image === '' ? os : `${os}:${image}`;
  await client.apply(hostedContainers, { metadata: name, spec: { image: asked } }, { fieldManager: manager });
  const read = async (): Promise<HostedContainer> => {
    const found = await client.get(hostedContainers, name);
    if (!found) throw new Error('The container is missing');
    return found;
  };
  const tell = async (status: DeepPartial<HostedContainerStatus>) => {
    const observedGeneration = (await read()).metadata.generation ?? 0;
    const object = { metadata: name, status: { observedGeneration, ...status } };
    await client.applyStatus(hostedContainers, object, { fieldManager: fieldManagers.operator });
  };
  const run = async (...argv: string[]) => {
    const ran = await runForTest([...argv, '-n', namespace, '--kubeconfig', kubeconfig], commands);
    return { code: ran.code, stdout: ran.stdout.replaceAll(os, 'OS'), stderr: ran.stderr.replaceAll(os, 'OS') };
  };
  return { os, read, tell, run };
}

test('upgrade writes spec.image, in each spelling of an image', async () => {
  const { os, read, run } = await openContainer();
  expect(await run('upgrade', 'hc/web', '2')).toEqual({
    code: 0,
    stdout: 'hostedcontainer/web OS:1 -> OS:2\n',
    stderr: '',
  });
  expect((await read()).spec.image).toBe(`${os}:2`);
  expect((await run('upgrade', 'web', `${os}.1`)).stdout).toBe('hostedcontainer/web OS:2 -> OS:1\n');
  expect((await run('upgrade', 'hctr/web', `${os}:1`)).stdout).toBe('hostedcontainer/web asks for OS:1 already\n');
});

test.each([
  ['client', '{"spec":{"image":"OS:2"}}\nhostedcontainer/web OS:1 -> OS:2 (dry run)\n'],
  ['server', 'hostedcontainer/web OS:1 -> OS:2 (server dry run)\n'],
])('--dry-run=%s changes nothing', async (mode, stdout) => {
  const { os, read, run } = await openContainer();
  const before = (await read()).metadata.resourceVersion;
  expect(await run('upgrade', 'web', '2', `--dry-run=${mode}`, '--wait')).toEqual({ code: 0, stdout, stderr: '' });
  const after = await read();
  expect([after.spec.image, after.metadata.resourceVersion]).toEqual([`${os}:1`, before]);
});

test('a field that Flux owns is written, with a warning that it is set back', async () => {
  const { run } = await openContainer({ manager: 'kustomize-controller' });
  const { code, stderr } = await run('upgrade', 'web', '2');
  expect([code, stderr]).toEqual([
    0,
    expect.stringMatching(/^Warning: Flux \(kustomize-controller\) owns spec\.image/),
  ]);
  // Another field is the user's own.
  expect(await run('suspend', 'web')).toEqual({ code: 0, stdout: 'hostedcontainer/web suspended\n', stderr: '' });
});

test('upgrade refuses an image that is not there or is condemned, and says when a container stops following', async () => {
  const { os, run } = await openContainer({ image: '' });
  expect(await run('upgrade', 'web', '7')).toMatchObject({
    code: 2,
    stderr: expect.stringContaining('There is no OSImage OS.7') as string,
  });
  const metadata = { name: `${os}.2`, annotations: { [annotations.condemned]: 'it was bad' } };
  await client.apply(osImages, { metadata }, { fieldManager: fieldManagers.condemn });
  expect(await run('upgrade', 'web', '2')).toMatchObject({ code: 2, stderr: 'Error: OS:2 is condemned: it was bad\n' });
  expect((await run('upgrade', 'web', '1')).stderr).toContain('It followed the default version of OS');
});

test('upgrade --wait ends with 0 when it runs well', async () => {
  const { read, run, tell } = await openContainer();
  const waiting = run('upgrade', 'web', '2', '--wait');
  await expect.poll(async () => (await read()).metadata.generation, { timeout: waitSeconds * 1000 }).toBe(2);
  await tell({ conditions: [condition('Ready', 'False', 'Starting'), condition('Upgraded', 'Unknown', 'InProgress')] });
  await tell({
    conditions: [condition('Ready', 'True', 'Running', 'It runs'), condition('Upgraded', 'True', 'UpToDate')],
  });
  const { code, stdout } = await waiting;
  expect([code, stdout]).toEqual([0, expect.stringContaining('hostedcontainer/web is good: It runs\n')]);
});

test('upgrade --wait ends with 1 as soon as it went back, with the end of the log', async () => {
  const { read, run, tell } = await openContainer();
  const waiting = run('upgrade', 'web', '2', '--wait', '--timeout', '5m');
  await expect.poll(async () => (await read()).metadata.generation, { timeout: waitSeconds * 1000 }).toBe(2);
  const reverted = condition('Upgraded', 'False', 'Reverted', 'Went back. Last log lines: no such file');
  await tell({ conditions: [condition('Ready', 'True', 'Running'), reverted] });
  const { code, stdout } = await waiting;
  expect([code, stdout]).toEqual([
    1,
    expect.stringContaining('failed: Reverted: Went back. Last log lines: no such file'),
  ]);
});

test('rollback goes to what ran well before', async () => {
  const { os, read, run, tell } = await openContainer({ image: '2' });
  expect(await run('rollback', 'web')).toMatchObject({
    code: 2,
    stderr: expect.stringContaining('no other version well') as string,
  });
  const digest = `sha256:${'0'.repeat(64)}`;
  const history = [
    { image: `${os}:2`, digest, startTime: time, outcome: 'Succeeded' as const },
    { image: `${os}:1`, digest, startTime: time, endTime: time, outcome: 'Succeeded' as const },
  ];
  await tell({ history, lastKnownGoodImage: `${os}:2` });
  expect((await run('rollback', 'web')).stdout).toBe('hostedcontainer/web OS:2 -> OS:1\n');
  expect((await read()).spec.image).toBe(`${os}:1`);
});

test('restart, suspend, resume and retry write their fields', async () => {
  const { os, read, run, tell } = await openContainer();
  await run('restart', 'web');
  expect((await read()).spec.restartToken).toBe('2026-01-01T12:00:00.000Z');
  await run('suspend', 'web');
  expect((await read()).spec.suspend).toBe(true);
  expect((await run('suspend', 'web')).stdout).toBe('hostedcontainer/web is suspended already\n');
  await run('resume', 'web');
  expect((await read()).spec.suspend).toBe(false);
  expect(await run('retry', 'web')).toMatchObject({
    code: 2,
    stderr: expect.stringContaining('nothing to retry') as string,
  });
  const failed = { image: `${os}:1`, digest: `sha256:${'0'.repeat(64)}`, fingerprint: 'f', reason: 'CrashLooping', message: 'm', time, attempts: 1 }; // prettier-ignore
  await tell({ failedImages: [failed] });
  expect((await run('retry', 'hc/web')).stdout).toBe('hostedcontainer/web retries OS:1\n');
  expect((await read()).spec.upgrade.retryToken).toBe('2026-01-01T12:00:00.000Z');
});

test('retry of an image is for a step that failed', async () => {
  const { os, run } = await openContainer();
  expect(await run('retry', `osi/${os}.1`)).toMatchObject({
    code: 2,
    stderr: expect.stringContaining('No step of OSImage OS.1 has failed') as string,
  });
  const status = { conditions: [condition('Built', 'False', 'CommandFailed')] };
  await client.applyStatus(
    osImages,
    { metadata: { name: `${os}.1` }, status },
    { fieldManager: fieldManagers.operator },
  );
  expect((await run('retry', `osi/${os}:1`)).stdout).toBe('osimage/OS.1 is tried again\n');
  const found = await client.get(osImages, { name: `${os}.1` });
  expect(found?.metadata.annotations).toEqual({ [annotations.retry]: '2026-01-01T12:00:00.000Z' });
});

test('status of one object, tree, images, nodes, history and events read what is there', async () => {
  const { os, run, tell } = await openContainer();
  await tell({ image: `${os}:1`, conditions: [condition('Ready', 'True', 'Running')] });
  expect(await run('status', 'hc/web')).toMatchObject({
    code: 0,
    stdout: expect.stringMatching(/Runs +OS:1, Ready[^]*CONDITION/) as string,
  });
  expect((await run('tree', os)).stdout).toContain('1 container Running');
  expect((await run('images', '--os', os, '-o', 'name')).stdout).toBe('OS:1\nOS:2\n');
  expect((await run('images', '--os', os)).stdout).toMatch(/OS:1 +- +- +- +1 /);
  expect((await run('nodes')).stdout).toMatch(/^NODE/);
  expect((await run('history', 'web')).stdout).toMatch(/^IMAGE/);
  expect(await run('history', '--os', os)).toMatchObject({
    code: 2,
    stderr: 'Error: No container of OS has run yet\n',
  });
  expect((await run('events', 'web')).stdout).toBe('No events\n');
  expect(await run('logs', 'web')).toMatchObject({
    code: 2,
    stderr: expect.stringContaining('no Pod of it is there') as string,
  });
});
