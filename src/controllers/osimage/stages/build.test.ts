import { describe, expect, test } from 'vitest';
import {
  now,
  earlier,
  digest,
  built,
  job,
  pod,
  exited,
  waits,
  unscheduled,
  answers,
  ran,
  withRetry,
  plan,
  condition,
  message,
  did,
} from '../../../../test/fixtures/image-life.ts';
import { seenAt } from '../../../../test/fixtures/cached.ts';
import type { OSImageStatus } from '../../../api/osimage.ts';
import type { Observed } from '../plan.ts';

describe('a build', () => {
  test('begins with its recipe and its Job, and says how to follow it', () => {
    const it = plan(built());
    expect(did(it)).toEqual(['create ConfigMap', 'create Job build-os.v1']);
    expect(condition(it, 'Built')).toBe('Unknown/Building');
    expect(message(it, 'Built')).toContain('kubectl -n system logs -f job/build-os.v1');
    expect(it.status.build).toEqual({ job: 'build-os.v1', startTime: now.toISOString().replace('.000', '') });
    expect(condition(it, 'Verified')).toBe('absent');
    expect(condition(it, 'Published')).toBe('False/WaitingForBuild');
    expect([condition(it, 'Ready'), condition(it, 'Reconciling')]).toEqual(['False/Building', 'True/Building']);
  });

  test('of which the Job is made, but not written down, is found by its name', () => {
    const it = plan(built(), { jobs: [job('build')] });
    expect(did(it)).toEqual([]);
    expect(it.status.build?.job).toBe('build-os.v1');
  });

  test('whose Job was removed begins again', () => {
    const it = plan(built({ build: { job: 'build-os.v1', startTime: earlier } }));
    expect(did(it)).toEqual(['create ConfigMap', 'create Job build-os.v1']);
    expect(it.status.build?.startTime).toBe(earlier);
  });

  test('whose Job somebody deletes again and again begins again at once, then after pauses that grow', () => {
    let build: OSImageStatus['build'] = { job: 'build-os.v1', startTime: earlier };
    const waits = ['a', 'b', 'c', 'd'].map((uid) => {
      const it = job('build');
      const deletedByOthers = [{ ...it, metadata: { ...it.metadata, uid } }];
      // The same one counts once, however often it is looked for.
      for (let looks = 0; looks < 3; looks++) build = plan(built({ build }), { deletedByOthers }).status.build;
      const next = plan(built({ build }), { deletedByOthers });
      expect(next.status.build).toEqual(build);
      if (uid === 'd') expect(message(next, 'Built')).toMatch(/4 Jobs in a row .* The next one is made at 2026-/);
      return did(next).length > 0 ? 0 : next.requeueAfterSeconds;
    });
    expect(waits).toEqual([0, 10, 20, 40]);
    const later = new Date(now.getTime() + 40_000);
    expect(did(plan(built({ build }), { now: later }))).toEqual(['create ConfigMap', 'create Job build-os.v1']);
    const ended = plan(built({ build }), ran('build', 'Complete', answers(success)));
    expect([ended.status.build?.digest, ended.status.build?.interruption]).toEqual([digest, undefined]);
  });

  test('in a pause is begun at once when the annotation asks for it', () => {
    const retryTime = new Date(now.getTime() + 300_000).toISOString();
    const interruption = {
      podUID: 'a',
      count: 7,
      time: earlier,
      retryTime,
      reason: 'Deleted',
      message: 'Somebody did',
    };
    const paused = built({ build: { job: 'build-os.v1', startTime: earlier, interruption } });
    expect(did(plan(paused))).toEqual([]);
    const it = plan(withRetry(paused, 'again'));
    expect(did(it)).toEqual(['create ConfigMap', 'create Job build-os.v1']);
    expect(it.status.build?.interruption).toBeUndefined();
  });

  const success = { digest, bundleBytes: 5, packages: 7, sbomDigest: digest };
  test.each<[string, Partial<Observed>, string, RegExp]>([
    ['waits while it runs', ran('build', undefined, { phase: 'Running' }), 'Unknown/Building', /follow it/],
    ['says why its Pod finds no node', ran('build', undefined, unscheduled), 'Unknown/Building', /0\/3 nodes/],
    [
      'says that the image of the builder cannot be pulled',
      ran('build', undefined, waits('ImagePullBackOff', 'Back-off pulling image')),
      'Unknown/Building',
      /ImagePullBackOff: Back-off/,
    ],
    [
      'says that the image of the sandbox cannot be pulled',
      ran('build', undefined, {
        initContainerStatuses: waits('ErrImagePull', 'no such image').containerStatuses ?? [],
        ...waits('PodInitializing', ''),
      }),
      'Unknown/Building',
      /ErrImagePull: no such image/,
    ],
    ['is not done before the Job says so', ran('build', undefined, answers(success)), 'Unknown/Building', /./],
    ['has pushed it', ran('build', 'Complete', answers(success)), 'True/Pushed', /testing\/os:v1 is sha256:/],
    [
      'fails as the builder says',
      ran('build', 'Failed', answers({ reason: 'PackagesFailed', message: 'no nginx\nE: last line' })),
      'False/PackagesFailed',
      /no nginx\nE: last line[^]*monoroot\.dev\/retry/,
    ],
    [
      'fails with a reason of ours when the builder gives a bad one',
      ran('build', 'Failed', answers({ reason: 'not camel', message: 'm' })),
      'False/BuildFailed',
      /^m/,
    ],
    [
      'fails with the end of the log when the builder died without a word',
      ran('build', 'Failed', exited(137, 'Killed\nwhile unpacking')),
      'False/BuildFailed',
      /exit code 137[^]*Killed\nwhile unpacking/,
    ],
    [
      'says that it had too little memory',
      ran('build', 'Failed', {
        containerStatuses: [
          {
            ...{ name: 'build', ready: false, restartCount: 0 },
            state: { terminated: { exitCode: 137, reason: 'OOMKilled' } },
          },
        ],
      }),
      'False/BuildFailed',
      /OOMKilled, exit code 137/,
    ],
    [
      'fails when it says it is well without a digest',
      ran('build', 'Complete', exited(0, 'bye')),
      'False/BuildFailed',
      /exit code 0[^]*bye/,
    ],
    [
      'was ended by the kubelet, whatever the builder could still say',
      ran('build', 'Failed', exited(1, '{"reason":"Stopped","message":"m"}', { reason: 'DeadlineExceeded' })),
      'False/TimedOut',
      /after 3600 s/,
    ],
    [
      'shows the end of the log when it was ended without a word',
      ran('build', 'Failed', exited(137, 'still unpacking', { reason: 'DeadlineExceeded' })),
      'False/TimedOut',
      /after 3600 s[^]*still unpacking/,
    ],
    [
      'used more of the disk than it may',
      ran(
        'build',
        'Failed',
        exited(137, '', { reason: 'Evicted', message: 'Usage of EmptyDir volume "work" exceeds the limit' }),
      ),
      'False/Evicted',
      /The node ended Job build-os\.v1: Usage of EmptyDir/,
    ],
    [
      'whose Pod never ran was ended by the Job',
      { jobs: [job('build', 'Failed', 'DeadlineExceeded')] },
      'False/TimedOut',
      /after 4200 s/,
    ],
    ['whose Pod is gone for long', { jobs: [job('build', 'Complete')] }, 'False/BuildFailed', /without an answer/],
  ])('that %s', (_name, o, expected, text) => {
    const it = plan(built({ build: { job: 'build-os.v1', startTime: earlier } }), o);
    expect(condition(it, 'Built')).toBe(expected);
    expect(message(it, 'Built')).toMatch(text);
    expect(condition(it, 'Stalled')).toBe(expected.startsWith('False') ? `True/${expected.slice(6)}` : 'False/Settled');
  });

  test.each([
    ['as that of the operator', 0],
    ['ten minutes behind', -600],
    ['ten minutes ahead', 600],
  ])(
    'is awaited for a moment when its Pod is not seen to have ended, the clock of Kubernetes being %s',
    (_name, skew) => {
      const late = job('build', 'Complete');
      const ended = now.getTime() + (skew - 6) * 1000;
      late.status?.conditions?.forEach((c) => (c.lastTransitionTime = new Date(ended).toISOString()));
      const pods = [pod('build', 'p', { phase: 'Running' }, late)];
      const seconds = (ago: number) => plan(built(), { jobs: [seenAt(late, now.getTime() - ago * 1000)], pods });
      expect([condition(seconds(6), 'Built'), seconds(6).requeueAfterSeconds]).toEqual(['Unknown/Building', 24]);
      expect(condition(seconds(30), 'Built')).toBe('False/BuildFailed');
    },
  );

  test('is judged by the Pod that took the place of one that was evicted', () => {
    const it = job('build', 'Complete');
    const first = pod('build', 'a', exited(137, 'evicted'), it);
    const second = pod('build', 'b', answers({ digest, bundleBytes: 1, packages: 1 }), it);
    second.metadata.creationTimestamp = '2026-02-03T04:01:00Z';
    for (const pods of [
      [first, second],
      [second, first],
    ])
      expect(condition(plan(built(), { jobs: [it], pods }), 'Built')).toBe('True/Pushed');
  });

  test('gives the image its digest, and keeps it', () => {
    const it = plan(built(), ran('build', 'Complete', answers(success)));
    expect(it.status).toMatchObject({ digest, build: { ...success, completionTime: earlier } });
    expect(plan(built(it.status)).status).toMatchObject({ digest, build: success });
    expect(plan(built()).status.digest).toBeUndefined();
  });

  test('that the API server refuses says so, and is done with nothing written down', () => {
    const it = plan(built(), { refusal: 'jobs "build-os.v1" is forbidden: exceeded quota' });
    expect([condition(it, 'Built'), condition(it, 'Stalled')]).toEqual(['False/JobRefused', 'True/JobRefused']);
    expect(message(it, 'Built')).toContain('exceeded quota');
    expect([it.status.build, did(it)]).toEqual([undefined, []]);
  });
});
