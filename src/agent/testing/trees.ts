import { execFileSync } from 'node:child_process';
import { mkdir, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { publishTree } from '../fetch/commit-tree.ts';
import type { SealPorts } from '../fetch/commit-tree.ts';
import type { ImageFile } from '../store/image-file.ts';
import { entryPath } from '../store/paths.ts';
import { signal } from './fetching.ts';
import { wantedImage } from './images.ts';

/** What each tree begins with: odd names, several names for one file, copies, a link, times in nanoseconds. */
const baseTree = String.raw`
  mkdir -p usr/bin usr/lib/deep etc
  ln -s usr/bin bin
  head -c 300000 /dev/urandom | tr -dc 'a-z' >usr/lib/large || true
  printf '%0.s=' $(seq 5000) >usr/lib/deep/plain
  printf hello >usr/bin/hello; chmod 4755 usr/bin/hello
  printf twice >etc/one; ln etc/one etc/other
  printf copy >etc/copy; printf copy >etc/copy-
  printf odd >"$(printf 'etc/with space\nand line\377')"
  : >etc/empty
  setfacl -m u:7:rx,d:u:7:rx usr/lib/deep; setfattr -n user.of -v directory usr/lib/deep; chmod 1770 usr/lib
`;
const times = `find . ! -type l -exec touch -d '2024-01-01 00:00:00.123456789' {} +`;

/** Runs a shell script in a directory. */
export const shell = (directory: string, script: string) =>
  execFileSync('sh', ['-ec', script], { cwd: directory, encoding: 'latin1' });

/** All that can be seen of a tree but the numbers of its inodes; content as digests. */
export function describeTree(root: string): string {
  const stat = `find . -printf '%p %y %m %U %G %s %T@ %l\n' | LC_ALL=C sort`;
  const content = `find . -type f -print0 | LC_ALL=C sort -z | xargs -0 sha256sum`;
  return shell(root, `${stat}; ${content}; getfattr -R -h -d -m - . | sort`);
}

/** `<inode> <number of links>` of a file, whose name may be a pattern. */
export const inodeOf = (root: string, path: string) => shell(root, `stat -c '%i %h' -- ${path}`).trim();

/**
 * Publishes an image whose tree is that of `from` (another root; the base tree when there is none), changed by a script.
 * Times stay as the script leaves them. `before` is what the tree looked like before it was published; `looks` says whether that can be told in good time.
 */
export async function publishedTree(
  ports: SealPorts & { uniqueId: () => string },
  version: string,
  { from, change = '', looks = true }: { from?: string; change?: string; looks?: boolean } = {},
): Promise<{ image: ImageFile; entry: string; root: string; before: string }> {
  const staging = join(ports.paths.staging, ports.uniqueId());
  const tree = join(staging, 'tree');
  await mkdir(tree, { recursive: true });
  if (from === undefined) shell(tree, `${baseTree}\n${times}`);
  else shell(from, `cp -a . '${tree}'`);
  shell(tree, change);
  const before = looks ? describeTree(tree) : '';
  const wanted = wantedImage(version);
  const image = await publishTree(tree, { staging, wanted, archiveBytes: 1 }, ports, signal);
  await rm(staging, { recursive: true, force: true });
  const entry = entryPath(ports.paths, image);
  return { image, entry, root: join(entry, 'root'), before };
}
