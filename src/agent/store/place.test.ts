import { execFileSync, spawnSync } from 'node:child_process';
import { existsSync, mkdirSync, mkdtempSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, expect, onTestFinished, test } from 'vitest';
import { temporaryDirectory } from '../../../test/fixtures/agent/directory.ts';
import { storePaths } from './paths.ts';
import { PlaceError, checkPlace, mountPoints } from './place.ts';
import { prepareStore } from './remove.ts';

const unable = spawnSync('unshare', ['--mount', 'mount', '-t', 'tmpfs', 'none', '/mnt']).status !== 0;

/** Mounts a small file system until the test ends. */
function mount(at: string, ...args: string[]): void {
  mkdirSync(at, { recursive: true });
  execFileSync('mount', [...(args.length > 0 ? args : ['-t', 'tmpfs', 'none']), at]);
  onTestFinished(() => void spawnSync('umount', ['--lazy', at]));
}

/** A directory whose name needs to be escaped in lists of mounts. */
function directory(): string {
  const path = mkdtempSync(join(tmpdir(), 'monoroot place '));
  onTestFinished(() => rmSync(path, { recursive: true, force: true }));
  return path;
}

const why = (work: Promise<unknown>) =>
  work.then(
    () => 'fine',
    (error: unknown) => (error instanceof PlaceError ? error.message : `no PlaceError: ${String(error)}`),
  );

test('the numbers of blanks and backslashes in lists of mounts are read', () => {
  const line = '36 35 98:0 /mnt1 /a\\040b\\134c\\012 rw,noatime master:1 - ext3 /dev/root rw';
  expect(mountPoints(`${line}\n`)).toEqual(['/a b\\c\n']);
});

test.each(['store', 'staging', 'trash'])('%s that is a link is refused, also one that leads nowhere', async (name) => {
  const paths = storePaths(temporaryDirectory());
  symlinkSync('/nonexistent/elsewhere', join(paths.root, name));
  expect(await why(prepareStore(paths))).toContain(`${join(paths.root, name)} is a link`);
});

test('the directory of the agent may be a link', async () => {
  const real = temporaryDirectory();
  const link = join(temporaryDirectory(), 'link');
  symlinkSync(real, link);
  const place = await prepareStore(storePaths(link));
  expect(await why(checkPlace(storePaths(link), place))).toBe('fine');
});

describe.skipIf(unable)(unable ? 'mounts (skipped: needs to mount)' : 'mounts', () => {
  test('one file system with all of the store is a place', async () => {
    const root = directory();
    mount(root);
    const place = await prepareStore(storePaths(root));
    expect(await why(checkPlace(storePaths(root), place))).toBe('fine');
  });

  test.each([
    ['store', ['-t', 'tmpfs', 'none']],
    ['staging', ['-t', 'tmpfs', 'none']],
    ['store/debian-12', ['-t', 'tmpfs', 'none']],
    ['trash', ['--bind', '/tmp']],
  ])('something mounted at %s is refused, at the start and when it comes later', async (name, args) => {
    const root = directory();
    const place = await prepareStore(storePaths(root));
    mount(join(root, name), ...args);
    const told = `Something is mounted at ${join(root, name)}, inside ${root}, and no image can be moved there`;
    expect(await why(checkPlace(storePaths(root), place))).toContain(told);
    expect(await why(prepareStore(storePaths(root)))).toContain(told);
  });

  test('what is mounted over the store while the agent runs, or unmounted, is noticed', async () => {
    const root = directory();
    const below = await prepareStore(storePaths(root));
    mount(root);
    expect(await why(checkPlace(storePaths(root), below))).toContain(`Another file system was mounted at ${root}`);
    const above = await prepareStore(storePaths(root));
    execFileSync('umount', [root]);
    expect(await why(checkPlace(storePaths(root), above))).toContain('or was unmounted there');
  });

  test('a container with the propagation of deploy/agent.yaml notices what its node mounts later', () => {
    const root = directory();
    const [ready, go] = [join(root, '../ready'), join(root, '../go')].map((it) => `${it}-${process.pid}`) as [
      string,
      string,
    ];
    onTestFinished(() => [ready, go].forEach((it) => rmSync(it, { force: true })));
    const module = (name: string) => JSON.stringify(new URL(name, import.meta.url).href);
    const program = join(directory(), 'program.mjs');
    writeFileSync(
      program,
      `
      import { existsSync, writeFileSync } from 'node:fs';
      import { setTimeout } from 'node:timers/promises';
      const { storePaths } = await import(${module('./paths.ts')});
      const { prepareStore } = await import(${module('./remove.ts')});
      const { checkPlace } = await import(${module('./place.ts')});
      const paths = storePaths('/mnt');
      const place = await prepareStore(paths);
      writeFileSync(${JSON.stringify(ready)}, '');
      while (!existsSync(${JSON.stringify(go)})) await setTimeout(20);
      await checkPlace(paths, place).then(() => console.log('fine'), (error) => console.log(error.message));
    `,
    );
    // The node shares its mounts; the container has the directory of the store at another path, as a slave.
    const node = `
      set -e
      mount --make-rshared /
      unshare --mount --propagation slave sh -c 'mount --rbind "$1" /mnt && mount --make-rslave /mnt && exec "$2" "$3"' sh "$1" "$2" "$3" &
      while [ ! -e "$4" ]; do kill -0 $!; sleep 0.02; done
      mount -t tmpfs none "$1"
      : > "$5"
      wait $!
    `;
    const args = [
      '--mount',
      '--propagation',
      'private',
      'sh',
      '-c',
      node,
      'sh',
      root,
      process.execPath,
      program,
      ready,
      go,
    ];
    const { stdout, stderr } = spawnSync('unshare', args, { encoding: 'utf8', timeout: 60_000 });
    expect(`${stdout}${stderr}`).toContain('Another file system was mounted at /mnt');
    expect(existsSync(join(root, 'store'))).toBe(true);
  });
});
