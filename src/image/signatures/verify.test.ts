import { execFileSync } from 'node:child_process';
import { generateKeyPairSync, randomBytes } from 'node:crypto';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import type { ServerResponse } from 'node:http';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, onTestFinished, test } from 'vitest';
import { binaryDirectory, missingBinaries } from '../../../test/fixtures/binaries.ts';
import type { OciSource } from '../../api/sources.ts';
import type { Proxies } from '../download/connect.ts';
import { fetchImage } from '../../agent/fetch/fetch.ts';
import { sha256 } from '../../../test/fixtures/agent/archive.ts';
import { temporaryDirectory } from '../../../test/fixtures/agent/directory.ts';
import { whyNoUnpacking } from '../../../test/fixtures/agent/environment.ts';
import { expectNothingLeft, failure, signal, desiredBytes } from '../../../test/fixtures/agent/fetching.ts';
import { desiredImage } from '../../../test/fixtures/agent/desired.ts';
import { fetchPorts } from '../../../test/fixtures/agent/images.ts';
import { pushImage, pushIndex, rootLayer, startRegistry, types, user } from '../../../test/fixtures/agent/registry.ts';
import type { RegistryChanges, TestRegistry } from '../../../test/fixtures/agent/registry.ts';
import { startRelay } from '../../../test/fixtures/agent/relay.ts';
import { onThisMachine, serve } from '../../../test/fixtures/agent/server.ts';
import { createSigner } from '../../../test/fixtures/agent/signing.ts';
import type { Signer } from '../../../test/fixtures/agent/signing.ts';
import { selfSigned } from '../../../test/fixtures/agent/tls.ts';
import { startTokenServer } from '../../../test/fixtures/agent/tokens.ts';

const missing = missingBinaries('cosign', 'crane', 'registry');
const unable =
  missing.length > 0 ? `needs ${missing.join(', ')}: hack/cluster binaries cosign crane registry` : whyNoUnpacking();

/** The registry that all tests push to. */
let shared: TestRegistry & { stop: () => Promise<void> };
let us: Signer;
let others: Signer;

/** Another one, until the test ends, that serves the same. */
async function start(changes: RegistryChanges): Promise<TestRegistry> {
  const more = { ...changes, storage: shared.storage };
  const registry = await startRegistry(binaryDirectory(), temporaryDirectory(), more);
  onTestFinished(registry.stop);
  return registry;
}

const desiredOci = (oci: OciSource) => desiredImage('v1', { digest: oci.digest, source: { oci } });

interface Setting {
  /** Rules, or the text of a policy. */
  policy: object[] | string;
  secrets?: Record<string, Record<string, string>>;
  mirrors?: Record<string, string[]>;
  proxies?: Proxies;
}

/** An empty store whose agent has this policy. */
async function portsWith({ policy, secrets = {}, mirrors = {}, proxies }: Setting) {
  const directory = temporaryDirectory();
  const [policyFile, mirrorsFile] = [join(directory, 'policy.yaml'), join(directory, 'registries.yaml')];
  writeFileSync(policyFile, typeof policy === 'string' ? policy : JSON.stringify({ repositories: policy }));
  const registries = Object.fromEntries(Object.entries(mirrors).map(([name, urls]) => [name, { mirrors: urls }]));
  writeFileSync(mirrorsFile, JSON.stringify({ registries }));
  const warnings: string[] = [];
  const warn = (message: string) => warnings.push(message);
  const ports = await fetchPorts({
    registries: { mirrorsFile, warn },
    signatures: { policyFile },
    readSecret: (name) => Promise.resolve(secrets[name]),
    http: { proxies, reach: onThisMachine },
  });
  return { ports, warnings };
}

let count = 0;
/** Pushes an image to a repository of its own, below `os/production`. */
async function push() {
  const name = `os/production/debian-${++count}`;
  const digest = await pushImage(shared.host, name, { layers: [rootLayer()], config: { Env: [`A=${count}`] } });
  return { name, digest, target: `${shared.host}/${name}@${digest}` };
}
const sourceOf = ({ name, digest }: { name: string; digest: string }, host = shared.host) => ({
  reference: `${host}/${name}:v1`,
  digest,
  plainHTTP: true,
});
/** Asks for one of these keys for all that is below `os/production`, wherever. */
const rules = (keys: string[], host = shared.host) => [{ prefix: `${host}/os/production`, keys }];

