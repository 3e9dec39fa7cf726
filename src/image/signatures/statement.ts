import { constants, createPublicKey, verify } from 'node:crypto';
import type { KeyObject } from 'node:crypto';
import { z } from 'zod';
import { parseJson } from '../../runtime/json.ts';
import { signatureLimits } from '../untrusted.ts';

/**
 * The two ways in which cosign signs an image with a key. What a key has signed is looked at only after the key has been found to have
 * signed it, and the bytes that were signed are those that are looked at.
 */

/** `Other`: it is a signature of an image, and of another one or with none of the keys. `None`: it is no signature of an image. */
export type SignatureMatch = 'Signed' | 'Other' | 'None';

const bundle = z.object({
  dsseEnvelope: z.object({
    payload: z.string(),
    payloadType: z.string(),
    signatures: z.array(z.object({ sig: z.string() })),
  }),
});
const statement = z.object({
  predicateType: z.string(),
  subject: z.array(z.object({ digest: z.object({ sha256: z.string().optional() }) })),
});
/** https://github.com/containers/image/blob/main/docs/containers-signature.5.md */
const simpleSigning = z.object({
  critical: z.object({ type: z.string(), image: z.object({ 'docker-manifest-digest': z.string() }) }),
});

const statementType = 'application/vnd.in-toto+json';
/** Any other statement about an image is no word that it may be used. */
const signPredicate = 'https://sigstore.dev/cosign/sign/v1';
const signType = 'cosign container image signature';

/**
 * A bundle of sigstore, as cosign makes it since version 3: an envelope (https://github.com/secure-systems-lab/dsse) around a statement of
 * in-toto. Other parts of the bundle, such as entries of a public log, count for nothing: the keys of the policy are all that does.
 */
export function matchBundle(bytes: Buffer, digest: string, keys: readonly KeyObject[]): SignatureMatch {
  const envelope = read(bytes, bundle)?.dsseEnvelope;
  if (envelope?.payloadType !== statementType) return 'None';
  const payload = Buffer.from(envelope.payload, 'base64');
  const said = read(payload, statement);
  if (said?.predicateType !== signPredicate) return 'None';
  const signed = Buffer.concat([
    Buffer.from(`DSSEv1 ${statementType.length} ${statementType} ${payload.length} `),
    payload,
  ]);
  const isSigned = envelope.signatures.slice(0, mostInEnvelope).some(({ sig }) => isBy(keys, signed, sig));
  const isThis = said.subject.some((it) => `sha256:${it.digest.sha256 ?? ''}` === digest);
  return isSigned && isThis ? 'Signed' : 'Other';
}

/** What cosign made before version 3: a text about the image, and the signature of that text. */
export function matchText(text: Buffer, signature: string, digest: string, keys: readonly KeyObject[]): SignatureMatch {
  const said = read(text, simpleSigning)?.critical;
  if (said?.type !== signType) return 'None';
  return isBy(keys, text, signature) && said.image['docker-manifest-digest'] === digest ? 'Signed' : 'Other';
}

const mostInEnvelope = 8;

function read<T extends z.ZodType>(text: Buffer, schema: T): z.output<T> | undefined {
  try {
    return schema.safeParse(parseJson(text, signatureLimits)).data;
  } catch {
    return undefined;
  }
}

const isBy = (keys: readonly KeyObject[], data: Buffer, signature: string): boolean => {
  const bytes = Buffer.from(signature, 'base64');
  return keys.some((key) => hashesOf(key).some((hash) => isValid(key, hash, data, bytes)));
};

function isValid(key: KeyObject, hash: string | null, data: Buffer, signature: Buffer): boolean {
  try {
    const padding = key.asymmetricKeyType === 'rsa' ? { padding: constants.RSA_PKCS1_PADDING } : {};
    return verify(hash, data, { key, ...padding }, signature);
  } catch {
    // It has not even the shape of a signature.
    return false;
  }
}

const ofCurves: Partial<Record<string, string[]>> = {
  prime256v1: ['sha256'],
  // Until version 2 cosign took SHA-256 for all keys.
  secp384r1: ['sha384', 'sha256'],
  secp521r1: ['sha512', 'sha256'],
};

/** Which hashes cosign signs with, by the kind of the key; none for keys that it does not have. */
function hashesOf({ asymmetricKeyType, asymmetricKeyDetails }: KeyObject): readonly (string | null)[] {
  if (asymmetricKeyType === 'ec') return ofCurves[asymmetricKeyDetails?.namedCurve ?? ''] ?? [];
  if (asymmetricKeyType === 'rsa') return ['sha256'];
  return asymmetricKeyType === 'ed25519' ? [null] : [];
}

/** The keys of a rule. The policy has only such as can be read. */
export const keysOf = (pems: readonly string[]): KeyObject[] => pems.map((pem) => createPublicKey(pem));
