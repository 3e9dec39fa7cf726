import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { text } from 'node:stream/consumers';
import { build } from 'esbuild';
import { completed, lacking } from './spdx.ts';
import type { BundledPackage, Spdx } from './spdx.ts';

/**
 * Reads what syft found in an image, and writes the whole list: main.ts IMAGE <scan >list. Fails when it lacks what the image must
 * have, so that a scanner that has gone blind is seen.
 */
const root = join(import.meta.dirname, '../../..');

interface Image {
  /** Programs of src/cmd that are bundled into it. */
  programs: string[];
  /** Packages that must be in the list: one of each kind. */
  has: string[];
}
const images: Record<string, Image> = {
  monoroot: {
    programs: ['operator', 'agent', 'mounts', 'inspect', 'digest', 'links', 'gates', 'web'],
    has: ['node', 'libc6', 'libarchive-tools', 'zstd', 'zod', 'undici'],
  },
  'monoroot-builder': {
    programs: ['builder'],
    has: [
      ...['node', 'libc6', 'mmdebstrap', 'zod', 'github.com/anchore/syft'],
      ...['github.com/google/go-containerregistry', 'github.com/sigstore/cosign/v3'],
    ],
  },
  'monoroot-scaffold-merged': { programs: [], has: ['busybox'] },
  'monoroot-scaffold-split': { programs: [], has: ['busybox'] },
};

interface Locked {
  packages: Record<string, { version?: string; license?: string; integrity?: string }>;
}

/** The packages that esbuild takes code of for these programs, by name. */
async function bundledIn(programs: readonly string[]): Promise<BundledPackage[]> {
  const { packages } = JSON.parse(readFileSync(join(root, 'package-lock.json'), 'utf8')) as Locked;
  const { metafile } = await build({
    absWorkingDir: root,
    entryPoints: programs.map((name) => join('src/cmd', `${name}.ts`)),
    outdir: 'dist',
    bundle: true,
    write: false,
    metafile: true,
    platform: 'node',
    target: 'node24',
    format: 'esm',
    logLevel: 'warning',
  });
  const paths = new Set<string>();
  for (const output of Object.values(metafile.outputs)) {
    for (const [input, { bytesInOutput }] of Object.entries(output.inputs)) {
      const path = /^(.*node_modules\/(?:@[^/]+\/)?[^/]+)\//.exec(input)?.[1];
      if (path !== undefined && bytesInOutput > 0) paths.add(path);
    }
  }
  return [...paths].sort().map((path) => {
    const { version = '', license = 'NOASSERTION', integrity = '' } = packages[path] ?? {};
    if (version === '' || integrity === '') throw new Error(`package-lock.json has no ${path}, which is bundled`);
    return {
      name: path.slice(path.lastIndexOf('node_modules/') + 'node_modules/'.length),
      version,
      license,
      integrity,
    };
  });
}

const [name = ''] = process.argv.slice(2);
const image = images[name];
if (!image) throw new Error(`There is no image ${name}: there are ${Object.keys(images).join(', ')}`);
const scan = JSON.parse(await text(process.stdin)) as Spdx;
const seconds = Number(process.env['SOURCE_DATE_EPOCH'] ?? 0);
const list = completed(
  scan,
  await bundledIn(image.programs),
  new Date(seconds * 1000).toISOString().slice(0, 19) + 'Z',
);
const missing = lacking(list, image.has);
if (missing.length > 0) throw new Error(`The list of ${name} lacks ${missing.join(', ')}, which are in the image`);
process.stdout.write(`${JSON.stringify(list)}\n`);