/** `Stored`, or the reason why not; nothing of it may be left then. */
async function outcome(oci: OciSource, setting: Setting): Promise<string> {
  const { ports } = await portsWith(setting);
  return fetchImage(desiredOci(oci), ports, signal).then(
    () => 'Stored',
    async () => (await failure(desiredOci(oci), ports)).reason,
  );
}

const title = 'an image whose repository must be signed';
describe.skipIf(unable)(unable ? `${title} (skipped: ${unable})` : title, { timeout: 120_000 }, () => {
  const home = mkdtempSync(join(tmpdir(), 'monoroot-registry-'));
  beforeAll(async () => {
    shared = await startRegistry(binaryDirectory(), home);
    us = createSigner(binaryDirectory());
    others = createSigner(binaryDirectory());
  }, 60_000);
  afterAll(async () => {
    await shared.stop();
    rmSync(home, { recursive: true });
  });

  test.each<[string, 'bundle' | 'tag']>([
    ['as a publication does it', 'bundle'],
    ['as cosign did it before version 3', 'tag'],
  ])('and is, %s, is stored; with the key of somebody else it is not', async (_name, how) => {
    const image = await push();
    us.sign(image.target, how);
    expect(await outcome(sourceOf(image), { policy: rules([us.publicKey]) })).toBe('Stored');
    expect(await outcome(sourceOf(image), { policy: rules([others.publicKey]) })).toBe('SignatureInvalid');
  });

  test('and is not, is refused before anything of it is asked for', async () => {
    const image = await push();
    const relay = await startRelay(shared.host);
    const { ports } = await portsWith({ policy: rules([us.publicKey], relay.host) });
    const { reason, message } = await failure(desiredOci(sourceOf(image, relay.host)), ports);
    expect([reason, message]).toEqual(['SignatureMissing', expect.stringContaining('sign the image there')]);
    expect(relay.asked.filter((url) => url.includes('/blobs/') || url.endsWith(`manifests/${image.digest}`))).toEqual(
      [],
    );
    await expectNothingLeft(ports);
  });

  test('and has the signature of another image, is refused', async () => {
    const [good, bad] = [await push(), await push()];
    us.sign(good.target);
    // Where the signatures of the bad one are looked for: those of the good one.
    const tag = (digest: string) => digest.replace(':', '-');
    const crane = join(binaryDirectory(), 'crane');
    const copy = [`${shared.host}/${good.name}:${tag(good.digest)}`, `${shared.host}/${bad.name}:${tag(bad.digest)}`];
    execFileSync(crane, ['copy', ...copy], { stdio: 'ignore' });
    expect(await outcome(sourceOf(bad), { policy: rules([us.publicKey]) })).toBe('SignatureInvalid');
  });

  test('and has a tag of an image that is, is refused: the digest decides', async () => {
    const [good, bad] = [await push(), await push()];
    us.sign(good.target);
    const source = { ...sourceOf(good), digest: bad.digest };
    expect(await outcome(source, { policy: rules([us.publicKey]) })).toBe('SignatureMissing');
  });

  test('and only has an attestation of the key, whatever it says, is refused', async () => {
    const image = await push();
    us.sign(image.target, 'attestation');
    expect(await outcome(sourceOf(image), { policy: rules([us.publicKey]) })).toBe('SignatureMissing');
  });

  test('with one of two keys, is stored with either, and with the signatures of both', async () => {
    const image = await push();
    us.sign(image.target);
    expect(await outcome(sourceOf(image), { policy: rules([us.publicKey, others.publicKey]) })).toBe('Stored');
    expect(await outcome(sourceOf(image), { policy: rules([others.publicKey, us.publicKey]) })).toBe('Stored');
    others.sign(image.target);
    for (const key of [us.publicKey, others.publicKey]) {
      expect(await outcome(sourceOf(image), { policy: rules([key]) })).toBe('Stored');
    }
  });

  test('is asked for the signature of its index when that is what is named', async () => {
    const name = 'os/production/index';
    const amd64 = await pushImage(shared.host, name, { layers: [rootLayer()] });
    const digest = await pushIndex(shared.host, name, { 'linux/amd64': amd64 });
    us.sign(`${shared.host}/${name}@${amd64}`);
    expect(await outcome(sourceOf({ name, digest }), { policy: rules([us.publicKey]) })).toBe('SignatureMissing');
    us.sign(`${shared.host}/${name}@${digest}`);
    expect(await outcome(sourceOf({ name, digest }), { policy: rules([us.publicKey]) })).toBe('Stored');
  });

  test('is not asked for one where the policy says nothing, or that none is needed', async () => {
    const image = await push();
    const policy = [...rules([us.publicKey]), { prefix: `${shared.host}/${image.name}`, unsigned: true }];
    expect(await outcome(sourceOf(image), { policy })).toBe('Stored');
    expect(await outcome(sourceOf(image), { policy: rules([us.publicKey], 'registry.example.com') })).toBe('Stored');
    expect(await outcome(sourceOf(image), { policy: [{ prefix: '*', keys: [us.publicKey] }] })).toBe(
      'SignatureMissing',
    );
  });

  test.each<[string, RegistryChanges]>([
    ['a password', { basic: true }],
    ['a token', {}],
  ])('in a registry that asks for %s, is stored with its login and not without', async (_name, changes) => {
    const image = await push();
    us.sign(image.target);
    const { host } = await start(changes.basic ? changes : { token: await startTokenServer() });
    const { username, password } = user;
    const policy = rules([us.publicKey], host);
    const secrets = { pull: { username, password }, wrong: { username, password: 'falsch' } };
    const source = sourceOf(image, host);
    const with_ = (name: string) => outcome({ ...source, pullSecretRef: { name } }, { policy, secrets });
    expect(await with_('pull')).toBe('Stored');
    expect(await with_('wrong')).toBe('Unauthorized');
    expect(await outcome(source, { policy })).toBe('Unauthorized');
  });

  test('in a registry with TLS, is stored when its authority is named', async () => {
    const image = await push();
    us.sign(image.target);
    const tls = selfSigned();
    const { host } = await start({ tls });
    const policy = rules([us.publicKey], host);
    const secrets = { ca: { 'ca.crt': tls.cert } };
    const { reference, digest } = sourceOf(image, host);
    expect(await outcome({ reference, digest, caRef: { name: 'ca' } }, { policy, secrets })).toBe('Stored');
    expect(await outcome({ reference, digest }, { policy })).toBe('CertificateUntrusted');
  });

  test('in a registry that is not there, is reported as such', async () => {
    const source = sourceOf({ name: 'os/production/a', digest: desiredImage().digest }, '127.0.0.1:1');
    expect(await outcome(source, { policy: [{ prefix: '*', keys: [us.publicKey] }] })).toBe('UnreachableSource');
  });

  test('by the registry itself when a mirror has no signature or another one, and not when it has it', async () => {
    const image = await push();
    us.sign(image.target);
    const registry = await startRelay(shared.host);
    const empty = await startRelay(shared.host, (request, response) => {
      if (!/sha256-|referrers/.test(request.url ?? '')) return false;
      response.writeHead(404).end();
      return true;
    });
    const policy = rules([us.publicKey], registry.host);
    const setting = (mirror: string) => ({ policy, mirrors: { [registry.host]: [`http://${mirror}`] } });
    expect(await outcome(sourceOf(image, registry.host), setting(shared.host))).toBe('Stored');
    expect(registry.asked).toEqual([]);
    const { ports, warnings } = await portsWith(setting(empty.host));
    await fetchImage(desiredOci(sourceOf(image, registry.host)), ports, signal);
    expect(registry.asked.some((url) => url.includes('sha256-'))).toBe(true);
    expect(registry.asked.filter((url) => url.includes(`/blobs/sha256:${sha256(rootLayer())}`))).toEqual([]);
    expect(warnings.join('\n')).toContain('SignatureMissing');
  });

  test('makes the agent ask no one but the registry', async () => {
    const image = await push();
    us.sign(image.target);
    const asked: string[] = [];
    const proxy = await serve((request, response) => {
      asked.push(request.url ?? '');
      response.writeHead(502).end();
    });
    const proxies = { httpProxy: proxy, httpsProxy: proxy, noProxy: '127.0.0.1' };
    expect(await outcome(sourceOf(image), { policy: rules([us.publicKey]), proxies })).toBe('Stored');
    expect(await outcome(sourceOf(image), { policy: rules([others.publicKey]), proxies })).toBe('SignatureInvalid');
    expect(asked).toEqual([]);
  });

  test.each<[string, RegExp, number, string]>([
    ['gives no list of signatures', /sha256-|referrers/, 400, 'HTTPStatus'],
    ['lets no one read that list', /sha256-|referrers/, 403, 'Unauthorized'],
    ['has lost a signature', /blobs/, 404, 'SignatureMissing'],
  ])('in a registry that %s, is refused', async (_name, path, status, reason) => {
    const image = await push();
    us.sign(image.target);
    const relay = await startRelay(shared.host, (request, response) => {
      if (!path.test(request.url ?? '')) return false;
      response.writeHead(status).end();
      return true;
    });
    expect(await outcome(sourceOf(image, relay.host), { policy: rules([us.publicKey], relay.host) })).toBe(reason);
  });

  /** A registry that has what a stranger attached to an image: this bundle, or what `blob` answers for it. */
  async function attached(
    { digest }: { digest: string },
    { size = 0, content = Buffer.alloc(0), count = 1 }: { size?: number; content?: Buffer; count?: number },
    blob?: (response: ServerResponse) => void,
  ) {
    const bundle = 'application/vnd.dev.sigstore.bundle.v0.3+json';
    const ofBundle = blob ? digest : `sha256:${sha256(content)}`;
    const layer = { mediaType: bundle, digest: ofBundle, size: size || content.length };
    const config = { mediaType: 'application/vnd.oci.empty.v1+json', digest: desiredImage().digest, size: 2 };
    const manifests = Array.from({ length: count }, (_, i) =>
      Buffer.from(
        JSON.stringify({
          schemaVersion: 2,
          mediaType: types.manifest,
          artifactType: bundle,
          config,
          layers: [layer],
          i,
        }),
      ),
    );
    const known = new Map(manifests.map((it) => [`sha256:${sha256(it)}`, it]));
    const index = JSON.stringify({
      schemaVersion: 2,
      mediaType: types.index,
      manifests: [...known].map(([name, it]) => ({
        mediaType: types.manifest,
        artifactType: bundle,
        digest: name,
        size: it.length,
      })),
    });
    const relay = await startRelay(shared.host, ({ url = '' }, response) => {
      const manifest = known.get(url.slice(url.lastIndexOf('/') + 1));
      if (url.endsWith(digest.replace(':', '-'))) response.writeHead(200, { 'content-type': types.index }).end(index);
      else if (manifest) response.writeHead(200, { 'content-type': types.manifest }).end(manifest);
      else if (url.endsWith(`/blobs/${ofBundle}`) && blob) blob(response);
      else if (url.endsWith(`/blobs/${ofBundle}`)) response.writeHead(200).end(content);
      else return false;
      return true;
    });
    return relay;
  }

  test.each([
    ['says that it is', 2 ** 40],
    ['says that it is not', 1000],
  ])('and has a signature without end that %s, is refused before the memory of the node is', async (_name, size) => {
    const image = await push();
    let sent = 0;
    const relay = await attached(image, { size }, (response) => {
      const piece = Buffer.alloc(64 * 1024, 'a');
      const write = () => {
        do sent += 1;
        while (!response.destroyed && response.write(piece));
      };
      response.on('drain', write);
      write();
    });
    expect(await outcome(sourceOf(image, relay.host), { policy: rules([us.publicKey], relay.host) })).toBe(
      'SignatureMissing',
    );
    expect(sent).toBeLessThan(200);
  });

  test.each<[string, Buffer]>([
    ['of a million values', Buffer.from(`{"dsseEnvelope":[${'1,'.repeat(400_000)}1]}`)],
    ['that is nested deep', Buffer.from('['.repeat(500_000))],
    ['that is no JSON', randomBytes(1000)],
    ['with null everywhere', Buffer.from('{"dsseEnvelope":{"payload":null,"payloadType":null,"signatures":null}}')],
  ])('and has a bundle %s, is refused', async (_name, content) => {
    const image = await push();
    const relay = await attached(image, { content });
    expect(await outcome(sourceOf(image, relay.host), { policy: rules([us.publicKey], relay.host) })).toBe(
      'SignatureMissing',
    );
  });

  test('and has thousands of statements of strangers, makes the agent read a few', async () => {
    const image = await push();
    const relay = await attached(image, { content: Buffer.from('{}'), count: 3000 });
    const { ports } = await portsWith({ policy: rules([us.publicKey], relay.host) });
    expect((await failure(desiredOci(sourceOf(image, relay.host)), ports)).reason).toBe('SignatureMissing');
    expect(relay.asked.filter((url) => url.includes('/manifests/sha256:'))).toHaveLength(64);
  });

  test('is stored beside the nonsense that others attached to it', async () => {
    const image = await push();
    us.sign(image.target, 'tag');
    const relay = await attached(image, { content: Buffer.from('{}'), count: 3 });
    expect(await outcome(sourceOf(image, relay.host), { policy: rules([us.publicKey], relay.host) })).toBe('Stored');
  });

  test('is found by the list of what refers to it, in a registry that keeps such lists', async () => {
    const image = await push();
    us.sign(image.target);
    const tag = `manifests/${image.digest.replace(':', '-')}`;
    const list = await fetch(`http://${shared.host}/v2/${image.name}/${tag}`).then((it) => it.text());
    const relay = await startRelay(shared.host, ({ url = '' }, response) => {
      if (url.endsWith(`/referrers/${image.digest}`)) {
        response.writeHead(200, { 'content-type': types.index }).end(list);
      } else if (url.includes(tag)) response.writeHead(404).end();
      else return false;
      return true;
    });
    expect(await outcome(sourceOf(image, relay.host), { policy: rules([us.publicKey], relay.host) })).toBe('Stored');
    expect(relay.asked.some((url) => url.includes(tag))).toBe(false);
  });

  test.each([
    ['a local address', 'http://127.0.0.9:9/', 'LocalAddress'],
    ['a metadata server', 'http://169.254.169.254/latest/', 'LocalAddress'],
    ['itself, for ever', '', 'TooManyRedirects'],
  ])('in a registry that leads the reader of signatures to %s, is refused', async (_name, to, reason) => {
    const image = await push();
    us.sign(image.target);
    const relay = await startRelay(shared.host, ({ url = '' }, response) => {
      if (!/sha256-|referrers/.test(url)) return false;
      response.writeHead(307, { location: to || url }).end();
      return true;
    });
    const { ports } = await portsWith({ policy: rules([us.publicKey], relay.host) });
    // As an agent is deployed that may ask this one registry of its node.
    const http = { ...ports.http, reach: { localSources: [relay.host] } };
    expect((await failure(desiredOci(sourceOf(image, relay.host)), { ...ports, http })).reason).toBe(reason);
  });
});

