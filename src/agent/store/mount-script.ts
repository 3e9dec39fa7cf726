import { createHash } from 'node:crypto';

/** SHA-256 of the mount script that the spec gives; undefined when the one of the bundle, or none, is to be used. */
export function mountScriptShaOf({ mountScript }: { mountScript?: string | undefined }): string | undefined {
  return mountScript ? createHash('sha256').update(mountScript).digest('hex') : undefined;
}
