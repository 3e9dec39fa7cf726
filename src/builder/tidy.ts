import { lstat, readdir, rm, truncate, writeFile } from 'node:fs/promises';
import { basename, dirname, join } from 'node:path';
import { resolveInside } from '../system/rooted-path.ts';
import type { TreeStep } from './ports.ts';

/** Of all that is in them. The first ones are mount points in every container, which never sees what an image has there. */
const emptied = [
  '/dev',
  '/proc',
  '/sys',
  '/tmp',
  '/var/tmp',
  '/var/lib/apt/lists',
  '/var/cache/apt',
  '/var/cache/apk',
  '/var/cache/dnf',
  '/var/cache/man',
  '/var/log/apt',
];

/** Of its files, sockets and links. Launch fills /run of a container with the directories, which services need to write their own files. */
const directoriesOnly = '/run';

/** What tells when, where and by what it was built, or must not be the same in two machines. */
const removed = [
  '/var/log/dpkg.log',
  '/var/log/alternatives.log',
  '/var/log/bootstrap.log',
  '/var/cache/ldconfig/aux-cache',
  '/var/lib/systemd/random-seed',
  '/var/lib/dbus/machine-id',
  ...['passwd', 'shadow', 'group', 'gshadow', 'subuid', 'subgid'].map((name) => `/etc/${name}-`),
];

/** Directories, and the names in them that go. */
const removedByName: readonly [directory: string, name: RegExp][] = [
  ['/var/cache/debconf', /-old$/],
  ['/var/lib/dpkg', /-old$/],
  // Made when a package was installed: a private key that everybody has is none.
  ['/etc/ssh', /^ssh_host_.*_key(\.pub)?$/],
];

/** Removes what would make two builds of one recipe differ, and what belongs to one machine. Files of the recipe stay. */
export async function tidy({ root, recipe }: TreeStep): Promise<void> {
  const own = await placesOf(root, recipe.build.files?.map(({ path }) => path) ?? []);
  const remove = async (path: string) => {
    const place = await placeOf(root, path);
    if (place !== undefined && !own.has(place)) await rm(place, { recursive: true, force: true });
  };
  for (const directory of emptied) await empty(await directoryOf(root, directory), (path) => own.has(path));
  await empty(await directoryOf(root, directoriesOnly), (path, isDirectory) => isDirectory || own.has(path));
  for (const path of removed) await remove(path);
  for (const [directory, pattern] of removedByName) {
    for (const name of await namesIn(root, directory)) if (pattern.test(name)) await remove(`${directory}/${name}`);
  }
  const logs = await directoryOf(root, '/var/log');
  if (logs !== undefined) await emptyLogs(logs);
  const machineId = join((await directoryOf(root, '/etc')) ?? root, 'machine-id');
  // An empty one is made again at each start; one that is not there counts as the first boot of a machine.
  if ((await lstat(machineId).catch(() => undefined))?.isFile()) await writeFile(machineId, '');
}

/** Removes all that is in a directory, however deep, but for what is kept. */
async function empty(
  directory: string | undefined,
  isKept: (path: string, isDirectory: boolean) => boolean,
): Promise<void> {
  if (directory === undefined) return;
  for (const entry of await readdir(directory, { withFileTypes: true })) {
    const path = join(directory, entry.name);
    if (!isKept(path, entry.isDirectory())) await rm(path, { recursive: true, force: true });
    else if (entry.isDirectory()) await empty(path, isKept);
  }
}

/** Where files of the recipe are, whatever links lead there, and the directories that they are in. */
async function placesOf(root: string, paths: readonly string[]): Promise<Set<string>> {
  const places = new Set<string>();
  for (const path of paths) {
    let place = await placeOf(root, path);
    while (place !== undefined && place.length > root.length && !places.has(place)) {
      places.add(place);
      place = dirname(place);
    }
  }
  return places;
}

async function placeOf(root: string, path: string): Promise<string | undefined> {
  const directory = await directoryOf(root, dirname(path));
  return directory === undefined ? undefined : join(directory, basename(path));
}

async function namesIn(root: string, path: string): Promise<string[]> {
  const directory = await directoryOf(root, path);
  return directory === undefined ? [] : readdir(directory);
}

/** Undefined when there is none, also where links go round in circles. */
async function directoryOf(root: string, path: string): Promise<string | undefined> {
  const directory = await resolveInside(root, path, { follow: true }).catch(() => '');
  const stat = await lstat(directory).catch(() => undefined);
  return stat?.isDirectory() ? directory : undefined;
}

/** Logs stay, with the owners that their packages gave them, but are empty. */
async function emptyLogs(directory: string): Promise<void> {
  for (const entry of await readdir(directory, { withFileTypes: true })) {
    const path = join(directory, entry.name);
    if (entry.isDirectory()) await emptyLogs(path);
    else if (!entry.isFile()) continue;
    else if (/\.(\d+|gz|xz|old)$/.test(entry.name)) await rm(path);
    else await truncate(path, 0);
  }
}
