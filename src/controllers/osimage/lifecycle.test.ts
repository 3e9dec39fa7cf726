import { describe, expect, test } from 'vitest';
import { distribution, nodeStore, stored } from '../../../test/fixtures/builders.ts';
import {
  earlier,
  layout,
  done,
  failed,
  built,
  external,
  tested,
  withRetry,
  job,
  pod,
  exited,
  plan,
  condition,
  did,
} from '../../../test/fixtures/image-life.ts';
import { labels } from '../../api/names.ts';
import type { OSImage, OSImageStatus } from '../../api/osimage.ts';

describe('another try', () => {
  test.each<[string, OSImageStatus, string[], OSImageStatus]>([
    [
      'builds what could not be built, under another name',
      { build: failed.build },
      [
        'create ConfigMap',
        expect.stringMatching(/^create Job build-os\.v1-[0-9a-f]{8}$/),
        'delete Job build-os.v1',
      ] as string[],
      { retryToken: '1' },
    ],
    [
      'tests what did not pass, and builds nothing again',
      { build: done.build, verification: failed.verification },
      [`delete Pod ${failed.verification.pod}`],
      { retryToken: '1', build: done.build, verification: { node: 'n1' } },
    ],
    [
      'publishes what could not be published, and does nothing else again',
      { build: done.build, verification: done.passed, publication: failed.publication },
      ['create ConfigMap', expect.stringMatching(/^create Job publish-os\.v1-[0-9a-f]{8}$/)] as string[],
      { retryToken: '1', build: done.build, verification: done.passed },
    ],
    [
      'changes nothing that is well',
      { build: done.build, verification: done.passed, publication: done.publication },
      [],
      { retryToken: '1', build: done.build, verification: done.passed, publication: done.publication },
    ],
  ])('%s', (_name, status, actions, expected) => {
    const jobs = status.build?.reason === undefined ? [job('build', 'Complete')] : [job('build', 'Failed')];
    const pods = status.verification?.outcome === 'Failed' ? [pod('verify', failed.verification.pod, exited(3))] : [];
    const it = plan(withRetry(tested(status), '1'), { jobs, pods });
    expect(did(it)).toEqual(actions);
    expect(it.status).toMatchObject(expected);
    // Written down, it is not tried once more.
    expect(plan(withRetry(tested(it.status), '1'), { jobs: [] }).status.retryToken).toBe('1');
  });

  test('is asked for once: the same value is no further try', () => {
    const it = plan(withRetry(built({ build: failed.build, retryToken: '1' }), '1'), {
      jobs: [job('build', 'Failed')],
    });
    expect([did(it), condition(it, 'Built')]).toEqual([[], 'False/PackagesFailed']);
  });

  test('may be asked for while something runs, which it leaves alone', () => {
    const running = { build: { job: 'build-os.v1', startTime: earlier } };
    const it = plan(withRetry(built(running), '2'), { jobs: [job('build')] });
    expect([did(it), it.status.build, it.status.retryToken]).toEqual([[], running.build, '2']);
  });

  test('of a test has a Pod of another name', () => {
    const stores = [nodeStore('n1', ['os:v1'], [stored('os:v1', 'Ready', { layout })])];
    const names = ['', '1'].map((token) => {
      const image = external({ verification: { node: 'n1' }, ...(token && { retryToken: token }) });
      return plan(token ? withRetry(image, token) : image, { stores }).status.verification?.pod;
    });
    expect(new Set(names).size).toBe(2);
  });

  test('with a value that is too long is as good', () => {
    expect(plan(withRetry(built(), 'x'.repeat(1000))).status.retryToken).toHaveLength(253);
  });
});

test('nothing reaches the nodes of a distribution before all of that is done', () => {
  const distributions = [distribution('os:v1')];
  const desired = (image: OSImage) => plan(image, { distributions }).status.nodes?.desired;
  expect(desired(tested())).toBe(0);
  expect(desired(tested({ build: done.build }))).toBe(0);
  expect(desired(tested({ build: done.build, verification: failed.verification }))).toBe(0);
  expect(desired(tested({ build: done.build, verification: done.passed }))).toBe(0);
  expect(desired(tested({ build: done.build, verification: done.passed, publication: failed.publication }))).toBe(0);
  expect(desired(tested({ build: done.build, verification: done.passed, publication: done.publication }))).toBe(1);
  expect(desired(external())).toBe(0);
  expect(desired(external({ verification: done.passed }))).toBe(1);
});

test('an image that is being removed begins nothing', () => {
  const image = built();
  image.metadata.deletionTimestamp = earlier;
  expect(did(plan(image))).toEqual([]);
});

test('a plan that was carried out is the same again', () => {
  const first = plan(tested({ build: done.build, verification: done.passed }));
  const jobs = first.actions.flatMap((action) => (action.type === 'CreateJob' ? action.job : []));
  const second = plan(tested(first.status), { jobs: [job('build', 'Complete'), ...jobs] });
  expect([did(second), second.status]).toEqual([[], first.status]);
  expect(jobs[0]?.metadata.labels?.[labels.image]).toBe('os.v1');
});
