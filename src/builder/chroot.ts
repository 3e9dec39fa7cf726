import { copyFile, lstat, rename, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import type { Proxies } from '../image/download/connect.ts';
import { directoryInside, placeInside, resolveInside } from '../system/rooted-path.ts';
import type { BuilderPorts, Chroot } from './ports.ts';
import type { Programs } from './programs.ts';
import { reaping } from './reap.ts';
import { fitsSandbox, withSandbox } from './sandbox.ts';

/** Running programs of the tree in the tree. */

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
 * Makes the tree fit for running programs, without starting a service; calls `use`, and takes that out again. In a Job they run in
 * the sandbox; else, and where the top of the tree does not fit in there, in a chroot.
 */
export async function withChroot<T>(
  root: string,
  sourceDateEpoch: number,
  ports: BuilderPorts,
  use: (chroot: Chroot) => Promise<T>,
): Promise<T> {
  // To invoke-rc.d, 101 is "forbidden by policy".
  const policy = '#!/bin/sh\nexit 101\n';
  const undo = await replace(root, '/usr/sbin/policy-rc.d', (path) => writeFile(path, policy, { mode: 0o755 }));
  const env = { ...environment(sourceDateEpoch), ...proxyVariables(ports.proxies) };
  const { sandbox } = ports;
  const result =
    sandbox !== undefined && (await fitsSandbox(root))
      ? await withSandbox(root, env, ports, sandbox, use)
      : await inChroot(root, env, ports, use);
  // A tree of a build that failed is thrown away.
  await undo();
  return result;
}

/**
 * Adds devices and name servers while programs run. What runs there cannot change its root again: so it gets neither at the Secrets of
 * the build nor at its programs. Where this process may mount, as root of one's own machine may, they have processes and a /proc of
 * their own, which is read-only, and all of them end with their command. In the sandbox of a Job that takes no right.
 */
async function inChroot<T>(
  root: string,
  env: Record<string, string | undefined>,
  { programs, resolvConf }: BuilderPorts,
  use: (chroot: Chroot) => Promise<T>,
): Promise<T> {
  const dev = await directoryInside(root, '/dev');
  for (const [name, type, major, minor] of devices) {
    if (await isThere(join(dev, name))) continue;
    await programs.run(['mknod', '--mode=666', join(dev, name), type, major, minor]);
  }
  const undo = await replace(root, '/etc/resolv.conf', (path) => copyFile(resolvConf, path));
  const drop = ['capsh', `--chroot=${root}`, `--drop=${dropped.join(',')}`, '--shell=/bin/sh', '--', '-ec'];
  const enter = [...(await ownProc(root, programs)), ...drop, 'exec "$@"', 'sh'];
  try {
    return await use({
      run: (command) =>
        programs.run(reaping([...enter, ...command]), { env, name: command[0] ?? '', endsItsOwn: true }),
    });
  } finally {
    await undo();
  }
}

/** Starts a command in namespaces with a /proc for the tree; nothing where that is not allowed. */
async function ownProc(root: string, programs: Programs): Promise<string[]> {
  const proc = await directoryInside(root, '/proc');
  const unshare = ['unshare', '--mount', '--pid', '--fork', '--kill-child', '--', 'sh', '-ec'];
  const mount = 'mount -t proc -o ro,nosuid,nodev,noexec proc "$0"';
  const isAllowed = await programs.run([...unshare, mount, proc], { quiet: true }).then(
    () => true,
    () => false,
  );
  return isAllowed ? [...unshare, `${mount}; "$@"`, proc] : [];
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
    // The directory may have gone with a package, or be another one now.
    const now = await placeInside(root, path);
    await rm(now, { force: true });
    if (had) await rename(`${now}.monoroot-aside`, now);
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
