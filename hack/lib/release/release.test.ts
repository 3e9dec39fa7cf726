import { execFileSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import { copyFileSync, cpSync, mkdirSync, mkdtempSync, readFileSync, readdirSync, rmSync, writeFileSync } from 'node:fs'; // prettier-ignore
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, expect, onTestFinished, test } from 'vitest';
import { startRegistry } from '../../../test/fixtures/agent/registry.ts';
import { binaryDirectory, missingBinaries } from '../../../test/fixtures/binaries.ts';
import { digestOf } from '../osimages/oci.ts';
import type { Descriptor } from '../osimages/oci.ts';
import { addImage, createLayout, platformsOf, writeIndex } from './layout.ts';
import { chartValues, imageList, packChart, withImages } from './manifests.ts';
import { makeKey, sign } from './sign.ts';

const binaries = binaryDirectory();
const root = join(import.meta.dirname, '../../..');
const version = '0.1.0';
const registry = 'registry.example.com/monoroot';
const names = ['monoroot', 'monoroot-builder', 'monoroot-scaffold-merged', 'monoroot-scaffold-split'];
const facts = { created: '2026-11-27T00:00:00Z', labels: { 'org.opencontainers.image.version': version } };

function directory(): string {
  const made = mkdtempSync(join(tmpdir(), 'monoroot-release-'));
  onTestFinished(() => rmSync(made, { recursive: true, force: true }));
  return made;
}

/** Images of two architectures that hold one file each, in a new layout. */
async function layoutOf(parent: string) {
  const layout = join(parent, 'oci');
  await createLayout(layout);
  const indexes = new Map<string, Descriptor>();
  for (const name of names) {
    const images = [];
    for (const architecture of ['amd64', 'arm64']) {
      const tree = mkdtempSync(join(parent, 'tree-'));
      writeFileSync(join(tree, 'name'), `${name} ${architecture}`);
      const tar = join(parent, `${name}-${architecture}.tar`);
      execFileSync('tar', [
        '--mtime=@0',
        '--sort=name',
        '--owner=0',
        '--group=0',
        '--mode=0755',
        '-cf',
        tar,
        '-C',
        tree,
        '.',
      ]);
      images.push({ architecture, tar, diffId: await digestOf(tar), config: { Cmd: ['/name'] } });
    }
    const index = await addImage(layout, images, facts);
    indexes.set(name, index);
    const view = join(layout, 'views', name);
    mkdirSync(view, { recursive: true });
    writeFileSync(join(view, 'index.json'), JSON.stringify({ schemaVersion: 2, manifests: [index] }));
  }
  writeIndex(layout, new Map([...indexes].map(([name, index]) => [`${name}:${version}`, index])));
  return { layout, indexes, digests: new Map([...indexes].map(([name, { digest }]) => [name, digest])) };
}

const digests = new Map(names.map((name) => [name, `sha256:${createHash('sha256').update(name).digest('hex')}`]));
const named = { registry, version, digests };

describe('images', () => {
  test('are an index of all architectures, and the same roots give the same digests', async () => {
    const [first, again] = [await layoutOf(directory()), await layoutOf(directory())];
    expect(again.digests).toEqual(first.digests);
    expect(new Set(first.digests.values()).size).toBe(names.length);
    for (const index of first.indexes.values()) {
      const platforms = platformsOf(first.layout, index);
      expect([...platforms.keys()]).toEqual(['amd64', 'arm64']);
      expect(platforms.get('amd64')?.digest).not.toBe(platforms.get('arm64')?.digest);
    }
  });
});

