import { execFileSync } from 'node:child_process';
import { cpSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { waitFor } from '../../hack/lib/kube/wait.ts';
import { writeImage } from '../../hack/lib/osimages/oci.ts';
import { dockerConfig, startRegistry, stopRegistry } from '../../hack/lib/registry/registry.ts';
import type { Registry } from '../../hack/lib/registry/registry.ts';
import { apiVersion, sourcesNamespace } from '../../src/api/names.ts';
import { nodeStores } from '../../src/kube/kinds.ts';
import { serveFiles } from './lib/files.ts';
import { applyContainer, distributed, inside, osImages, page, remove, upToDate } from './lib/objects.ts';
import { fieldManager, hack, kubectl, namespace } from './lib/system.ts';

/** Images from a registry in the cluster that wants a password: several layers, a configuration, credentials that are wrong. */

const [plain, refused, secured] = ['tiny:oci-plain', 'tiny:oci-refused', 'tiny:oci-tls'] as const;
const credentials = { username: 'nodes', password: 'right' };
const secrets = { right: 'e2e-registry', wrong: 'e2e-registry-refused', ca: 'e2e-registry-ca' };
const repository = 'os/tiny:layers';
let work = '';
let layout = '';
let registry: Registry;
let digest = '';

beforeAll(async () => {
  work = mkdtempSync(join(tmpdir(), 'monoroot-e2e-'));
  layout = await makeLayers();
  await serveFiles();
  registry = await startRegistry(kubectl, { namespace, credentials });
  digest = await registry.push(layout, repository);
  await login(secrets.right, credentials.password);
});
afterAll(async () => {
  await remove({ containers: ['oci-plain', 'oci-tls'], images: [plain, refused, secured] });
  await kubectl.run(['-n', sourcesNamespace, 'delete', 'secret', '--ignore-not-found', ...Object.values(secrets)]);
  await stopRegistry(kubectl, namespace);
  rmSync(work, { recursive: true });
});

/** Three layers, compressed in three ways: the tiny image; a directory less; a file changed and a directory where a file was. */
async function makeLayers(): Promise<string> {
  const bundle = (await hack('osimages', 'tiny', 'oci')).trim();
  const roots = ['1', '2', '3'].map((name) => join(work, name));
  const [first = '', second = '', third = ''] = roots;
  mkdirSync(first);
  execFileSync('bsdtar', ['-xpf', bundle, '-C', first, '--strip-components', '1', 'root']);
  mkdirSync(join(first, 'opt/leaves/deep'), { recursive: true });
  writeFileSync(join(first, 'opt/leaves/deep/file'), 'of the lowest layer\n');
  writeFileSync(join(first, 'opt/kept'), 'of the lowest layer\n');
  writeFileSync(join(first, 'opt/turns'), 'a file\n');
  copy(first, second);
  rmSync(join(second, 'opt/leaves'), { recursive: true });
  copy(second, third);
  rmSync(join(third, 'opt/turns'));
  mkdirSync(join(third, 'opt/turns'));
  writeFileSync(join(third, 'opt/turns/inner'), 'of the highest layer\n');
  writeFileSync(join(third, 'etc/motd'), 'of the highest layer\n');
  const config = {
    Entrypoint: ['/bin/sh', '-c'],
    Cmd: ['exec /bin/serve'],
    Env: ['FROM_CONFIG=yes'],
    WorkingDir: '/opt',
  };
  const image = await writeImage(join(work, 'layout'), roots, { compression: ['gzip', 'zstd', 'none'], config });
  return image.directory;
}

const copy = (from: string, to: string) =>
  cpSync(from, to, { recursive: true, preserveTimestamps: true, verbatimSymlinks: true });

async function login(name: string, password: string): Promise<void> {
  const stringData = { '.dockerconfigjson': dockerConfig(registry.address, { ...credentials, password }) };
  const metadata = { name, namespace: sourcesNamespace };
  const secret = { apiVersion: 'v1', kind: 'Secret', type: 'kubernetes.io/dockerconfigjson', metadata, stringData };
  await kubectl.apply([secret], fieldManager);
}

/** Creates an OSImage of what is in the registry, and its distribution to all nodes. */
async function distribute(image: string, source: object): Promise<void> {
  const [os = '', version = ''] = image.split(':');
  const metadata = { name: `${os}.${version}` };
  const reference = `${registry.address}/${repository}`;
  const mountScript = readFileSync(join(import.meta.dirname, '../../hack/lib/osimages/tiny-mount.sh'), 'utf8');
  const spec = { os, version, mountScript, source: { oci: { reference, digest, ...source } } };
  await kubectl.apply(
    [
      { apiVersion, kind: 'OSImage', metadata, spec },
      { apiVersion, kind: 'ImageDistribution', metadata, spec: { image } },
    ],
    fieldManager,
  );
}

test('an image of several layers comes to all nodes from a registry that wants a password', async () => {
  await distribute(plain, { plainHTTP: true, pullSecretRef: { name: secrets.right } });
  await distributed(plain, 120);
  const stores = await kubectl.list(nodeStores);
  const stored = stores.map(({ status }) => status?.images?.find(({ version }) => version === 'oci-plain'));
  expect(stored.map((image) => image?.digest)).toEqual(stores.map(() => digest));
  expect((await kubectl.get(osImages, { name: 'tiny.oci-plain' }))?.status?.digest).toBe(digest);
});

test('a container of it runs what its configuration says, on the sum of its layers', async () => {
  await applyContainer('oci-plain', { image: plain });
  await upToDate('oci-plain', plain);
  expect(await page('oci-plain')).toBe(`${namespace}/oci-plain on ${plain}`);
  const environment = await inside('oci-plain', 'tr "\\0" "\\n" </proc/1/environ');
  expect(environment.split('\n')).toContain('FROM_CONFIG=yes');
  expect(await inside('oci-plain', 'cd /proc/1/cwd && pwd -P')).toBe('/opt');
  expect(await inside('oci-plain', 'cat /opt/kept /etc/motd /opt/turns/inner')).toBe(
    ['of the lowest layer', 'of the highest layer', 'of the highest layer'].join('\n'),
  );
  expect((await inside('oci-plain', 'ls -a /opt')).split('\n').sort()).toEqual(['.', '..', 'kept', 'turns']);
});

test('a wrong password is reported as such, and the right one is used as soon as the Secret has it', async () => {
  await login(secrets.wrong, 'mistaken');
  await distribute(refused, { plainHTTP: true, pullSecretRef: { name: secrets.wrong } });
  const look = async () => {
    const stores = await kubectl.list(nodeStores);
    const tried = stores.map(({ status }) => status?.images?.find(({ version }) => version === 'oci-refused'));
    return tried.every((image) => image?.reason === 'Unauthorized')
      ? { done: tried }
      : { waiting: JSON.stringify(tried) };
  };
  const tried = await waitFor('All nodes were refused', look, { seconds: 60 });
  for (const image of tried) {
    expect(image?.state).not.toBe('Ready');
    expect(image?.message).toContain(registry.address);
    expect(image?.message).not.toContain('mistaken');
  }
  await login(secrets.wrong, credentials.password);
  await distributed(refused, 120);
});

test('a registry with TLS is trusted by the authority that the image names', async () => {
  registry = await startRegistry(kubectl, { namespace, credentials, tls: true });
  expect(await registry.push(layout, repository)).toBe(digest);
  const metadata = { name: secrets.ca, namespace: sourcesNamespace };
  const stringData = { 'ca.crt': registry.certificate };
  await kubectl.apply([{ apiVersion: 'v1', kind: 'Secret', metadata, stringData }], fieldManager);
  await distribute(secured, { pullSecretRef: { name: secrets.right }, caRef: { name: secrets.ca } });
  await distributed(secured, 120);
  await applyContainer('oci-tls', { image: secured });
  await upToDate('oci-tls', secured);
  expect(await page('oci-tls')).toBe(`${namespace}/oci-tls on ${secured}`);
});
