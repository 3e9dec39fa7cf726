import { linkSync, lstatSync, mkdirSync, readFileSync, readdirSync, symlinkSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { temporaryDirectory } from '../../test/fixtures/agent/directory.ts';
import { writeFiles } from './files.ts';
import { makeTree, recipeOf, whyNoChroot, workshop } from '../../test/fixtures/builder.ts';

const unable = whyNoChroot();

interface Given {
  path: string;
  content?: string;
  mode?: string;
  owner?: string;
}

async function write(root: string, ...files: Given[]): Promise<void> {
  const { ports } = workshop();
  const recipe = recipeOf({ files: files.map((it) => ({ content: 'new', mode: '0644', owner: 'root:root', ...it })) });
  await writeFiles({ root, recipe, ports });
}

describe.skipIf(unable)(unable ? `files of a recipe (skipped: ${unable})` : 'files of a recipe', () => {
  test('get content, mode, and an owner by the names of the tree, in directories that are made', async () => {
    const root = makeTree(temporaryDirectory());
    await write(
      root,
      { path: '/etc/deep/er/file', content: 'ä\n', mode: '4750', owner: 'www:web' },
      { path: '/etc/numeric', owner: '7:8' },
    );
    expect(readFileSync(join(root, 'etc/deep/er/file'), 'utf8')).toBe('ä\n');
    const stat = lstatSync(join(root, 'etc/deep/er/file'));
    expect([stat.mode & 0o7777, stat.uid, stat.gid]).toEqual([0o4750, 33, 44]);
    expect(lstatSync(join(root, 'etc/numeric'))).toMatchObject({ uid: 7, gid: 8 });
    expect(lstatSync(join(root, 'etc/deep')).mode & 0o777).toBe(0o755);
    expect(readdirSync(join(root, 'etc/deep/er'))).toEqual(['file']);
  });

  test('take the place of a link, and leave alone where it led', async () => {
    const root = makeTree(temporaryDirectory());
    symlinkSync('passwd', join(root, 'etc/link'));
    await write(root, { path: '/etc/link' });
    expect(lstatSync(join(root, 'etc/link')).isFile()).toBe(true);
    expect(readFileSync(join(root, 'etc/passwd'), 'utf8')).toContain('root');
  });

  test('are not written through another name of the same file', async () => {
    const root = makeTree(temporaryDirectory());
    linkSync(join(root, 'etc/passwd'), join(root, 'etc/other'));
    await write(root, { path: '/etc/other' });
    expect(readFileSync(join(root, 'etc/passwd'), 'utf8')).toContain('root');
  });

  test.each([
    ['an absolute one', (outside: string) => outside],
    ['one that goes up', (outside: string) => `../../../../../../../..${outside}`],
  ])('never leave the tree through a link, such as %s', async (_name, target) => {
    const outside = temporaryDirectory();
    const root = makeTree(temporaryDirectory());
    symlinkSync(target(outside), join(root, 'srv/link'));
    await write(root, { path: '/srv/link/file' });
    expect(readdirSync(outside)).toEqual([]);
    expect(readFileSync(join(root, outside, 'file'), 'utf8')).toBe('new');
  });

  test.each<[string, Given, string]>([
    [
      'an owner that the image has not',
      { path: '/etc/x', owner: 'nobody:root' },
      '/etc/passwd of the image has no nobody',
    ],
    ['a group that the image has not', { path: '/etc/x', owner: 'www:www' }, '/etc/group of the image has no www'],
    ['a path that is a directory', { path: '/etc/there' }, 'it is a directory'],
    ['a path below a file', { path: '/etc/passwd/x' }, '/etc/passwd/x cannot be written'],
  ])('are refused with %s', async (_name, file, said) => {
    const root = makeTree(temporaryDirectory());
    mkdirSync(join(root, 'etc/there'));
    const failure = write(root, file);
    await expect(failure).rejects.toMatchObject({ reason: 'FilesFailed' });
    await expect(failure).rejects.toThrow(said);
    await expect(failure).rejects.not.toThrow(root);
  });
});
