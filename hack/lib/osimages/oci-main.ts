// Makes an OCI image of bundles, each a layer on the one before, and prints the path of its layout. Called by hack/osimages oci.
// Usage: oci-main.ts OUT [--compression zstd|gzip|none] BUNDLE...
import { createHash } from 'node:crypto';
import { existsSync, mkdtempSync, readFileSync, readdirSync } from 'node:fs';
import { mkdir, rm, writeFile } from 'node:fs/promises';
import { basename, join } from 'node:path';
import { parseArgs } from 'node:util';
import type { Defaults } from '../../../src/api/osimage.ts';
import { run } from '../process.ts';
import { writeImage } from './oci.ts';
import type { Compression } from './oci.ts';

const { out, compression, bundles } = readArguments();

const names = bundles.map((bundle) => basename(bundle, '.tar.zst'));
const directory = join(out, `${names.join('+')}.${compression}.oci`);
const key = recipeKey();
if (!existsSync(directory) || readKey() !== key) {
  const work = mkdtempSync(join(out, '.oci-'));
  try {
    const unpacked = [];
    for (const bundle of bundles) unpacked.push(await unpack(bundle, join(work, basename(bundle))));
    const { defaults, architecture } = unpacked.at(-1) ?? {};
    const roots = unpacked.map(({ root }) => root);
    await writeImage(directory, roots, {
      compression,
      config: configOf(defaults),
      ...(architecture && { architecture }),
    });
    await writeFile(`${directory}.key`, key);
  } finally {
    await rm(work, { recursive: true });
  }
}
console.log(directory);

function isCompression(word: string): word is Compression {
  return ['zstd', 'gzip', 'none'].includes(word);
}

/** Of all that goes into the image. */
function readArguments() {
  try {
    const { values, positionals } = parseArgs({
      allowPositionals: true,
      options: { compression: { type: 'string', default: 'zstd' } },
    });
    const [out = '', ...bundles] = positionals;
    const { compression } = values;
    if (!isCompression(compression)) throw new Error(`--compression must be zstd, gzip or none, not '${compression}'`);
    if (bundles.length === 0) throw new Error('it needs the path of at least one bundle');
    return { out, compression, bundles };
  } catch (error) {
    console.error(`hack/osimages oci: ${(error as Error).message}; see hack/osimages --help`);
    process.exit(2);
  }
}

function recipeKey(): string {
  const code = readdirSync(import.meta.dirname).filter((name) => name.endsWith('.ts')).sort(); // prettier-ignore
  const hash = createHash('sha256');
  for (const name of code) hash.update(readFileSync(join(import.meta.dirname, name)));
  for (const bundle of bundles) hash.update(readFileSync(`${bundle}.sha256`));
  return hash.digest('hex');
}

function readKey(): string {
  return existsSync(`${directory}.key`) ? readFileSync(`${directory}.key`, 'utf8') : '';
}

interface Bundle {
  root: string;
  defaults?: Partial<Defaults>;
  architecture?: string;
}

async function unpack(bundle: string, into: string): Promise<Bundle> {
  await mkdir(into);
  const options = ['--numeric-owner', '--acls', '--xattrs', '-C', into];
  const { code, stderr } = await run('bsdtar', ['-xpf', bundle, ...options]);
  if (code !== 0) throw new Error(`${bundle} could not be unpacked: ${stderr.trim()}`);
  const about = JSON.parse(readFileSync(join(into, 'bundle.json'), 'utf8')) as Omit<Bundle, 'root'>;
  return { ...about, root: join(into, 'root') };
}

/** What a bundle says about its command, in the words of an image's configuration. */
function configOf({ command, args, env, workingDir }: Partial<Defaults> = {}): object {
  return {
    ...(command && { Cmd: [...command, ...(args ?? [])] }),
    Env: env?.map(({ name, value = '' }) => `${name}=${value}`) ?? ['PATH=/usr/sbin:/usr/bin:/sbin:/bin'],
    ...(workingDir !== undefined && { WorkingDir: workingDir }),
  };
}
