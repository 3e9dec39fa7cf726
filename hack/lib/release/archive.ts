import { execFileSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { Descriptor } from '../osimages/oci.ts';
import { blobPath } from '../osimages/oci.ts';

/** The tar options that make equal trees equal bytes. `epoch` is the time of all files, in seconds since 1970. */
export const sameBytes = (epoch: number): string[] => [
  '--sort=name',
  `--mtime=@${epoch}`,
  '--owner=0',
  '--group=0',
  '--numeric-owner',
  '--format=ustar',
];

/** The configuration of the one image in an OCI archive: Entrypoint, Cmd, Env, WorkingDir, User. Throws when it is of another architecture. */
export function configOf(archive: string, architecture: string): object {
  const work = mkdtempSync(join(tmpdir(), 'monoroot-config-'));
  try {
    const read = (path: string): unknown => {
      execFileSync('tar', ['-xf', archive, '-C', work, path]);
      return JSON.parse(readFileSync(join(work, path), 'utf8'));
    };
    const { manifests } = read('index.json') as { manifests: Descriptor[] };
    const { config } = read(blobPath(manifests[0]?.digest ?? '')) as { config: Descriptor };
    const image = read(blobPath(config.digest)) as { architecture: string; config: object };
    if (image.architecture !== architecture) {
      throw new Error(`${archive} is for ${image.architecture} and not for ${architecture}`);
    }
    return image.config;
  } finally {
    rmSync(work, { recursive: true });
  }
}
