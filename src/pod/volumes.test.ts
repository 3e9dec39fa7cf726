import { describe, expect, test } from 'vitest';
import { container, osImage } from '../../test/fixtures/builders.ts';
import type { HostedContainerSpec } from '../api/hostedcontainer.ts';
import { usableImage } from './usable-image.ts';
import type { UsableImage } from './usable-image.ts';
import { effectiveWritable, volumesOf } from './volumes.ts';

const store = '/var/lib/monoroot/store/os/v1';

function volumes(spec: Partial<HostedContainerSpec> = {}, extra: Partial<UsableImage> = {}) {
  const image = usableImage(osImage('os:v1'));
  if (!image) throw new Error('The image of the fixtures is not Ready');
  const object = container({ image: 'os:v1', ...spec });
  const { volumes: all, mounts } = volumesOf(object, { ...image, ...extra });
  const by = new Map(all.map((v) => [v.name, v]));
  /** The volume that is mounted there, with its mount. */
  const at = (path: string) => {
    const mount = mounts.find((m) => m.mountPath === path);
    return mount && { mount, volume: by.get(mount.name) };
  };
  return {
    at,
    paths: mounts.map((m) => m.mountPath),
    names: all.map((v) => v.name),
    writable: effectiveWritable(object, { ...image, ...extra }),
  };
}

describe('overlays', () => {
  test.each(['/etc', '/var', '/tmp', '/run'])('%s is a memory overlay with a limit', (path) => {
    const overlay = volumes().at(path);
    expect(overlay?.volume?.emptyDir).toMatchObject({
      medium: 'Memory',
      sizeLimit: expect.stringMatching(/^\d+Mi$/) as string,
    });
    expect(overlay?.mount.readOnly).toBeUndefined();
  });

  test('those of the container replace those of the image by path, and add to them', () => {
    const { writable } = volumes({
      writable: [
        { path: '/var', size: '200Mi' },
        { path: '/run', size: '50Mi' },
        { path: '/opt/cache', size: '5Mi' },
      ],
    });
    expect(writable).toEqual([
      { path: '/etc', size: '16Mi' },
      { path: '/opt/cache', size: '5Mi' },
      { path: '/run', size: '50Mi' },
      { path: '/tmp', size: '64Mi' },
      { path: '/var', size: '200Mi' },
    ]);
  });

  test('a parent comes before its child', () => {
    const { writable } = volumes({
      writable: [
        { path: '/opt/a/b', size: '5Mi' },
        { path: '/opt/a', size: '5Mi' },
        { path: '/opt', size: '5Mi' },
      ],
    });
    expect(writable.map((w) => w.path).filter((p) => p.startsWith('/opt'))).toEqual(['/opt', '/opt/a', '/opt/a/b']);
  });

  test('the whole directory of the image gives way to an overlay, not to one inside of it', () => {
    expect(volumes({ writable: [{ path: '/home', size: '5Mi' }] }).at('/home')?.volume?.hostPath).toBeUndefined();
    const inside = volumes({ writable: [{ path: '/opt/cache', size: '5Mi' }] });
    expect(inside.at('/opt')?.volume?.hostPath?.path).toBe(`${store}/root/opt`);
    expect(inside.at('/opt/cache')?.volume?.emptyDir?.medium).toBe('Memory');
  });
});

describe('volumes of the image', () => {
  const layout = {
    kind: 'merged' as const,
    directories: ['etc', 'srv', 'usr'],
    volumes: ['/config', '/srv/app', '/usr/x'],
  };

  test('are overlays where they are in none, and the container may give them another size', () => {
    const { writable } = volumes({ writable: [{ path: '/config', size: '5Mi' }] }, { layout });
    expect(writable.filter(({ path }) => !['/etc', '/var', '/tmp', '/run'].includes(path))).toEqual([
      { path: '/config', size: '5Mi' },
      { path: '/srv/app', size: '64Mi' },
    ]);
  });

  test('inside of an overlay are part of it', () => {
    const { writable } = volumes({ writable: [{ path: '/srv', size: '5Mi' }] }, { layout });
    expect(writable.map(({ path }) => path)).not.toContain('/srv/app');
  });
});

