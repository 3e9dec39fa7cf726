import { z } from 'zod';
import type { LiteralDefaults } from '../../api/osimage.ts';
import { JsonError, parseJson } from '../../runtime/json.ts';
import type { JsonLimits } from '../../runtime/json.ts';
import { FetchError } from '../failure.ts';
import { configurationLimits, explain, manifestLimits, mostLayers } from '../untrusted.ts';
import { defaultsOf, runConfig } from './image-config.ts';
import { levelNeeded } from './variant.ts';

const digest = z.string().regex(/^sha256:[0-9a-f]{64}$/, 'only sha256 digests are known');
const descriptor = z.object({ mediaType: z.string().default(''), digest, size: z.int().min(0) });
const platform = z.object({ os: z.string(), architecture: z.string(), variant: z.string().optional() });
const index = z.object({ manifests: z.array(descriptor.extend({ platform: platform.optional() })) });
const manifest = z.object({ config: descriptor, layers: z.array(descriptor) });
const config = z.object({
  os: z.string().default('linux'),
  architecture: z.string(),
  config: runConfig.nullish(),
});

export interface Layer {
  digest: string;
  /** Bytes as they are served. */
  size: number;
}

export interface Manifest {
  config: Layer;
  /** The lowest first. */
  layers: Layer[];
}

const layerTypes =
  /^application\/vnd\.(oci\.image\.layer\.v1\.tar(\+gzip|\+zstd)?|docker\.image\.rootfs\.diff\.tar(\.gzip|\.zstd)?)$/;
const configTypes = /^application\/vnd\.(oci\.image\.config\.v1|docker\.container\.image\.v1)\+json$/;

/**
 * What a manifest says, or for an index the digest of its manifest for Linux on this kind of processor. Throws
 * UnsupportedImage, ArchitectureMismatch.
 */
export function parseManifest(bytes: Buffer, architecture: string, level = 1): Manifest | { child: string } {
  const json = parse(read(bytes, manifestLimits, 'manifest'), z.looseObject({}), 'manifest');
  if ('manifests' in json) return { child: choose(parse(json, index, 'index'), architecture, level) };
  if (!('layers' in json)) {
    const which = json['schemaVersion'] === 1 ? 'of Docker schema 1' : 'of no known kind';
    throw unsupported(`Its manifest is ${which}`);
  }
  const { config: of, layers } = parse(json, manifest, 'manifest');
  if (!configTypes.test(of.mediaType))
    throw unsupported(`It is no image but an artifact (${of.mediaType || 'no type'})`);
  if (layers.length === 0) throw unsupported('It has no layers');
  if (layers.length > mostLayers)
    throw unsupported(`It has ${layers.length} layers, and at most ${mostLayers} are supported`);
  for (const { mediaType } of layers) {
    if (!layerTypes.test(mediaType)) throw unsupported(`It has a layer of type ${mediaType || '(none)'}`);
  }
  return { config: of, layers };
}

/**
 * The plain one, or that of the lowest variant: all nodes that can run it take the same, so that an image of one digest is one tree.
 * An index is not in order.
 */
function choose({ manifests }: z.output<typeof index>, architecture: string, level: number): string {
  const needed = (it: (typeof manifests)[number]) => levelNeeded(architecture, it.platform?.variant);
  const [fitting] = manifests
    .filter((it) => it.platform?.os === 'linux' && it.platform.architecture === architecture)
    .sort((a, b) => needed(a) - needed(b));
  if (fitting && (architecture !== 'amd64' || needed(fitting) <= level)) return fitting.digest;
  if (fitting) {
    const variant = fitting.platform?.variant ?? '';
    const message = `The index has nothing below linux/${architecture}/${variant}, and the processor of this node is of level v${level}`;
    throw new FetchError(
      'ArchitectureMismatch',
      `${message}; push one without a variant, or select nodes that can run it`,
    );
  }
  const there = manifests.flatMap(({ platform: it }) => (it ? [`${it.os}/${it.architecture}`] : []));
  const message = `The index has no manifest for linux/${architecture} but for ${[...new Set(there)].join(', ').slice(0, 300) || 'nothing'}`;
  throw new FetchError('ArchitectureMismatch', `${message}; push one or correct spec.architecture`);
}

/** What the configuration of an image says. Throws UnsupportedImage, ArchitectureMismatch. */
export function parseConfig(bytes: Buffer, architecture: string): LiteralDefaults | undefined {
  const json = read(bytes, configurationLimits, 'configuration');
  const { os, architecture: found, config: of } = parse(json, config, 'configuration');
  if (os !== 'linux') throw unsupported(`It is for ${os}`);
  if (found !== architecture) {
    const message = `The image is for ${found} and this node is ${architecture}; give the OSImage the right digest and spec.architecture`;
    throw new FetchError('ArchitectureMismatch', message);
  }
  const defaults = defaultsOf(of ?? {});
  if (!(defaults instanceof z.ZodError)) return defaults;
  const message = `Its configuration cannot become defaults: ${explain(defaults)}; build the image with another configuration`;
  throw new FetchError('UnsupportedImage', message);
}

function read(bytes: Buffer, limits: JsonLimits, what: string): unknown {
  try {
    return parseJson(bytes, limits);
  } catch (error) {
    if (error instanceof JsonError) throw unsupported(`Its ${what} ${error.message}`);
    throw error;
  }
}

function parse<T>(json: unknown, schema: z.ZodType<T>, what: string): T {
  const parsed = schema.safeParse(json);
  if (parsed.success) return parsed.data;
  throw unsupported(`Its ${what} is not valid: ${explain(parsed.error)}`);
}

const unsupported = (what: string): FetchError =>
  new FetchError(
    'UnsupportedImage',
    `${what.slice(0, 800)}; push a Linux image with layers of tar, tar+gzip or tar+zstd`,
  );
