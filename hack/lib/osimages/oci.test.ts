import { execFileSync } from 'node:child_process';
import { mkdirSync, mkdtempSync, readFileSync, readdirSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { compareTrees } from './layers.ts';
import { blobPath, readImage, writeImage } from './oci.ts';
import type { OciImage } from './oci.ts';

let work = '';
beforeEach(() => {
  work = mkdtempSync(join(tmpdir(), 'monoroot-oci-'));
});
afterEach(() => rmSync(work, { recursive: true }));

/** A tree of files with their contents; a content of `-> x` makes a link. All have one time. */
function tree(name: string, files: Record<string, string>): string {
  const root = join(work, name);
  for (const [path, content] of Object.entries(files)) {
    mkdirSync(join(root, path, '..'), { recursive: true });
    if (content.startsWith('-> ')) symlinkSync(content.slice(3), join(root, path));
    else writeFileSync(join(root, path), content);
  }
  execFileSync('find', [root, '-exec', 'touch', '--no-dereference', '--date=@1', '{}', '+']);
  return root;
}

const members = ({ directory, layers }: OciImage, layer: number): string[] =>
  execFileSync('bsdtar', ['-tf', join(directory, blobPath(layers[layer]?.digest ?? ''))], { encoding: 'utf8' })
    .trim()
    .split('\n');

const before = {
  'etc/motd': 'one',
  'etc/same': 'same',
  'usr/lib/gone/a': 'a',
  'usr/lib/gone/b': 'b',
  'usr/link': '-> lib',
};
const after = { 'etc/motd': 'two', 'etc/same': 'same', 'etc/new': 'new', 'usr/lib/stays': '', 'usr/link': '-> lib' };

test('a difference has what is new and what changed, though size and time are the same, and the top of what is gone', () => {
  expect(compareTrees(tree('a', before), tree('b', after))).toEqual({
    changed: ['etc/motd', 'etc/new', 'usr/lib/stays'],
    removed: ['usr/lib/gone'],
  });
});

test('layers hold a whole tree, then what differs, with whiteouts', async () => {
  const image = await writeImage(join(work, 'image'), [tree('a', before), tree('b', after)], {
    compression: ['gzip', 'none'],
  });
  expect(members(image, 0)).toEqual(expect.arrayContaining(['./etc/same', './usr/lib/gone/a', './usr/link']));
  expect(members(image, 1).sort()).toEqual(['etc/motd', 'etc/new', 'usr/lib/.wh.gone', 'usr/lib/stays']);
  expect(image.layers.map(({ mediaType }) => mediaType.split('.').at(-1))).toEqual(['tar+gzip', 'tar']);
});

test('the layout can be read again and holds every blob under its digest', async () => {
  const config = { Cmd: ['/bin/serve'] };
  const image = await writeImage(join(work, 'image'), [tree('a', before)], { config });
  expect(readImage(image.directory)).toEqual(image);
  const blobs = readdirSync(join(image.directory, 'blobs/sha256'));
  expect(blobs).toHaveLength(3);
  for (const name of blobs) {
    const file = join(image.directory, 'blobs/sha256', name);
    expect(execFileSync('sha256sum', [file], { encoding: 'utf8' }).split(' ')[0]).toBe(name);
  }
  const manifest = JSON.parse(readFileSync(join(image.directory, blobPath(image.digest)), 'utf8')) as {
    config: { digest: string };
  };
  const written: unknown = JSON.parse(readFileSync(join(image.directory, blobPath(manifest.config.digest)), 'utf8'));
  expect(written).toMatchObject({ os: 'linux', architecture: 'amd64', config });
});

test('equal trees give an equal image', async () => {
  const first = await writeImage(join(work, 'first'), [tree('a', before), tree('b', after)]);
  const second = await writeImage(join(work, 'second'), [tree('c', before), tree('d', after)]);
  expect(second.digest).toBe(first.digest);
});
