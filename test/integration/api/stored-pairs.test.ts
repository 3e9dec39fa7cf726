import { afterAll, beforeAll, describe, expect, inject, test } from 'vitest';
import { hostedContainerDefinition } from '../../../src/api/hostedcontainer.ts';
import type { HostedContainer } from '../../../src/api/hostedcontainer.ts';
import { defineResource } from '../../../src/kube/resources.ts';
import { connect } from '../environment.ts';
import { eventually } from '../eventually.ts';
import { crds, waitUntilEstablished } from '../setup.ts';
import type { Crd } from '../setup.ts';
import { attemptsOf, expectSays, refusal } from './attempts.ts';
import { definitionAs } from './definition-as.ts';

// Objects that an earlier version has stored, with what is refused today. The kind has another group than ours, because the
// other tests of this run use that.
const { connection, client } = connect(inject('kubeconfig'));
const resource = defineResource<HostedContainer>({
  group: 'pairs.example.com',
  version: 'v1alpha1',
  plural: 'hostedcontainers',
  kind: 'HostedContainer',
  namespaced: true,
});
const namespace = 'default';
const { createBefore, dryRun } = attemptsOf(client, resource, namespace);
const apply = { fieldManager: 'test' };

const tcpSocket = { port: 80 };
const stored: [string, object, string][] = [
  ['data', { data: { claimName: 'd', whenDeleted: 'Delete' } }, 'whenDeleted: Delete needs claimTemplate'],
  ['liveness', { livenessProbe: { tcpSocket, successThreshold: 2 } }, 'successThreshold must be 1'],
  ['readiness', { readinessProbe: { tcpSocket, terminationGracePeriodSeconds: 5 } }, 'must not be set'],
];

function definition(isOfToday: boolean): Crd {
  const it = definitionAs(resource, hostedContainerDefinition);
  const strip = (value: unknown): void => {
    if (typeof value !== 'object' || value === null) return;
    delete (value as Record<string, unknown>)['x-kubernetes-validations'];
    Object.values(value).forEach(strip);
  };
  if (!isOfToday) strip(it.spec);
  return it;
}

beforeAll(async () => {
  await client.apply(crds, definition(false), apply);
  await waitUntilEstablished(client, definition(false).metadata.name);
  for (const [name, spec] of stored) await eventually(() => createBefore(name, { image: 'os:v1', ...spec }));
  await client.apply(crds, definition(true), apply);
  // The API server takes a moment to go over to it.
  await eventually(() => refusal(dryRun('probe', { image: 'os:v1', data: {} })));
});
afterAll(async () => {
  await client.delete(crds, { name: definition(true).metadata.name });
  await connection.close();
});

describe('a HostedContainer that was stored with what is refused today', () => {
  test.each(stored)('goes on working: %s', async (name) => {
    const status = { image: 'os:v1' };
    await client.applyStatus(resource, { metadata: { name, namespace }, status }, apply);
    await client.mergePatch(resource, { name, namespace }, { spec: { image: 'os:v2', restartToken: 'again' } });
    const found = await client.get(resource, { name, namespace });
    expect(found).toMatchObject({ spec: { image: 'os:v2', restartToken: 'again' }, status });
  });

  test.each(stored)('is not made again: %s', async (name, spec, says) => {
    expectSays(await refusal(dryRun(`new-${name}`, { image: 'os:v1', ...spec })), [says]);
  });
});
