import { execFileSync } from 'node:child_process';
import { cpSync, existsSync, mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { startRegistry } from '../../../test/fixtures/agent/registry.ts';

/** A key pair of cosign. */
export interface Key {
  file: string;
  password: string;
}

export interface ToSign {
  /** Of the release: with images.txt, load-images.sh and SHA256SUMS. */
  directory: string;
  /** Where crane, cosign and registry are. */
  binaries: string;
  key: Key;
  /** An empty directory for its own use. */
  work: string;
  /** `sha256:…` of each image by its name. */
  digests: ReadonlyMap<string, string>;
  version: string;
}

/** Without the public log of transparency, and without asking anybody. */
const offline = ['--tlog-upload=false', '--use-signing-config=false'];

/** Makes a key pair for this release alone. */
export function makeKey(binaries: string, work: string): Key {
  const password = '';
  execFileSync(join(binaries, 'cosign'), ['generate-key-pair', '--output-key-prefix', join(work, 'cosign')], {
    env: { ...process.env, COSIGN_PASSWORD: password },
    stdio: ['ignore', 'ignore', 'pipe'],
  });
  return { file: join(work, 'cosign.key'), password };
}

/**
 * Signs the checksums and each image. Images are signed in a registry on this machine, to which load-images.sh pushes them; the signatures are
 * kept as layouts in `signatures/NAME/TAG`, from where load-images.sh brings them into any other.
 */
export async function sign({ directory, binaries, key, work, digests, version }: ToSign): Promise<void> {
  const env = { ...process.env, COSIGN_PASSWORD: key.password };
  const call = (program: string, ...args: string[]) =>
    execFileSync(join(binaries, program), args, { env, encoding: 'utf8', stdio: ['ignore', 'pipe', 'pipe'] });
  writeFileSync(join(directory, 'cosign.pub'), call('cosign', 'public-key', '--key', key.file));
  const sums = join(directory, 'SHA256SUMS');
  call('cosign', 'sign-blob', '--yes', '--key', key.file, ...offline, '--bundle', `${sums}.sigstore.json`, sums);

  const { host, stop } = await startRegistry(binaries, work);
  try {
    execFileSync(join(directory, 'load-images.sh'), ['--registry', host, '--insecure'], { stdio: 'pipe' });
    for (const [name, digest] of digests) {
      const image = `${host}/${name}`;
      call('cosign', 'sign', '--yes', '--key', key.file, ...offline, '--allow-http-registry', `${image}@${digest}`);
      const tags = call('crane', 'ls', '--insecure', image).trim().split('\n').filter((tag) => tag !== version); // prettier-ignore
      if (tags.length === 0) throw new Error(`cosign left no signature of ${name} in the registry`);
      for (const tag of tags) {
        const target = join(work, 'pulled', name, tag);
        mkdirSync(join(work, 'pulled', name), { recursive: true });
        call('crane', 'pull', '--insecure', '--format=oci', `${image}:${tag}`, target);
        cpSync(target, join(directory, 'signatures', name, tag), { recursive: true });
      }
    }
  } finally {
    await stop();
  }
  if (!existsSync(join(directory, 'signatures'))) throw new Error('Nothing was signed');
}
