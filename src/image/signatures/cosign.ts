import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { z } from 'zod';
import { parseJson } from '../../runtime/json.ts';
import { refused } from '../registry/authorize.ts';
import { runTool } from '../../system/programs.ts';
import { isDenied, registryEnvironment } from '../registry/crane.ts';
import type { ToolResult } from '../../system/programs.ts';
import type { CraneOptions } from '../registry/crane.ts';
import type { Repository } from '../registry/repository.ts';
import { FetchError } from '../failure.ts';
import { signatureLimits } from '../untrusted.ts';
import type { Rule } from './policy.ts';

export interface CosignOptions extends CraneOptions {
  /** Path of the program. */
  cosign: string;
}

/**
 * Of a program that reads what strangers may have attached to an image: some 65 MiB are usual. It runs before anything of the image
 * is unpacked, so its limit is about what the programs that unpack may take then (docs/limits.md).
 */
const mostMemory = 224 * 1024 * 1024;
const secondsToAnswer = 60;

/** No authority but the keys: with this, no one is asked for any. */
const trustedRoot = JSON.stringify({ mediaType: 'application/vnd.dev.sigstore.trustedroot+json;version=0.1' });

/** What is signed by `cosign sign`, now and before version 3; anything else about an image is no word that it may be used. */
const signatureTypes = ['https://sigstore.dev/cosign/sign/v1', 'cosign container image signature'];
const verified = z.array(
  z.object({
    critical: z.object({ type: z.string(), image: z.object({ 'docker-manifest-digest': z.string() }) }),
  }),
);

/**
 * Makes sure that a repository has a signature of this digest by one of the keys of a rule. Only the registry is asked.
 * Throws SignatureMissing or SignatureInvalid, or another FetchError when it cannot be found out.
 */
export function verifySignature(
  repository: Repository,
  digest: string,
  rule: Rule,
  options: CosignOptions,
): Promise<void> {
  return inTurn(async () => {
    options.signal.throwIfAborted();
    // In the memory of the Pod (deploy/agent.yaml), as there is a password in it.
    const directory = await mkdtemp(join(tmpdir(), 'monoroot-cosign-'));
    try {
      await verifyIn(directory, repository, digest, rule, options);
    } finally {
      await rm(directory, { recursive: true, force: true });
    }
  });
}

let turn: Promise<unknown> = Promise.resolve();

/** One at a time on a node, for the sake of its memory. */
function inTurn<T>(work: () => Promise<T>): Promise<T> {
  const mine = turn.then(work);
  turn = mine.catch(() => undefined);
  return mine;
}

async function verifyIn(
  directory: string,
  repository: Repository,
  digest: string,
  rule: Rule,
  options: CosignOptions,
): Promise<void> {
  const env = { ...(await registryEnvironment(directory, repository, options)), GOMEMLIMIT: String(mostMemory / 2) };
  const [keyFile, rootFile] = [join(directory, 'cosign.pub'), join(directory, 'trusted-root.json')];
  await writeFile(rootFile, trustedRoot);
  const args = [
    ...[`--data=${mostMemory}`, options.cosign, 'verify', '--key', keyFile, '--output=json'],
    ...['--insecure-ignore-tlog', `--trusted-root=${rootFile}`, '--max-workers=1', `--timeout=${secondsToAnswer}s`],
    ...(repository.plainHTTP ? ['--allow-http-registry'] : []),
    `${repository.host}/${repository.name}@${digest}`,
  ];
  let refusal: FetchError | undefined;
  for (const key of rule.keys) {
    await writeFile(keyFile, key);
    const result = await runTool('prlimit', args, env, options.signal);
    options.signal.throwIfAborted();
    if (result.code === 0 && isSigned(result.output, digest)) return;
    const failure = diagnose(result, repository, digest, rule, options);
    if (failure.reason === 'SignatureMissing' && result.code !== 0) throw failure;
    refusal = refusal?.reason === 'SignatureInvalid' ? refusal : failure;
    if (!['SignatureMissing', 'SignatureInvalid'].includes(failure.reason)) throw failure;
  }
  throw refusal ?? new Error('The rule has no keys');
}

/** Attestations of the same key, whatever they say, satisfy cosign too. */
function isSigned(output: Buffer, digest: string): boolean {
  return claimsOf(output).some(
    ({ critical: { type, image } }) => signatureTypes.includes(type) && image['docker-manifest-digest'] === digest,
  );
}

/** What cosign has verified; nothing when that is not what it should have written, or more than anybody attaches. */
function claimsOf(output: Buffer): z.output<typeof verified> {
  try {
    return verified.parse(parseJson(output, signatureLimits));
  } catch {
    return [];
  }
}

/** Exit codes of cosign (cmd/cosign/errors/exit_codes.go). Of its newer kind of signatures it has only words. */
const withoutSignature = 10;
const withoutMatchingSignature = 12;

/** Who could not be reached or trusted has been found out before, when the way to log in was asked for. */
function diagnose(
  { code, complaint, fatal }: ToolResult,
  { host, name }: Repository,
  digest: string,
  { prefix, keys }: Rule,
  { login }: CosignOptions,
): FetchError {
  const said = (fatal ?? complaint)
    .replace(/^(error during command execution|Error): /, '')
    // The body of the answer, which may be of another server than the registry.
    .replace(/(unexpected status code \d{3}[^:]*):.*/, '$1');
  if (code === 0 || code === withoutSignature || said === 'no signatures found') {
    const message = `${host} has no signature of ${digest} in ${name} that can be read, and the policy wants one for ${prefix}; sign the image there with cosign, or correct source.oci`;
    return new FetchError('SignatureMissing', message);
  }
  if (/^(prlimit: |spawn )/.test(said)) {
    const message = `cosign cannot be run (${said}); look at the image of the agent`;
    return new FetchError('StoreFailed', message);
  }
  if (isDenied(said)) return refused(host, 'for its signatures', login);
  if (code === withoutMatchingSignature || /^no matching (attestations|signatures)/.test(said)) {
    const one = keys.length === 1 ? 'not with the key' : `with none of the ${keys.length} keys`;
    const message = `${digest} in ${host}/${name} is signed, but ${one} that the policy has for ${prefix} (${said}); do not trust it, unless you know who signed it: sign it with such a key, or add the key to the ConfigMap monoroot-signatures`;
    return new FetchError('SignatureInvalid', message);
  }
  return new FetchError('HTTPStatus', `The signatures cannot be read from ${host}: ${said}; check the registry`);
}
