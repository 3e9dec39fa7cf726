import { afterAll, describe, expect, inject, test } from 'vitest';
import type { HostedContainer } from '../../../src/api/hostedcontainer.ts';
import type { ImageDistribution } from '../../../src/api/imagedistribution.ts';
import type { OSImage } from '../../../src/api/osimage.ts';
import { hostedContainers, imageDistributions, osImages } from '../../../src/kube/kinds.ts';
import type { Applied } from '../../../src/kube/types.ts';
import { connect, createNamespace } from '../environment.ts';
import { getWithHeaders } from '../plain.ts';
import { attemptsOf, http } from './attempts.ts';

const { connection, client } = connect(inject('kubeconfig'));
const namespace = await createNamespace(client);
afterAll(() => connection.close());

describe('a list shows what a person wants to know first', () => {
  const ready = {
    type: 'Ready',
    status: 'False',
    reason: 'NoSpace',
    message: 'm',
    lastTransitionTime: '2026-01-01T00:00:00Z',
  };
  const apply = { fieldManager: 'test' };

  test('of OSImages', async () => {
    const metadata = { name: 'table.v1' };
    await attemptsOf(client, osImages).create(metadata.name, { os: 'table', version: 'v1', source: { http } });
    const condemned = { ...ready, type: 'Condemned', status: 'True', reason: 'Condemned' };
    const status = { conditions: [ready, condemned], nodes: { ready: 2, desired: 3 }, defaultVersion: true };
    await client.applyStatus(osImages, { metadata, status } as unknown as Applied<OSImage>, apply);
    expect(await row('osimages', 'table.v1')).toMatchObject({
      ...{
        Name: 'table.v1',
        OS: 'table',
        Version: 'v1',
        Ready: 'False',
        Reason: 'NoSpace',
        Condemned: 'True',
        Default: 'true',
        Nodes: 2,
        Desired: 3,
      },
    });
  });

  test('of HostedContainers', async () => {
    const metadata = { name: 'table', namespace };
    await attemptsOf(client, hostedContainers, namespace).create('table', { image: 'os:v1' });
    const upgraded = { ...ready, type: 'Upgraded', reason: 'InProgress' };
    const status = { conditions: [ready, upgraded], image: 'os:v1', targetImage: 'os:v2', nodeName: 'n1', restarts: 4 };
    await client.applyStatus(hostedContainers, { metadata, status } as unknown as Applied<HostedContainer>, apply);
    expect(await row(`namespaces/${namespace}/hostedcontainers`, 'table')).toMatchObject({
      ...{
        Image: 'os:v1',
        Target: 'os:v2',
        Ready: 'False',
        Reason: 'NoSpace',
        Upgraded: 'InProgress',
        Node: 'n1',
        Restarts: 4,
      },
    });
  });

  test('of ImageDistributions', async () => {
    const metadata = { name: 'table' };
    await attemptsOf(client, imageDistributions).create('table', { image: 'os:v1' });
    const nodes = { desired: 5, ready: 2, active: 2, failed: 1 };
    const containers = { following: 6, updated: 4, updating: 1, reverted: 1, unavailable: 1 };
    const conditions = [ready, { ...ready, type: 'Distributed' }, { ...ready, type: 'Activated', status: 'True' }];
    await client.applyStatus(
      imageDistributions,
      { metadata, status: { conditions, nodes, containers } } as unknown as Applied<ImageDistribution>,
      apply,
    );
    expect(await row('imagedistributions', 'table')).toMatchObject({
      ...{
        Image: 'os:v1',
        Desired: 5,
        'Ready-Nodes': 2,
        Active: 2,
        Failed: 1,
        Distributed: 'False',
        Activated: 'True',
        Updated: 4,
        Ready: 'False',
        Reason: 'NoSpace',
      },
    });
  });
});

/** The row of an object by the names of the columns that are shown, as `kubectl get` asks for it. */
async function row(path: string, name: string): Promise<Record<string, unknown>> {
  interface Table {
    columnDefinitions: { name: string; priority: number }[];
    rows: { cells: unknown[] }[];
  }
  const answer = await getWithHeaders(inject('kubeconfig'), `/apis/monoroot.dev/v1alpha1/${path}/${name}`, {
    accept: 'application/json;as=Table;v=v1;g=meta.k8s.io',
  });
  const { columnDefinitions, rows } = JSON.parse(answer) as Table;
  const shown = columnDefinitions.map((column, i) => [column.name, rows[0]?.cells[i], column.priority] as const);
  return Object.fromEntries(shown.filter(([, , priority]) => priority === 0).map(([column, cell]) => [column, cell]));
}
