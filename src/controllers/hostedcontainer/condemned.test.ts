import { describe, expect, test } from 'vitest';
import { osImage } from '../../../test/fixtures/builders.ts';
import { World } from '../../../test/fixtures/world.ts';
import { world, running } from '../../../test/fixtures/upgrading.ts';

describe('a condemned image', () => {
  const condemn = (w: World, name: string) => {
    const image = osImage(name);
    const annotations = { 'monoroot.dev/condemned': 'it ate data' };
    w.images.set(name, { ...image, metadata: { ...image.metadata, annotations } });
  };

  test('is not gone to: what runs keeps running, and it says why', () => {
    const w = running();
    condemn(w, 'os:v2');
    w.edit({ image: 'os:v2' });
    w.pass(15);
    expect(w.image).toBe('os:v1');
    expect(w.condition('ImageResolved')).toBe('False/ImageCondemned');
    expect(w.condition('Ready')).toBe('True/Running');
    expect(w.object.status?.conditions?.find((c) => c.type === 'ImageResolved')?.message).toContain('it ate data');
  });

  test.each([
    [
      'with FallbackToDefault starts on the default version',
      'FallbackToDefault' as const,
      'os:v1',
      'True/FallbackToDefault',
    ],
    ['with Strict does not start', 'Strict' as const, undefined, 'False/ImageCondemned'],
  ])('asked for by a new container: one %s', (_name, imagePolicy, image, resolved) => {
    const w = world({ image: 'os:v2', imagePolicy });
    condemn(w, 'os:v2');
    w.defaults.set('os', 'v1');
    w.settle();
    w.pass(30);
    expect(w.image).toBe(image);
    expect(w.condition('ImageResolved')).toBe(resolved);
  });

  test.each(['os:v1', 'os'])('is started again by a container that runs it well (%s)', (image) => {
    const w = world({ image });
    w.defaults.set('os', 'v1');
    w.settle();
    w.pass(15);
    condemn(w, 'os:v1');
    w.defaults.set('os', 'v2');
    w.edit({ restartToken: '1' });
    w.pass(15);
    expect(w.image).toBe('os:v1');
    expect(w.condition('Upgraded')).toBe('True/UpToDate');
  });

  test.each(['os:v2', 'os'])('is left at once by one that is on its way to it (%s)', (image) => {
    const w = image === 'os' ? world({ image }) : running();
    w.defaults.set('os', 'v1');
    w.settle();
    w.pass(15);
    w.edit({ image });
    w.object = { ...w.object, status: { ...w.object.status, ...(image === 'os' && { assignedImage: 'os:v2' }) } };
    w.pass(5);
    expect(w.image).toBe('os:v2');
    condemn(w, 'os:v2');
    w.pass(15);
    expect(w.image).toBe('os:v1');
    expect(w.condition('Ready')).toBe('True/Running');
    if (image === 'os') expect(w.object.status?.assignedImage).toBe('os:v1');
  });

  test('is kept by a container that runs it and has nothing to go back to, and is not assigned to another', () => {
    const w = world({ image: 'os' }, { 'os:v2': 'never-ready' });
    w.defaults.set('os', 'v2');
    w.settle();
    condemn(w, 'os:v2');
    w.defaults.set('os', 'v1');
    w.pass(5);
    expect(w.image).toBe('os:v2');
    const other = world({ image: 'os' });
    condemn(other, 'os:v2');
    other.defaults.set('os', 'v2');
    other.settle();
    expect(other.condition('ImageResolved')).toBe('False/ImageCondemned');
    other.defaults.set('os', 'v1');
    other.settle();
    other.pass(15);
    expect(other.object.status?.assignedImage).toBe('os:v1');
  });
});
