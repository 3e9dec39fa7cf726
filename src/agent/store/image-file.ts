import { open, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { z } from 'zod';
import { digest, osName, osVersion, time } from '../../api/meta.ts';
import { layout, literalDefaults } from '../../api/osimage.ts';

const imageFile = z.object({
  os: osName,
  version: osVersion,
  digest,
  layout,
  /** Of the bundle or the OCI image. What an earlier version let through besides values is left out. */
  defaults: literalDefaults.optional(),
  hasMountScript: z.boolean(),
  /** SHA-256 of the mount script that came from the spec; absent when the bundle's own, or none, is used. */
  mountScriptSha: z.string().optional(),
  archiveBytes: z.int().min(0),
  /** Bytes that the tree takes on disk when it is alone. */
  unpackedBytes: z.int().min(0),
  /** Those of them that it had in common with other images when it was published. */
  sharedBytes: z.int().min(0).default(0),
  files: z.int().min(0),
  publishTime: time,
});

/** What `image.json` says about the tree beside it. It is written before the tree is published and never changed. */
export type ImageFile = z.output<typeof imageFile>;

/** Throws when the file is missing or is not what the agent writes. */
export async function readImageFile(directory: string): Promise<ImageFile> {
  return imageFile.parse(JSON.parse(await readFile(join(directory, 'image.json'), 'utf8')));
}

/** Writes `image.json`; it is on the disk when this resolves. */
export async function writeImageFile(directory: string, image: ImageFile): Promise<void> {
  const file = await open(join(directory, 'image.json'), 'wx', 0o644);
  try {
    await file.writeFile(`${JSON.stringify(imageFile.parse(image), null, 2)}\n`);
    await file.sync();
  } finally {
    await file.close();
  }
}
