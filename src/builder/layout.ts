import { createHash } from 'node:crypto';
import { mkdir, rename, writeFile } from 'node:fs/promises';
import { join } from 'node:path';

/** A layout of OCI on the disk, which `crane push` takes. https://github.com/opencontainers/image-spec/blob/main/image-layout.md */

export interface Descriptor {
  mediaType: string;
  /** `sha256:…` */
  digest: string;
  size: number;
}

export const mediaTypes = {
  manifest: 'application/vnd.oci.image.manifest.v1+json',
  config: 'application/vnd.oci.image.config.v1+json',
  layer: 'application/vnd.oci.image.layer.v1.tar+zstd',
  empty: 'application/vnd.oci.empty.v1+json',
  spdx: 'application/spdx+json',
} as const;

/** An empty layout in a new directory. */
export async function createLayout(directory: string): Promise<Layout> {
  await mkdir(join(directory, 'blobs/sha256'), { recursive: true });
  await writeFile(join(directory, 'oci-layout'), '{"imageLayoutVersion":"1.0.0"}');
  return new Layout(directory);
}

export class Layout {
  readonly directory: string;

  constructor(directory: string) {
    this.directory = directory;
  }

  /** Moves a file into it; it must be on the same disk. */
  async addFile(file: string, descriptor: Descriptor): Promise<Descriptor> {
    await rename(file, this.path(descriptor.digest));
    return descriptor;
  }

  async add(mediaType: string, content: string): Promise<Descriptor> {
    const bytes = Buffer.from(content);
    const digest = `sha256:${createHash('sha256').update(bytes).digest('hex')}`;
    await writeFile(this.path(digest), bytes);
    return { mediaType, digest, size: bytes.length };
  }

  /** Ends it: this manifest is what it holds. */
  async seal(manifest: Descriptor): Promise<void> {
    await writeFile(join(this.directory, 'index.json'), JSON.stringify({ schemaVersion: 2, manifests: [manifest] }));
  }

  path(digest: string): string {
    return join(this.directory, 'blobs', digest.replace(':', '/'));
  }
}
