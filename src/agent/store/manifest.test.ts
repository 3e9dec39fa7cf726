import { lstatSync } from 'node:fs';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { temporaryDirectory } from '../testing/environment.ts';
import { signal } from '../testing/fetching.ts';
import { shell } from '../testing/trees.ts';
import { keyOf, parseFile, readAttributes, readManifest, withAttributes, writeManifest } from './manifest.ts';
import { pathBelow } from './measure.ts';

const list = async <T>(items: AsyncIterable<T>) => {
  const all: T[] = [];
  for await (const item of items) all.push(item);
  return all;
};

test('what the manifest says of a file is what lstat says, whatever its name, mode and time', async () => {
  const entry = temporaryDirectory();
  const odd = String.raw`"$(printf 'root/a b\nc\\#=\377')"`;
  shell(
    entry,
    `mkdir root; printf x >${odd}; chmod 4751 ${odd}; touch -d '2020-02-03 04:05:06.000000789' ${odd}
     printf y >@strange; touch -d '1965-01-01 00:00:00.25' @strange; : >root/empty; ln -s 'a b' root/link; mkfifo root/fifo`,
  );
  await writeManifest(entry, signal);
  const files = (await list(readManifest(entry))).flatMap((line) => parseFile(line) ?? []);
  expect(files.map(({ path }) => path)).toEqual(['@strange', 'root/a b\nc\\#=\xff', 'root/empty']);
  for (const { path, key } of files) expect(key).toBe(keyOf(lstatSync(pathBelow(entry, path), { bigint: true })));
});

test('attributes of all kinds are in the manifest, with their names', async () => {
  const entry = temporaryDirectory();
  const odd = String.raw`"$(printf 'root/a b\nc\\#=\377')"`;
  shell(
    entry,
    `mkdir root; printf x >${odd}; setfattr -n user.it -v 1 ${odd}; printf y >root/y; setfacl -m u:7:r root/y`,
  );
  shell(entry, `printf z >root/z; setcap cap_net_raw=ep root/z; printf n >root/none`);
  await writeManifest(entry, signal);
  const blocks = await list(readAttributes(entry));
  expect(blocks).toHaveLength(3);
  expect(blocks.find((it) => it.includes('root/z'))).toMatch(/^# file: .*root\/z\nsecurity\.capability=0x/);
  expect(await withAttributes(join(entry, 'root'), signal)).toEqual(new Set(['a b\nc\\#=\xff', 'y', 'z']));
});
