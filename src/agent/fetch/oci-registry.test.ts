import { readdir } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { fetchImage } from './fetch.ts';
import { DiskReservations } from '../../image/disk/reservations.ts';
import { entryPath } from '../store/paths.ts';
import { tar } from '../../../test/fixtures/agent/archive.ts';
import { expectNothingLeft, failure, signal } from '../../../test/fixtures/agent/fetching.ts';
import { pushImage, rootLayer, user } from '../../../test/fixtures/agent/registry.ts';
import type { RegistryChanges } from '../../../test/fixtures/agent/registry.ts';
import { startRelay } from '../../../test/fixtures/agent/relay.ts';
import type { Meddle } from '../../../test/fixtures/agent/relay.ts';
import { selfSigned } from '../../../test/fixtures/agent/tls.ts';
import { startTokenServer } from '../../../test/fixtures/agent/tokens.ts';
import {
  unable,
  shared,
  start,
  wantedOci,
  portsWith,
  file,
  digestOf,
  useRegistry,
} from '../../../test/fixtures/agent/oci.ts';

describe.skipIf(unable)(unable ? `an OCI image (skipped: ${unable})` : 'an OCI image', { timeout: 120_000 }, () => {
  useRegistry();

  describe('in a registry that wants a login', () => {
    const dockerConfig = (host: string, password = user.password) => ({
      '.dockerconfigjson': JSON.stringify({
        auths: { [host]: { auth: Buffer.from(`${user.username}:${password}`).toString('base64') } },
      }),
    });
    /** A registry with an image that only serves those who log in. */
    async function closed(changes: RegistryChanges) {
      const digest = await pushImage(shared.host, 'os', { layers: [rootLayer(), tar([file('usr/a')])] });
      const { host } = await start(changes);
      return { host, source: { reference: `${host}/os:v1`, digest, plainHTTP: true, pullSecretRef: { name: 'pull' } } };
    }
    const { username, password } = user;

    test.each<[string, (host: string) => Record<string, string>]>([
      ['a pull secret of a Pod', (host) => dockerConfig(host)],
      [
        'an old pull secret',
        (host) => ({ '.dockercfg': JSON.stringify({ [`https://${host}`]: { username, password } }) }),
      ],
      ['a user name and a password', () => ({ username, password })],
    ])('(basic) is fetched with %s', async (_name, secret) => {
      const { host, source } = await closed({ basic: true });
      const { ports } = await portsWith({ secrets: { pull: secret(host) } });
      expect(await fetchImage(wantedOci(source), ports, signal)).toMatchObject({ digest: source.digest });
    });

    test.each<[string, (host: string) => Record<string, string> | undefined, string]>([
      ['a wrong password', (host) => dockerConfig(host, 'falsch'), 'Unauthorized'],
      ['no Secret', () => undefined, 'SecretMissing'],
      ['a Secret for another registry', () => dockerConfig('example.com'), 'SecretMissing'],
      ['a Secret that is no configuration', () => ({ '.dockerconfigjson': '{geheim' }), 'SecretMissing'],
      ['a Secret of other keys', () => ({ token: 'geheim' }), 'SecretMissing'],
    ])('(basic) is refused with %s', async (_name, secret, reason) => {
      const { host, source } = await closed({ basic: true });
      const values = secret(host);
      const { ports } = await portsWith(values ? { secrets: { pull: values } } : {});
      const { reason: told, message } = await failure(wantedOci(source), ports);
      expect(told).toBe(reason);
      expect(message).not.toMatch(/geheim|falsch/);
    });

    test('(basic) is refused without a Secret, and told which field to set', async () => {
      const { source } = await closed({ basic: true });
      const { reference, digest } = source;
      const { ports } = await portsWith();
      const told = await failure(wantedOci({ reference, digest, plainHTTP: true }), ports);
      expect([told.reason, told.message]).toEqual(['Unauthorized', expect.stringContaining('pullSecretRef')]);
    });

    test('(token) is fetched by a user, by a refresh token, and by everybody where that is allowed', async () => {
      const server = await startTokenServer({ anonymous: true });
      const { host, source } = await closed({ token: server });
      const { reference, digest } = source;
      const refresh = { auths: { [host]: { auth: 'MDA6', identitytoken: 'refresh' } } };
      const secrets = { pull: dockerConfig(host), refresh: { '.dockerconfigjson': JSON.stringify(refresh) } };
      for (const oci of [
        source,
        { ...source, pullSecretRef: { name: 'refresh' } },
        { reference, digest, plainHTTP: true },
      ]) {
        const { ports } = await portsWith({ secrets });
        expect(await fetchImage(wantedOci(oci), ports, signal)).toMatchObject({ digest });
      }
      expect(new Set(server.asked)).toEqual(
        new Set(['GET repository:os:pull as u', 'POST repository:os:pull as u', 'GET repository:os:pull as anonymous']),
      );
    });

    test('(token) is refused with a wrong password or none', async () => {
      const { host, source } = await closed({ token: await startTokenServer() });
      const { reference, digest } = source;
      const { ports } = await portsWith({ secrets: { pull: dockerConfig(host, 'falsch') } });
      expect((await failure(wantedOci(source), ports)).reason).toBe('Unauthorized');
      expect((await failure(wantedOci({ reference, digest, plainHTTP: true }), ports)).reason).toBe('Unauthorized');
    });
  });

  test('comes over TLS when its authority is named, and not otherwise', async () => {
    const tls = selfSigned();
    const digest = await pushImage(shared.host, 'os', { layers: [rootLayer()] });
    const { host } = await start({ tls });
    const secrets = { ca: { 'ca.crt': tls.cert } };
    const { ports } = await portsWith({ secrets });
    const source = { reference: `${host}/os:v1`, digest };
    expect((await failure(wantedOci(source), ports)).reason).toBe('CertificateUntrusted');
    expect(await fetchImage(wantedOci({ ...source, caRef: { name: 'ca' } }), ports, signal)).toMatchObject({ digest });
  });

  describe('through something between the agent and its registry', () => {
    const noise = (bytes: number) => Buffer.from(Array.from({ length: bytes }, (_, i) => (i * 7919) % 251));
    /** The second layer is big enough to be cut. */
    const image = () => ({ layers: [rootLayer(), tar([{ name: 'usr/big', content: noise(300_000) }])] });

    async function behind(meddle?: Meddle) {
      const { host } = shared;
      const digest = await pushImage(host, 'os', image());
      return { host, digest, relay: await startRelay(host, meddle) };
    }
    async function get(host: string, digest: string, mirrors: string[]) {
      const { ports, warnings } = await portsWith({ mirrors: { [host]: mirrors } });
      const result = await fetchImage(
        wantedOci({ reference: `${host}/os:v1`, digest, plainHTTP: true }),
        ports,
        signal,
      );
      return { result, warnings, ports };
    }

    test('that cuts a layer off goes on where it stopped', async () => {
      let cut: (() => void) | undefined;
      const { relay, digest } = await behind((request, response) => {
        const layer = image().layers[1] ?? Buffer.alloc(0);
        if (cut || !request.url?.includes(digestOf(layer))) return false;
        response.writeHead(200, { 'content-length': layer.length });
        response.write(layer.subarray(0, 100_000));
        cut = () => response.destroy();
        return true;
      });
      const { ports } = await portsWith();
      const oci = { reference: `${relay.host}/os`, digest, plainHTTP: true };
      const seen: number[] = [];
      await fetchImage(wantedOci(oci), ports, signal, ({ downloadedBytes }) => {
        seen.push(downloadedBytes);
        if (downloadedBytes > rootLayer().length) cut?.();
      });
      expect(relay.asked.filter((url) => / bytes=[1-9][0-9]*-$/.test(url))).toHaveLength(1);
      expect(seen).toEqual(seen.toSorted((a, b) => a - b));
    });

    test('that mirrors it is asked, and the registry is not', async () => {
      const { host, digest, relay } = await behind();
      const registry = await startRelay(host);
      // A registry that the mirror knows and no one else.
      const { ports, warnings } = await portsWith({ mirrors: { [registry.host]: [`http://${relay.host}`] } });
      await fetchImage(wantedOci({ reference: `${registry.host}/os`, digest, plainHTTP: true }), ports, signal);
      expect(warnings).toEqual([]);
      expect(registry.asked).toEqual([]);
      expect(relay.asked.filter((url) => url.includes(`/blobs/`)).every((url) => url.includes('?ns='))).toBe(true);
    });

    test('that mirrors others under a path gets it before the name', async () => {
      const { host } = shared;
      const digest = await pushImage(host, 'cache/os', image());
      const { result, warnings } = await get('registry.invalid:80', digest, [`http://${host}/cache/`]);
      expect([result.digest, warnings]).toEqual([digest, []]);
    });

    test.each<[string, Meddle]>([
      ['is dead', (request) => (request.destroy(), true)],
      ['has nothing', (_request, response) => (response.writeHead(404).end(), true)],
      ['wants a login', (_request, response) => (response.writeHead(401).end(), true)],
      [
        'has other bytes',
        (request, response) => {
          if (!request.url?.includes('/blobs/')) return false;
          response.end(noise(50_000));
          return true;
        },
      ],
      [
        'has a lowest layer that is not it',
        (request, response) => {
          if (!request.url?.includes(digestOf(rootLayer()))) return false;
          response.end(tar([file('usr/evil'), file('evil')]));
          return true;
        },
      ],
    ])('that is a mirror and %s leaves it to the registry', async (_name, meddle) => {
      const { host, digest, relay } = await behind(meddle);
      const { result, warnings, ports } = await get(host, digest, [`http://${relay.host}`, 'http://127.0.0.1:1']);
      expect(warnings.join('\n')).toContain(`Mirror ${relay.host} of ${host} was of no use`);
      const root = join(entryPath(ports.paths, result), 'root');
      expect(await readdir(root)).not.toContain('evil');
      expect(await readdir(join(root, 'usr'))).toEqual(['big', 'bin', 'lib']);
    });

    test('that gives other bytes and is the registry itself is reported as such', async () => {
      const { digest, relay } = await behind((request, response) => {
        if (!request.url?.includes(digestOf(image().layers[1] ?? Buffer.alloc(0)))) return false;
        const other = Buffer.from(image().layers[1] ?? '').fill(7, 1000, 1001);
        response.end(other);
        return true;
      });
      const { ports } = await portsWith();
      const source = { reference: `${relay.host}/os`, digest, plainHTTP: true };
      expect((await failure(wantedOci(source), ports)).reason).toBe('DigestMismatch');
    });

    test('is not sought when the list of mirrors is not valid, which is reported', async () => {
      const { host, digest } = await behind();
      const { result, warnings } = await get(host, digest, ['ftp://mirror']);
      expect(result.digest).toBe(digest);
      expect(warnings.join('\n')).toMatch(/not valid.*http/s);
    });

    test('is not waited for when the disk becomes full meanwhile', async () => {
      let freeBytes = 2 ** 33;
      const { relay, digest } = await behind((request, response) => {
        const layer = image().layers[1] ?? Buffer.alloc(0);
        if (!request.url?.includes(digestOf(layer))) return false;
        response.writeHead(200, { 'content-length': layer.length });
        response.write(layer.subarray(0, 100_000));
        freeBytes = 1;
        return true;
      });
      const { ports } = await portsWith();
      const reservations = new DiskReservations(
        () => Promise.resolve({ totalBytes: 2 ** 34, freeBytes, totalInodes: 1e6, freeInodes: 1e6 }),
        { bytes: 2 ** 20 },
      );
      const oci = { reference: `${relay.host}/os`, digest, plainHTTP: true };
      expect((await failure(wantedOci(oci), { ...ports, reservations })).reason).toBe('NoSpace');
    });

    test('that stops sending ends with the fetch, and nothing is left', async () => {
      const stop = new AbortController();
      const { relay, digest } = await behind((request, response) => {
        const layer = image().layers[1] ?? Buffer.alloc(0);
        if (!request.url?.includes(digestOf(layer))) return false;
        response.writeHead(200, { 'content-length': layer.length });
        response.write(layer.subarray(0, 100_000));
        stop.abort(new Error('stopped'));
        return true;
      });
      const { ports } = await portsWith();
      const oci = { reference: `${relay.host}/os`, digest, plainHTTP: true };
      await expect(fetchImage(wantedOci(oci), ports, stop.signal)).rejects.toThrow('stopped');
      await expectNothingLeft(ports);
    });
  });
});
