import { execFileSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { basename, join } from 'node:path';
import { dockerConfig } from '../../../hack/lib/registry/registry.ts';
import type { Registry, Credentials } from '../../../hack/lib/registry/registry.ts';
import { apiVersion, sourcesNamespace, systemNamespace } from '../../../src/api/names.ts';
import { imageObjectName, parseReference } from '../../../src/api/images.ts';
import { run } from '../../../hack/lib/process.ts';
import { upload, url } from './files.ts';
import type { Archive } from './files.ts';
import { fieldManager, hack, kubectl } from './system.ts';

/** Images that the cluster builds: a tiny root from a web server, with files of the version's own. */

const secrets = { push: 'e2e-push', pull: 'e2e-pull', sign: 'e2e-sign' } as const;

/** What a version should be like besides the root that all are built from. */
export interface Version {
  /** What `/bin/serve` does; that of the base when unset. */
  serve?: string;
  /** Commands of the recipe. */
  run?: string[];
  /** It is no tiny image. */
  debian?: boolean;
  /** Command of `verification`. */
  verify: string[];
}

/** A root file system in a tar file, on the web server: of no OS in particular. */
export async function baseArchive(): Promise<Archive> {
  const bundle = (await hack('osimages', 'tiny', 'base')).trim();
  const directory = mkdtempSync(join(tmpdir(), 'monoroot-e2e-'));
  try {
    const path = join(directory, `${basename(bundle, '.tar.zst')}-root.tar`);
    execFileSync('bsdtar', ['-xpf', bundle, '-C', directory, 'root']);
    execFileSync('tar', ['--sort=name', '-cf', path, '-C', join(directory, 'root'), '.']);
    return await upload(path);
  } finally {
    rmSync(directory, { recursive: true });
  }
}

/** Puts the login of the registry, and a new key to sign with, into the Secrets that the recipes name; gives the public key. */
export async function makeSecrets(registry: Registry, credentials: Credentials): Promise<string> {
  const directory = mkdtempSync(join(tmpdir(), 'monoroot-e2e-'));
  try {
    const env = { ...kubectl.env, COSIGN_PASSWORD: 'e2e' };
    const made = await run('cosign', ['generate-key-pair', '--output-key-prefix', join(directory, 'cosign')], { env });
    if (made.code !== 0) throw new Error(`cosign made no keys: ${made.stderr}`);
    const read = (name: string) => readFileSync(join(directory, name), 'utf8');
    const secret = (name: string, stringData: Record<string, string>, namespace: string = systemNamespace) => ({
      apiVersion: 'v1',
      kind: 'Secret',
      metadata: { name, namespace },
      stringData,
    });
    const login = { '.dockerconfigjson': dockerConfig(registry.address, credentials) };
    const sign = { 'cosign.key': read('cosign.key'), 'cosign.password': 'e2e' };
    const pull = secret(secrets.pull, login, sourcesNamespace);
    await kubectl.apply([secret(secrets.push, login), secret(secrets.sign, sign), pull], fieldManager);
    return read('cosign.pub');
  } finally {
    rmSync(directory, { recursive: true });
  }
}

export async function removeSecrets(): Promise<void> {
  const command = ['delete', 'secret', '--ignore-not-found'];
  await kubectl.run(['-n', systemNamespace, ...command, secrets.push, secrets.sign]);
  await kubectl.run(['-n', sourcesNamespace, ...command, secrets.pull]);
}

/** The mirror of Debian 12 that this machine itself uses; undefined when it is another system. */
export function debianMirror(): string | undefined {
  const args = ['indextargets', '--format', '$(SITE) $(CODENAME) $(COMPONENT)', 'Identifier: Packages'];
  try {
    const lines = execFileSync('apt-get', args, { encoding: 'utf8' }).split('\n');
    return lines.find((line) => line.endsWith(' bookworm main'))?.split(' ')[0];
  } catch {
    return undefined;
  }
}

/** Asks the cluster to build the image on the base. */
export const order = (image: string, registry: Registry, base: Archive, version: Version): Promise<void> =>
  orderFrom(image, registry, { http: { url: url(base), sha256: base.sha256 } }, version);

/** Asks the cluster to build the image on any base; further fields of the recipe may be given. */
export async function orderFrom(
  image: string,
  registry: Registry,
  from: object,
  version: Version,
  recipe: object = {},
): Promise<void> {
  const { os, version: name = '' } = parseReference(image);
  const serve = version.serve === undefined ? [] : [{ path: '/bin/serve', content: version.serve, mode: '0755' }];
  const build = {
    from,
    files: [{ path: '/etc/motd', content: `${image}\n` }, ...serve],
    run: version.run ?? [],
    repository: `${registry.address}/os`,
    pushSecretRef: { name: secrets.push },
    pullSecretRef: { name: secrets.pull },
    signKeyRef: { name: secrets.sign },
    plainHTTP: true,
    timeoutSeconds: 600,
    ...recipe,
  };
  const spec = {
    os,
    version: name,
    source: { build },
    ...(version.debian
      ? {}
      : {
          mountScript: readFileSync(join(import.meta.dirname, '../../../hack/lib/osimages/tiny-mount.sh'), 'utf8'),
          defaults: { command: ['/bin/serve'] },
        }),
    verification: { command: version.verify, timeoutSeconds: 60 },
  };
  const metadata = { name: imageObjectName({ os, version: name }) };
  await kubectl.apply([{ apiVersion, kind: 'OSImage', metadata, spec }], fieldManager);
}
