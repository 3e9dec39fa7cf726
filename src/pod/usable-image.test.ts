import { describe, expect, test } from 'vitest';
import { osImage } from '../../test/fixtures/builders.ts';
import { imageLabel, imageName, imageObjectName, parseReference, storeDirectory } from '../api/images.ts';
import { usableImage } from './usable-image.ts';

test.each([
  ['debian-12:v35', { os: 'debian-12', version: 'v35' }],
  ['debian-12', { os: 'debian-12' }],
  ['os:1.2.3-rc.1', { os: 'os', version: '1.2.3-rc.1' }],
])('the reference %s', (text, reference) => {
  expect(parseReference(text)).toEqual(reference);
});

test('an image has one name for users, one for the API and one directory', () => {
  const image = { os: 'debian-12', version: 'v35' };
  expect(imageName(image)).toBe('debian-12:v35');
  expect(imageObjectName(image)).toBe('debian-12.v35');
  expect(storeDirectory(image)).toBe('/var/lib/monoroot/store/debian-12/v35');
});

test('the node label proves the bytes with the first twelve digits of the digest, and is a valid label', () => {
  const image = {
    os: 'a'.repeat(30),
    version: `b${'.'.repeat(28)}c`,
    digest: `sha256:${'0123456789abcdef'.repeat(4)}`,
  };
  const { key, value } = imageLabel(image);
  expect(value).toBe('0123456789ab');
  const [prefix, name = ''] = key.split('/');
  expect(prefix).toBe('image.monoroot.dev');
  expect(name.length).toBeLessThanOrEqual(63);
});

describe('containers may use an image', () => {
  const image = osImage('os:v1');
  test('that is Ready and known', () => {
    expect(usableImage(image)).toMatchObject({
      os: 'os',
      version: 'v1',
      digest: image.status?.digest,
      architecture: 'amd64',
      hasMountScript: false,
      defaults: {},
    });
  });

  test('but not one that is not Ready, has no status, no digest or no layout', () => {
    const { layout: _layout, ...withoutLayout } = image.status ?? {};
    const { digest: _digest, ...withoutDigest } = image.status ?? {};
    const { status: _status, ...withoutStatus } = image;
    expect(usableImage(osImage('os:v1', { ready: false }))).toBeUndefined();
    expect(usableImage(withoutStatus)).toBeUndefined();
    expect(usableImage({ ...image, status: withoutDigest })).toBeUndefined();
    expect(usableImage({ ...image, status: withoutLayout })).toBeUndefined();
  });
});
