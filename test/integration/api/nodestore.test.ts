import { afterAll, describe, expect, inject, test } from 'vitest';
import { nodeStores } from '../../../src/kube/kinds.ts';
import { connect } from '../environment.ts';
import { attemptsOf, expectSays, http, refusal } from './attempts.ts';
import type { Row } from './attempts.ts';

// Every rule of the CustomResourceDefinition, in the words that a user reads at `kubectl apply`.
const { connection, client } = connect(inject('kubeconfig'));
afterAll(() => connection.close());
const { dryRun } = attemptsOf(client, nodeStores);
const desired = { os: 'os', version: 'v1', digest: `sha256:${http.sha256}`, source: { http } };

describe('NodeStore', () => {
  test.each<Row>([
    [
      'an image without a digest',
      { images: [{ ...desired, digest: undefined }] },
      'spec.images[0].digest',
      'Required value',
    ],
    [
      'a digest of another kind',
      { images: [{ ...desired, digest: 'md5:1' }] },
      'spec.images[0].digest',
      'should match',
    ],
    [
      'a negative size',
      { images: [{ ...desired, unpackedBytes: -1 }] },
      'spec.images[0].unpackedBytes',
      'greater than or equal',
    ],
    [
      'a retention that is no boolean',
      { images: [{ ...desired, retained: 'yes' }] },
      'spec.images[0].retained',
      'boolean',
    ],
    ['an image twice', { images: [desired, desired] }, 'spec.images[1]', 'Duplicate value'],
    ['a path as an OS', { images: [{ ...desired, os: '..' }] }, 'spec.images[0].os', 'should match'],
    [
      'a trickle',
      { images: [{ ...desired, bytesPerSecond: 999 }] },
      'spec.images[0].bytesPerSecond',
      'should be greater than or equal to 1000',
    ],
    [
      '257 images',
      { images: Array.from({ length: 257 }, (_, i) => ({ ...desired, version: `v${i}` })) },
      'spec.images',
      'Too many',
    ],
    [
      'an image without a source',
      { images: [{ ...desired, source: {} }] },
      'spec.images[0].source',
      'exactly one source must be set: http or oci',
    ],
    [
      'a reference without a registry',
      { images: [{ ...desired, source: { oci: { reference: 'os', digest: desired.digest } } }] },
      'spec.images[0].source.oci.reference',
      'reference must be',
    ],
  ])('refuses %s', async (_name, spec, ...parts) => {
    expectSays(await refusal(dryRun('n1', spec)), parts);
  });

  test('fills in the defaults', async () => {
    expect((await dryRun('n1', { images: [desired] })).spec.images).toEqual([
      { ...desired, timeoutSeconds: 900, backoffLimit: 5 },
    ]);
    expect((await dryRun('n1', {})).spec).toEqual({ images: [] });
  });

  test('has a status of its own that spec does not touch', async () => {
    const metadata = { name: 'status-test' };
    await client.create(nodeStores, { metadata, spec: { images: [] }, status: { images: [] } });
    expect((await client.get(nodeStores, metadata))?.status).toBeUndefined();
    const stored = { os: 'os', version: 'v1', digest: `sha256:${http.sha256}`, state: 'Ready' as const };
    const written = await client.applyStatus(
      nodeStores,
      { metadata, status: { images: [stored] } },
      { fieldManager: 'test' },
    );
    expect(written).toMatchObject({ spec: { images: [] }, status: { images: [stored] }, metadata: { generation: 1 } });
    const bad = client.applyStatus(
      nodeStores,
      { metadata, status: { images: [{ ...stored, state: 'Half' as never }] } },
      { fieldManager: 'test' },
    );
    expectSays(await refusal(bad), ['status.images[0].state', 'Unsupported value']);
    const report = (extra: object) =>
      refusal(
        client.applyStatus(
          nodeStores,
          { metadata, status: { images: [{ ...stored, ...extra }] } },
          { fieldManager: 'test' },
        ),
      );
    for (const source of ['secretKeyRef', 'configMapKeyRef', 'fieldRef', 'resourceFieldRef'])
      expectSays(
        await report({ defaults: { env: [{ name: 'A', valueFrom: { [source]: { name: 's', key: 'k' } } }] } }),
        ['valueFrom', 'not declared in schema'],
      );
    for (const directory of ['..', '.', '../etc', 'a/b', 'a b', 'a:b', ''])
      expectSays(await report({ layout: { kind: 'split', directories: [directory] } }), [
        'layout.directories[0]',
        'should match',
      ]);
    expectSays(await report({ reason: 'no word' }), ['reason', 'should match']);
    expectSays(await report({ unpackedBytes: 1e15 }), ['unpackedBytes', 'less than or equal']);
    await client.delete(nodeStores, metadata);
  });
});
