import { constants } from 'node:fs';
import { lstat, open } from 'node:fs/promises';
import { join } from 'node:path';
import { FetchError } from '../failure.ts';

export type Architecture = 'amd64' | 'arm64';

const elfMachines: Record<number, string> = {
  3: '386',
  22: 's390x',
  40: 'arm',
  62: 'amd64',
  183: 'arm64',
  243: 'riscv64',
};
const candidates = ['env', 'sh', 'dash', 'bash', 'ls', 'cat', 'busybox', 'coreutils'];

/** Throws ArchitectureMismatch when the first well-known program found in the tree is for another kind of processor. */
export async function checkArchitecture(root: string, node: Architecture): Promise<void> {
  for (const directory of ['usr/bin', 'bin']) {
    if (!(await isRealDirectory(root, directory))) continue;
    for (const name of candidates) {
      const machine = await elfMachine(join(root, directory, name));
      if (machine === undefined) continue;
      if (machine !== node) throw mismatch(`${directory}/${name} is a program`, machine, node);
      return;
    }
  }
}

/** Throws ArchitectureMismatch when the bundle says that it is for another kind of processor. */
export function checkBundleArchitecture(bundle: Architecture | undefined, node: Architecture): void {
  if (bundle !== undefined && bundle !== node) throw mismatch('The bundle is', bundle, node);
}

function mismatch(what: string, found: string, node: string): FetchError {
  const message = `${what} for ${found} and this node is ${node}; give the OSImage the right archive and spec.architecture`;
  return new FetchError('ArchitectureMismatch', message);
}

/** Whether every step of the path is a directory and no link, which could lead out of the tree. */
async function isRealDirectory(root: string, path: string): Promise<boolean> {
  let at = root;
  for (const step of path.split('/')) {
    at = join(at, step);
    const stat = await lstat(at).catch(() => undefined);
    if (!stat?.isDirectory()) return false;
  }
  return true;
}

/** For what a program is; undefined when the file is none, or a link. */
async function elfMachine(path: string): Promise<string | undefined> {
  const stat = await lstat(path).catch(() => undefined);
  if (!stat?.isFile()) return undefined;
  const file = await open(path, constants.O_RDONLY | constants.O_NOFOLLOW);
  try {
    const header = Buffer.alloc(20);
    const { bytesRead } = await file.read(header, 0, 20, 0);
    if (bytesRead < 20 || header.toString('latin1', 0, 4) !== '\x7fELF') return undefined;
    const machine = header[5] === 2 ? header.readUInt16BE(18) : header.readUInt16LE(18);
    return elfMachines[machine] ?? `machine ${machine}`;
  } finally {
    await file.close();
  }
}
