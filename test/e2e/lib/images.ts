import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { basename, join } from 'node:path';
import type { ImageDistributionSpec } from '../../../src/api/imagedistribution.ts';
import { apiVersion } from '../../../src/api/names.ts';
import { imageDistributions } from '../../../src/kube/kinds.ts';
import { imageObjectName, parseReference } from '../../../src/api/images.ts';
import type { Archive } from './files.ts';
import { tinyArchive, upload, url } from './files.ts';
import { distributed, osImages } from './objects.ts';
import { run } from '../../../hack/lib/process.ts';
import { fieldManager, hack, has, kubectl, until } from './system.ts';

/** As somebody writes it: without what has a default. */
type DistributionFields = Partial<Omit<ImageDistributionSpec, 'activate'>> & { activate?: object };

/** Puts tiny images on nodes; one whose version ends in `broken` has a service that does not come up. */
export async function provide(...images: string[]): Promise<void> {
  for (const image of images) await store(image);
  await Promise.all(images.map((image) => distributed(image, 120)));
}

/** Creates the image, and its distribution as it is asked for; waits for nothing. */
export async function store(image: string, distribution: DistributionFields = {}): Promise<void> {
  const { os, version = '' } = parseReference(image);
  const options = version.endsWith('broken') ? ['--broken'] : [];
  const archive = os === 'tiny' ? await tinyArchive(version, ...options) : await archiveOfAnyOS(version);
  const name = imageObjectName({ os, version });
  const source = { http: { url: url(archive), sha256: archive.sha256 } };
  const defaults = { command: ['/bin/serve'] };
  await kubectl.apply(
    [{ apiVersion, kind: 'OSImage', metadata: { name }, spec: { os, version, source, defaults } }],
    fieldManager,
  );
  await spread(image, distribution);
}

/** Changes where an image is stored, and what it is the default for. */
export async function spread(image: string, spec: DistributionFields = {}): Promise<void> {
  const { os, version = '' } = parseReference(image);
  const name = imageObjectName({ os, version });
  await kubectl.apply(
    [{ apiVersion, kind: 'ImageDistribution', metadata: { name }, spec: { image, ...spec } }],
    fieldManager,
  );
}

/** The image is the default version of its OS. */
export async function activated(image: string): Promise<void> {
  const { os, version = '' } = parseReference(image);
  const name = imageObjectName({ os, version });
  await until(imageDistributions, { name }, 'is the default', (d) => has(d, 'Activated', 'True/NewContainers'), 120);
  await until(osImages, { name }, 'knows it', (i) => i.status?.defaultVersion === true);
}

/** A tiny image whose bundle does not say which OS it is: an OS of the test's own, whose default version is no one else's. */
async function archiveOfAnyOS(version: string): Promise<Archive> {
  const bundle = (await hack('osimages', 'tiny', version)).trim();
  const directory = mkdtempSync(join(tmpdir(), 'monoroot-e2e-'));
  const path = join(directory, `${basename(bundle, '.tar.zst').replace('tiny-', 'any-')}.tar`);
  const { code, stderr } = await run('sh', [
    '-c',
    'zstd -dcq "$0" | tar --delete -f - bundle.json >"$1"',
    bundle,
    path,
  ]);
  if (code !== 0) throw new Error(`${bundle} was not rewritten: ${stderr}`);
  const archive = await upload(path);
  rmSync(directory, { recursive: true });
  return archive;
}
