import { execFileSync, spawn, spawnSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { readdir } from 'node:fs/promises';
import { join } from 'node:path';
import type { Readable } from 'node:stream';
import { loadAll } from 'js-yaml';
import { beforeAll, describe, expect, test, vi } from 'vitest';
import type { DesiredImage } from '../../api/nodestore.ts';
import { readLines } from '../../system/programs.ts';
import { entryPath, storePaths } from '../store/paths.ts';
import { temporaryDirectory } from '../../../test/fixtures/agent/directory.ts';
import { whyNoUnpacking } from '../../../test/fixtures/agent/environment.ts';
import { desiredBytes } from '../../../test/fixtures/agent/fetching.ts';
import { manifestOf } from '../../../test/fixtures/agent/manifest.ts';
import type { Manifest } from '../../../test/fixtures/agent/manifest.ts';
import { bundleLife } from '../../../test/fixtures/agent/bundle.ts';

const unable =
  whyNoUnpacking() ??
  (['setpriv', 'setcap'].some((it) => spawnSync('which', [it]).status !== 0) ? 'needs setpriv and setcap' : undefined);

interface DaemonSet {
  spec: { template: { spec: { containers: { securityContext: SecurityContext }[] } } };
}
interface SecurityContext {
  runAsUser: number;
  allowPrivilegeEscalation: boolean;
  capabilities: { drop: string[]; add: string[] };
}
const deployed = join(import.meta.dirname, '../../../deploy/agent.yaml');
const [agent] = loadAll(readFileSync(deployed, 'utf8')) as DaemonSet[];
const context = agent?.spec.template.spec.containers[0]?.securityContext;
const granted = context?.capabilities.add ?? [];

/** Each line needs one of the rights, in the tree of somebody else. */
const build = `
mkdir -p usr/bin usr/private etc bin dev
printf x >usr/bin/ping; setcap cap_net_raw+ep usr/bin/ping
printf x >usr/private/file; chown -R 1000:1000 usr/private; chmod 0700 usr/private
printf x >usr/bin/setgid; chown 5:33 usr/bin/setgid; chmod 6755 usr/bin/setgid
mknod dev/null c 1 3; chown 7:7 etc; setfattr -n user.note -v x usr/bin/setgid
setfacl -m u:1234:r usr/private/file
find . -depth -exec touch -h -d '2024-05-06 07:08:09.123456789' {} +
`;

/** The mode of the top directory is always 0755. */
function withoutTop({ '.': _top, ...rest }: Manifest): Manifest {
  return rest;
}

// Much is written and synced, perhaps beside others who do so.
vi.setConfig({ testTimeout: 60_000 });

describe.skipIf(unable)(unable ? `the rights of an agent (skipped: ${unable})` : 'the rights of an agent', () => {
  let program: string;
  beforeAll(async () => {
    const directory = execFileSync('mktemp', ['-d'], { encoding: 'utf8' }).trim();
    program = await bundleLife(directory, 'life.ts');
    return () => void execFileSync('rm', ['-rf', directory]);
  });

  function makeSource(): string {
    const source = temporaryDirectory();
    execFileSync('bash', ['-euc', build], { cwd: source });
    return source;
  }
  const archiveOf = (source: string) =>
    execFileSync('bsdtar', ['-c', '--format=pax', '--acls', '--xattrs', '--numeric-owner', '-C', source, '.']);

  /** Runs a new agent as the kubelet would, with these capabilities; gives how the fetch ended. */
  async function fetchWith(capabilities: readonly string[], root: string, fetch: DesiredImage): Promise<string> {
    const list = ['-all', ...capabilities.map((it) => `+${it.toLowerCase()}`)].join(',');
    const rights = ['--no-new-privs', '--inh-caps=-all', `--bounding-set=${list}`];
    const command = [...rights, '--', process.execPath, program, JSON.stringify({ root, fetch })];
    const child = spawn('setpriv', command, { stdio: ['ignore', 'pipe', 'pipe'] });
    let output = '';
    const closed = new Promise((resolve) => child.once('close', resolve));
    const collect = (stream: Readable) => readLines(stream, (line) => (output += line));
    await Promise.all([closed, collect(child.stdout), collect(child.stderr)]);
    return output;
  }

  test('are those that the tests below are about', () => {
    expect(context).toMatchObject({ runAsUser: 0, allowPrivilegeEscalation: false, capabilities: { drop: ['ALL'] } });
    expect(granted.length).toBeGreaterThan(0);
  });

  /** What of the tree is in the store in the end; undefined when it is not. */
  async function restoredWith(capabilities: readonly string[], source: string): Promise<Manifest | undefined> {
    const image = await desiredBytes(archiveOf(source));
    const root = temporaryDirectory();
    const outcome = await fetchWith(capabilities, root, image);
    if (outcome !== 'Stored') {
      expect(outcome).toMatch(/^[A-Z][a-zA-Z]+$/);
      expect(await readdir(join(root, 'store'))).toEqual([]);
      return undefined;
    }
    return withoutTop(manifestOf(join(entryPath(storePaths(root), image), 'root')));
  }

  test('suffice to restore all of a tree', async () => {
    const source = makeSource();
    expect(await restoredWith(granted, source)).toEqual(withoutTop(manifestOf(source)));
  });

  // Without most of them the image is refused; without FSETID the kernel takes the setgid bit away and says nothing.
  test.each(granted)('are not enough without %s', async (right) => {
    const source = makeSource();
    const less = granted.filter((it) => it !== right);
    expect(await restoredWith(less, source)).not.toEqual(withoutTop(manifestOf(source)));
  });

  test('do not include attributes of the administrator of the node: those are left out, by decision', async () => {
    const source = makeSource();
    execFileSync('setfattr', ['-n', 'trusted.note', '-v', 'x', join(source, 'etc')]);
    const tree = await restoredWith(granted, source);
    expect(tree?.['etc']).not.toContain('trusted.note');
    expect(tree?.['usr/bin/setgid']).toContain('user.note');
  });
});
