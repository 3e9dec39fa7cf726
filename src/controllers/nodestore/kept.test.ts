import { describe, expect, test } from 'vitest';
import {
  container,
  distribution,
  node,
  nodeStore,
  osImage,
  sha256Of,
  stored,
} from '../../../test/fixtures/builders.ts';
import type { ImageDistributionSpec } from '../../api/imagedistribution.ts';
import type { OSImage } from '../../api/osimage.ts';
import { planFleet, runs, fleet, desired, labelsOf } from '../../../test/fixtures/fleet-plan.ts';

describe('retained versions', () => {
  const images = ['v1', 'v2', 'v3', 'v4'].map((version) => osImage(`os:${version}`));
  const has = (...versions: string[]) => versions.map((version) => stored(`os:${version}`, 'Ready'));
  /** Was edited from v3 to v4, and before from v1 over v2 to v3; the status does not know of v4 yet. */
  const edited = (spec: Partial<ImageDistributionSpec> = {}) =>
    distribution('os:v4', spec, { image: 'os:v3', previousImages: ['os:v2', 'os:v1'] });
  const f = (o: Parameters<typeof fleet>[0]) =>
    fleet({ images, distributions: [edited()], stores: [nodeStore('n1', ['os:v3'], has('v1', 'v2', 'v3'))], ...o });
  /** By version, in parentheses when it is only retained. */
  const kept = (o: Parameters<typeof fleet>[0] = {}) =>
    planFleet(f(o))[0]?.images.map(({ version, retained }) => (retained ? `(${version})` : version));

  test('are the most recent ones that the node has, from the moment of the edit', () => {
    expect(kept()).toEqual(['(v2)', '(v3)', 'v4']);
    expect(Object.keys(labelsOf(f({})) ?? {})).toEqual(['image.monoroot.dev/os.v2', 'image.monoroot.dev/os.v3']);
  });

  test.each<[string, Parameters<typeof fleet>[0], string[]]>([
    ['are none when none are asked for', { distributions: [edited({ retainVersions: 0 })] }, ['v4']],
    [
      'are as many as are asked for',
      { distributions: [edited({ retainVersions: 9 })] },
      ['(v1)', '(v2)', '(v3)', 'v4'],
    ],
    ['are not fetched', { stores: [] }, ['v4']],
    [
      'are older ones where the newer are not',
      { stores: [nodeStore('n1', [], has('v1', 'v3'))] },
      ['(v1)', '(v3)', 'v4'],
    ],
    [
      'do not come back once they are given up',
      { stores: [nodeStore('n1', ['os:v3'], [stored('os:v3', 'Deleting'), ...has('v2')])] },
      ['(v2)', 'v4'],
    ],
    [
      'are of the same bytes',
      { stores: [nodeStore('n1', [], [stored('os:v3', 'Ready', { digest: `sha256:${'0'.repeat(64)}` })])] },
      ['v4'],
    ],
    ['need an OSImage', { images: images.filter(({ spec }) => spec.version !== 'v3') }, ['(v1)', '(v2)', 'v4']],
    [
      'go where the distribution selects no more',
      { distributions: [edited({ selector: { matchLabels: { a: 'b' } } })] },
      [],
    ],
    ['go with the distribution', { distributions: [] }, []],
    ['stay while it is paused', { distributions: [edited({ parallelism: 0 })] }, ['(v2)', '(v3)']],
    ['are besides those in use', { containers: [runs('n1', { image: 'os:v3' })] }, ['(v1)', '(v2)', 'v3', 'v4']],
    [
      'are besides those that another distribution wants',
      { distributions: [edited(), distribution('os:v2')] },
      ['(v1)', 'v2', '(v3)', 'v4'],
    ],
    [
      'never have the default version among them',
      {
        distributions: [
          edited(),
          distribution(
            'os:v3',
            { activate: { newContainers: true }, selector: { matchLabels: { pool: 'another' } } },
            { activeImage: 'os:v3', activationTime: '2026-01-01T00:00:00Z' },
          ),
        ],
      },
      ['(v2)', 'v3', 'v4'],
    ],
    [
      'also when none are asked for have the default version besides',
      {
        distributions: [
          distribution(
            'os:v4',
            { retainVersions: 0, activate: { newContainers: true } },
            { image: 'os:v3', activeImage: 'os:v3', activationTime: '2026-01-01T00:00:00Z' },
          ),
        ],
      },
      ['v3', 'v4'],
    ],
  ])('%s', (_name, o, expected) => expect(kept(o)).toEqual(expected));

  test('that were given up and are wanted again wait for a place like any other', () => {
    const store = nodeStore('n1', ['os:v3'], []);
    store.spec.images = store.spec.images.map((image) => ({ ...image, retained: true }));
    expect(kept({ stores: [store], distributions: [distribution('os:v3', { parallelism: 0 })] })).toEqual([]);
  });

  test('are asked for the same again', () => {
    const [first] = planFleet(f({}));
    const store = nodeStore('n1', [], has('v1', 'v2', 'v3'));
    store.spec.images = first?.images ?? [];
    expect(planFleet(f({ stores: [store] }))[0]?.images).toEqual(first?.images);
  });
});

