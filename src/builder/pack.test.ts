import { execFileSync } from 'node:child_process';
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { temporaryDirectory } from '../../test/fixtures/agent/directory.ts';
import { whyNoChroot } from '../../test/fixtures/builder.ts';
import { startUnpacking } from '../image/unpack/pipeline.ts';
import { packTree } from './pack.ts';

const unable = whyNoChroot();

// systemd gives /var/log/journal such a one when it is installed.
test.skipIf(unable)('an ACL of a group that has a name here is stored by a node as it is', async () => {
  const [root, there, directory] = [temporaryDirectory(), temporaryDirectory(), temporaryDirectory()];
  mkdirSync(join(root, 'journal'));
  writeFileSync(join(root, 'file'), 'x');
  execFileSync('setfacl', ['-m', 'g:adm:rx,u:root:r', 'journal', 'file'], { cwd: root });
  execFileSync('setfacl', ['-d', '-m', 'g:adm:rx', 'journal'], { cwd: root });
  const { signal } = new AbortController();
  const { file } = await packTree(root, join(directory, 'layer.tar.zst'), 1_700_000_000, signal);
  const unpacking = await startUnpacking(there, ['zstd', '-dc'], signal);
  await unpacking.write(readFileSync(file));
  await unpacking.finish();
  const acls = (at: string) => execFileSync('getfacl', ['-n', 'journal', 'file'], { cwd: at, encoding: 'utf8' });
  expect(acls(there)).toBe(acls(root));
  expect(acls(there)).toContain('group:4:r-x');
});
