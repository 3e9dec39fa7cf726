import { execFileSync } from 'node:child_process';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { temporaryDirectory } from '../../../test/fixtures/agent/directory.ts';
import { signal } from '../../../test/fixtures/agent/fetching.ts';
import { shell } from '../../../test/fixtures/agent/trees.ts';
import { readAttributes } from './attributes.ts';
import { addAttributes, describeEntry } from './describe.ts';
import { manifestName, parseFile, readManifest, readSortedManifest } from './manifest.ts';
import { Survey } from './measure.ts';
import { Sorter } from './sorter.ts';
import { verifyEntry } from './verify.ts';

const list = async <T>(items: AsyncIterable<T>) => {
  const all: T[] = [];
  for await (const item of items) all.push(item);
  return all;
};

/** Describes an entry that a script makes, in which all lists are put on the disk when `mostCharacters` is small. */
async function described(script: string, mostCharacters?: number): Promise<string> {
  const entry = temporaryDirectory();
  shell(entry, script);
  const options = { scratch: temporaryDirectory(), signal, ...(mostCharacters !== undefined && { mostCharacters }) };
  const [survey, attributes] = [new Survey(options), new Sorter(options)];
  await survey.look(join(entry, 'root'), signal);
  await addAttributes(entry, attributes, signal);
  await describeEntry(entry, { survey, attributes }, signal);
  await survey.close();
  await attributes.close();
  return entry;
}

const tree = 'root';
const inTree = `./${tree}/`;
const odd = String.raw`"$(printf 'root/a b\nc\\#=\377')"`;
const oddTree = `mkdir root root/d root/dev; printf x >${odd}; chmod 4751 ${odd}; touch -d '2020-02-03 04:05:06.000000789' ${odd}
  printf y >@strange; touch -d '1965-01-01 00:00:00.25' @strange; : >root/empty; ln -s 'a b' root/link; mkfifo root/fifo
  mknod root/dev/null c 1 3; mknod root/dev/disk b 259 70000; ln root/empty root/d/again; chmod 0 root/empty; truncate -s 9T root/d/hole`;

test.each([undefined, 0])(
  'a manifest has the words of bsdtar, whatever the names, modes and times (%s)',
  async (most) => {
    const entry = await described(oddTree, most);
    const names = ['./@strange', './root'];
    const options = '--options=mtree:!all,type,mode,uid,gid,size,time,link,device';
    shell(entry, 'rm root/d/hole');
    const theirs = execFileSync('bsdtar', ['-cf', '-', '--format=mtree', options, ...names], { cwd: entry });
    const expected = theirs.toString('latin1').trim().split('\n').slice(1).sort();
    // The time of the directory that had the hole.
    const comparable = (lines: string[]) => lines.filter((line) => !/root.d /.test(line) && !line.includes('hole'));
    expect(comparable(await list(readManifest(entry)))).toEqual(comparable(expected));
    expect(expected).toHaveLength(11);
  },
);

test('a manifest of an earlier agent, in another order, is read sorted', async () => {
  const entry = await described(oddTree);
  const lines = await list(readManifest(entry));
  writeFileSync(join(entry, manifestName), ['#mtree', ...lines.toReversed(), ''].join('\n'), 'latin1');
  expect(await list(readSortedManifest(entry, { scratch: temporaryDirectory(), signal }))).toEqual(lines);
  expect(await verifyEntry(entry, false, temporaryDirectory(), signal)).toBeUndefined();
});

test('files of a manifest have their names again', async () => {
  const files = (await list(readManifest(await described(oddTree)))).flatMap((line) => parseFile(line) ?? []);
  const hole = 'root/d/hole';
  expect(files.map(({ path }) => path)).toEqual(
    ['@strange', 'root/a b\nc\\#=\xff', 'root/d/again', hole, 'root/empty'].sort(),
  );
});

test.each([undefined, 0])('attributes of all kinds are kept, with their names (%s)', async (most) => {
  const entry = await described(
    `mkdir root; printf x >${odd}; setfattr -n user.it -v 1 ${odd}; printf y >root/y; setfacl -m u:7:r root/y
     setfattr -n user.other -v 2 root/y; printf z >root/z; setcap cap_net_raw=ep root/z; printf n >root/none
     printf m >mount.sh; setfattr -n user.it -v 3 mount.sh`,
    most,
  );
  expect(await list(readAttributes(entry))).toEqual([
    './mount.sh user.it=0x33',
    String.raw`${inTree}a\040b\012c\134\043\075\377 user.it=0x31`,
    expect.stringMatching(/^\.\/root\/y system\.posix_acl_access=0x/),
    `${inTree}y user.other=0x32`,
    expect.stringMatching(/^\.\/root\/z security\.capability=0x/),
  ]);
});
