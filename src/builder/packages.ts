import type { Build } from '../api/build.ts';
import { because, BuildError } from './failure.ts';
import { withChroot } from './chroot.ts';
import { hasProgram } from '../system/rooted-path.ts';
import type { TreeStep } from './ports.ts';

interface Manager {
  program: string;
  install: (names: readonly string[]) => readonly string[][];
  remove: (names: readonly string[]) => readonly string[][];
}

/** A tree of a build is thrown away when anything fails, so nothing need be synced; as root, because downloads are verified anyway. */
const apt = ['apt-get', '-y', '-o', 'Dpkg::Options::=--force-unsafe-io', '-o', 'Dpkg::Options::=--force-confdef'];
const aptGet = [
  ...apt,
  '-o',
  'Dpkg::Options::=--force-confold',
  '-o',
  'APT::Sandbox::User=root',
  '-o',
  'Acquire::Retries=3',
  '-o',
  'Dpkg::Use-Pty=0',
];

const managers: readonly Manager[] = [
  {
    program: '/usr/bin/apt-get',
    install: (names) => [
      [...aptGet, '-q', 'update'],
      [...aptGet, 'install', '--no-install-recommends', '--', ...names],
    ],
    remove: (names) => [[...aptGet, 'purge', '--', ...names]],
  },
  {
    program: '/usr/bin/dnf',
    install: (names) => [['dnf', '-y', '--setopt=install_weak_deps=False', 'install', ...names.map(dnfName)]],
    remove: (names) => [['dnf', '-y', '--noautoremove', 'remove', ...names]],
  },
  {
    program: '/sbin/apk',
    install: (names) => [['apk', 'add', '--no-cache', ...names]],
    remove: (names) => [['apk', 'del', '--purge', ...names]],
  },
];

/** Of name=version, which is how recipes have it. */
const dnfName = (name: string) => name.replace('=', '-');

/** What the step does, for people. */
export function describePackages({ install = [], remove = [] }: NonNullable<Build['packages']> = {}): string {
  const list = (names: readonly string[]) => (names.length > 4 ? `${names.length} packages` : names.join(', '));
  const parts = [install.length > 0 && `installing ${list(install)}`, remove.length > 0 && `removing ${list(remove)}`];
  return parts.filter(Boolean).join(', ') || 'none asked for';
}

/** Installs and purges packages with the tree's own package manager. */
export async function changePackages({ root, recipe, ports }: TreeStep): Promise<void> {
  const { install = [], remove = [] } = recipe.build.packages ?? {};
  if (install.length === 0 && remove.length === 0) return;
  const manager = await findManager(root);
  await withChroot(root, recipe.build.sourceDateEpoch, ports, async (chroot) => {
    const run = async (commands: readonly string[][], what: string) => {
      for (const command of commands) {
        await chroot
          .run(command)
          .catch(
            because('PackagesFailed', what, 'correct source.build.packages, or check that the mirror can be reached'),
          );
      }
    };
    if (install.length > 0) await run(manager.install(install), 'The packages cannot be installed');
    if (remove.length > 0) await run(manager.remove(remove), 'The packages cannot be removed');
  });
}

async function findManager(root: string): Promise<Manager> {
  for (const manager of managers) if (await hasProgram(root, manager.program)) return manager;
  const known = managers.map(({ program }) => program).join(', ');
  const message = `The base has none of ${known}, so no packages can be changed; use another base, or source.build.run`;
  throw new BuildError('PackagesFailed', message);
}
