import { mkdir, readFile, readdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { FetchError } from './failure.ts';
import { fetchImage } from './fetch.ts';
import { listStore } from './store/list.ts';
import { compress, rootEntries, tar } from './testing/archive.ts';
import type { TarEntry } from './testing/archive.ts';
import { whyNoUnpacking } from './testing/environment.ts';
import { reasonOf, signal, wantedBytes } from './testing/fetching.ts';
import { fetchPorts } from './testing/images.ts';

const unable = whyNoUnpacking();

describe.skipIf(unable)(unable ? `a hostile archive (skipped: ${unable})` : 'a hostile archive', () => {
  /** Tries to write beside the staging directory in every way that a name or a link allows. */
  async function attack(make: (victim: string) => TarEntry[]) {
    const ports = await fetchPorts();
    const victim = join(ports.paths.store, 'victim');
    await mkdir(victim);
    await writeFile(join(victim, 'file'), 'untouched');
    const image = await wantedBytes(tar([...rootEntries(), ...make(victim)]));
    const result = await fetchImage(image, ports, signal).catch((error: unknown) => error);
    expect(await readdir(victim)).toEqual(['file']);
    expect(await readFile(join(victim, 'file'), 'utf8')).toBe('untouched');
    expect(await readdir(ports.paths.staging)).toEqual([]);
    return { result, ports };
  }

  const up = '../'.repeat(12);
  test.each<[string, (victim: string) => TarEntry[]]>([
    ['names with ..', (victim) => [{ name: `${up}${victim}/evil`, content: 'x' }]],
    [
      'a link to above as parent',
      (victim) => [
        { name: 'l', type: 'symlink', link: `${up}${victim}` },
        { name: 'l/evil', content: 'x' },
      ],
    ],
    [
      'an absolute link as parent',
      (victim) => [
        { name: 'l', type: 'symlink', link: victim },
        { name: 'l/evil', content: 'x' },
      ],
    ],
    [
      'a link in place of a directory of its own',
      (victim) => [
        { name: 'srv', type: 'symlink', link: victim },
        { name: 'srv/evil', content: 'x' },
      ],
    ],
    ['a hard link to above', (victim) => [{ name: 'h', type: 'hardlink', link: `${up}${victim}/file` }]],
    ['a device outside of dev', () => [{ name: 'usr/sda', type: 'block', device: [8, 0] }]],
  ])('with %s is refused', async (_name, make) => {
    const { result } = await attack(make);
    expect(result).toBeInstanceOf(FetchError);
    expect(result).toMatchObject({ reason: 'UnsafeArchive' });
  });

  test('with an absolute hard link is refused', async () => {
    const { result } = await attack((victim) => [{ name: 'h', type: 'hardlink', link: `${victim}/file` }]);
    expect(result).toMatchObject({ reason: 'CorruptArchive' });
  });

  test('with absolute names lands inside of its own root', async () => {
    const { result, ports } = await attack((victim) => [{ name: `${victim.slice(0, 80)}/evil`, content: 'x' }]);
    expect(result).toMatchObject({ os: 'debian-12' });
    expect((await listStore(ports.paths)).images).toHaveLength(1);
  });

  test('whose files on top are links leads to no file of the node', async () => {
    const link = { type: 'symlink', link: '/etc/hostname' } as const;
    expect(await reasonOf(tar([...rootEntries('root/'), { name: 'mount.sh', ...link }]))).toBe('BundleMismatch');
    expect(await reasonOf(tar([...rootEntries('root/'), { name: 'bundle.json', ...link }]))).toBe('BundleMismatch');
    expect(await reasonOf(tar([{ name: 'root', type: 'symlink', link: '/' }]))).toBe('NoRootFileSystem');
    expect(await reasonOf(tar([{ name: 'usr', type: 'symlink', link: '/usr' }]))).toBe('NoRootFileSystem');
  });

  test('that makes gigabytes of kilobytes is stopped', { timeout: 60_000 }, async () => {
    const zeros = compress('zstd', Buffer.alloc(512 * 1024 * 1024));
    const size = { name: 'usr/zero', content: '' };
    // 20 GiB of zeros: one header that promises them, then the same compressed frame again and again.
    const head = tar([...rootEntries(), size]).subarray(0, -1024);
    const promised = hugeHeader(head);
    const bomb = Buffer.concat([compress('zstd', promised), ...Array.from({ length: 40 }, () => zeros)]);
    expect(bomb.length).toBeLessThan(4_000_000);
    expect(await reasonOf(bomb)).toBe('TooLarge');
  });
});

/** Makes the last header of an archive promise 20 GiB. */
function hugeHeader(archive: Buffer): Buffer {
  const header = archive.subarray(-512);
  header.write((20 * 2 ** 30).toString(8).padStart(11, '0'), 124, 'latin1');
  header.write('        ', 148, 'latin1');
  const sum = header.reduce((total, byte) => total + byte, 0);
  header.write(`${sum.toString(8).padStart(6, '0')}\0 `, 148, 'latin1');
  return archive;
}