describe('defaults', () => {
  test.each(['etc', 'var', 'tmp', 'run'])('the own /%s of the image is mounted read-only for launch', (directory) => {
    const defaults = volumes().at(`/.monoroot/defaults/${directory}`);
    expect(defaults?.volume?.hostPath).toEqual({ path: `${store}/root/${directory}`, type: 'Directory' });
    expect(defaults?.mount).toMatchObject({ readOnly: true, recursiveReadOnly: 'Enabled' });
  });

  test('a directory that the image has not is not mounted, for the Pod would wait for it for ever', () => {
    const { paths } = volumes({}, { layout: { kind: 'merged', directories: ['etc', 'usr'] } });
    expect(paths.filter((p) => p.startsWith('/.monoroot/'))).toEqual(['/.monoroot/defaults/etc']);
  });

  test('two overlays below one directory share its defaults', () => {
    const { paths } = volumes({
      writable: [
        { path: '/opt/a', size: '5Mi' },
        { path: '/opt/b', size: '5Mi' },
      ],
    });
    expect(paths.filter((p) => p === '/.monoroot/defaults/opt')).toHaveLength(1);
  });
});

describe('mount script', () => {
  test('is mounted read-only beside the root when there is one', () => {
    const script = volumes({}, { hasMountScript: true }).at('/.monoroot/mount.sh');
    expect(script?.volume?.hostPath).toEqual({ path: `${store}/mount.sh`, type: 'File' });
    expect(script?.mount).toMatchObject({ readOnly: true, recursiveReadOnly: 'Enabled' });
  });

  test('is not mounted when there is none', () => {
    expect(volumes({}, { hasMountScript: false }).at('/.monoroot/mount.sh')).toBeUndefined();
  });
});

describe('data', () => {
  test('a claim is mounted writable at /data', () => {
    const data = volumes({ data: { claimName: 'web-data' } }).at('/data');
    expect(data?.volume).toEqual({ name: 'data', persistentVolumeClaim: { claimName: 'web-data' } });
    expect(data?.mount).toEqual({ name: 'data', mountPath: '/data' });
  });

  test('a claim from a template has a name of its own', () => {
    const data = volumes({ data: { claimTemplate: { accessModes: ['ReadWriteOnce'] } } }).at('/data');
    expect(data?.volume).toEqual({ name: 'data', persistentVolumeClaim: { claimName: 'web-data' } });
  });

  test('ephemeral data is disk space, not memory, with a limit', () => {
    expect(volumes({ data: { ephemeral: { size: '1Gi' } } }).at('/data')?.volume).toEqual({
      name: 'data',
      emptyDir: { sizeLimit: '1Gi' },
    });
  });

  test('without data there is no /data', () => {
    expect(volumes().at('/data')).toBeUndefined();
  });
});

describe('software', () => {
  const stored = { name: 'jdk', os: 'jdk', version: '21', digest: `sha256:${'1'.repeat(64)}` };

  test('of the store is mounted read-only at /sw/<name>, whole', () => {
    const jdk = volumes({ software: [{ name: 'jdk', osImage: 'jdk:21' }] }, { software: [stored] }).at('/sw/jdk');
    expect(jdk?.volume?.hostPath).toEqual({ path: '/var/lib/monoroot/store/jdk/21/root', type: 'Directory' });
    expect(jdk?.mount).toMatchObject({ readOnly: true, recursiveReadOnly: 'Enabled' });
  });

  test('of a registry is mounted read-only at /sw/<name> by the kubelet', () => {
    const jira = volumes({ software: [{ name: 'jira', image: 'registry/jira:9' }] }).at('/sw/jira');
    expect(jira?.volume?.image).toEqual({ reference: 'registry/jira:9', pullPolicy: 'IfNotPresent' });
    expect(jira?.mount.readOnly).toBe(true);
  });

  test('is not mounted before it is found in the store', () => {
    expect(volumes({ software: [{ name: 'jdk', osImage: 'jdk:21' }] }).at('/sw/jdk')).toBeUndefined();
  });
});

test('paths that differ never share a volume name, however alike they look', () => {
  const like = [
    '/opt/a/b',
    '/opt/a-b',
    '/opt/a.b',
    '/opt/a_b',
    '/opt/A/b',
    `/opt/${'a'.repeat(60)}`,
    `/opt/${'a'.repeat(61)}`,
    '/opt-a/b',
  ];
  const { names } = volumes({ writable: like.map((path) => ({ path, size: '5Mi' })) });
  expect(new Set(names).size).toBe(names.length);
  for (const name of names) expect(name).toMatch(/^[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?$/);
});
