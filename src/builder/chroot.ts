import { copyFile, lstat, rename, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import type { Proxies } from '../image/download/connect.ts';
import { directoryInside, placeInside, resolveInside } from '../system/rooted-path.ts';
import type { BuilderPorts } from './ports.ts';
import { reaping } from './reap.ts';

/** Running programs of the tree in the tree. */

export interface Chroot {
  /** Runs a program of the tree there, as root. Nothing that it has started runs any more when this resolves or rejects. */
  run(command: readonly string[]): Promise<void>;
}

/**
 * Capabilities that programs of the tree do not get, whoever builds: SYS_CHROOT, to leave their root, and all that no Job has. So
 * what works on one's own machine works in the cluster.
 */
const dropped = [
  'audit_control,audit_read,audit_write,block_suspend,bpf,checkpoint_restore,dac_read_search,ipc_lock,ipc_owner,kill,lease',
  'linux_immutable,mac_admin,mac_override,net_admin,net_bind_service,net_broadcast,net_raw,perfmon,sys_admin,sys_boot,sys_chroot',
  'sys_module,sys_nice,sys_pacct,sys_ptrace,sys_rawio,sys_resource,sys_time,sys_tty_config,syslog,wake_alarm',
].flatMap((line) => line.split(',').map((name) => `cap_${name}`));

const environment = (sourceDateEpoch: number) => ({
  HOME: '/root',
  TERM: 'dumb',
  // That of the build is not in the tree.
  TMPDIR: undefined,
  DEBIAN_FRONTEND: 'noninteractive',
  DEBCONF_NONINTERACTIVE_SEEN: 'true',
  // Some programs write it instead of the time: users' last change of password, what Python has compiled.
  SOURCE_DATE_EPOCH: String(sourceDateEpoch),
});

/**
 * Makes the tree fit for running programs, which takes devices, name servers and that no service is started; calls `use`, and
 * takes all of that out again. Nothing is mounted, as that would take rights over the node; so there is no /proc.
 *
 * What runs there cannot change its root again: so it gets neither at the Secrets of the build nor at its programs.
 */
export async function withChroot<T>(
  root: string,
  sourceDateEpoch: number,
  { programs, proxies, resolvConf }: BuilderPorts,
  use: (chroot: Chroot) => Promise<T>,
): Promise<T> {
  const dev = await directoryInside(root, '/dev');
  for (const [name, type, major, minor] of devices) {
    if (await isThere(join(dev, name))) continue;
    await programs.run(['mknod', '--mode=666', join(dev, name), type, major, minor]);
  }
  const restore: (() => Promise<void>)[] = [];
  try {
    restore.push(await replace(root, '/etc/resolv.conf', (path) => copyFile(resolvConf, path)));
    // To invoke-rc.d, 101 is "forbidden by policy".
    const policy = '#!/bin/sh\nexit 101\n';
    restore.push(await replace(root, '/usr/sbin/policy-rc.d', (path) => writeFile(path, policy, { mode: 0o755 })));
    const env = {
      ...environment(sourceDateEpoch),
      ...proxyVariables(proxies),
    };
    const enter = [
      'capsh',
      `--chroot=${root}`,
      `--drop=${dropped.join(',')}`,
      '--shell=/bin/sh',
      '--',
      '-ec',
      'exec "$@"',
      'sh',
    ];
    return await use({
      run: (command) =>
        programs.run(reaping([...enter, ...command]), { env, name: command[0] ?? '', endsItsOwn: true }),
    });
  } finally {
    for (const undo of restore.reverse()) await undo();
  }
}

const devices = [
  ['null', 'c', '1', '3'],
  ['zero', 'c', '1', '5'],
  ['full', 'c', '1', '7'],
  ['random', 'c', '1', '8'],
  ['urandom', 'c', '1', '9'],
  ['tty', 'c', '5', '0'],
] as const;

/** As most programs of a system want them. */
export function proxyVariables(proxies: Proxies | undefined): Record<string, string> {
  if (!proxies) return {};
  const { httpProxy, httpsProxy, noProxy } = proxies;
  return { http_proxy: httpProxy, https_proxy: httpsProxy || httpProxy, no_proxy: noProxy };
}

/** Puts a file into the tree; gives how to have again what was there. */
async function replace(
  root: string,
  path: string,
  write: (place: string) => Promise<void>,
): Promise<() => Promise<void>> {
  const place = await placeInside(root, path);
  const aside = `${place}.monoroot-aside`;
  const had = await isThere(place);
  if (had) await rename(place, aside);
  await write(place);
  return async () => {
    await rm(place, { force: true });
    // The directory may have gone with a package.
    if (had) await rename(aside, await placeInside(root, path));
  };
}

const isThere = async (path: string): Promise<boolean> =>
  lstat(path).then(
    () => true,
    () => false,
  );

/** Removes a path of the tree with all below it; a link itself, not what it leads to. */
export async function removeInside(root: string, path: string): Promise<void> {
  await rm(await resolveInside(root, path), { recursive: true, force: true });
}
