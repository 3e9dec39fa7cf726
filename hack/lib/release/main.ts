import { execFileSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import { copyFileSync, cpSync, existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { chmodSync, globSync, statSync } from 'node:fs';
import { homedir, tmpdir } from 'node:os';
import { basename, join, relative } from 'node:path';
import process from 'node:process';
import manifest from '../../../package.json' with { type: 'json' };
import { readOptions, wrongArguments } from '../options.ts';
import { configOf, sameBytes } from './archive.ts';
import { addImage, createLayout, platformsOf, writeIndex, writeView } from './layout.ts';
import type { PlatformImage } from './layout.ts';
import { imageList, packChart, withImages } from './manifests.ts';
import type { Named } from './manifests.ts';
import { digestOf } from '../osimages/oci.ts';
import type { Descriptor } from '../osimages/oci.ts';
import { debianPackages, parsePins, unpinned } from '../pinned/packages.ts';
import type { Spdx } from '../sbom/spdx.ts';
import { makeKey, sign } from './sign.ts';

/** Makes all that a release has, one step after the other; docs/releasing.md says what is where. */
const about = {
  name: 'hack/release VERSION',
  does: 'Makes a release of the commit that is checked out, in dist/release/VERSION: images, chart, manifests, plugin, lists of packages, signatures, checksums, and an archive of it all. Takes root, and buildah; qemu-user for the other architecture.',
};
const values = readOptions(about, {
  version: { type: 'string' },
  // Where images and archives will be published: it stands in the chart, in install.yaml and in images.txt.
  registry: { type: 'string', default: 'registry.example.com/monoroot' },
  'base-url': { type: 'string', default: `https://example.com/monoroot/v${manifest.version}` },
  // Of cosign; its password is in COSIGN_PASSWORD. Without one a pair is made for this release, and thrown away.
  key: { type: 'string' },
  // Also of other packages of Debian than hack/lib/pinned/debian.packages has.
  'unpinned-base': { type: 'boolean', default: false },
  architecture: { type: 'string', multiple: true, default: ['amd64', 'arm64'] },
});
const { version = '', registry, architecture: architectures } = values;
if (version === '') wrongArguments(about, 'the version is missing');
if (version !== manifest.version) wrongArguments(about, `package.json says ${manifest.version}, and not ${version}`);

const root = join(import.meta.dirname, '../../..');
const cache = process.env['MONOROOT_CACHE'] ?? join(process.env['XDG_CACHE_HOME'] ?? join(homedir(), '.cache'), 'monoroot'); // prettier-ignore
const binaries = join(cache, 'bin/current');
const names = ['monoroot', 'monoroot-builder', 'monoroot-scaffold-merged', 'monoroot-scaffold-split'];

const pins = parsePins(readFileSync(join(root, 'hack/lib/pinned/debian.packages'), 'utf8'));

const began = Date.now();
const say = (text: string) => process.stderr.write(`${Math.round((Date.now() - began) / 1000)} s  ${text}\n`);
const read = (program: string, args: readonly string[], options: object = {}): string =>
  execFileSync(program, args, { cwd: root, encoding: 'utf8', stdio: ['ignore', 'pipe', 'inherit'], maxBuffer: 2 ** 30, ...options }); // prettier-ignore

const changed = read('git', ['status', '--porcelain']);
if (changed !== '') wrongArguments(about, `a release is of a commit, and files differ from it: ${changed.trim()}`);
const commit = read('git', ['rev-parse', 'HEAD']).trim();
const epoch = Number(process.env['SOURCE_DATE_EPOCH'] ?? read('git', ['log', '-1', '--format=%ct']));
const created = new Date(epoch * 1000).toISOString().slice(0, 19) + 'Z';
const env = { ...process.env, SOURCE_DATE_EPOCH: String(epoch), MONOROOT_IMAGES_WITH: 'buildah' };

const out = join(root, 'dist/release', version);
rmSync(out, { recursive: true, force: true });
const layout = join(out, 'oci');
await createLayout(layout);
const work = mkdtempSync(join(tmpdir(), 'monoroot-release-'));
try {
  read('hack/cluster', ['binaries', 'crane', 'cosign', 'registry', 'syft', 'kubernetes'], { stdio: ['ignore', 'ignore', 'inherit'] }); // prettier-ignore
  const named: Named = { registry, version, digests: await images() };
  writeFileSync(join(out, 'images.txt'), imageList(named));
  manifests(named);
  plugin();
  for (const architecture of architectures) crane(architecture);
  cpSync(join(import.meta.dirname, 'load-images.sh'), join(out, 'load-images.sh'));
  copyFileSync(join(root, 'LICENSE'), join(out, 'LICENSE'));
  checksums();
  say('Signing');
  const key = values.key === undefined ? makeKey(binaries, work) : { file: values.key, password: process.env['COSIGN_PASSWORD'] ?? '' }; // prettier-ignore
  await sign({ directory: out, binaries, key, work, digests: named.digests, version });
  archive();
} finally {
  rmSync(work, { recursive: true, force: true });
}
say(`The release is in ${relative(process.cwd(), out)}`);

/** Builds the images and puts them into the layout, and what is in each into sbom/; gives the digests by name. */
async function images(): Promise<Map<string, string>> {
  const built = new Map<string, PlatformImage[]>(names.map((name) => [name, []]));
  for (const architecture of architectures) {
    say(`Images for ${architecture}`);
    const archives = read('hack/images', ['--architecture', architecture, ...names], { env })
      .trim()
      .split('\n');
    for (const file of archives) {
      const name = basename(file, '.oci.tar');
      const tar = join(work, `${name}-${architecture}.tar`);
      read(join(import.meta.dirname, 'flatten'), [file, tar]);
      built.get(name)?.push({ architecture, tar, diffId: await digestOf(tar), config: configOf(file, architecture) });
    }
  }
  const indexes = new Map<string, Descriptor>();
  const labels = { 'org.opencontainers.image.version': version, 'org.opencontainers.image.revision': commit };
  for (const [name, platforms] of built) {
    say(`Packing ${name}`);
    const facts = { created, labels: { 'org.opencontainers.image.title': name, ...labels } };
    const index = await addImage(layout, platforms, facts);
    indexes.set(name, index);
    // load-images.sh cannot read JSON.
    const { mediaType, digest, size } = index;
    mkdirSync(join(layout, 'views', name), { recursive: true });
    writeFileSync(join(layout, 'views', name, 'index.json'), JSON.stringify({ schemaVersion: 2, manifests: [{ mediaType, digest, size }] })); // prettier-ignore
    for (const [architecture, image] of platformsOf(layout, index)) packages(name, architecture, image);
  }
  writeIndex(layout, new Map([...indexes].map(([name, index]) => [`${name}:${version}`, index])));
  return new Map([...indexes].map(([name, { digest }]) => [name, digest]));
}

/** Writes what is in an image as SPDX. */
function packages(name: string, architecture: string, image: Descriptor): void {
  const view = join(work, `${name}-${architecture}.view`);
  writeView(layout, image, view);
  const quiet = { ...env, SYFT_CHECK_FOR_APP_UPDATE: 'false', SYFT_FILE_METADATA_SELECTION: 'none' };
  const source = ['--source-name', name, '--source-version', version];
  const scan = read(join(binaries, 'syft'), ['scan', '--quiet', ...source, `oci-dir:${view}`, '-o', 'spdx-json'], { env: quiet }); // prettier-ignore
  const list = read('hack/node', ['hack/lib/sbom/main.ts', name], { env, input: scan, stdio: ['pipe', 'pipe', 'inherit'] }); // prettier-ignore
  mkdirSync(join(out, 'sbom'), { recursive: true });
  writeFileSync(join(out, 'sbom', `${name}-${architecture}.spdx.json`), list);
  const others = unpinned(pins, debianPackages(JSON.parse(list) as Spdx));
  if (others.length === 0) return;
  say(`${name} for ${architecture} has packages of Debian that are not pinned:\n  ${others.join('\n  ')}`);
  if (values['unpinned-base']) return;
  throw new Error('The base has moved: see what has changed in these packages and pin them (docs/releasing.md)');
}

function manifests(named: Named): void {
  say('Chart and manifests');
  packChart(join(root, 'charts/monoroot'), join(out, `monoroot-${version}.tgz`), { ...named, epoch });
  const kustomize = (path: string) => read(join(binaries, 'kubectl'), ['kustomize', path]);
  writeFileSync(join(out, 'crds.yaml'), kustomize('crds'));
  writeFileSync(join(out, 'install.yaml'), withImages(kustomize('deploy'), named));
  const directMounts = readFileSync(join(root, 'deploy/components/direct-mounts/direct-mounts.yaml'), 'utf8');
  writeFileSync(join(out, 'direct-mounts.yaml'), withImages(directMounts, named));
}

function plugin(): void {
  say('Plugin');
  read('hack/node', ['hack/plugin.ts', '--base-url', values['base-url']]);
  mkdirSync(join(out, 'plugin'));
  for (const file of globSync(join(root, 'dist/plugin/{kubectl-monoroot-*,monoroot.yaml}'))) {
    copyFileSync(file, join(out, 'plugin', basename(file)));
  }
}

/** For load-images.sh: it needs a program that speaks with registries. */
function crane(architecture: string): void {
  const host = process.arch === 'x64' ? 'amd64' : process.arch;
  const directory = architecture === host ? binaries : join(cache, 'bin', architecture);
  mkdirSync(join(out, 'bin'), { recursive: true });
  const file = join(out, 'bin', `crane-linux-${architecture}`);
  copyFileSync(join(directory, 'crane'), file);
  chmodSync(file, 0o755);
}

function checksums(): void {
  const files = globSync('**', { cwd: out }).filter((it) => statSync(join(out, it)).isFile());
  const sum = (it: string) => createHash('sha256').update(readFileSync(join(out, it))).digest('hex'); // prettier-ignore
  writeFileSync(join(out, 'SHA256SUMS'), files.sort().map((it) => `${sum(it)}  ${it}\n`).join('')); // prettier-ignore
}

/** All of it as one file, for clusters without the internet. */
function archive(): void {
  const name = `monoroot-${version}-airgap`;
  const file = join(work, `${name}.tar`);
  say('The archive for clusters without the internet');
  const all = ['-C', out, '--transform', `s,^\\.,${name},`, '.'];
  read('tar', ['-cf', file, ...sameBytes(epoch), '--mode=u=rwX,go=rX', ...all]);
  // The layers and programs are compressed already.
  read('zstd', ['--quiet', '--rm', '-3', file, '-o', join(out, `${name}.tar.zst`)]);
  if (!existsSync(join(out, `${name}.tar.zst`))) throw new Error('zstd wrote nothing');
  const digest = createHash('sha256').update(readFileSync(join(out, `${name}.tar.zst`))).digest('hex'); // prettier-ignore
  writeFileSync(join(out, `${name}.tar.zst.sha256`), `${digest}  ${name}.tar.zst\n`);
}
