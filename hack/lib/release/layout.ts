import { mkdirSync, readFileSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { mkdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { compress, manifestType, writeJson } from '../osimages/oci.ts';
import type { Descriptor } from '../osimages/oci.ts';

/** The images of a release as one OCI layout: an index for each name, with a manifest for each architecture. */

export interface PlatformImage {
  architecture: string;
  /** The root, as one tar file; it is removed. */
  tar: string;
  /** `sha256:…` of that file. */
  diffId: string;
  /** Entrypoint, Cmd, Env, WorkingDir, User. */
  config: object;
}

export interface ImageFacts {
  /** RFC 3339. */
  created: string;
  labels: Readonly<Record<string, string>>;
}

const indexType = 'application/vnd.oci.image.index.v1+json';

/** Makes an empty layout. */
export async function createLayout(directory: string): Promise<void> {
  await mkdir(join(directory, 'blobs/sha256'), { recursive: true });
  await writeFile(join(directory, 'oci-layout'), '{"imageLayoutVersion":"1.0.0"}');
}

/** Adds an image for several architectures. Resolves to the descriptor of its index. Equal roots and facts give equal digests. */
export async function addImage(
  directory: string,
  images: readonly PlatformImage[],
  facts: ImageFacts,
): Promise<Descriptor> {
  const manifests = [];
  for (const { architecture, tar, diffId, config } of images) {
    const layer = await compress(tar, 'gzip', directory);
    rmSync(tar);
    const configuration = await writeJson(directory, 'application/vnd.oci.image.config.v1+json', {
      created: facts.created,
      architecture,
      os: 'linux',
      config: { ...config, Labels: facts.labels },
      rootfs: { type: 'layers', diff_ids: [diffId] },
    });
    const manifest = await writeJson(directory, manifestType, {
      schemaVersion: 2,
      mediaType: manifestType,
      config: configuration,
      layers: [layer],
    });
    manifests.push({ ...manifest, platform: { architecture, os: 'linux' } });
  }
  return writeJson(directory, indexType, { schemaVersion: 2, mediaType: indexType, manifests });
}

/** Writes what the layout holds, each image under a name such as `monoroot:0.1.0`. */
export function writeIndex(directory: string, images: ReadonlyMap<string, Descriptor>): void {
  const manifests = [...images].map(([name, descriptor]) => ({
    ...descriptor,
    annotations: { 'org.opencontainers.image.ref.name': name },
  }));
  writeFileSync(join(directory, 'index.json'), JSON.stringify({ schemaVersion: 2, manifests }));
}

/** The manifests of an index that is in the layout, by architecture. */
export function platformsOf(directory: string, index: Descriptor): Map<string, Descriptor> {
  const { manifests } = JSON.parse(readFileSync(join(directory, 'blobs', index.digest.replace(':', '/')), 'utf8')) as {
    manifests: (Descriptor & { platform: { architecture: string } })[];
  };
  return new Map(manifests.map(({ platform, ...descriptor }) => [platform.architecture, descriptor]));
}

/** Makes a layout in `view` that shows one image of another layout, for programs that take a layout for one image. It has no bytes of its own. */
export function writeView(directory: string, { mediaType, digest, size }: Descriptor, view: string): void {
  mkdirSync(view, { recursive: true });
  writeFileSync(join(view, 'oci-layout'), readFileSync(join(directory, 'oci-layout')));
  writeFileSync(
    join(view, 'index.json'),
    JSON.stringify({ schemaVersion: 2, manifests: [{ mediaType, digest, size }] }),
  );
  symlinkSync(join(directory, 'blobs'), join(view, 'blobs'));
}
