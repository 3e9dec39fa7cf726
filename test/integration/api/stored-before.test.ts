import { afterAll, beforeAll, describe, expect, inject, test } from 'vitest';
import { imageDistributionDefinition } from '../../../src/api/imagedistribution.ts';
import type { ImageDistribution } from '../../../src/api/imagedistribution.ts';
import { defineResource } from '../../../src/kube/resources.ts';
import { selectedNodes } from '../../../src/controllers/node-images.ts';
import { node, osImage } from '../../fixtures/builders.ts';
import { connect } from '../environment.ts';
import { eventually } from '../eventually.ts';
import { crds, waitUntilEstablished } from '../setup.ts';
import type { Crd } from '../setup.ts';
import { attemptsOf, expectSays, refusal } from './attempts.ts';
import { definitionAs } from './definition-as.ts';

// Objects that an earlier version has stored, under a CustomResourceDefinition that then becomes the one of today. The kind has
// another group than ours, because the other tests of this run use that.
const { connection, client } = connect(inject('kubeconfig'));
const resource = defineResource<ImageDistribution>({
  group: 'before.example.com',
  version: 'v1alpha1',
  plural: 'imagedistributions',
  kind: 'ImageDistribution',
  namespaced: false,
});
const { createBefore, dryRun } = attemptsOf(client, resource);

type Json = Record<string, unknown>;
const isObject = (value: unknown): value is Json => typeof value === 'object' && value !== null;

const today = () => definitionAs(resource, imageDistributionDefinition);

/** As it was before `spec.selector`: no such field, and no rule about selectors. */
function earlier(): Crd {
  const definition = today();
  const strip = (value: unknown): void => {
    if (!isObject(value)) return;
    delete value['x-kubernetes-validations'];
    const properties = value['properties'];
    if (isObject(properties) && 'nodeSelector' in properties) delete properties['selector'];
    Object.values(value).forEach(strip);
  };
  strip(definition.spec);
  return definition;
}

const apply = { fieldManager: 'test' };
const pool = { matchLabels: { pool: 'shops' } };
const read = async (name: string) => {
  const found = await client.get(resource, { name });
  if (!found) throw new Error(`There is no ${name}`);
  return found;
};
const nodes = [node('n1', [], {}, { pool: 'shops' }), node('n2'), node('n3', ['os:v1'])];
const selects = (it: ImageDistribution) =>
  selectedNodes(it, osImage('os:v1'), nodes).map(({ metadata }) => metadata.name);

beforeAll(async () => {
  const before = earlier();
  await client.apply(crds, before, apply);
  await waitUntilEstablished(client, before.metadata.name);
  await eventually(() => createBefore('everywhere', { image: 'os:v1' }));
  await createBefore('labels', { image: 'os:v1', nodeSelector: pool });
  await createBefore('empty', { image: 'os:v1', nodeSelector: {} });
  await client.apply(crds, today(), apply);
  await eventually(() => dryRun('probe', { image: 'os:v1', selector: pool }));
});
afterAll(async () => {
  await client.delete(crds, { name: today().metadata.name });
  await connection.close();
});

describe('an ImageDistribution that was stored before spec.selector', () => {
  test('selects the nodes that its nodeSelector names', async () => {
    expect(selects(await read('labels'))).toEqual(['n1']);
  });

  test('selects all nodes when it had no selector', async () => {
    expect(selects(await read('everywhere'))).toEqual(['n1', 'n2', 'n3']);
  });

  test('selects no further node when its nodeSelector was empty, and takes the image from no node', async () => {
    expect(selects(await read('empty'))).toEqual(['n3']);
  });

  test.each(['labels', 'empty'])('can be given a status: %s', async (name) => {
    const status = { image: 'os:v1' };
    await client.applyStatus(resource, { metadata: { name }, status }, apply);
    expect((await read(name)).status).toEqual(status);
  });

  test.each(['labels', 'empty'])('can be edited in other fields: %s', async (name) => {
    await client.mergePatch(resource, { name }, { spec: { parallelism: 3 } });
    expect((await read(name)).spec).toMatchObject({ parallelism: 3 });
  });

  test('is not taken with both names', async () => {
    const attempt = client.mergePatch(resource, { name: 'labels' }, { spec: { selector: pool } });
    expectSays(await refusal(attempt), ['spec.nodeSelector', 'set only spec.selector']);
  });

  test('goes over to the new name in one edit', async () => {
    await client.mergePatch(resource, { name: 'labels' }, { spec: { selector: pool, nodeSelector: null } });
    const { spec } = await read('labels');
    expect([spec.selector, spec.nodeSelector]).toEqual([pool, undefined]);
    expect(selects(await read('labels'))).toEqual(['n1']);
  });
});
