import { execFileSync } from 'node:child_process';
import { readdirSync, readlinkSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { rootEntries, tar } from '../../../test/fixtures/agent/archive.ts';
import { temporaryDirectory } from '../../../test/fixtures/agent/directory.ts';
import { whyNoUnpacking } from '../../../test/fixtures/agent/environment.ts';
import { startUnpacking } from './pipeline.ts';
import { closeSparePipes } from './pipes.ts';
import { writeRecords } from './tar/pax.ts';

const unable = whyNoUnpacking();
const zstd = ['zstd', '-dcq'] as const;
const compressed = (bytes: Buffer) => execFileSync('zstd', ['-qc'], { input: bytes });
const both = [
  { kind: 'plain', decompressor: undefined, pack: (bytes: Buffer) => bytes },
  { kind: 'compressed', decompressor: zstd, pack: compressed },
];

/** Pipes of which this process has an end, but for those that were not used yet. */
const openPipes = () => {
  closeSparePipes();
  return readdirSync('/proc/self/fd').filter((fd) => {
    try {
      return readlinkSync(join('/proc/self/fd', fd)).includes('monoroot-pipes-');
    } catch {
      // That of the directory itself.
      return false;
    }
  });
};

/** The beginning of a file that does not end. */
function endless(): Buffer {
  const file = tar([{ name: 'usr/endless', content: Buffer.alloc(1024) }]);
  return Buffer.concat([tar(rootEntries()).subarray(0, -1024), writeRecords('x', [size]), file.subarray(0, 1024)]);
}
const size = { key: 'size', value: Buffer.from('1000000000000') };

describe.skipIf(unable)(unable ? `unpacking (skipped: ${unable})` : 'unpacking', { timeout: 120_000 }, () => {
  test.each(both)('$kind bytes are restored, and no pipe stays open', async ({ decompressor, pack }) => {
    const root = temporaryDirectory();
    const unpacking = await startUnpacking(root, decompressor, new AbortController().signal);
    await unpacking.write(pack(tar(rootEntries())));
    await unpacking.finish();
    expect(readdirSync(root)).toContain('usr');
    expect(await unpacking.unpackedBytes()).toBeGreaterThan(0);
    expect(openPipes()).toEqual([]);
  });

  test.each(both)('aborting ends it in the middle of $kind bytes', async ({ decompressor, pack }) => {
    const stop = new AbortController();
    const unpacking = await startUnpacking(temporaryDirectory(), decompressor, stop.signal);
    await unpacking.write(pack(endless()));
    await expect.poll(() => unpacking.unpackedBytes(), { timeout: 90_000 }).toBeGreaterThan(0);
    stop.abort(new Error('stopped'));
    await expect(unpacking.finish()).rejects.toThrow('stopped');
    expect(openPipes()).toEqual([]);
  });

  test.each(both)('$kind bytes that are refused are not waited for', async ({ decompressor, pack }) => {
    const unpacking = await startUnpacking(temporaryDirectory(), decompressor, new AbortController().signal);
    const damaged = pack(Buffer.concat([tar([{ name: 'a' }]).subarray(0, 512), Buffer.alloc(4 * 1024 * 1024, 'x')]));
    await unpacking.write(damaged);
    await expect(unpacking.finish()).rejects.toMatchObject({ reason: 'CorruptArchive' });
    await unpacking.write(damaged);
    expect(openPipes()).toEqual([]);
  });
});
