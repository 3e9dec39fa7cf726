import { createPublicKey, generateKeyPairSync, sign } from 'node:crypto';
import type { KeyObject } from 'node:crypto';
import { describe, expect, test } from 'vitest';
import { matchBundle, matchText } from './statement.ts';
import type { SignatureMatch } from './statement.ts';

const hex = 'a'.repeat(64);
const digest = `sha256:${hex}`;
const type = 'application/vnd.in-toto+json';
const predicate = 'https://sigstore.dev/cosign/sign/v1';

interface Pair {
  publicKey: KeyObject;
  privateKey: KeyObject;
}
const pairs = {
  p256: generateKeyPairSync('ec', { namedCurve: 'P-256' }),
  p384: generateKeyPairSync('ec', { namedCurve: 'P-384' }),
  p521: generateKeyPairSync('ec', { namedCurve: 'P-521' }),
  rsa: generateKeyPairSync('rsa', { modulusLength: 2048 }),
  ed25519: generateKeyPairSync('ed25519'),
} satisfies Record<string, Pair>;
const ours = pairs.p256;
const keys = (...of: Pair[]) =>
  of.map(({ publicKey }) => createPublicKey(publicKey.export({ type: 'spki', format: 'pem' })));

const statementOf = (subject: unknown, predicateType: unknown = predicate) =>
  JSON.stringify({ _type: 'https://in-toto.io/Statement/v1', subject, predicateType, predicate: {} });
const this_ = [{ digest: { sha256: hex } }];

interface Changes {
  payload?: string;
  payloadType?: string;
  /** What is signed instead of the payload. */
  signed?: string;
  by?: Pair;
  hash?: string | null;
  signatures?: unknown;
  more?: object;
}

function bundleOf({ payload = statementOf(this_), signed = payload, by = ours, hash = 'sha256', ...changes }: Changes) {
  const { payloadType = type, more = {} } = changes;
  const encoded = Buffer.from(`DSSEv1 ${type.length} ${type} ${Buffer.byteLength(signed)} ${signed}`);
  const signatures = changes.signatures ?? [{ sig: sign(hash, encoded, by.privateKey).toString('base64') }];
  const dsseEnvelope = { payload: Buffer.from(payload).toString('base64'), payloadType, signatures };
  return Buffer.from(JSON.stringify({ dsseEnvelope, ...more }));
}

describe('a bundle', () => {
  test.each<[string, Changes, SignatureMatch]>([
    ['of this image with the key', {}, 'Signed'],
    [
      'with entries of a log that no one asks for',
      { more: { verificationMaterial: { tlogEntries: [{ x: 1 }] } } },
      'Signed',
    ],
    [
      'of several images, this one among them',
      { payload: statementOf([{ digest: { sha256: 'b' } }, ...this_]) },
      'Signed',
    ],
    ['of another image', { payload: statementOf([{ digest: { sha256: 'b'.repeat(64) } }]) }, 'Other'],
    ['of an image by another kind of digest', { payload: statementOf([{ digest: { sha512: hex } }]) }, 'Other'],
    ['of no image', { payload: statementOf([]) }, 'Other'],
    ['with the key of somebody else', { by: generateKeyPairSync('ec', { namedCurve: 'P-256' }) }, 'Other'],
    ['whose signature is that of another statement', { signed: statementOf([{ digest: { sha256: 'b' } }]) }, 'Other'],
    ['with no signature', { signatures: [] }, 'Other'],
    ['with a signature of no shape', { signatures: [{ sig: '' }, { sig: '!' }, { sig: 'AAAA' }] }, 'Other'],
    ['that says something else about it', { payload: statementOf(this_, 'https://slsa.dev/provenance/v1') }, 'None'],
    ['whose kind of statement is a list', { payload: statementOf(this_, [predicate]) }, 'None'],
    ['whose payload has another type', { payloadType: 'text/plain' }, 'None'],
    ['whose payload is no JSON', { payload: 'x' }, 'None'],
    ['that signs a bare file', { more: { dsseEnvelope: undefined, messageSignature: {} } }, 'None'],
  ])('%s', (_name, changes, match) => {
    expect(matchBundle(bundleOf(changes), digest, keys(ours))).toBe(match);
  });

  test('of one of several keys is enough', () => {
    expect(matchBundle(bundleOf({}), digest, keys(pairs.rsa, ours))).toBe('Signed');
    expect(matchBundle(bundleOf({}), digest, [])).toBe('Other');
  });

  test('that is no bundle is none', () => {
    for (const text of ['', '{}', '[]', 'null', '{"dsseEnvelope":null}', '['.repeat(100_000)]) {
      expect(matchBundle(Buffer.from(text), digest, keys(ours))).toBe('None');
    }
  });
});

describe('a text with a signature', () => {
  const textOf = (of: string, kind = 'cosign container image signature') =>
    Buffer.from(JSON.stringify({ critical: { type: kind, image: { 'docker-manifest-digest': of } }, optional: null }));
  const signatureOf = (text: Buffer) => sign('sha256', text, ours.privateKey).toString('base64');
  const text = textOf(digest);

  test.each<[string, Buffer, string, SignatureMatch]>([
    ['of this image with the key', text, signatureOf(text), 'Signed'],
    ['of another image', textOf('sha256:b'), signatureOf(textOf('sha256:b')), 'Other'],
    ['that was changed', text, signatureOf(textOf('sha256:b')), 'Other'],
    ['without one', text, '', 'Other'],
    ['of another kind', textOf(digest, 'atomic container signature'), signatureOf(text), 'None'],
    ['that is no JSON', Buffer.from('x'), signatureOf(Buffer.from('x')), 'None'],
  ])('%s', (_name, said, signature, match) => {
    expect(matchText(said, signature, digest, keys(ours))).toBe(match);
  });
});

/** What cosign 3 and, for all keys but those of Ed25519, cosign 2 sign with. */
test.each<[keyof typeof pairs, string | null, boolean]>([
  ['p256', 'sha256', true],
  ['p256', 'sha1', false],
  ['p384', 'sha384', true],
  ['p384', 'sha256', true],
  ['p384', 'sha1', false],
  ['p521', 'sha512', true],
  ['rsa', 'sha256', true],
  ['rsa', 'sha1', false],
  ['ed25519', null, true],
])('a key of %s counts with the hash %s: %s', (kind, hash, counts) => {
  const bundle = bundleOf({ by: pairs[kind], hash });
  expect(matchBundle(bundle, digest, keys(pairs[kind]))).toBe(counts ? 'Signed' : 'Other');
});
