import { afterAll, afterEach, beforeAll, describe, expect, test } from 'vitest';
import { annotations } from '../../../src/api/names.ts';
import { commands } from '../../../src/cli/commands.ts';
import type { Host } from '../../../src/cli/host.ts';
import { hostedContainers, imageDistributions } from '../../../src/kube/kinds.ts';
import { defineResource, events, persistentVolumeClaims, pods } from '../../../src/kube/resources.ts';
import type { KubeObject } from '../../../src/runtime/object.ts';
import { runForTest } from '../../fixtures/cli.ts';
import { eventually } from '../eventually.ts';
import { openStage } from './stage.ts';

const stage = await openStage();
const { client, namespace, behaviours, createImage, distribute, start, until, good } = stage;
afterEach(() => stage.reset());
afterAll(() => stage.close());

const rehearse = (argv: readonly string[], changes: Partial<Host> = {}) =>
  runForTest(['rehearse', 'hctr/shop', ...argv, '-n', namespace, '--kubeconfig', stage.cluster.kubeconfig], commands, changes); // prettier-ignore
const all = async () => (await client.list(hostedContainers, { namespace })).map(({ metadata }) => metadata.name);
const rehearsals = async () =>
  (await client.list(hostedContainers, { namespace })).filter((it) => it.metadata.annotations?.[annotations.rehearsal]);

beforeAll(async () => {
  for (const version of ['v1', 'v2']) {
    await createImage(`os:${version}`);
    await distribute(`os:${version}`);
    await until(imageDistributions, `os.${version}`, { Ready: 'True/AllNodes' });
  }
  await start('shop', 'os:v1', { podTemplate: { metadata: { labels: { app: 'shop' } } } as never });
  await good('shop', 'os:v1');
});

test('another version is tried beside the container, which stays as it is, and nothing of it is left', async () => {
  const before = await client.get(pods, { name: 'shop', namespace });
  const { code, stdout, stderr } = await rehearse(['--image', 'v2']);
  expect(stderr).toMatch(/^hostedcontainer\/shop-rehearsal-\w{6} rehearses shop on os:v2\n.*deleted\n$/s);
  expect(stdout).toMatch(/shop on os:v2 \(n\d\): runs well/);
  expect(code).toBe(0);
  expect(await all()).toEqual(['shop']);
  const after = await client.get(pods, { name: 'shop', namespace });
  expect(after?.metadata.uid).toBe(before?.metadata.uid);
});

test('a version that fails says why', async () => {
  behaviours.set('os:v2', 'crashes');
  const { code, stdout } = await rehearse(['--image', 'os:v2']);
  expect(stdout).toMatch(/shop on os:v2 \(n\d\): failed: CrashLooping: /);
  expect(code).toBe(1);
  expect(await all()).toEqual(['shop']);
});

test('Ctrl-C ends it, and it is deleted', async () => {
  behaviours.set('os:v2', 'starting');
  const stop = new AbortController();
  const running = rehearse(['--image', 'v2'], { signal: stop.signal });
  await eventually(async () => expect(await rehearsals()).toHaveLength(1));
  stop.abort();
  const { code, stdout } = await running;
  expect(stdout).toMatch(/came to no end/);
  expect(code).toBe(1);
  expect(await all()).toEqual(['shop']);
});

test('a node that there is not is said to be none', async () => {
  const { code, stdout } = await rehearse(['--image', 'v2', '--node', 'n9']);
  expect(stdout).toMatch(/failed: WaitingForNode: No node can run the container/);
  expect(code).toBe(1);
  expect(await all()).toEqual(['shop']);
});

test('--dry-run=client prints what would be created, without the labels by which a Service finds the container', async () => {
  const { code, stdout } = await rehearse(['--image', 'v2', '--dry-run=client']);
  expect([code, stdout]).toEqual([0, expect.stringMatching(/imagePolicy: Strict/)]);
  expect(stdout).not.toContain('app: shop');
  expect(await all()).toEqual(['shop']);
});

interface StorageObject extends KubeObject {
  provisioner?: string;
  spec?: object;
}
const storage = { group: 'storage.k8s.io', version: 'v1', namespaced: false };
const classes = defineResource<StorageObject>({ ...storage, plural: 'storageclasses', kind: 'StorageClass' });
const drivers = defineResource<StorageObject>({ ...storage, plural: 'csidrivers', kind: 'CSIDriver' });
const claimSpec = { accessModes: ['ReadWriteOnce'], storageClassName: 'disks', resources: { requests: { storage: '1Gi' } } }; // prettier-ignore
const clone = (argv: readonly string[] = []) =>
  runForTest(['rehearse', 'stateful', '--image', 'v2', '--clone-data', ...argv, '-n', namespace, '--kubeconfig', stage.cluster.kubeconfig], commands); // prettier-ignore
/** Those that are not deleted; the controller that removes what protects them does not run here. */
const claims = async () =>
  (await client.list(persistentVolumeClaims, { namespace })).filter(
    (it) => it.metadata.deletionTimestamp === undefined,
  );
const claimNames = async () => (await claims()).map(({ metadata }) => metadata.name);

describe('a clone of the data', () => {
  beforeAll(async () => {
    await client.create(persistentVolumeClaims, { metadata: { name: 'disk', namespace }, spec: claimSpec });
    await start('stateful', 'os:v1', { data: { claimName: 'disk' } });
  });

  test('takes a claim that is bound, to a volume of a CSI driver', async () => {
    expect((await clone()).stderr).toContain('PersistentVolumeClaim disk is Pending: only a bound one can be cloned');
    const bound = { status: { phase: 'Bound' } };
    await client.mergePatch(persistentVolumeClaims, { name: 'disk', namespace }, bound, { subresource: 'status' });
    expect((await clone()).stderr).toContain('its StorageClass disks is gone');
    await client.create(classes, { metadata: { name: 'disks' }, provisioner: 'disks.example.com' });
    expect(await clone()).toMatchObject({
      code: 2,
      stderr: expect.stringContaining(
        'its StorageClass disks is of disks.example.com, which is no CSI driver',
      ) as string,
    });
    await client.create(drivers, { metadata: { name: 'disks.example.com' }, spec: {} });
  });

  test('is a claim of its own that begins with that of the container, and goes with the rehearsal', async () => {
    const { code } = await clone();
    expect(code).toBe(0);
    await eventually(async () => expect(await claimNames()).toEqual(['disk']));
  });

  test('that the storage refuses ends it at once, with the reason', async () => {
    behaviours.set('os:v2', 'starting');
    const running = clone();
    const made = await eventually(async () => {
      const found = (await claims()).find(({ metadata }) => metadata.name !== 'disk');
      expect(found?.spec).toMatchObject({ ...claimSpec, dataSource: { kind: 'PersistentVolumeClaim', name: 'disk' } });
      return found;
    });
    const { name = '' } = made?.metadata ?? {};
    await client.create(events, {
      metadata: { name: `${name}.1`, namespace },
      eventTime: '2026-01-01T00:00:00.000000Z',
      reportingController: 'disks.example.com',
      reportingInstance: 'one',
      action: 'Provision',
      reason: 'ProvisioningFailed',
      type: 'Warning',
      note: 'this driver does not clone volumes',
      regarding: { apiVersion: 'v1', kind: 'PersistentVolumeClaim', name, namespace },
    });
    const { code, stdout } = await running;
    expect(stdout).toContain('came to no end: The storage did not clone the data: this driver does not clone volumes');
    expect(code).toBe(1);
    await eventually(async () => expect(await claimNames()).toEqual(['disk']));
  });
});
