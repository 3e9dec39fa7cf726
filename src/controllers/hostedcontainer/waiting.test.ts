import { expect, test } from 'vitest';
import type { HostedContainerStatus } from '../../api/hostedcontainer.ts';
import { WaitingForNodes } from './waiting.ts';

const status = (type: string, reason: string): HostedContainerStatus => ({
  conditions: [{ type, status: 'True', reason, message: '', lastTransitionTime: '2026-01-01T00:00:00Z' }],
});
const settled = status('Ready', 'Running');
const waits = status('Reconciling', 'WaitingForNode');

/** Whether a change of a node at that moment leads to another run. */
const isNotified = (...runs: (HostedContainerStatus | 'runs')[]): boolean => {
  const waiting = new WaitingForNodes();
  for (const run of runs) {
    waiting.begin('shop/web');
    if (run !== 'runs') waiting.planned('shop/web', run);
  }
  return waiting.keys().includes('shop/web');
};

test.each<[string, boolean, Parameters<typeof isNotified>]>([
  ['that has settled', false, [settled]],
  ['that waits for a node, although the cache does not say so yet', true, [waits]],
  ['that waits for a person to distribute its image', true, [status('Stalled', 'WaitingForNode')]],
  ['that only a person can end', false, [status('Stalled', 'Failed')]],
  ['whose run has begun, and may have looked at the nodes', true, ['runs']],
  ['whose run failed', true, [settled, 'runs']],
  ['that has gone on since', false, [waits, settled]],
])('a container %s: %s', (_case, expected, runs) => {
  expect(isNotified(...runs)).toBe(expected);
});

test('one that is gone is not told', () => {
  const waiting = new WaitingForNodes();
  waiting.begin('shop/web');
  waiting.forget('shop/web');
  expect(waiting.keys()).toEqual([]);
});