describe('what is installed', () => {
  test('names each image by its digest, in manifests, chart and list', () => {
    const deploy = names.map((name) => `image: localhost/${name}:dev\n`).join('');
    expect(withImages(deploy, named)).toBe(names.map((it) => `image: ${registry}/${it}@${digests.get(it)}\n`).join(''));
    expect(() => withImages('image: localhost/other:dev', named)).toThrow('localhost/other:dev');
    expect(imageList(named).split('\n')[0]).toBe(`${registry}/monoroot:0.1.0@${digests.get('monoroot')}`);
    const values = chartValues(readFileSync(join(root, 'charts/monoroot/values.yaml'), 'utf8'), named);
    for (const digest of digests.values()) expect(values).toContain(digest);
    expect(values).not.toMatch(/localhost|tag: dev/);
    expect(() => chartValues('imageRegistry: localhost\n', named)).toThrow('{ repository: monoroot, tag: dev');
  });

  test('is a chart that has the version and the same bytes each time', () => {
    const out = directory();
    const files = ['a.tgz', 'b.tgz'].map((name) => join(out, name));
    for (const file of files)
      packChart(join(root, 'charts/monoroot'), file, { ...named, version: '9.8.7', epoch: 86_400 });
    const [first, again] = files.map((file) => readFileSync(file));
    expect(again).toEqual(first);
    const listed = execFileSync('tar', ['-tvzf', files[0] ?? '', '--utc'], { encoding: 'utf8' });
    expect(listed).toContain('monoroot/templates/crds.yaml');
    expect(new Set(listed.trim().split('\n').map((line) => line.split(/\s+/).slice(1, 5)).map(([owner, , day]) => `${owner} ${day}`))).toEqual(new Set(['0/0 1970-01-02'])); // prettier-ignore
    execFileSync('tar', ['-xzf', files[0] ?? '', '-C', out]);
    expect(readFileSync(join(out, 'monoroot/Chart.yaml'), 'utf8')).toMatch(/^version: 9\.8\.7\nappVersion: 9\.8\.7$/m);
  });
});

const missing = missingBinaries('crane', 'cosign', 'registry');
describe.skipIf(missing.length > 0)('load-images.sh', () => {
  test(
    'brings images and signatures into a registry, and nothing when a file has changed',
    { timeout: 180_000 },
    async () => {
      const out = directory();
      const made = await layoutOf(out);
      const release = join(out, 'release');
      mkdirSync(join(release, 'bin'), { recursive: true });
      cpSync(made.layout, join(release, 'oci'), { recursive: true });
      copyFileSync(join(import.meta.dirname, 'load-images.sh'), join(release, 'load-images.sh'));
      const architecture = process.arch === 'x64' ? 'amd64' : process.arch;
      copyFileSync(join(binaries, 'crane'), join(release, 'bin', `crane-linux-${architecture}`));
      writeFileSync(join(release, 'images.txt'), imageList({ registry, version, digests: made.digests }));
      const sum = createHash('sha256').update(readFileSync(join(release, 'images.txt'))).digest('hex'); // prettier-ignore
      writeFileSync(join(release, 'SHA256SUMS'), `${sum}  images.txt\n`);
      const work = join(out, 'work');
      mkdirSync(work);
      await sign({ directory: release, binaries, key: makeKey(binaries, work), work, digests: made.digests, version });
      expect(readdirSync(join(release, 'signatures')).sort()).toEqual(names);

      const other = join(out, 'other');
      mkdirSync(other);
      const { host, stop } = await startRegistry(binaries, other);
      try {
        const load = () => execFileSync(join(release, 'load-images.sh'), ['--registry', `${host}/os`, '--insecure'], { encoding: 'utf8', stdio: 'pipe' }); // prettier-ignore
        expect(load()).toContain(`--set imageRegistry=${host}/os`);
        for (const [name, digest] of made.digests) {
          const image = `${host}/os/${name}`;
          const crane = (...args: string[]) => execFileSync(join(binaries, 'crane'), [...args, '--insecure'], { encoding: 'utf8' }); // prettier-ignore
          expect(crane('digest', `${image}:${version}`).trim()).toBe(digest);
          const file = execFileSync('tar', ['-xO', 'name'], { input: execFileSync(join(binaries, 'crane'), ['export', '--insecure', '--platform=linux/arm64', `${image}@${digest}`, '-']) }); // prettier-ignore
          expect(file.toString()).toBe(`${name} arm64`);
          const verify = [
            'verify',
            '--key',
            join(release, 'cosign.pub'),
            '--insecure-ignore-tlog',
            '--allow-http-registry',
          ];
          execFileSync(join(binaries, 'cosign'), [...verify, `${image}@${digest}`], { stdio: 'pipe' });
        }
        const blob = ['verify-blob', '--key', join(release, 'cosign.pub'), '--insecure-ignore-tlog', '--bundle', join(release, 'SHA256SUMS.sigstore.json')]; // prettier-ignore
        execFileSync(join(binaries, 'cosign'), [...blob, join(release, 'SHA256SUMS')], { stdio: 'pipe' });
        writeFileSync(join(release, 'images.txt'), `${readFileSync(join(release, 'images.txt'), 'utf8')}\n`);
        expect(load).toThrow('files differ from SHA256SUMS');
      } finally {
        await stop();
      }
    },
  );
});
