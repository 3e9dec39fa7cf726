import { lstat, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { z } from 'zod';
import { osName, osVersion } from '../../api/meta.ts';
import { literalDefaults } from '../../api/osimage.ts';
import type { LiteralDefaults } from '../../api/osimage.ts';
import { JsonError, parseJson } from '../../runtime/json.ts';
import { firstNames } from '../../system/files.ts';
import { FetchError } from '../failure.ts';
import { bundleLimits, explain } from '../untrusted.ts';
import { imageName } from '../../api/images.ts';
import type { ImageName } from '../../api/images.ts';

const bundleFile = z.object({
  os: osName,
  version: osVersion,
  architecture: z.enum(['amd64', 'arm64']).optional(),
  defaults: literalDefaults.optional(),
});

/** What an unpacked archive turned out to be. Paths are absolute. */
export interface Unpacked {
  root: string;
  /** The script of the bundle; undefined when it has none. */
  mountScript?: string;
  defaults?: LiteralDefaults;
  architecture?: 'amd64' | 'arm64';
}

const bundleEntries = ['root', 'mount.sh', 'bundle.json'];
const largest = 1024 * 1024;

/**
 * Tells a bundle (nothing but `root/`, `mount.sh` and `bundle.json` on top) from a bare root file system. Throws BundleMismatch
 * when a bundle is not for this image (any will do when unset), or its files are not what they must be.
 */
export async function readUnpacked(directory: string, image?: ImageName): Promise<Unpacked> {
  // One more than a bundle has: then it is none.
  const names = (await firstNames(directory, bundleEntries.length + 1)).map(String);
  const isBundle = names.includes('root') && names.every((name) => bundleEntries.includes(name));
  const root = join(directory, 'root');
  if (!isBundle || !(await lstat(root)).isDirectory()) return { root: directory };
  const script = names.includes('mount.sh') ? (await readFileOf(directory, 'mount.sh')).toString() : undefined;
  const text = names.includes('bundle.json') ? await readFileOf(directory, 'bundle.json') : undefined;
  const bundle = text === undefined ? {} : parseBundle(text, image);
  return { root, ...(script !== undefined && { mountScript: script }), ...bundle };
}

/** Reads a small regular file: never through a link, which could lead to a file of the node. */
async function readFileOf(directory: string, name: string): Promise<Buffer> {
  const path = join(directory, name);
  const stat = await lstat(path);
  if (!stat.isFile()) throw new FetchError('BundleMismatch', `${name} of the bundle is no regular file; make it one`);
  if (stat.size > largest)
    throw new FetchError('TooLarge', `${name} of the bundle has more than 1 MiB; make it smaller`);
  return readFile(path);
}

function parseBundle(text: Buffer, image: ImageName | undefined): Pick<Unpacked, 'architecture' | 'defaults'> {
  const json = read(text);
  refuseReferences(json);
  const parsed = bundleFile.safeParse(json);
  if (!parsed.success) {
    const message = `bundle.json is not valid: ${explain(parsed.error)}; correct it and build the bundle again`;
    throw new FetchError('BundleMismatch', message);
  }
  const bundle = parsed.data;
  if (image && imageName(bundle) !== imageName(image)) {
    const message = `The bundle is ${imageName(bundle)}, not ${imageName(image)}; point the OSImage to the right archive`;
    throw new FetchError('BundleMismatch', message);
  }
  const { architecture, defaults: of } = bundle;
  return { ...(architecture && { architecture }), ...(of && { defaults: of }) };
}

/** Only part of what a Pod may have as environment: a Secret would be one of whoever runs the image. Not dropped in silence. */
function refuseReferences(json: unknown): void {
  const found = withReferences.safeParse(json);
  const name = found.data?.defaults.env.find(({ valueFrom }) => valueFrom !== undefined)?.name;
  if (!found.success || name === undefined) return;
  const message = `bundle.json gives the variable ${name.slice(0, 253)} by valueFrom; give it a literal value, or set it in the HostedContainer`;
  throw new FetchError('BundleMismatch', message);
}
const withReferences = z.object({
  defaults: z.object({ env: z.array(z.object({ name: z.string(), valueFrom: z.unknown().optional() })) }),
});

function read(text: Buffer): unknown {
  try {
    return parseJson(text, bundleLimits);
  } catch (error) {
    if (!(error instanceof JsonError)) throw error;
    const message = `bundle.json ${error.message}; correct it and build the bundle again`;
    throw new FetchError('BundleMismatch', message, { cause: error });
  }
}
