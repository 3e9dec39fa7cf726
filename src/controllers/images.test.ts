import { describe, expect, test } from 'vitest';
import { builtImage, distribution, osImage, sha256Of } from '../../test/fixtures/builders.ts';
import type { ImageDistribution } from '../api/imagedistribution.ts';
import type { OSImage, OSImageStatus } from '../api/osimage.ts';
import { defaultDistribution, defaultVersion, isActive, previousImages } from './default-version.ts';
import { digestOf, fetchSourceOf, whyNotReleased } from './images.ts';

/** A distribution that became active at that time of day. */
const active = (image: string, hour: number): ImageDistribution =>
  distribution(
    image,
    { activate: { newContainers: true } },
    { activeImage: image, activationTime: `2026-01-01T${String(hour).padStart(2, '0')}:00:00Z` },
  );
const withSpec = (d: ImageDistribution, spec: Partial<ImageDistribution['spec']>) => ({
  ...d,
  spec: { ...d.spec, ...spec },
});
const deleted = (d: ImageDistribution) => ({
  ...d,
  metadata: { ...d.metadata, deletionTimestamp: '2026-01-02T00:00:00Z' },
});

describe('the default version of an OS', () => {
  test.each<[string, ImageDistribution[], string | undefined]>([
    ['is none when nothing is distributed', [], undefined],
    ['is none when no distribution asks to be it', [distribution('os:v1')], undefined],
    [
      'is none while the distribution that asks for it is under way',
      [distribution('os:v1', { activate: { newContainers: true } })],
      undefined,
    ],
    ['is the active one', [active('os:v1', 1)], 'v1'],
    [
      'is the one whose version is above the others, whenever it was activated',
      [active('os:v1', 3), active('os:v10', 2), active('os:v9', 1)],
      'v10',
    ],
    ['goes back to the one before when the last is deleted', [active('os:v1', 1)], 'v1'],
    ['goes back as soon as the deletion begins', [active('os:v1', 1), deleted(active('os:v2', 2))], 'v1'],
    [
      'goes back when the last does not ask for it any more',
      [active('os:v1', 1), withSpec(active('os:v2', 2), { activate: { newContainers: false } })],
      'v1',
    ],
    [
      'stays while the last distribution is edited to another image that is not everywhere yet',
      [active('os:v1', 1), withSpec(active('os:v2', 2), { image: 'os:v3' })],
      'v2',
    ],
    [
      'is none of an OS that the distribution does not name any more',
      [withSpec(active('os:v1', 1), { image: 'x:v1' })],
      undefined,
    ],
    ['is none of another OS', [active('other:v1', 1)], undefined],
    ['is none of an OS whose name begins the same', [active('os-x:v1', 2), active('os:v2', 1)], 'v2'],
  ])('%s', (_name, distributions, expected) => {
    expect(defaultVersion('os', distributions)).toBe(expected);
    expect(defaultVersion('os', [...distributions].reverse())).toBe(expected);
  });

  test('is the same for everybody when two are of the same image', () => {
    const named = (name: string) => ({ ...active('os:v2', 1), metadata: { name } });
    const both = [named('b'), named('a')];
    expect(defaultDistribution('os', both)?.metadata.name).toBe('a');
    expect(defaultDistribution('os', [...both].reverse())?.metadata.name).toBe('a');
  });
});

test('a distribution is active only once it has a time', () => {
  expect(isActive(active('os:v1', 1))).toBe(true);
  expect(isActive(distribution('os:v1', { activate: { newContainers: true } }, { activeImage: 'os:v1' }))).toBe(false);
});

test('the digest of an image is known before any node has it', () => {
  expect(digestOf(osImage('os:v1', { ready: false }))).toBe(`sha256:${sha256Of('os:v1')}`);
  const oci = { reference: 'registry.example.com/os:v1', digest: `sha256:${'1'.repeat(64)}` };
  expect(digestOf(osImage('os:v1', { ready: false, spec: { source: { oci } } }))).toBe(oci.digest);
});

