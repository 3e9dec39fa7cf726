import { describe, expect, test } from 'vitest';
import { container, distribution, node } from '../../../test/fixtures/builders.ts';
import type { ImageDistribution } from '../../api/imagedistribution.ts';
import { findCondition } from '../../runtime/conditions.ts';
import { sameStatus } from '../../runtime/status.ts';
import { plan, condition, all, activating } from '../../../test/fixtures/distribution.ts';

describe('conditions', () => {
  test.each<[string, Parameters<typeof plan>[0], Record<string, string>]>([
    [
      'all nodes have it',
      {},
      {
        Distributed: 'True',
        Activated: 'False/NotRequested',
        Ready: 'True',
        Reconciling: 'False/Settled',
        Stalled: 'False/Settled',
      },
    ],
    [
      'one node is fetching it',
      { states: ['Ready', 'Fetching'] },
      {
        Distributed: 'False/InProgress',
        Ready: 'False/InProgress',
        Reconciling: 'True/InProgress',
        Stalled: 'False/Settled',
      },
    ],
    [
      'a node failed: a person must look, whatever the others do',
      { states: ['Failed', 'Fetching', 'Ready'] },
      {
        Distributed: 'False/NodesFailed',
        Ready: 'False/NodesFailed',
        Reconciling: 'False/Settled',
        Stalled: 'True/NodesFailed',
      },
    ],
    [
      'its image does not exist: nothing happens until a person creates it',
      { image: undefined },
      {
        Distributed: 'False/UnknownImage',
        Ready: 'False/UnknownImage',
        Stalled: 'True/UnknownImage',
        Reconciling: 'False/Settled',
      },
    ],
    [
      'it selects no node',
      { states: [] },
      { Distributed: 'False/NoNodes', Ready: 'False/NoNodes', Stalled: 'True/NoNodes', Reconciling: 'False/Settled' },
    ],
    [
      'it is paused in the middle by a number',
      { states: ['Ready', 'none'], distribution: distribution('os:v1', { parallelism: 0 }) },
      { Distributed: 'False/Paused', Ready: 'True/Paused', Reconciling: 'False/Settled', Stalled: 'False/Settled' },
    ],
    [
      'it is paused in the middle by a percentage',
      { states: ['Ready', 'none'], distribution: distribution('os:v1', { parallelism: '0%' }) },
      { Distributed: 'False/Paused' },
    ],
    [
      'it is paused when all have it',
      { distribution: distribution('os:v1', { parallelism: 0 }) },
      { Distributed: 'True', Ready: 'True' },
    ],
    [
      'it should be the default and is not everywhere yet',
      { states: ['Ready', 'Fetching'], distribution: activating() },
      { Activated: 'False/WaitingForNodes', Ready: 'False/InProgress', Reconciling: 'True/InProgress' },
    ],
    [
      'it should be the default and is everywhere',
      { distribution: activating() },
      { Activated: 'True/NewContainers', Ready: 'True', Reconciling: 'False/Settled', Stalled: 'False/Settled' },
    ],
  ])('%s', (_name, observed, expected) => {
    const seen = all(plan(observed));
    for (const [type, value] of Object.entries(expected))
      expect(`${type} ${seen[type] ?? ''}`).toContain(`${type} ${value}`);
  });

  test('messages say what happened, to what, and what to do', () => {
    const message = (type: string, observed: Parameters<typeof plan>[0]) =>
      findCondition(plan(observed).conditions, type)?.message;
    expect(message('Ready', { image: undefined })).toBe('There is no OSImage os.v1: create it');
    expect(message('Stalled', { states: ['Ready', 'Failed'] })).toBe(
      '1 of 2 nodes could not get it. n2: NoSpace: disk is full',
    );
    expect(
      message('Ready', { states: ['Ready', 'none'], distribution: distribution('os:v1', { parallelism: 0 }) }),
    ).toContain('1 of 2 nodes have it; paused by spec.parallelism 0');
  });
});

test('planning again changes nothing', () => {
  const first = plan({ distribution: activating(), states: ['Ready', 'Ready'] });
  const second = plan({ distribution: activating(first), now: new Date('2027-01-01T00:00:00Z') });
  expect(sameStatus(first, second)).toBe(true);
});

test.each(['selector', 'nodeSelector'])('an empty %s that was stored before is for a person to correct', (field) => {
  const nodes = [node('n1', ['os:v1']), node('n2')];
  const status = plan({ distribution: distribution('os:v1', { [field]: {} }), nodes });
  expect(status.nodes).toMatchObject({ desired: 1, ready: 1 });
  expect(all(status)).toMatchObject({
    Distributed: 'False/EmptySelector',
    Ready: 'False/EmptySelector',
    Stalled: 'True/EmptySelector',
    Reconciling: 'False/Settled',
  });
  expect(findCondition(status.conditions, 'Distributed')?.message).toBe(
    `spec.${field} is empty, which selects no further node: 1 nodes that have the image keep it. Name labels in spec.selector, or remove spec.${field} to select all nodes`,
  );
});