describe('pins', () => {
  const store = nodeStore('n1', ['os:v1', 'os:v2'], [stored('os:v1', 'Ready'), stored('os:v2', 'Ready')]);

  test('what a container runs and what it would go back to stay on its node, though nothing distributes them', () => {
    const containers = [runs('n1', { image: 'os:v2', lastKnownGoodImage: 'os:v1' })];
    expect(desired(fleet({ nodes: [node('n1'), node('n2')], stores: [store], containers }))).toEqual({
      n1: ['os:v1', 'os:v2'],
      n2: [],
    });
  });

  describe('the bytes that a container would go back to', () => {
    const old = `sha256:${sha256Of('os:v1')}`;
    const status = { image: 'os:v2', lastKnownGoodImage: 'os:v1', lastKnownGoodDigest: old };
    const containers = [runs('n1', status)];
    const withBytesOf = (image: OSImage, digest: string, ready = true): OSImage => ({
      ...image,
      spec: {
        ...image.spec,
        source: { http: { url: 'http://web/os.tar.zst', sha256: digest.slice('sha256:'.length) } },
      },
      status: { ...(ready ? image.status : {}), digest },
    });
    const remade = withBytesOf(osImage('os:v1'), `sha256:${'f'.repeat(64)}`);
    const first = withBytesOf(osImage('os:v7'), old);
    const second = withBytesOf(osImage('os:v8'), old);
    const elsewhere = withBytesOf(osImage('other:v1'), old);

    test.each<[string, OSImage[], string[]]>([
      ['their own name', [osImage('os:v1'), first], ['os:v1', 'os:v2']],
      ['another one, when theirs means other bytes', [remade, second, first], ['os:v2', 'os:v7']],
      ['another one, when theirs is gone', [first], ['os:v2', 'os:v7']],
      ['the one that can be used', [remade, withBytesOf(osImage('os:v7'), old, false), second], ['os:v2', 'os:v8']],
      ['another one that no node has yet', [remade, withBytesOf(osImage('os:v7'), old, false)], ['os:v2', 'os:v7']],
      ['no name of another OS', [osImage('os:v1'), elsewhere], ['os:v1', 'os:v2']],
    ])('are kept under %s', (_case, images, expected) => {
      expect(desired(fleet({ images: [...images, osImage('os:v2')], stores: [store], containers }))).toEqual({
        n1: expected,
      });
    });

    test('are not fetched under a name that has not passed its test', () => {
      const untested = osImage('os:v7', {
        ready: false,
        spec: { verification: { command: ['/test'], timeoutSeconds: 60 } },
      });
      const images = [remade, withBytesOf(untested, old, false), osImage('os:v2')];
      expect(desired(fleet({ images, stores: [store], containers })).n1).not.toContain('os:v7');
    });

    test('stay on the node that ran them, while another image is tried elsewhere', () => {
      const moved = [runs('n2', { ...status, lastKnownGoodNode: 'n1' })];
      const f = { nodes: [node('n1'), node('n2')], images: [remade, first, osImage('os:v2')], stores: [store] };
      expect(desired(fleet({ ...f, containers: moved }))).toEqual({ n1: ['os:v7'], n2: ['os:v2', 'os:v7'] });
    });
  });

  test('a container without a node pins nothing', () => {
    expect(
      desired(fleet({ stores: [store], containers: [container({ image: 'os:v1' }, { image: 'os:v1' })] })),
    ).toEqual({ n1: [] });
  });

  test('a container that only asks for an image pins nothing', () => {
    expect(
      desired(fleet({ stores: [store], containers: [container({ image: 'os:v1' }, { nodeName: 'n1' })] })),
    ).toEqual({ n1: [] });
  });

  test('an image whose OSImage is deleted is reported as before while it is pinned, and gone after', () => {
    const images = [osImage('os:v2')];
    const pinned = planFleet(fleet({ images, stores: [store], containers: [runs('n1', { image: 'os:v1' })] }))[0]
      ?.images;
    expect(pinned).toEqual(store.spec.images.filter((i) => i.version === 'v1'));
    expect(desired(fleet({ images, stores: [store] }))).toEqual({ n1: [] });
  });

  test('a pin for an image that no one knows any more tells nothing that the API server would refuse', () => {
    expect(desired(fleet({ images: [], containers: [runs('n1', { image: 'os:v1' })] }))).toEqual({ n1: [] });
  });

  test('a pin waits for no place', () => {
    const containers = [runs('n1', { image: 'os:v1' })];
    expect(desired(fleet({ containers, distributions: [distribution('os:v1', { parallelism: 0 })] }))).toEqual({
      n1: ['os:v1'],
    });
  });
});
