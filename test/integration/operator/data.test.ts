import { afterAll, expect, test } from 'vitest';
import { fieldManagers, finalizers } from '../../../src/api/names.ts';
import { hostedContainers } from '../../../src/kube/kinds.ts';
import { persistentVolumeClaims } from '../../../src/kube/resources.ts';
import { eventually } from '../eventually.ts';
import { openStage } from './stage.ts';

/** What becomes of data, with the garbage collector of Kubernetes itself. */
const stage = await openStage({
  controllers: ['garbage-collector-controller', 'persistentvolumeclaim-protection-controller'],
});
const { client, namespace, start, good } = stage;
afterAll(() => stage.close());
await stage.createImage('os:v1');
await stage.distribute('os:v1');

const claimTemplate = { accessModes: ['ReadWriteOnce'], resources: { requests: { storage: '1Gi' } } };
const goes = { claimTemplate, whenDeleted: 'Delete' as const };
const stays = { claimTemplate, whenDeleted: 'Retain' as const };
const claimOf = (name: string) => client.get(persistentVolumeClaims, { namespace, name: `${name}-data` });
const edit = (name: string, data: object) =>
  client.mergePatch(hostedContainers, { namespace, name }, { spec: { data } });
const gone = (name: string) =>
  eventually(async () => expect(await client.get(hostedContainers, { namespace, name })).toBeUndefined());
/** The claim is there when everything that could take it away has had its turn, which a second claim shows. */
async function afterCollection(name: string): Promise<boolean> {
  const marker = { namespace, name: `marker-${name}` };
  const owner = { apiVersion: 'v1', kind: 'ConfigMap', name: 'none', uid: '00000000-0000-0000-0000-000000000000' };
  const spec = claimTemplate;
  await client.create(persistentVolumeClaims, { metadata: { ...marker, ownerReferences: [owner] }, spec });
  await eventually(async () => expect(await client.get(persistentVolumeClaims, marker)).toBeUndefined());
  return (await claimOf(name)) !== undefined;
}

test('a claim goes with its container when whenDeleted says Delete', async () => {
  await start('goes', 'os:v1', { data: goes });
  const container = await good('goes', 'os:v1');
  expect(container.metadata.finalizers).toEqual([finalizers.data]);
  expect((await claimOf('goes'))?.metadata.ownerReferences).toBeUndefined();
  await client.delete(hostedContainers, { namespace, name: 'goes' });
  await gone('goes');
  await eventually(async () => expect(await claimOf('goes')).toBeUndefined());
});

test('a claim stays when Retain is written while a deletion in the foreground is under way', async () => {
  await start('kept', 'os:v1', { data: goes });
  await good('kept', 'os:v1');
  // While the operator is away, the deletion waits.
  await stage.operator.stop();
  await client.delete(hostedContainers, { namespace, name: 'kept' }, { propagationPolicy: 'Foreground' });
  await edit('kept', stays);
  await stage.operator.start();
  await gone('kept');
  expect(await afterCollection('kept')).toBe(true);
});

test('a claim stays when it is named instead of the template, and the container goes at once', async () => {
  await start('named', 'os:v1', { data: goes });
  await good('named', 'os:v1');
  await edit('named', { claimTemplate: null, whenDeleted: null, claimName: 'named-data' });
  await client.delete(hostedContainers, { namespace, name: 'named' });
  await gone('named');
  expect(await afterCollection('named')).toBe(true);
});

test('a claim that an earlier version owned loses that owner and no other', async () => {
  await start('old', 'os:v1', { data: stays });
  const { metadata } = await good('old', 'os:v1');
  const mine = { apiVersion: 'monoroot.dev/v1alpha1', kind: 'HostedContainer', name: 'old', uid: metadata.uid ?? '' };
  const other = await start('other', 'os:v1');
  const theirs = { ...mine, name: 'other', uid: other.metadata.uid ?? '' };
  const name = { namespace, name: 'old-data' };
  const patch = { metadata: { ownerReferences: [theirs, mine] } };
  await client.mergePatch(persistentVolumeClaims, name, patch, { fieldManager: fieldManagers.operator });
  await eventually(async () => expect((await claimOf('old'))?.metadata.ownerReferences).toEqual([theirs]));
});