describe('existing containers', () => {
  const existing = { activate: { newContainers: true, existingContainers: {} } } as unknown as Partial<
    ImageDistribution['spec']
  >;
  const active = { activeImage: 'os:v1', activationTime: '2026-01-01T00:00:00Z' };
  const rollout = { image: 'os:v1', startTime: '2026-01-01T00:00:00Z', wave: 1, retryToken: '' };
  const halt = { haltTime: '2026-01-01T01:00:00Z', haltReason: 'TooManyFailures', haltMessage: '2 of 6 failed' };
  const follower = container({ image: 'os' }, { assignedImage: 'os:v0', lastKnownGoodImage: 'os:v0' });
  const seen = (it: ImageDistribution, others: ImageDistribution[] = []): Parameters<typeof plan>[0] => ({
    distribution: it,
    fleet: { distributions: [it, ...others], containers: [follower], window: { open: true }, answers: [] },
  });

  test.each<[string, Parameters<typeof plan>[0], Record<string, string>]>([
    [
      'are on their way',
      seen(distribution('os:v1', existing, { ...active, rollout })),
      {
        Ready: 'False/RollingOut',
        RolledOut: 'False/RollingOut',
        Reconciling: 'True/RollingOut',
        RolloutHalted: 'False/NotHalted',
        Stalled: 'False/Settled',
      },
    ],
    [
      'are paused, as a person wants it',
      seen(
        distribution('os:v1', { activate: { newContainers: true, existingContainers: { paused: true } } } as never, {
          ...active,
          rollout,
        }),
      ),
      {
        Ready: 'True/Paused',
        RolledOut: 'False/Paused',
        Reconciling: 'False/Settled',
        Stalled: 'False/Settled',
      },
    ],
    [
      'wait for a window, as a person wants it',
      {
        ...seen(distribution('os:v1', existing, { ...active, rollout })),
        fleet: {
          distributions: [],
          containers: [follower],
          window: { open: false, changeTime: new Date(0) },
          answers: [],
        },
      },
      {
        Ready: 'True/OutsideWindow',
        RolledOut: 'False/OutsideWindow',
        Reconciling: 'False/Settled',
        Stalled: 'False/Settled',
      },
    ],
    [
      'wait for a window that cannot open',
      {
        ...seen(distribution('os:v1', existing, { ...active, rollout })),
        fleet: {
          distributions: [],
          containers: [follower],
          window: { open: false, problem: 'no such zone' },
          answers: [],
        },
      },
      { Ready: 'False/InvalidWindow', Reconciling: 'False/Settled', Stalled: 'True/InvalidWindow' },
    ],
    [
      'wait for a person after a halt',
      seen(distribution('os:v1', existing, { ...active, rollout: { ...rollout, ...halt } })),
      {
        Ready: 'False/RolloutHalted',
        RolloutHalted: 'True/TooManyFailures',
        Stalled: 'True/RolloutHalted',
        Reconciling: 'False/Settled',
      },
    ],
    [
      'are for another distribution to move: nothing is missing here',
      seen(distribution('os:v1', existing, active), [
        {
          ...distribution(
            'os:v9',
            { activate: { newContainers: true } },
            { activeImage: 'os:v9', activationTime: '2026-01-02T00:00:00Z' },
          ),
        },
      ]),
      { Ready: 'True/AllNodes', RolledOut: 'False/Superseded', Stalled: 'False/Settled', Reconciling: 'False/Settled' },
    ],
    [
      'can be moved to a default version only',
      seen(
        distribution('os:v1', { activate: { newContainers: false, existingContainers: {} } } as unknown as Partial<
          ImageDistribution['spec']
        >),
      ),
      { Ready: 'False/NotActivated', Stalled: 'True/NotActivated', Reconciling: 'False/Settled' },
    ],
  ])('%s', (_name, observed, expected) => {
    expect(all(plan(observed))).toMatchObject(expected);
  });

  test('are said nothing of any more when they are not to be moved', () => {
    const before = plan(seen(distribution('os:v1', existing, { ...active, rollout })));
    const status = plan({ distribution: distribution('os:v1', { activate: { newContainers: true } }, before) });
    expect([status.rollout, status.containers]).toEqual([undefined, undefined]);
    expect(condition(status, 'RolledOut')).toBe('absent/');
    expect(condition(status, 'Ready')).toBe('True/AllNodes');
  });
});
