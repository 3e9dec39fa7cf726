import { expect, test } from 'vitest';
import { container, osImage } from '../../test/fixtures/builders.ts';
import type { Layout } from '../api/osimage.ts';
import { usableImage } from './usable-image.ts';
import { linkEnvironment, linkMounts } from './links.ts';
import { effectiveWritable, volumesOf } from './volumes.ts';

const store = '/var/lib/monoroot/store/os/v1/root';
type Link = NonNullable<Layout['links']>[number];

function mountsOf(links: Link[], overlays: string[] = [], files: string[] = []) {
  const image = usableImage(osImage('os:v1'));
  if (!image) throw new Error('The image of the fixtures is not Ready');
  const layout: Layout = { kind: 'split', directories: ['bin', 'etc', 'lib', 'srv', 'usr', 'var'], links, files };
  const spec = { image: 'os:v1', writable: overlays.map((path) => ({ path, size: '5Mi' })) };
  const object = container(spec);
  const usable = { ...image, layout };
  const { volumes, mounts } = volumesOf(object, usable);
  const at = (path: string) => {
    const mount = mounts.find((it) => it.mountPath === path);
    const volume = volumes.find((it) => it.name === mount?.name);
    return mount && { ...mount, name: undefined, from: volume?.hostPath ?? volume?.emptyDir };
  };
  return { at, mounts, env: linkEnvironment(linkMounts(layout, effectiveWritable(object, usable))) };
}

const directory = (name: string, target: string): Link => ({ name, target, type: 'Directory' });
const file = (name: string, target: string): Link => ({ name, target, type: 'File' });
const readOnly = { readOnly: true, recursiveReadOnly: 'Enabled' };

test('a link to a directory on top is that directory, at the same depth', () => {
  const { at, env } = mountsOf([directory('lib64', 'lib')]);
  expect(at('/lib64')).toMatchObject({ ...readOnly, from: { path: `${store}/lib`, type: 'Directory' } });
  expect(env['MONOROOT_LINKS']).toBe('');
});

test('a link to a deeper directory is a directory of links, that only launch may write', () => {
  const { at, mounts, env } = mountsOf([directory('sbin', 'usr/bin'), directory('lib64', 'usr/lib')]);
  expect(at('/sbin')).toMatchObject({ subPath: 'sbin', readOnly: true, from: { medium: 'Memory' } });
  expect(at('/lib64')).toMatchObject({ subPath: 'lib64', readOnly: true, from: { medium: 'Memory' } });
  expect(mounts.filter(({ mountPath }) => mountPath === '/.monoroot/links')).toHaveLength(1);
  expect(env['MONOROOT_LINKS']).toBe('sbin=/usr/bin:lib64=/usr/lib');
});

test('a directory on top in which there is an overlay is a directory of links too, for the overlay is not in the store', () => {
  const { env } = mountsOf([directory('www', 'srv')], ['/srv/cache']);
  expect(env['MONOROOT_LINKS']).toBe('www=/srv');
});

test('a link into an overlay is the same place of it', () => {
  const { at, env } = mountsOf([directory('opt', 'var/opt'), directory('media', 'run')]);
  expect(at('/opt')).toMatchObject({ subPath: 'opt', from: { medium: 'Memory', sizeLimit: '64Mi' } });
  expect(at('/media')).toMatchObject({ from: { medium: 'Memory', sizeLimit: '16Mi' } });
  expect(at('/media')?.subPath).toBeUndefined();
  expect(env['MONOROOT_SHARED']).toBe('/var/opt');
});

test('a link into an overlay of an overlay is a place of the inner one', () => {
  const { at, env } = mountsOf([directory('opt', 'var/lib/opt')], ['/var/lib']);
  expect(at('/opt')).toMatchObject({ subPath: 'opt', from: { sizeLimit: '5Mi' } });
  expect(env['MONOROOT_SHARED']).toBe('/var/lib/opt');
});

test.each([
  ['/etc of OSTree', directory('etc', 'usr/etc'), [], '/etc=/usr/etc'],
  ['an overlay of the container', directory('opt', 'var/opt'), ['/opt'], '/opt=/.monoroot/defaults/var/opt'],
  ['of another name: it begins empty', directory('etc', 'usr/config'), [], ''],
])('an overlay where the image has a link is filled from there: %s', (_name, link, overlays, expected) => {
  const { at, env } = mountsOf([link], overlays);
  expect(at(`/${link.name}`)).toMatchObject({ from: { medium: 'Memory' } });
  expect(env['MONOROOT_DEFAULTS_FROM']).toBe(expected);
});

test('files, and links to files, are mounted as files', () => {
  const { at } = mountsOf([file('init', 'usr/lib/init')], [], ['entrypoint.sh']);
  expect(at('/init')).toMatchObject({ ...readOnly, from: { path: `${store}/usr/lib/init`, type: 'File' } });
  expect(at('/entrypoint.sh')).toMatchObject({ ...readOnly, from: { path: `${store}/entrypoint.sh`, type: 'File' } });
});

test.each(['dev', 'proc', 'sys', 'data', 'sw', '.monoroot'])('nothing of the image stands at /%s', (name) => {
  const { mounts } = mountsOf([directory(name, 'usr/x'), file(name, 'usr/y')], [], [name]);
  expect(mounts.some(({ mountPath }) => mountPath === `/${name}`)).toBe(false);
});
