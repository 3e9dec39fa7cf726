import { Readable } from 'node:stream';
import { expect, test } from 'vitest';
import type { InspectedFile, InspectionLine } from '../../api/inspection.ts';
import { compareImages, describeChange } from './compare.ts';
import { readInspection } from './inspection.ts';
import { differs, renderJson, renderText } from './render.ts';
import { silentScreen } from '../terminal.ts';

const digest = `sha256:${'a'.repeat(64)}`;
const file = (path: string, changes: Partial<InspectedFile> = {}): InspectionLine => ({
  kind: 'file',
  path,
  type: 'file',
  mode: '0644',
  uid: 0,
  gid: 0,
  size: 5,
  sha256: 'aa',
  time: '1.0',
  ...changes,
});
const dpkg = (name: string, version: string, architecture = 'amd64'): InspectionLine => ({
  kind: 'package',
  name,
  version,
  architecture,
});

async function* lines(image: string, body: readonly InspectionLine[], contents: boolean) {
  yield { kind: 'image' as const, image, digest, contents, records: ['/var/lib/dpkg'], notes: [] };
  yield* body;
  yield await Promise.resolve({ kind: 'end' as const });
}

async function compare(before: readonly InspectionLine[], after: readonly InspectionLine[], contents = true) {
  const sides = [lines('a:1', before, contents), lines('a:2', after, true)].map(readInspection);
  const [one, other] = await Promise.all(sides);
  if (!one || !other) throw new Error('two sides');
  return compareImages(one, other);
}

test.each<[string, Partial<InspectedFile>, string[]]>([
  ['another time alone is no difference', { time: '2.0' }, []],
  ['another package alone is none', { package: 'p' }, []],
  ['content', { sha256: 'bb' }, ['content']],
  ['content and size', { sha256: 'bb', size: 7 }, ['content', 'size 5 -> 7']],
  ['mode', { mode: '4755' }, ['mode 0644 -> 4755']],
  ['owner and group', { uid: 1, gid: 2 }, ['owner 0:0 -> 1:2']],
  ['a capability', { attributes: ['security.capability=0x01'] }, ['attributes']],
  ['a link instead of a file', { type: 'link', target: 'x' }, ['file -> link']],
  ['a directory instead of a file', { type: 'dir' }, ['file -> directory']],
])('of a file: %s', async (_case, changes, told) => {
  const { files, byContents } = await compare([file('/x')], [file('/x', changes)]);
  expect(files.map((one) => describeChange(one, byContents))).toEqual(told.length > 0 ? [told] : []);
});

test.each<[string, Partial<InspectedFile>, string[]]>([
  ['another time is a difference', { time: '2.0' }, ['time']],
  ['another digest is not seen', { sha256: 'bb' }, []],
  ['another size is', { size: 6 }, ['size 5 -> 6']],
])('while one of them has no digests yet: %s', async (_case, changes, told) => {
  const { files, byContents } = await compare([file('/x')], [file('/x', changes)], false);
  expect(files.map((one) => describeChange(one, byContents))).toEqual(told.length > 0 ? [told] : []);
});

test.each<[string, InspectionLine[], InspectionLine[], object[]]>([
  ['the same', [dpkg('a', '1')], [dpkg('a', '1')], []],
  ['changed', [dpkg('a', '1')], [dpkg('a', '2')], [{ name: 'a', before: '1', after: '2' }]],
  [
    'added and removed',
    [dpkg('b', '1')],
    [dpkg('a', '2')],
    [
      { name: 'a', after: '2' },
      { name: 'b', before: '1' },
    ],
  ],
  [
    'one more architecture',
    [dpkg('a', '1')],
    [dpkg('a', '1', 'i386'), dpkg('a', '1')],
    [{ name: 'a', before: '1', after: '1 (amd64), 1 (i386)' }],
  ],
])('packages: %s', async (_case, before, after, changes) => {
  expect((await compare(before, after)).packages).toEqual(changes);
});

test('in any order, files that are alike are no difference', async () => {
  const paths = ['/a', '/b', '/c', '/d', '/e'];
  const comparison = await compare(
    paths.map((path) => file(path)),
    [...paths.reverse().map((path) => file(path)), file('/f')],
  );
  expect(comparison.files.map(({ path, before }) => [path, before])).toEqual([['/f', undefined]]);
});

