import { expect, test } from 'vitest';
import { container } from '../../test/fixtures/builders.ts';
import type { HostedContainerSpec } from '../api/hostedcontainer.ts';
import { claimFromTemplate, claimNameOf } from './claim.ts';

const web = (data?: HostedContainerSpec['data']) => container({ image: 'os:v1', ...(data && { data }) });
const template = { accessModes: ['ReadWriteOnce'], resources: { requests: { storage: '1Gi' } } };

test.each<[string, HostedContainerSpec['data'], string | undefined]>([
  ['no data', undefined, undefined],
  ['an existing claim', { claimName: 'mine' }, 'mine'],
  ['a template', { claimTemplate: template }, 'web-data'],
  ['ephemeral data', { ephemeral: { size: '1Gi' } }, undefined],
])('the claim of a container with %s', (_name, data, expected) => {
  expect(claimNameOf(web(data))).toBe(expected);
});

test('a claim is made only from a template, in the namespace of the container', () => {
  expect(claimFromTemplate(web({ claimName: 'mine' }))).toBeUndefined();
  expect(claimFromTemplate(web())).toBeUndefined();
  expect(claimFromTemplate(web({ claimTemplate: template }))).toMatchObject({
    metadata: { name: 'web-data', namespace: 'shop', labels: { 'monoroot.dev/hosted-container': 'web' } },
    spec: template,
  });
});

test('no owner takes the claim away, whatever is written of it', () => {
  for (const whenDeleted of ['Retain', 'Delete'] as const) {
    const made = claimFromTemplate(web({ claimTemplate: template, whenDeleted }));
    expect(made?.metadata.ownerReferences).toBeUndefined();
  }
});
