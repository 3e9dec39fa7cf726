import { expect, test } from 'vitest';
import { distribution } from '../../../test/fixtures/builders.ts';
import type { ImageDistributionStatus } from '../../api/imagedistribution.ts';
import { describeProgress, inOneLine } from './describe.ts';

const now = new Date('2026-01-01T12:00:00Z');
const existingContainers = {
  maxUnavailable: '10%',
  canary: { count: 2, soakSeconds: 600 },
  maxFailures: 1,
  waveSoakSeconds: 60,
  paused: false,
  onHalt: 'Stay' as const,
  retryToken: '',
};
const condition = (type: string, status: 'True' | 'False', message: string) => ({
  type,
  status,
  reason: 'Because',
  message,
  lastTransitionTime: '2026-01-01T00:00:00Z',
});
const waiting = condition('Ready', 'False', 'Waits for places');
const rollout = { image: 'os:2', startTime: '2026-01-01T11:00:00Z', wave: 1 };

function progress(status: Partial<ImageDistributionStatus>, changes: Partial<typeof existingContainers> = {}) {
  const activate = { newContainers: true, existingContainers: { ...existingContainers, ...changes } };
  return describeProgress(
    distribution(
      'os:2',
      { activate },
      {
        observedGeneration: 1,
        nodes: { desired: 3, ready: 3, active: 0, failed: 0 },
        containers: { following: 40, updated: 38, updating: 1, reverted: 1, unavailable: 1 },
        conditions: [waiting],
        ...status,
      },
    ),
    now,
  );
}
const counts = '3 of 3 nodes have it; 38 of 40 containers updated, 1 updating, 1 reverted, 1 unavailable';

test.each<[string, Partial<ImageDistributionStatus>, Partial<typeof existingContainers>, string]>([
  ['a wave that moves', { rollout }, {}, `Waiting: ${counts}; wave 1; Waits for places`],
  [
    'when it is expected to end',
    { rollout: { ...rollout, estimatedCompletionTime: '2026-01-01T14:30:00Z' } },
    {},
    `Waiting: ${counts}; wave 1, expected to end at 2026-01-01T14:30:00Z (in 2 h 30 min); Waits for places`,
  ],
  [
    'that it is late',
    { rollout: { ...rollout, estimatedCompletionTime: '2026-01-01T11:30:00Z' } },
    {},
    `Waiting: ${counts}; wave 1, late: it was expected to end at 2026-01-01T11:30:00Z; Waits for places`,
  ],
  [
    'canaries that soak, with the time that is left',
    { rollout: { ...rollout, wave: 0, soakStartTime: '2026-01-01T11:54:05Z' } },
    {},
    `Waiting: ${counts}; canaries, soaks until 12:04:05Z (4 min 05 s left); Waits for places`,
  ],
  [
    'a later wave has a soak of its own',
    { rollout: { ...rollout, soakStartTime: '2026-01-01T11:59:30Z' } },
    {},
    `Waiting: ${counts}; wave 1, soaks until 12:00:30Z (30 s left); Waits for places`,
  ],
  [
    'a gate that does not hold, after the soak',
    {
      rollout: {
        ...rollout,
        soakStartTime: '2026-01-01T11:00:00Z',
        gates: [
          { name: 'errors', holds: false, failures: 1, message: 'value 0', time: '2026-01-01T11:59:00Z' },
          { name: 'other', holds: true, failures: 0, time: '2026-01-01T11:59:00Z' },
        ],
      },
    },
    {},
    `Waiting: ${counts}; wave 1, soak is over, gate errors does not hold: value 0; Waits for places`,
  ],
  [
    'counts that the message of the rollout begins with are not told twice',
    { conditions: [condition('Ready', 'False', '38 of 40 containers run os:2, 1 reverted; next: shop/web')] },
    {},
    `Waiting: ${counts}; next: shop/web`,
  ],
  [
    'paused, as the rollout says itself',
    { conditions: [condition('Ready', 'False', '38 of 40 run it; paused by spec')] },
    { paused: true },
    `Waiting: ${counts}; paused by spec`,
  ],
  ['paused', {}, { paused: true }, `Waiting: ${counts}; paused; Waits for places`],
  [
    'a change that the operator has not seen',
    { observedGeneration: 0, conditions: [condition('Ready', 'True', '')] },
    {},
    `Waiting: ${counts}; the operator has not seen the last change yet`,
  ],
  ['done', { conditions: [condition('Ready', 'True', 'Fine')], rollout }, {}, `Done: ${counts}`],
  [
    'halted, with the count and an example',
    {
      conditions: [waiting, condition('RolloutHalted', 'True', '2 containers were reverted, such as shop/web')],
      rollout,
    },
    {},
    `Halted: ${counts}; 2 containers were reverted, such as shop/web`,
  ],
  [
    'a person must act',
    {
      conditions: [waiting, condition('Stalled', 'True', 'Node n2 could not get it')],
      nodes: { desired: 3, ready: 1, active: 0, failed: 1, unreachable: 1 },
    },
    {},
    `Stalled: 1 of 3 nodes have it, 1 failed, 1 silent; ${counts.split('; ')[1] ?? ''}; Node n2 could not get it`,
  ],
  [
    'no status yet',
    { observedGeneration: 1, conditions: [], nodes: undefined, containers: undefined },
    {},
    'Waiting: 0 of 0 nodes have it',
  ],
])('%s', (_case, status, changes, told) => {
  const result = progress(status, changes);
  expect(`${result.standing}: ${inOneLine(result)}`).toBe(told);
});

test('a distribution that moves no containers tells of nodes only', () => {
  const result = describeProgress(distribution('os:2', {}, { observedGeneration: 1, conditions: [waiting] }), now);
  expect(inOneLine(result)).toBe('0 of 0 nodes have it; Waits for places');
});
