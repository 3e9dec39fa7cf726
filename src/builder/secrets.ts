import { readFile, readdir } from 'node:fs/promises';
import { join } from 'node:path';
import { secretNames } from '../api/buildrun.ts';
import { errorCode } from '../system/errors.ts';
import type { ReadSecretOf } from './ports.ts';

/** Reads Secrets as the kubelet mounts them: a directory each, a file for each key. */
export function secretsIn(directory: string): ReadSecretOf {
  return async (role) => {
    const names = await readdir(join(directory, role)).catch((error: unknown) => {
      if (errorCode(error) === 'ENOENT') return undefined;
      throw error;
    });
    if (!names) return undefined;
    // The kubelet keeps its own things under names with two dots.
    const keys = names.filter((name) => !name.startsWith('..'));
    // That of a Secret that is not there is empty.
    if (keys.length === 0) return undefined;
    // The keys of an archive are bytes and not text.
    const encoding = role === secretNames.keyring ? 'latin1' : 'utf8';
    const read = async (key: string) => [key, await readFile(join(directory, role, key), encoding)] as const;
    return Object.fromEntries(await Promise.all(keys.map(read)));
  };
}
