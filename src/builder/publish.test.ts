import { execFileSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { binaryDirectory } from '../../test/fixtures/binaries.ts';
import type { Build } from '../api/build.ts';
import { temporaryDirectory } from '../../test/fixtures/agent/directory.ts';
import { pushImage, rootLayer } from '../../test/fixtures/agent/registry.ts';
import { makeImage, makePackageList } from './image.ts';
import { pushImage as pushWithList } from './build.ts';
import { packTree } from './pack.ts';
import { publish } from './publish.ts';
import { ask, makeTree, recipeOf, whyNoBuilding, workshop, useRegistry } from '../../test/fixtures/builder.ts';

const unable = whyNoBuilding();
const cosign = join(binaryDirectory(), 'cosign');
const password = 'geheim';

/** A pair of keys, as a person makes it. */
function keyPair(directory = temporaryDirectory()) {
  execFileSync(cosign, ['generate-key-pair'], { cwd: directory, env: { COSIGN_PASSWORD: password }, stdio: 'ignore' });
  return { key: readFileSync(join(directory, 'cosign.key'), 'utf8'), publicFile: join(directory, 'cosign.pub') };
}

describe.skipIf(unable)(unable ? `a publication (skipped: ${unable})` : 'a publication', { timeout: 120_000 }, () => {
  const registry = useRegistry();

  let count = 0;
  /** A recipe of which nothing was built yet. */
  const fresh = (build: Partial<Build> = {}) =>
    recipeOf({ repository: `${registry.host}/os`, ...build }, { os: `tiny-${(count += 1)}` });
  type Made = ReturnType<typeof fresh>;
  const pushTesting = async ({ os }: Made, layers = [rootLayer()]) =>
    pushImage(registry.host, `os/testing/${os}`, { layers });
  const digestAt = async (path: string) => {
    const headers = { accept: 'application/vnd.oci.image.manifest.v1+json, application/vnd.oci.image.index.v1+json' };
    const answer = await fetch(`http://${registry.host}/v2/os/${path}`, { method: 'HEAD', headers });
    return answer.ok ? answer.headers.get('docker-content-digest') : answer.status;
  };
  const isSignedBy = (publicFile: string, reference: string): boolean => {
    const args = ['verify', '--key', publicFile, '--insecure-ignore-tlog', '--allow-http-registry', reference];
    try {
      execFileSync(cosign, args, { stdio: 'ignore', env: { HOME: temporaryDirectory() } });
      return true;
    } catch {
      return false;
    }
  };

  test('copies by digest and gives the tag', async () => {
    const recipe = fresh();
    const digest = await pushTesting(recipe);
    const reference = `${registry.host}/os/production/${recipe.os}:v1`;
    expect(await publish(recipe, digest, workshop().ports)).toEqual({ reference, signed: false });
    expect(await digestAt(`production/${recipe.os}/manifests/v1`)).toBe(digest);
  });

  test('takes along the list of packages, which refers to the image there, too', async () => {
    const recipe = fresh();
    const { ports } = workshop();
    const packed = await packTree(makeTree(temporaryDirectory()), join(ports.work, 'layer'), 0, ports.signal);
    const image = await makeImage(recipe, undefined, packed, ports.work);
    const list = { text: '{"spdx":1}', packages: 0 };
    const listDigest = await pushWithList(recipe, image, list, { ...ports, work: temporaryDirectory() });
    const { digest } = image.manifest;
    await publish(recipe, digest, ports);
    const tag = digest.replace(':', '-');
    expect(await digestAt(`production/${recipe.os}/manifests/${tag}.sbom`)).toBe(listDigest);
    const index = await ask(registry.host, `os/production/${recipe.os}/manifests/${tag}`);
    expect(index).toMatchObject({ manifests: [{ digest: listDigest }] });
    expect((await makePackageList(list.text, recipe, image.manifest, temporaryDirectory())).manifest.digest).toBe(
      listDigest,
    );
  });

  test('signs what is published, with the key of the Secret, and asks no one but the registry', async () => {
    const { key, publicFile } = keyPair();
    const recipe = fresh({ signKeyRef: { name: 'sign' } });
    const digest = await pushTesting(recipe);
    const secrets = { sign: { 'cosign.key': key, 'cosign.password': `${password}\n` } };
    const shop = workshop(secrets);
    expect(await publish(recipe, digest, shop.ports)).toMatchObject({ signed: true });
    const reference = `${registry.host}/os/production/${recipe.os}:v1`;
    expect(isSignedBy(publicFile, reference)).toBe(true);
    expect(isSignedBy(keyPair().publicFile, reference)).toBe(false);
    expect(shop.lines.join('\n')).not.toMatch(/geheim|rekor|sigstore\.dev/);

    const signatures = await digestAt(`production/${recipe.os}/manifests/${digest.replace(':', '-')}`);
    const again = workshop(secrets);
    expect(await publish(recipe, digest, again.ports)).toMatchObject({ signed: true });
    expect(again.lines.join('\n')).toContain('has a signature of this key already');
    expect(await digestAt(`production/${recipe.os}/manifests/${digest.replace(':', '-')}`)).toBe(signatures);
  });

  test.each<[string, (key: string) => Record<string, string>, string]>([
    ['another password', (key) => ({ 'cosign.key': key, 'cosign.password': 'falsch' }), 'SignFailed'],
    ['what is no key', () => ({ 'cosign.key': 'x', 'cosign.password': password }), 'SignFailed'],
    ['no key', () => ({ 'cosign.pub': 'x' }), 'SecretMissing'],
  ])('with %s gives no tag: %s', async (_name, secret, reason) => {
    const recipe = fresh({ signKeyRef: { name: 'sign' } });
    const digest = await pushTesting(recipe);
    const failure = publish(recipe, digest, workshop({ sign: secret(keyPair().key) }).ports);
    await expect(failure).rejects.toMatchObject({ reason, message: expect.stringContaining('signKeyRef') as unknown });
    await expect(failure).rejects.not.toThrow(/falsch|geheim/);
    expect(await digestAt(`production/${recipe.os}/manifests/v1`)).toBe(404);
  });

  test('never replaces what is published', async () => {
    const recipe = fresh();
    const first = await pushTesting(recipe);
    await publish(recipe, first, workshop().ports);
    const second = await pushTesting(recipe, [rootLayer(), rootLayer()]);
    const failure = publish(recipe, second, workshop().ports);
    await expect(failure).rejects.toMatchObject({
      reason: 'AlreadyPublished',
      message: expect.stringContaining(first) as unknown,
    });
    expect(await digestAt(`production/${recipe.os}/manifests/v1`)).toBe(first);
  });

  test('of what was never built is refused', async () => {
    const failure = publish(fresh(), `sha256:${'a'.repeat(64)}`, workshop().ports);
    await expect(failure).rejects.toMatchObject({
      reason: 'CopyFailed',
      message: expect.stringContaining('cannot be copied') as unknown,
    });
  });
});