describe.skipIf(whyNoUnpacking())('without a valid policy', () => {
  test('nothing is fetched from a registry, and no registry is asked', async () => {
    const relay = await startRelay('127.0.0.1:1');
    const { ports } = await portsWith({ policy: 'repositories: {}' });
    const { reason, message } = await failure(
      desiredOci(sourceOf({ name: 'a', digest: desiredImage().digest }, relay.host)),
      ports,
    );
    expect([reason, message]).toEqual(['SignaturePolicyInvalid', expect.stringContaining('monoroot-signatures')]);
    expect(relay.asked).toEqual([]);
  });

  test('nothing is fetched from a web server', async () => {
    const { ports } = await portsWith({ policy: 'repositories: {}' });
    expect((await failure(await desiredBytes(rootLayer()), ports)).reason).toBe('SignaturePolicyInvalid');
  });
});

describe.skipIf(whyNoUnpacking())('an archive on a web server', () => {
  test('is refused where everything must be signed, unless its URL is exempt', async () => {
    const publicKey = generateKeyPairSync('ed25519').publicKey.export({ type: 'spki', format: 'pem' });
    const everything = { prefix: '*', keys: [publicKey] };
    const desired = await desiredBytes(rootLayer());
    const { ports } = await portsWith({ policy: [everything] });
    expect((await failure(desired, ports)).reason).toBe('SignatureMissing');
    const { origin } = new URL(desired.source.http.url);
    const { ports: exempt } = await portsWith({ policy: [everything, { prefix: origin, unsigned: true }] });
    expect(await fetchImage(desired, exempt, signal)).toMatchObject({ digest: desired.digest });
  });
});