const before = [
  dpkg('curl', '7'),
  dpkg('pam', '1'),
  dpkg('nano', '3'),
  file('/etc/pam.d/login', { package: 'pam' }),
  file('/usr/bin/curl', { package: 'curl' }),
  file('/usr/bin/nano', { package: 'nano' }),
  file('/var/lib/dpkg/status'),
];
const after = [
  dpkg('curl', '8'),
  dpkg('pam', '1'),
  file('/etc/motd'),
  file('/etc/pam.d/login', { package: 'pam', sha256: 'bb', size: 6 }),
  file('/usr/bin/curl', { package: 'curl', sha256: 'cc' }),
  file('/usr/lib/x', { type: 'link', target: 'y', mode: '0777' }),
  file('/var/lib/dpkg/status', { sha256: 'dd' }),
];

test('what goes with a package is counted, the rest is shown', async () => {
  const comparison = await compare(before, after);
  expect(renderText(comparison, { packages: true, files: 'unexplained' }, silentScreen)).toEqual([
    'a:1 -> a:2',
    '',
    'Packages: 1 changed, 0 added, 1 removed',
    '  ~ curl  7 -> 8',
    '  - nano  3',
    '',
    'Files: 3 changed, 2 added, 1 removed; 3 of them go with the packages and are not shown (--files shows all)',
    '  + /etc/motd         file 0644 0:0, 5 bytes',
    '  ~ /etc/pam.d/login  content, size 5 -> 6, of pam',
    '  + /usr/lib/x        link 0777 0:0, 5 bytes, to y',
  ]);
  const all = renderText(comparison, { packages: false, files: 'all' }, silentScreen);
  expect(all).toContain('  ~ /usr/bin/curl         content, of curl');
  expect(all).toHaveLength(9);
  expect(renderText(comparison, { packages: true, files: 'none' }, silentScreen)).toHaveLength(5);
});

test('for a program: both sides, without what is not there', async () => {
  const comparison = await compare(before, after);
  const json = JSON.parse(JSON.stringify(renderJson(comparison, { packages: true, files: 'all' }))) as object;
  expect(json).toMatchObject({
    before: { image: 'a:1', digest },
    packages: { changed: 1, added: 0, removed: 1 },
    files: { changed: 3, added: 2, removed: 1, comparedBy: 'contents' },
  });
  const { changes } = (json as { files: { changes: { path: string }[] } }).files;
  expect(changes[0]).toEqual({
    path: '/etc/motd',
    withPackage: false,
    after: { type: 'file', mode: '0644', uid: 0, gid: 0, size: 5, sha256: 'aa', time: '1.0' },
  });
});

test('no name of an image makes a terminal do anything', async () => {
  const comparison = await compare(
    [],
    [dpkg('\x1b[2Jclear', '\x071'), file('/x', { type: 'link', target: '\x1b[2J' })],
  );
  const lines = renderText(comparison, { packages: true, files: 'all' }, silentScreen);
  expect(lines.join('').match(/\p{Cc}/u)).toBeNull();
  expect(lines).toContain('  + ?[2Jclear  ?1');
});

test('nothing differs: so it is said, and so is the exit code', async () => {
  const comparison = await compare(before, before, false);
  const parts = { packages: true, files: 'unexplained' } as const;
  expect(differs(comparison, parts)).toBe(false);
  expect(renderText(comparison, parts, silentScreen)).toEqual([
    'a:1 -> a:2',
    'Files have no digests of contents yet, so they are compared by size and time: ask again later',
    '',
    'Packages: no difference',
    '',
    'Files: no difference',
  ]);
});

test('an answer without its end is not taken for a whole one', async () => {
  async function* cut(): AsyncGenerator<InspectionLine> {
    for await (const line of lines('a:1', [file('/x')], true)) if (line.kind !== 'end') yield line;
  }
  const { files } = await readInspection(cut());
  await expect(Readable.from(files).toArray()).rejects.toThrow('ended too early');
});
