import { expect, test } from 'vitest';
import { container } from '../../../test/fixtures/builders.ts';
import { asCached } from '../../../test/fixtures/cached.ts';
import type { HostedContainerSpec } from '../../api/hostedcontainer.ts';
import { finalizers, labels } from '../../api/names.ts';
import type { PersistentVolumeClaim } from '../../api/kubernetes/objects.ts';
import type { OwnerReference } from '../../api/kubernetes/objects.ts';
import { dataActions } from './data.ts';
import type { Observed } from './observed.ts';

const claimTemplate = { accessModes: ['ReadWriteOnce'] };
const owner = (uid: string): OwnerReference => ({ apiVersion: 'v1', kind: 'X', name: 'x', uid });
const claim = (metadata: Partial<PersistentVolumeClaim['metadata']> = {}): PersistentVolumeClaim => ({
  apiVersion: 'v1',
  kind: 'PersistentVolumeClaim',
  metadata: {
    name: 'web-data',
    namespace: 'shop',
    labels: { [labels.hostedContainer]: 'web', [labels.managedBy]: 'monoroot' },
    ...metadata,
  },
});
const [held, deleting] = [{ finalizers: [finalizers.data] }, { deletionTimestamp: '2026-01-01T00:00:00Z' }];
type Data = HostedContainerSpec['data'];
const goes: Data = { claimTemplate, whenDeleted: 'Delete' };
const stays: Data = { claimTemplate, whenDeleted: 'Retain' };

test.each<[string, Data, object, PersistentVolumeClaim | undefined, string[]]>([
  ['a container whose claim should go waits for it from the start', goes, {}, undefined, ['Hold']],
  ['and goes on waiting', goes, held, claim(), []],
  ['one whose claim should stay never waits', stays, {}, claim(), []],
  ['nor one with a claim of somebody else', { claimName: 'web-data' }, {}, claim(), []],
  ['Retain that is written later ends the wait', stays, held, claim(), ['Release']],
  ['a claim of somebody else instead of the template does, too', { claimName: 'other' }, held, claim(), ['Release']],
  ['and so does no data at all', undefined, held, claim(), ['Release']],
  ['the claim goes when the container is deleted', goes, { ...held, ...deleting }, claim(), ['DeleteClaim', 'Release']],
  ['it stays with Retain that is written during the deletion', stays, { ...held, ...deleting }, claim(), ['Release']],
  ['so it does with claimName that is', { claimName: 'web-data' }, { ...held, ...deleting }, claim(), ['Release']],
  [
    'so it does when the container is deleted with --cascade=orphan',
    goes,
    { finalizers: ['orphan', finalizers.data], ...deleting },
    claim(),
    ['Release'],
  ],
  [
    'a claim of that name that somebody else made stays',
    goes,
    { ...held, ...deleting },
    claim({ labels: {} }),
    ['Release'],
  ],
  ['one that goes already is not deleted again', goes, { ...held, ...deleting }, claim(deleting), ['Release']],
  ['one that is gone already keeps no one waiting', goes, { ...held, ...deleting }, undefined, ['Release']],
  [
    'a container that waits for other things only is left alone',
    goes,
    { finalizers: ['x/y'], ...deleting },
    claim(),
    [],
  ],
  [
    'an owner that an earlier version of the operator wrote goes first',
    goes,
    {},
    claim({ ownerReferences: [owner('other'), owner('uid-web')] }),
    ['DisownClaim', 'Hold'],
  ],
  [
    'also from the claim of a template that is no longer asked for',
    { claimName: 'other' },
    {},
    claim({ ownerReferences: [owner('uid-web')] }),
    ['DisownClaim'],
  ],
  ['owners of others are their own affair', stays, {}, claim({ ownerReferences: [owner('other')] }), []],
])('%s', (_name, data, metadata, made, expected) => {
  const it = container({ image: 'os:v1', ...(data && { data }) });
  const object = { ...it, metadata: { ...it.metadata, uid: 'uid-web', ...metadata } };
  const actions = dataActions(asCached({ container: object, claim: made, now: new Date(0) } as Observed));
  const told = actions.map((action) =>
    action.type === 'HoldForData' ? (action.hold ? 'Hold' : 'Release') : action.type,
  );
  expect(told).toEqual(expected);
});
