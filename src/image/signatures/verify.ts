import type { KeyObject } from 'node:crypto';
import { z } from 'zod';
import { parseJson } from '../../runtime/json.ts';
import { FetchError } from '../failure.ts';
import type { FailureReason } from '../failure.ts';
import type { Server } from '../registry/registry.ts';
import { manifestLimits, mostSignatures, signatureLimits } from '../untrusted.ts';
import type { Rule } from './policy.ts';
import { matchBundle, matchText, keysOf } from './statement.ts';
import type { SignatureMatch } from './statement.ts';

const secondsToAnswer = 60;

const bundleType = 'application/vnd.dev.sigstore.bundle';
const textType = 'application/vnd.dev.cosign.simplesigning.v1+json';
const signatureName = 'dev.cosignproject.cosign/signature';

const descriptor = z.object({ digest: z.string().regex(/^sha256:[0-9a-f]{64}$/), size: z.int().min(0) });
const list = z.object({ manifests: z.array(descriptor.extend({ artifactType: z.string().optional() })) });
const layersOfBundle = z.object({ layers: z.array(descriptor.extend({ mediaType: z.string() })) });
const layersOfTexts = z.object({
  layers: z.array(
    descriptor.extend({ mediaType: z.string(), annotations: z.record(z.string(), z.string()).optional() }),
  ),
});

/**
 * Makes sure that a server has a signature of this digest by one of the keys of a rule. Only it is asked, and whom it leads to as far as
 * that is allowed. Throws SignatureMissing or SignatureInvalid, or another FetchError when it cannot be found out.
 */
export async function verifySignature(server: Server, digest: string, rule: Rule, signal: AbortSignal): Promise<void> {
  const late = AbortSignal.timeout(secondsToAnswer * 1000);
  const until = AbortSignal.any([signal, late]);
  const question = { server, digest, keys: keysOf(rule.keys), until, seen: new Set<string>() };
  let refused = false;
  try {
    for await (const match of matchesOf(question)) {
      if (match === 'Signed') return;
      refused ||= match === 'Other';
    }
  } catch (error) {
    signal.throwIfAborted();
    throw late.aborted ? tooLate(server, digest) : error;
  }
  throw refused ? invalid(server, digest, rule) : missing(server, digest, rule);
}

interface Question {
  server: Server;
  digest: string;
  keys: readonly KeyObject[];
  until: AbortSignal;
  /** Digests of what was looked at. */
  seen: Set<string>;
}

/** Of what there is, until whoever asks has enough: where cosign puts signatures now, and where it put them. */
async function* matchesOf(question: Question): AsyncGenerator<SignatureMatch> {
  const { server, digest, until } = question;
  const tag = digest.replace(':', '-');
  yield* ofBundles(await server.readReferrers(digest, until), question);
  // A registry that keeps no lists has a tag instead (OCI distribution 1.1, "Referrers Tag Schema").
  yield* ofBundles(await server.readTag(tag, until), question);
  yield* ofTexts(await server.readTag(`${tag}.sig`, until), question);
}

async function* ofBundles(listed: Buffer | undefined, question: Question): AsyncGenerator<SignatureMatch> {
  const { server, digest, keys, until, seen } = question;
  for (const it of parsed(listed, list)?.manifests ?? []) {
    if (it.artifactType?.startsWith(bundleType) !== true || seen.has(it.digest)) continue;
    if (seen.size >= mostSignatures) return;
    seen.add(it.digest);
    const manifest = await unlessUnreadable(server.readManifest(it.digest, until));
    const [layer] = parsed(manifest, layersOfBundle)?.layers ?? [];
    const bundle = layer?.mediaType.startsWith(bundleType) ? await blobOf(server, layer, until) : undefined;
    if (bundle) yield matchBundle(bundle, digest, keys);
  }
}

async function* ofTexts(manifest: Buffer | undefined, question: Question): AsyncGenerator<SignatureMatch> {
  const { server, digest, keys, until, seen } = question;
  const layers = (parsed(manifest, layersOfTexts)?.layers ?? []).filter((it) => it.mediaType === textType);
  for (const { annotations = {}, ...layer } of layers.slice(0, mostSignatures - seen.size)) {
    const text = await blobOf(server, layer, until);
    if (text) yield matchText(text, annotations[signatureName] ?? '', digest, keys);
  }
}

function parsed<T extends z.ZodType>(bytes: Buffer | undefined, schema: T): z.output<T> | undefined {
  if (!bytes) return undefined;
  try {
    return schema.safeParse(parseJson(bytes, manifestLimits)).data;
  } catch {
    return undefined;
  }
}

const blobOf = (server: Server, { digest, size }: z.output<typeof descriptor>, until: AbortSignal) =>
  size > signatureLimits.bytes ? undefined : unlessUnreadable(server.readBlob(digest, size, until));

/** Who may push can also push nonsense; that must not keep the right signature from being found. */
const ofOneSignature = new Set<FailureReason>(['ManifestUnknown', 'DigestMismatch']);

async function unlessUnreadable(reading: Promise<Buffer>): Promise<Buffer | undefined> {
  try {
    return await reading;
  } catch (error) {
    if (error instanceof FetchError && ofOneSignature.has(error.reason)) return undefined;
    throw error;
  }
}

function missing({ repository: { host, name } }: Server, digest: string, { prefix }: Rule): FetchError {
  const message = `${host} has no signature of ${digest} in ${name} that can be read, and the policy wants one for ${prefix}; sign the image there with cosign, or correct source.oci`;
  return new FetchError('SignatureMissing', message);
}

function invalid({ repository: { host, name } }: Server, digest: string, { prefix, keys }: Rule): FetchError {
  const one = keys.length === 1 ? 'not with the key' : `with none of the ${keys.length} keys`;
  const message = `${digest} in ${host}/${name} is signed, but ${one} that the policy has for ${prefix}, or these are signatures of another image; do not trust it, unless you know who signed it: sign it with such a key, or add the key to the ConfigMap monoroot-signatures`;
  return new FetchError('SignatureInvalid', message);
}

function tooLate({ repository: { host } }: Server, digest: string): FetchError {
  const message = `${host} did not give the signatures of ${digest} in ${secondsToAnswer} s; check the registry and the network of the node`;
  return new FetchError('UnreachableSource', message);
}
