import { execFileSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

export interface Signer {
  /** PEM. */
  publicKey: string;
  /** Signs `<repository>@<digest>` in a registry without TLS. */
  sign: (target: string, how?: 'bundle' | 'tag' | 'attestation') => void;
}

const offline = ['--tlog-upload=false', '--use-signing-config=false'];
const ways = {
  // As a publication does.
  bundle: ['sign', ...offline],
  // As cosign did before version 3.
  tag: ['sign', ...offline, '--new-bundle-format=false'],
  // No signature, but a word about the image.
  attestation: ['attest', ...offline, '--type=custom', '--predicate=predicate.json'],
};

/** Someone with a pair of keys of their own, made by the real cosign. */
export function createSigner(binaries: string): Signer {
  const directory = mkdtempSync(join(tmpdir(), 'monoroot-signer-'));
  process.once('exit', () => rmSync(directory, { recursive: true, force: true }));
  const cosign = (...args: string[]) =>
    execFileSync(join(binaries, 'cosign'), args, {
      cwd: directory,
      env: { HOME: directory, COSIGN_PASSWORD: 'geheim' },
      stdio: ['ignore', 'ignore', 'pipe'],
    });
  cosign('generate-key-pair');
  writeFileSync(join(directory, 'predicate.json'), '{"tests":"failed"}');
  return {
    publicKey: readFileSync(join(directory, 'cosign.pub'), 'utf8'),
    sign: (target, how = 'bundle') => cosign(...ways[how], '--yes', '--key=cosign.key', target),
  };
}
