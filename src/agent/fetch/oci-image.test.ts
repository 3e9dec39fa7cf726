import { lstat, readFile, readdir, readlink } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { fetchImage } from './fetch.ts';
import type { FetchProgress } from './fetch.ts';
import { compress, tar } from '../../../test/fixtures/agent/archive.ts';
import { failure, signal } from '../../../test/fixtures/agent/fetching.ts';
import { desiredImage } from '../../../test/fixtures/agent/desired.ts';
import { pushImage, pushIndex, rootLayer, types } from '../../../test/fixtures/agent/registry.ts';
import type { TestImage } from '../../../test/fixtures/agent/registry.ts';
import {
  unable,
  shared,
  wantedOci,
  portsWith,
  fetched,
  reasonFor,
  file,
  directory,
  useRegistry,
} from '../../../test/fixtures/agent/oci.ts';

describe.skipIf(unable)(unable ? `an OCI image (skipped: ${unable})` : 'an OCI image', { timeout: 120_000 }, () => {
  useRegistry();

  test('of one layer becomes the tree, and its configuration the defaults', async () => {
    const { stored, ports, root } = await fetched({
      layers: [rootLayer()],
      config: { Entrypoint: ['/bin/hello'], Cmd: ['-x', '$(A)'], Env: ['A=1', 'B=x=y', 'A=2'], WorkingDir: '/srv' },
    });
    expect(stored).toMatchObject({
      layout: { kind: 'merged' },
      archiveBytes: rootLayer().length,
      defaults: {
        command: ['/bin/hello'],
        args: ['-x', '$$(A)'],
        env: [
          { name: 'A', value: '2' },
          { name: 'B', value: 'x=y' },
        ],
        workingDir: '/srv',
      },
    });
    expect((await lstat(join(root, 'usr/bin/hello'))).mode & 0o7777).toBe(0o4755);
    expect(await readlink(join(root, 'bin'))).toBe('usr/bin');
    expect(await readdir(ports.paths.staging)).toEqual([]);
  });

  test('of five layers, plain and compressed, is put together in their order', async () => {
    const layers = [
      rootLayer(),
      { bytes: compress('gzip', tar([file('usr/a', '1'), file('usr/b', '1')])), mediaType: `${types.layer}+gzip` },
      { bytes: compress('zstd', tar([file('usr/b', '2'), file('usr/c', '2')])), mediaType: `${types.layer}+zstd` },
      tar([file('usr/c', '3')]),
      {
        bytes: compress('gzip', tar([directory('srv', 0o750), file('usr/d', '4')])),
        mediaType: 'application/vnd.docker.image.rootfs.diff.tar.gzip',
      },
    ];
    const { root } = await fetched({ layers });
    const read = (name: string) => readFile(join(root, 'usr', name), 'utf8');
    expect(await Promise.all(['a', 'b', 'c', 'd'].map(read))).toEqual(['1', '2', '3', '4']);
    expect((await lstat(join(root, 'srv'))).mode & 0o777).toBe(0o750);
  });

  test('with a layer of two archives after a skippable frame has all of both, and what the second one removes is gone', async () => {
    const skippable = Buffer.from([0x50, 0x2a, 0x4d, 0x18, 4, 0, 0, 0, 1, 2, 3, 4]);
    const parts = [tar([file('usr/b', '1')]), tar([file('usr/.wh.a'), file('usr/c', '2')])];
    const bytes = Buffer.concat([skippable, ...parts.map((it) => compress('zstd', it))]);
    const layers = [rootLayer(), tar([file('usr/a')]), { bytes, mediaType: `${types.layer}+zstd` }];
    const { root } = await fetched({ layers });
    const names = await readdir(join(root, 'usr'));
    expect(names).toEqual(expect.arrayContaining(['b', 'c']));
    expect(names).not.toContain('a');
  });

  test('whose layers have links, files and volumes on top is stored with what containers get of them', async () => {
    const layer = tar([
      { name: 'srv/upload/', type: 'directory' },
      { name: 'lib64', type: 'symlink', link: 'usr/lib' },
      { name: 'entrypoint.sh', content: '#!/bin/sh\n' },
    ]);
    const config = { User: 'web', StopSignal: 'QUIT', Volumes: { '/srv/upload': {}, '/usr/x': {} } };
    const { stored } = await fetched({ layers: [rootLayer(), layer], config });
    expect(stored.defaults).toEqual({ user: 'web', stopSignal: 'SIGQUIT', volumes: ['/srv/upload', '/usr/x'] });
    expect(stored.layout).toMatchObject({
      kind: 'split',
      links: [
        { name: 'bin', target: 'usr/bin', type: 'Directory' },
        { name: 'lib64', target: 'usr/lib', type: 'Directory' },
      ],
      files: ['entrypoint.sh'],
      volumes: ['/srv/upload'],
    });
  });

  test('may be a bundle, whose defaults win over those of the configuration', async () => {
    const bundle = { os: 'debian-12', version: 'v1', defaults: { command: ['/bin/bundle'] } };
    const layer = tar([file('mount.sh', 'echo bundle'), file('bundle.json', JSON.stringify(bundle))]);
    const { stored } = await fetched({ layers: [rootLayer('root/'), layer], config: { Entrypoint: ['/bin/oci'] } });
    expect(stored).toMatchObject({ hasMountScript: true, defaults: { command: ['/bin/bundle'] } });
  });

  test('tells how far it is, of all layers', async () => {
    const { host } = shared;
    const layers = [rootLayer(), tar([file('usr/a')])];
    const digest = await pushImage(host, 'os', { layers });
    const { ports } = await portsWith();
    const seen: FetchProgress[] = [];
    const image = wantedOci({ reference: `${host}/os`, digest, plainHTTP: true });
    await fetchImage(image, ports, signal, (progress) => seen.push({ ...progress }));
    const bytes = layers.reduce((sum, { length }) => sum + length, 0);
    expect(seen.at(-1)).toEqual({ downloadedBytes: bytes, totalBytes: bytes });
  });

  describe('by an index', () => {
    test('is the one for the node', async () => {
      const { host } = shared;
      const amd64 = await pushImage(host, 'os', { layers: [rootLayer()] });
      const arm64 = await pushImage(host, 'os', { layers: [rootLayer()], architecture: 'arm64' });
      const both = await pushIndex(host, 'os', {
        'linux/arm64': arm64,
        'linux/amd64': amd64,
        'unknown/unknown': amd64,
      });
      const other = await pushIndex(host, 'os', { 'linux/arm64': arm64 });
      const { ports } = await portsWith();
      const source = { reference: `${host}/os`, plainHTTP: true };
      const stored = await fetchImage(wantedOci({ ...source, digest: both }), ports, signal);
      expect(stored.digest).toBe(both);
      const { ports: others } = await portsWith();
      const { reason, message } = await failure(wantedOci({ ...source, digest: other }), others);
      expect([reason, message]).toEqual(['ArchitectureMismatch', expect.stringContaining('linux/arm64')]);
      expect((await failure(wantedOci({ ...source, digest: arm64 }), others)).reason).toBe('ArchitectureMismatch');
    });
  });

  test.each<[string, TestImage, string]>([
    ['without layers', { layers: [] }, 'UnsupportedImage'],
    ['for another operating system', { layers: [rootLayer()], os: 'windows' }, 'UnsupportedImage'],
    [
      'with a layer of another kind',
      { layers: [{ bytes: rootLayer(), mediaType: 'application/vnd.oci.image.layer.nondistributable.v1.tar' }] },
      'UnsupportedImage',
    ],
    ['with a lowest layer that is no archive', { layers: [Buffer.from('no archive')] }, 'UnsupportedArchive'],
    ['with a layer that is no archive', { layers: [rootLayer(), Buffer.from('no archive')] }, 'UnsupportedArchive'],
    [
      'with a truncated layer',
      { layers: [rootLayer(), compress('gzip', rootLayer()).subarray(0, -20)] },
      'TruncatedArchive',
    ],
    ['without a root', { layers: [tar([file('readme')])] }, 'NoRootFileSystem'],
  ])('%s is refused', async (_name, image, reason) => expect(await reasonFor(image)).toBe(reason));

  test('that is not there is reported as such, and so is a registry that is not there', async () => {
    const { host } = shared;
    const { ports } = await portsWith();
    const { digest } = desiredImage();
    const of = (at: string) => failure(wantedOci({ reference: `${at}/os:v1`, digest, plainHTTP: true }), ports);
    expect((await of(host)).reason).toBe('ManifestUnknown');
    expect((await of('127.0.0.1:1')).reason).toBe('UnreachableSource');
  });
});