describe('the previous images of a distribution', () => {
  const now = (image: string, was: string | undefined, before: string[]) =>
    previousImages(distribution(image, {}, { ...(was !== undefined && { image: was }), previousImages: before }));
  const many = Array.from({ length: 12 }, (_, i) => `os:v${i}`);

  test.each<[string, string[], string[]]>([
    ['are none of one that is new', now('os:v1', undefined, []), []],
    ['stay as they are while nothing is edited', now('os:v3', 'os:v3', ['os:v2', 'os:v1']), ['os:v2', 'os:v1']],
    ['begin with the one that was edited', now('os:v4', 'os:v3', ['os:v2']), ['os:v3', 'os:v2']],
    ['lose the one that came back', now('os:v2', 'os:v3', ['os:v2', 'os:v1']), ['os:v3', 'os:v1']],
    ['are of the same OS', now('other:v1', 'os:v3', ['os:v2', 'other:v0']), ['other:v0']],
    ['are ten at most, the newest', now('os:v99', 'os:v98', many), ['os:v98', ...many.slice(0, 9)]],
  ])('%s', (_name, images, expected) => expect(images).toEqual(expected));
});

describe('an image that is built', () => {
  const digest = `sha256:${'1'.repeat(64)}`;
  const time = '2026-01-01T00:00:00Z';
  const build = { job: 'b', startTime: time, digest };
  const publication = { job: 'p', startTime: time, reference: 'registry.example.com/os/production/os:v1' };
  const passed = { node: 'n1', outcome: 'Passed' as const };
  const verification = { command: ['/test'], timeoutSeconds: 1 };
  const secrets = { pushSecretRef: { name: 'push' }, caRef: { name: 'ca' }, plainHTTP: true };
  const at = (status: OSImageStatus, recipe = {}, spec = {}) => ({ ...builtImage('os:v1', recipe, spec), status });

  test('has no digest and no source before that', () => {
    expect([digestOf(at({})), fetchSourceOf(at({}))]).toEqual([undefined, undefined]);
    expect(digestOf(at({ build }))).toBe(digest);
  });

  test.each<[string, OSImageStatus, object, object]>([
    ['testing, until it is published', { build }, {}, { reference: 'registry.example.com/os/testing/os:v1', digest }],
    ['production, when it is published', { build, publication }, {}, { reference: publication.reference, digest }],
    [
      'there with the login to push, when there is no other',
      { build, publication },
      secrets,
      {
        reference: publication.reference,
        digest,
        pullSecretRef: { name: 'push' },
        caRef: { name: 'ca' },
        plainHTTP: true,
      },
    ],
    [
      'there with the login to pull',
      { build, publication },
      { ...secrets, pullSecretRef: { name: 'pull' } },
      {
        reference: publication.reference,
        digest,
        pullSecretRef: { name: 'pull' },
        caRef: { name: 'ca' },
        plainHTTP: true,
      },
    ],
  ])('is fetched from %s', (_name, status, recipe, oci) => {
    expect(fetchSourceOf(at(status, recipe))).toEqual({ oci });
  });

  const tested = { verification };
  test.each<[string, OSImage, string | undefined]>([
    ['it is not built', at({}), 'ImageNotBuilt'],
    ['it has not passed', at({ build }, {}, tested), 'ImageNotVerified'],
    ['it has failed', at({ build, verification: { node: 'n1', outcome: 'Failed' } }, {}, tested), 'ImageNotVerified'],
    ['it is not published', at({ build, verification: passed }, {}, tested), 'ImageNotPublished'],
    ['it is not published, and is not to be tested', at({ build }), 'ImageNotPublished'],
    ['nothing', at({ build, publication }), undefined],
    ['nothing, after all steps', at({ build, publication, verification: passed }, {}, tested), undefined],
    ['that others push, and that is not to be tested: nothing', osImage('os:v1'), undefined],
    ['that others push: it has not passed', osImage('os:v1', { spec: tested }), 'ImageNotVerified'],
  ])('is kept from nodes because %s', (_name, image, reason) => expect(whyNotReleased(image)?.reason).toBe(reason));

  test('says what it waits for in the words of its condition', () => {
    const condition = {
      type: 'Built',
      status: 'Unknown' as const,
      reason: 'Building',
      message: 'follow it',
      lastTransitionTime: time,
    };
    expect(whyNotReleased(at({ conditions: [condition] }))?.message).toBe('OSImage os.v1: Building: follow it');
    expect(whyNotReleased(at({}))?.message).toBe('OSImage os.v1: no one has looked at it yet');
  });
});
