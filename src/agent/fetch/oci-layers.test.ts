import { lstat, readFile, readdir, readlink } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { tar } from '../../../test/fixtures/agent/archive.ts';
import type { TarEntry } from '../../../test/fixtures/agent/archive.ts';
import { rootLayer } from '../../../test/fixtures/agent/registry.ts';
import { unable, fetched, reasonFor, file, directory, gone, useRegistry } from '../../../test/fixtures/agent/oci.ts';

describe.skipIf(unable)(unable ? `an OCI image (skipped: ${unable})` : 'an OCI image', { timeout: 120_000 }, () => {
  useRegistry();

  describe('with whiteouts', () => {
    const lower = tar([
      directory('usr/lib/d/'),
      file('usr/lib/d/one'),
      file('usr/lib/d/two'),
      file('usr/lib/x\ny'),
      file('usr/lib/caf\xe9'),
      file('usr/lib/back\\slash'),
      file('usr/lib/ends in space '),
      file('usr/lib/kept'),
    ]);

    test('loses files and directories of the layers below, whatever their names', async () => {
      const names = ['d', 'x\ny', 'caf\xe9', 'back\\slash', 'ends in space ', 'never there'];
      const layer = tar(names.map((name) => file(`usr/lib/.wh.${name}`, '')));
      const { root } = await fetched({ layers: [rootLayer(), lower, layer] });
      expect(await readdir(join(root, 'usr/lib'))).toEqual(['kept']);
    });

    test('keeps what the same layer has, in whichever order it comes', async () => {
      const entries = [file('usr/lib/d/new'), file('usr/lib/d/.wh..wh..opq', ''), file('usr/lib/.wh.kept', '')];
      const kept = file('usr/lib/kept', 'again');
      for (const ordered of [
        [...entries, kept],
        [kept, ...entries.toReversed()],
      ]) {
        const { root } = await fetched({ layers: [rootLayer(), lower, tar(ordered)] });
        expect(await readdir(join(root, 'usr/lib/d'))).toEqual(['new']);
        expect(await readFile(join(root, 'usr/lib/kept'), 'utf8')).toBe('again');
      }
    });

    test('in its lowest layer has nothing of them', async () => {
      const { root } = await fetched({
        layers: [tar([directory('usr/'), directory('bin/'), file('bin/.wh.x', ''), file('.wh.usr', '')])],
      });
      expect(await readdir(root)).toEqual(['bin', 'usr']);
      expect(await readdir(join(root, 'bin'))).toEqual([]);
    });

    test('FROM scratch is stored when the program of its configuration is in it', async () => {
      const config = { Entrypoint: ['/server'], User: '65532' };
      const { root, stored } = await fetched({ layers: [tar([file('server', 'x')])], config });
      expect(await readdir(root)).toEqual(['server']);
      expect(stored.layout).toEqual({ kind: 'split', directories: [], files: ['server'], overlayBytes: {} });
    });

    test('may be emptied as a whole and filled again', async () => {
      const { root } = await fetched({
        layers: [lower, tar([file('.wh..wh..opq', ''), directory('bin/'), directory('etc/')])],
      });
      expect(await readdir(root)).toEqual(['bin', 'etc']);
    });

    test('loses all of a directory of any size, and of one in it, and remembers none of it', async () => {
      const many = Array.from({ length: 5000 }, (_, i) => file(`usr/lib/many/${'n'.repeat(200)}${i}`, ''));
      const layers = [
        rootLayer(),
        tar([...many, directory('usr/lib/many/in/'), file('usr/lib/many/in/it')]),
        tar([{ name: 'usr/lib/many/link', type: 'symlink', link: 'in' }]),
      ];
      const emptied = [file('usr/lib/many/.wh..wh..opq', ''), file('usr/lib/many/in/.wh..wh..opq', '')];
      const { root } = await fetched({ layers: [...layers, tar([...emptied, file('usr/lib/many/link/new')])] });
      expect(await readdir(join(root, 'usr/lib/many'))).toEqual(['link']);
      expect(await readdir(join(root, 'usr/lib/many/link'))).toEqual(['new']);
    });

    test('never loses anything through a link', async () => {
      const layers = [
        rootLayer(),
        tar([file('usr/lib/kept')]),
        tar([{ name: 'srv/l', type: 'symlink', link: '../usr/lib' }]),
      ];
      const { root } = await fetched({
        layers: [...layers, tar([file('srv/l/.wh.kept', ''), file('srv/l/.wh..wh..opq', '')])],
      });
      expect(await readFile(join(root, 'usr/lib/kept'), 'utf8')).toBe('usr/lib/kept');
    });

    test.each(['usr/.wh...', 'usr/.wh..', 'usr/.wh.', '../.wh.x', 'usr/../../.wh.x'])('%s is refused', async (name) => {
      expect(await reasonFor({ layers: [rootLayer(), tar([file(name, '')])] })).toBe('UnsafeArchive');
    });
  });

  describe('whose upper layers', () => {
    test('replace a directory by a file or a link, and the other way round', async () => {
      const lower = tar([
        file('usr/a/x'),
        file('usr/b/x'),
        file('usr/c'),
        { name: 'usr/d', type: 'symlink', link: '/etc' },
        { name: 'usr/e', type: 'symlink', link: '../etc/os-release' },
      ]);
      const upper = tar([
        file('usr/a', 'file'),
        { name: 'usr/b', type: 'symlink', link: 'a' },
        file('usr/d/inside'),
        directory('usr/d/'),
        directory('usr/c/'),
        file('usr/e', 'mine'),
      ]);
      const { root } = await fetched({ layers: [rootLayer(), lower, upper] });
      expect(await readFile(join(root, 'usr/a'), 'utf8')).toBe('file');
      expect(await readlink(join(root, 'usr/b'))).toBe('a');
      expect((await lstat(join(root, 'usr/c'))).isDirectory()).toBe(true);
      expect(await readdir(join(root, 'usr/d'))).toEqual(['inside']);
      expect(await readFile(join(root, 'etc/os-release'), 'utf8')).toBe('ID=test\n');
      await gone(join(root, 'etc/inside'));
    });

    test('have hard links into the lower ones', async () => {
      const { root } = await fetched({
        layers: [rootLayer(), tar([{ name: 'usr/lib/h', type: 'hardlink', link: 'usr/bin/hello' }])],
      });
      const [one, other] = await Promise.all(['usr/lib/h', 'usr/bin/hello'].map((name) => lstat(join(root, name))));
      expect(one?.ino).toBe(other?.ino);
    });

    test('change one name of a file and leave the others', async () => {
      const lower = tar([file('usr/one', 'old'), { name: 'usr/two', type: 'hardlink', link: 'usr/one' }]);
      const { root } = await fetched({ layers: [rootLayer(), lower, tar([file('usr/one', 'new')])] });
      expect(await readFile(join(root, 'usr/two'), 'utf8')).toBe('old');
    });

    test('write through a link of a lower one that leads up and out: refused', async () => {
      const lower = tar([{ name: 'l', type: 'symlink', link: '../../../../../../../../tmp' }]);
      expect(await reasonFor({ layers: [rootLayer(), lower, tar([file('l/evil')])] })).toBe('UnsafeArchive');
    });

    test.each<[string, string, string]>([
      ['to an absolute place', '/tmp', 'tmp/inside'],
      ['within the root', 'etc', 'etc/inside'],
      ['to what is not there', 'srv/new', 'srv/new/inside'],
    ])('write through a link of a lower one, %s: stored there, as containerd does', async (_name, link, path) => {
      const lower = tar([{ name: 'l', type: 'symlink', link }]);
      const upper = tar([file('l/inside', 'inside'), { name: 'usr/lib/h', type: 'hardlink', link: 'l/inside' }]);
      const { root } = await fetched({ layers: [rootLayer(), lower, upper] });
      expect(await readlink(join(root, 'l'))).toBe(link);
      expect(await readFile(join(root, path), 'utf8')).toBe('inside');
      expect((await lstat(join(root, 'usr/lib/h'))).nlink).toBe(2);
    });

    test('replace through a link what is of another kind, and write beside a link that they replace', async () => {
      const lower = tar([
        { name: 'l', type: 'symlink', link: 'usr/lib' },
        file('usr/lib/kind'),
        file('usr/lib/kept'),
        { name: 'm', type: 'symlink', link: 'usr/lib' },
      ]);
      const upper = tar([directory('l/kind/'), directory('m/'), file('m/kept', 'mine')]);
      const { root } = await fetched({ layers: [rootLayer(), lower, upper] });
      expect((await lstat(join(root, 'usr/lib/kind'))).isDirectory()).toBe(true);
      expect((await lstat(join(root, 'm'))).isDirectory()).toBe(true);
      expect(await readFile(join(root, 'm/kept'), 'utf8')).toBe('mine');
      expect(await readFile(join(root, 'usr/lib/kept'), 'utf8')).toBe('usr/lib/kept');
    });

    test.each<[string, TarEntry]>([
      ['a name with ..', file('../evil')],
      ['a hard link to above', { name: 'h', type: 'hardlink', link: '../../image.json' }],
      ['a device outside of dev', { name: 'usr/sda', type: 'block', device: [8, 0] }],
    ])('hold %s: refused', async (_name, entry) => {
      expect(await reasonFor({ layers: [rootLayer(), tar([entry])] })).toBe('UnsafeArchive');
    });
  });
});
