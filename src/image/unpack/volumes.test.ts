import { mkdirSync, mkdtempSync, rmSync, symlinkSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { mountableVolumes } from './volumes.ts';

test('a volume is an overlay of its own where it can be mounted and is in no other', async () => {
  const root = mkdtempSync(join(tmpdir(), 'monoroot-volumes-'));
  for (const path of ['srv/upload', 'usr/share/app', 'opt/real', 'var/lib/db'])
    mkdirSync(join(root, path), { recursive: true });
  symlinkSync('real', join(root, 'opt/link'));
  const asked = [
    '/srv/upload',
    '/config',
    '/srv/missing',
    '/opt/link',
    '/usr/share/app',
    '/var/lib/db',
    '/data',
    '/a b',
    '/opt/../etc',
  ];
  expect(await mountableVolumes(root, asked)).toEqual(['/srv/upload', '/config']);
  rmSync(root, { recursive: true });
});
