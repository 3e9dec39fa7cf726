import { describe, expect, test } from 'vitest';
import type { Pod, PodStatus } from '../api/kubernetes/objects.ts';
import { podEnd } from './pod-end.ts';

const exit = (exitCode: number, reason = 'Completed'): PodStatus => ({
  containerStatuses: [{ name: 'main', ready: false, restartCount: 0, state: { terminated: { exitCode, reason } } }],
});
const ended = (restartPolicy: string, status: PodStatus) =>
  podEnd({ spec: { restartPolicy }, status } as unknown as Pod);

describe('the end of a Pod', () => {
  test.each<[string, string, PodStatus, string | undefined]>([
    ['a Pod that runs', 'Always', { phase: 'Running', ...exit(1, 'Error') }, undefined],
    ['a test that exits', 'Never', { phase: 'Failed', ...exit(1, 'Error') }, 'Container'],
    ['a test that passes', 'Never', { phase: 'Succeeded', ...exit(0) }, 'Container'],
    // What kubelet 1.37 leaves of an eviction when the container ends in order before it has written its reason.
    ['a service that the kubelet ended without a reason', 'Always', { phase: 'Succeeded', ...exit(0) }, 'Cluster'],
    [
      'a service that the kubelet killed without a reason',
      'Always',
      { phase: 'Failed', ...exit(137, 'Error') },
      'Cluster',
    ],
    [
      'a service that filled its own volume',
      'Always',
      { phase: 'Failed', reason: 'Evicted', message: 'Usage of EmptyDir volume "data" exceeds the limit "16Mi".' },
      'OwnUsage',
    ],
  ])('%s', (_what, restartPolicy, status, cause) => {
    expect(ended(restartPolicy, status)?.cause).toBe(cause);
  });
});
