import { expect, test } from 'vitest';
import { container, distribution } from '../../../test/fixtures/builders.ts';
import type { Condition } from '../../runtime/conditions.ts';
import { fieldsOf, gitOpsOwners } from './owners.ts';
import { outcomeOf } from './outcome.ts';

const condition = (type: string, status: Condition['status'], reason = 'Because'): Condition => ({
  type,
  status,
  reason,
  message: 'told',
  lastTransitionTime: '2026-01-01T00:00:00Z',
});

test.each<[string, Condition[], number, string]>([
  ['runs what is asked for', [condition('Ready', 'True'), condition('Upgraded', 'True')], 1, 'Good'],
  ['went back', [condition('Ready', 'True'), condition('Upgraded', 'False', 'Reverted')], 1, 'Bad'],
  ['waits for a person', [condition('Stalled', 'True', 'InvalidSpec')], 1, 'Bad'],
  ['is on its way', [condition('Ready', 'True'), condition('Upgraded', 'Unknown', 'InProgress')], 1, 'Waiting'],
  ['starts', [condition('Ready', 'False', 'Starting'), condition('Upgraded', 'True')], 1, 'Waiting'],
  ['is suspended, as asked for', [condition('Ready', 'True', 'Suspended'), condition('Upgraded', 'Unknown', 'Suspended')], 1, 'Good'], // prettier-ignore
  ['went back, of which an earlier spec was the cause', [condition('Upgraded', 'False', 'Reverted')], 2, 'Waiting'],
])('a container that %s is judged', (_case, conditions, generation, outcome) => {
  expect(outcomeOf(container({ image: 'os:2' }, { observedGeneration: 1, conditions }), generation).type).toBe(outcome);
});

test('a container that went back before is good again after a restart, and bad when it goes back again', () => {
  const of = (ready: Condition['status'], lastTransitionTime: string) =>
    container(
      { image: 'os:1' },
      {
        observedGeneration: 2,
        conditions: [condition('Ready', ready), { ...condition('Upgraded', 'False', 'Reverted'), lastTransitionTime }],
      },
    );
  const before = of('True', '2026-01-01T00:00:00Z');
  expect(outcomeOf(of('False', '2026-01-01T00:00:00Z'), 2, before).type).toBe('Waiting');
  expect(outcomeOf(of('True', '2026-01-01T00:00:00Z'), 2, before).type).toBe('Good');
  expect(outcomeOf(of('True', '2026-01-01T00:10:00Z'), 2, before).type).toBe('Bad');
});

test.each<[string, Condition[], string]>([
  ['is done', [condition('Ready', 'True')], 'Good'],
  ['halted', [condition('RolloutHalted', 'True', 'TooManyFailures'), condition('Stalled', 'True')], 'Bad'],
  ['rolls out', [condition('Ready', 'False', 'RollingOut')], 'Waiting'],
])('a distribution that %s is judged', (_case, conditions, outcome) => {
  expect(outcomeOf(distribution('os:2', {}, { observedGeneration: 1, conditions })).type).toBe(outcome);
});

test('the fields of a patch', () => {
  expect(fieldsOf({ spec: { image: 'x', upgrade: { retryToken: '1' }, suspend: null } })).toEqual([
    'spec.image',
    'spec.upgrade.retryToken',
    'spec.suspend',
  ]);
});

test.each([
  ['kustomize-controller', { 'f:spec': { 'f:image': {} } }, ['Flux (kustomize-controller)']],
  ['argocd-controller', { 'f:spec': { '.': {}, 'f:image': {} } }, ['Argo CD']],
  ['argocd-controller', { 'f:spec': { 'f:command': {} } }, []],
  ['kubectl-edit', { 'f:spec': { 'f:image': {} } }, []],
])('%s owns %j', (manager, fieldsV1, tools) => {
  const it = container({ image: 'os:2' });
  const owned = { ...it, metadata: { ...it.metadata, managedFields: [{ manager, fieldsV1 }] } };
  expect(gitOpsOwners(owned, ['spec.image']).map(({ tool }) => tool)).toEqual(tools);
});
