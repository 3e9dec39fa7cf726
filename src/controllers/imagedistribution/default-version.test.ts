import { describe, expect, test } from 'vitest';
import { builtImage, distribution, osImage } from '../../../test/fixtures/builders.ts';
import type { ImageDistribution, ImageDistributionStatus } from '../../api/imagedistribution.ts';
import type { OSImage } from '../../api/osimage.ts';
import { findCondition } from '../../runtime/conditions.ts';
import { plan, condition, all, activating } from '../../../test/fixtures/distribution.ts';
import type { State } from '../../../test/fixtures/distribution.ts';

describe('activation', () => {
  const active = { activeImage: 'os:v1', activationTime: '2026-01-01T00:00:00Z' };

  test('happens at the moment when all nodes have it', () => {
    expect(plan({ distribution: activating(), states: ['Ready', 'Fetching'] }).activationTime).toBeUndefined();
    expect(plan({ distribution: activating() })).toMatchObject({
      activeImage: 'os:v1',
      activationTime: expect.stringMatching(/^2026-02-03T04:05:06(\.000)?Z$/) as string,
    });
  });

  test.each<[string, State[]]>([
    ['a new node comes that has it not yet', ['Ready', 'none']],
    ['a node fails', ['Ready', 'Failed']],
    ['all nodes go', []],
  ])('stays, with its time, when %s', (_name, states) => {
    expect(plan({ distribution: activating(active), states })).toMatchObject(active);
  });

  test('ends when it is not asked for any more', () => {
    const status = plan({ distribution: distribution('os:v1', {}, active) });
    expect(status.activeImage).toBeUndefined();
    expect(status.activationTime).toBeUndefined();
    expect(condition(status, 'Activated')).toBe('False/NotRequested');
  });

  test('of an edited distribution begins again with the new image', () => {
    const edited: ImageDistribution = {
      ...activating({ activeImage: 'os:v0', activationTime: '2026-01-01T00:00:00Z' }),
    };
    expect(plan({ distribution: edited, states: ['Fetching'] }).activeImage).toBe('os:v0');
    const done = plan({ distribution: edited });
    expect(done.activeImage).toBe('os:v1');
    expect(done.activationTime).not.toBe('2026-01-01T00:00:00Z');
  });

  describe('goes back when the image is condemned', () => {
    const condemned =
      (...names: string[]) =>
      (os: string, version: string) => {
        const image = osImage(`${os}:${version}`);
        const annotations = names.includes(version) ? { 'monoroot.dev/condemned': 'bad' } : {};
        return { ...image, metadata: { ...image.metadata, annotations } };
      };
    const activationTime = '2026-01-01T00:00:00Z';

    test.each<[string, string[], ImageDistributionStatus, string | undefined]>([
      ['to the one before', ['v1'], { activeImage: 'os:v1', previousActiveImage: 'os:v0', activationTime }, 'os:v0'],
      ['and stays there', ['v1'], { activeImage: 'os:v0', activationTime }, 'os:v0'],
      ['to nothing when there was none', ['v1'], { activeImage: 'os:v1', activationTime }, undefined],
      [
        'to nothing when that is condemned too',
        ['v0', 'v1'],
        { activeImage: 'os:v1', previousActiveImage: 'os:v0', activationTime },
        undefined,
      ],
      ['not to that of another OS', ['v1'], { activeImage: 'other:v0', activationTime }, undefined],
    ])('%s', (_name, bad, before, expected) => {
      const find = condemned(...bad);
      const status = plan({ distribution: activating(before), image: find('os', 'v1'), find });
      expect(status.activeImage).toBe(expected);
      expect(condition(status, 'Activated')).toBe('False/ImageCondemned');
      expect(condition(status, 'Stalled')).toBe('True/ImageCondemned');
    });

    test('and comes again when that is lifted, with the one before remembered', () => {
      const status = plan({ distribution: activating({ activeImage: 'os:v0', activationTime }) });
      expect(status).toMatchObject({ activeImage: 'os:v1', previousActiveImage: 'os:v0' });
      expect(status.activationTime).not.toBe(activationTime);
    });
  });

  test('does not happen on no node at all', () => {
    expect(plan({ distribution: activating(), states: [] }).activeImage).toBeUndefined();
  });
});

describe('the images before', () => {
  test('are remembered when spec names another one', () => {
    const first = plan({ distribution: distribution('os:v0'), image: osImage('os:v0') });
    expect(first).toMatchObject({ image: 'os:v0', previousImages: [] });
    const second = plan({ distribution: distribution('os:v1', {}, first) });
    expect(second).toMatchObject({ image: 'os:v1', previousImages: ['os:v0'] });
    expect(plan({ distribution: distribution('os:v1', {}, second) })).toMatchObject({ previousImages: ['os:v0'] });
  });

  test('are not joined by one that does not exist', () => {
    const first = plan({ distribution: distribution('os:v0'), image: osImage('os:v0') });
    const wrong = plan({ distribution: distribution('os:v9', {}, first), image: undefined });
    expect(wrong).toMatchObject({ image: 'os:v0', previousImages: ['os:v0'] });
    expect(plan({ distribution: distribution('os:v1', {}, wrong) })).toMatchObject({ previousImages: ['os:v0'] });
  });
});

describe('an image that may not be distributed yet', () => {
  const stuck = (image: OSImage, isStuck: boolean): OSImage => ({
    ...image,
    status: {
      conditions: [
        {
          ...{ type: 'Stalled', status: isStuck ? 'True' : 'False', reason: 'R', message: 'm' },
          lastTransitionTime: '2026-01-01T00:00:00Z',
        },
      ],
    },
  });
  const tested = osImage('os:v1', { spec: { verification: { command: ['/test'], timeoutSeconds: 1 } } });

  test.each<[string, OSImage, string]>([
    ['is not built', builtImage('os:v1'), 'ImageNotBuilt'],
    ['is not tested', tested, 'ImageNotVerified'],
  ])('because it %s is waited for, by name', (_name, image, reason) => {
    const waiting = plan({ image: stuck(image, false), distribution: activating() });
    expect(all(waiting)).toMatchObject({
      Distributed: `False/${reason}`,
      Activated: 'False/WaitingForNodes',
      Ready: `False/${reason}`,
      Reconciling: `True/${reason}`,
      Stalled: 'False/Settled',
    });
    expect(findCondition(waiting.conditions, 'Distributed')?.message).toContain('OSImage os.v1');
    expect(waiting.nodes).toMatchObject({ desired: 0 });
    expect(all(plan({ image: stuck(image, true) }))).toMatchObject({
      Stalled: `True/${reason}`,
      Reconciling: 'False/Settled',
    });
  });
});
