import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { temporaryDirectory } from '../../../test/fixtures/agent/directory.ts';
import { whyNoUnpacking } from '../../../test/fixtures/agent/environment.ts';
import { signal } from '../../../test/fixtures/agent/fetching.ts';
import { fetchPorts } from '../../../test/fixtures/agent/images.ts';
import { publishedTree, shell } from '../../../test/fixtures/agent/trees.ts';
import { manifestName } from './manifest.ts';
import { verifyEntry } from './verify.ts';

const verify = (entry: string, content: boolean, stop = signal) =>
  verifyEntry(entry, content, temporaryDirectory(), stop);

const unable = whyNoUnpacking();
const plain = 'root/usr/lib/deep/plain';
const sameTime = `touch -d '2024-01-01 00:00:00.123456789' ${plain}`;

/** What a quick look and a thorough one find after a script has changed a published entry. */
async function found(change: string) {
  const { entry } = await publishedTree(await fetchPorts(), 'v1');
  expect(await verify(entry, true)).toBeUndefined();
  shell(entry, change);
  return [await verify(entry, false), await verify(entry, true)];
}

describe.skipIf(unable)(unable ? `verification (skipped: ${unable})` : 'verification', () => {
  test('finds nothing in what is as it was published, also when it was read, shared or its fellow removed', async () => {
    const ports = await fetchPorts();
    const v1 = await publishedTree(ports, 'v1', {
      change: 'setfattr -n user.of -v one etc/one; : >@x; : >-y; mkfifo etc/f',
    });
    const v2 = await publishedTree(ports, 'v2', { from: v1.root });
    shell(v1.entry, 'find . -type f -exec cat {} + >/dev/null; touch -a root/etc/copy');
    shell(v2.entry, 'rm -r root');
    for (const content of [false, true, true]) expect(await verify(v1.entry, content)).toBeUndefined();
  });

  test.each([
    ['a missing file', `rm ${plain}`, `${plain} is missing`],
    ['an added file', `: >"$(printf 'root/etc/new\nfile')"`, 'root/etc/new\\012file was added'],
    ['another mode', `chmod 600 ${plain}`, `${plain} has another mode (600 instead of 644)`],
    ['another owner', `chown 7 ${plain}`, `${plain} has another uid (7 instead of 0)`],
    ['another link', 'ln -sfn usr/lib root/bin', 'root/bin has another'],
    ['another type', `rm ${plain}; mkdir ${plain}`, `type (dir instead of file)`],
    ['another image.json', 'echo >>image.json', 'image.json has another'],
    ['an added mount script', 'echo >mount.sh', 'mount.sh was added'],
    ['a name beside the tree', ': >@strange', '@strange was added'],
    ['attributes', `setfattr -n user.it -v 1 ${plain}`, `${plain} has other extended attributes`],
    ['a capability', `setcap cap_net_raw=ep ${plain}`, `${plain} has other extended attributes`],
    ['a missing tree', 'rm -r root', 'root is missing'],
    ['a missing manifest', `rm ${manifestName}`, 'its manifest is missing'],
  ])('finds %s by looking', async (_name, change, expected) => {
    for (const difference of await found(change)) expect(difference).toContain(expected);
  });

  test('finds changed content by reading, at the latest', async () => {
    const rot = `printf x | dd of=${plain} conv=notrunc status=none; ${sameTime}`;
    expect(await found(rot)).toEqual([undefined, `${plain} has another content`]);
    expect((await found(`echo >>${plain}`))[0]).toMatch(/has another time .*, size \(5001 instead of 5000\)/);
  });

  test('names three files and counts the others', async () => {
    const [difference] = await found('rm root/etc/copy root/etc/copy- root/etc/one root/etc/other root/etc/empty');
    expect(difference?.match(/ is missing/g)).toHaveLength(2);
    expect(difference).toMatch(/and 3 more$/);
  });

  test('that is stopped or cannot be made tells no difference', async () => {
    const { entry } = await publishedTree(await fetchPorts(), 'v1');
    await expect(verify(entry, true, AbortSignal.abort())).rejects.toThrow('aborted');
    await writeFile(join(entry, '..', 'file'), '');
    await expect(verify(join(entry, '..', 'file'), false)).rejects.toThrow();
  });
});
