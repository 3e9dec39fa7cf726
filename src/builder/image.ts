import { join } from 'node:path';
import type { Recipe } from '../api/buildrun.ts';
import type { LiteralDefaults } from '../api/osimage.ts';
import { createLayout, mediaTypes } from './layout.ts';
import type { Descriptor, Layout } from './layout.ts';
import type { Packed } from './pack.ts';

export interface Image {
  layout: Layout;
  manifest: Descriptor;
}

/** Makes an OCI image of one layer. The same layer and recipe give the same digest. */
export async function makeImage(
  { os, version, architecture, build }: Recipe,
  defaults: LiteralDefaults | undefined,
  packed: Packed,
  work: string,
): Promise<Image> {
  const created = timeOf(build.sourceDateEpoch);
  const layout = await createLayout(join(work, 'image'));
  const { digest, bytes, diffId, file } = packed;
  const layer = await layout.addFile(file, { mediaType: mediaTypes.layer, digest, size: bytes });
  const config = {
    created,
    architecture,
    os: 'linux',
    config: configOf(defaults),
    rootfs: { type: 'layers', diff_ids: [diffId] },
    history: [{ created, created_by: 'monoroot' }],
  };
  const manifest = {
    schemaVersion: 2,
    mediaType: mediaTypes.manifest,
    config: await layout.add(mediaTypes.config, JSON.stringify(config)),
    layers: [layer],
    annotations: {
      'org.opencontainers.image.created': created,
      'org.opencontainers.image.title': os,
      'org.opencontainers.image.version': version,
    },
  };
  const descriptor = await layout.add(mediaTypes.manifest, JSON.stringify(manifest));
  await layout.seal(descriptor);
  return { layout, manifest: descriptor };
}

/** A list of packages that says which image it is of; registries tell it to who asks what refers to the image. */
export async function makePackageList(
  list: string,
  { os, version, build }: Recipe,
  subject: Descriptor,
  work: string,
): Promise<Image> {
  const layout = await createLayout(join(work, 'sbom'));
  const manifest = {
    schemaVersion: 2,
    mediaType: mediaTypes.manifest,
    artifactType: mediaTypes.spdx,
    config: await layout.add(mediaTypes.empty, '{}'),
    layers: [await layout.add(mediaTypes.spdx, list)],
    subject,
    annotations: {
      'org.opencontainers.image.created': timeOf(build.sourceDateEpoch),
      'org.opencontainers.image.title': `${os}-${version}.spdx.json`,
    },
  };
  const descriptor = await layout.add(mediaTypes.manifest, JSON.stringify(manifest));
  await layout.seal(descriptor);
  return { layout, manifest: descriptor };
}

/** Seconds since 1970 as RFC 3339. */
export const timeOf = (epoch: number): string => new Date(epoch * 1000).toISOString().replace('.000Z', 'Z');

/** Defaults as a container runtime has them. */
export function configOf({ command, args, env, workingDir }: LiteralDefaults = {}): Record<string, unknown> {
  const variables = env?.map(({ name, value = '' }) => `${name}=${text(value)}`);
  return {
    ...(variables && variables.length > 0 && { Env: variables }),
    ...(command && { Entrypoint: command.map(text) }),
    ...(args && { Cmd: args.map(text) }),
    ...(workingDir !== undefined && { WorkingDir: workingDir }),
  };
}

/** Kubernetes writes two dollars for one. */
const text = (value: string) => value.replaceAll('$$', () => '$');
