import { readdir } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { sha256, rootEntries, tar } from '../../../test/fixtures/agent/archive.ts';
import { whyNoUnpacking } from '../../../test/fixtures/agent/environment.ts';
import { failure } from '../../../test/fixtures/agent/fetching.ts';
import { desiredImage } from '../../../test/fixtures/agent/desired.ts';
import { fetchPorts } from '../../../test/fixtures/agent/images.ts';
import { DiskReservations } from '../../image/disk/reservations.ts';
import { serve } from '../../../test/fixtures/agent/server.ts';

const unable = whyNoUnpacking();

const archive = tar([...rootEntries(), { name: 'usr/big', content: Buffer.alloc(300_000, 'x') }]);

/** A node without room, and a server that gives these bytes for the digest of the archive; what it was asked is counted. */
async function fetchOf(bytes: Buffer) {
  let asked = 0;
  const origin = await serve((_request, response) => {
    asked += 1;
    response.end(bytes);
  });
  const space = { totalBytes: 1e9, freeBytes: 100_000, totalInodes: 1000, freeInodes: 1000 };
  const ports = await fetchPorts({
    reservations: new DiskReservations(() => Promise.resolve(space), { bytes: 1 }),
    seen: new Set(),
  });
  const http = { url: `${origin}/a`, sha256: sha256(archive) };
  const image = desiredImage('v1', { digest: `sha256:${http.sha256}`, source: { http } });
  return { fetch: () => failure(image, ports), asked: () => asked };
}

describe.skipIf(unable)(unable ? `an image without room (skipped: ${unable})` : 'an image without room', () => {
  test('may have others make room for it, when these are its bytes', async () => {
    const { fetch } = await fetchOf(archive);
    expect(await fetch()).toMatchObject({ reason: 'NoSpace', verified: true });
  });

  test('is read to the end once to know that, and not at each try', async () => {
    const { fetch, asked } = await fetchOf(archive);
    await fetch();
    const once = asked();
    await fetch();
    expect([once, asked() - once]).toEqual([2, 1]);
  });

  test('has others make no room for it, when a server has other bytes', async () => {
    const { fetch } = await fetchOf(Buffer.concat([archive, Buffer.alloc(512)]));
    expect(await fetch()).toMatchObject({ reason: 'DigestMismatch', verified: false });
  });

  test('for the lists of its files leaves what must stay free, and is known to be the right one', async () => {
    const names = Array.from({ length: 6_000 }, (_, i) => ({ name: `usr/${i}${'n'.repeat(200)}` }));
    const many = tar([...rootEntries(), ...names]);
    const origin = await serve((_request, response) => response.end(many));
    const ports = await fetchPorts();
    // Others fill the disk when all is unpacked.
    const isListed = async () => (await readdir(join(ports.paths.staging, 'debian-12.v1.1'))).includes('share');
    const space = async () => {
      const freeBytes = (await isListed().catch(() => false)) ? 1_000_000_000 : 2_000_000_000;
      return { totalBytes: 1e12, freeBytes, totalInodes: 1e9, freeInodes: 1e9 };
    };
    const http = { url: `${origin}/a`, sha256: sha256(many) };
    const image = desiredImage('v1', { digest: `sha256:${http.sha256}`, source: { http } });
    const reservations = new DiskReservations(space, { bytes: 1_000_000_000 });
    const found = await failure(image, { ...ports, reservations, uniqueId: () => '1' });
    expect(found).toMatchObject({ reason: 'NoSpace', verified: true });
    expect(found.message).toContain('Lists of files take');
    expect(await readdir(ports.paths.staging)).toEqual([]);
  });
});
