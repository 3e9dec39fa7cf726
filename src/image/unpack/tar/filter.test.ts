import { describe, expect, test } from 'vitest';
import { FetchError } from '../../failure.ts';
import { tar } from '../../../../test/fixtures/agent/archive.ts';
import { filterTar } from './filter.ts';
import { sign } from './header.ts';
import { writeRecords } from './pax.ts';
import { TarReader } from './reader.ts';
import type { TarEntry as Entry } from './reader.ts';

const end = Buffer.alloc(1024);
const file = (name: string, content = '') => tar([{ name, content, mode: 0o644 }]).subarray(0, -1024);
const records = (type: 'x' | 'g', all: Record<string, string | Buffer>) =>
  writeRecords(
    type,
    Object.entries(all).map(([key, value]) => ({ key, value: Buffer.from(value) })),
  );

/** What comes out, however the bytes come in; the end mark is left out. */
function filtered(bytes: Buffer, step: number, kind: 'archive' | 'layer' = 'archive'): Buffer {
  const filter = filterTar({ kind }).reader;
  const out: Buffer[] = [];
  for (let at = 0; at < bytes.length; at += step)
    out.push(...filter.push(bytes.subarray(at, at + step)).map((it) => Buffer.from(it)));
  out.push(...filter.end());
  return Buffer.concat(out);
}

/** The entries of an archive, as any reader of pax sees them. */
function entriesOf(bytes: Buffer): Entry[] {
  const entries: Entry[] = [];
  const reader = new TarReader({ kind: 'archive', entry: (entry) => (entries.push(entry), undefined) });
  reader.push(bytes);
  reader.end();
  return entries;
}

const recordsOf = (bytes: Buffer) =>
  Object.fromEntries(entriesOf(bytes)[0]?.records.map(({ key, value }) => [key, value.toString('latin1')]) ?? []);

function refusal(bytes: Buffer): FetchError {
  try {
    filtered(bytes, 1000);
  } catch (error) {
    if (error instanceof FetchError) return error;
  }
  throw new Error('It was taken');
}

/** An ACL as Linux keeps it: the owner, user 1234, the group, the mask, others. */
const acl = Buffer.from(
  '02000000' + '01000600ffffffff' + '02000700d2040000' + '04000400ffffffff' + '10000700ffffffff' + '20000400ffffffff',
  'hex',
);
const text = 'user::rw-,user:1234:rwx:1234,group::r--,mask::rwx,other::r--';

describe('the filter before bsdtar', () => {
  const plain = Buffer.concat([file('usr/a', 'x'.repeat(700)), file(`usr/${'n'.repeat(150)}`, 'y'), file('b')]);

  test.each([1, 7, 511, 512, 513, 100_000])('gives on what needs no change as it is, in pieces of %d bytes', (step) => {
    const odd = Buffer.concat([records('x', { 'SCHILY.xattr.user.note': 'n', mtime: '1.5' }), file('c', 'z')]);
    expect(filtered(Buffer.concat([plain, odd, end]), step).equals(Buffer.concat([plain, odd]))).toBe(true);
  });

  test('reads on after an end mark, and needs no whole blocks of zeros', () => {
    const all = Buffer.concat([plain, end, Buffer.alloc(5120), file('second'), end, Buffer.alloc(100)]);
    expect(filtered(all, 300).equals(Buffer.concat([plain, file('second')]))).toBe(true);
  });

  test('refuses what comes after an end mark and is no archive, with its place', () => {
    const { reason, message } = refusal(Buffer.concat([file('a'), end, Buffer.from('junk')]));
    expect([reason, message]).toEqual(['CorruptArchive', expect.stringContaining('at byte 1536')]);
  });

  test('names the entry before a header that is damaged', () => {
    const damaged = Buffer.from(Buffer.concat([file('usr/good'), file('bad')]));
    damaged[512 + 3] = 0x7f;
    expect(refusal(damaged).message).toContain('after "usr/good": its header at byte 512 is damaged');
  });

  test.each<[string, Record<string, string | Buffer>, Record<string, string>]>([
    ['as an attribute', { 'SCHILY.xattr.system.posix_acl_access': acl }, { 'SCHILY.acl.access': text }],
    [
      'for what is made in a directory',
      { 'SCHILY.xattr.system.posix_acl_default': acl },
      { 'SCHILY.acl.default': text },
    ],
    [
      'in base 64',
      { 'LIBARCHIVE.xattr.system.posix_acl_access': acl.toString('base64') },
      { 'SCHILY.acl.access': text },
    ],
    [
      'with a quoted name',
      { 'LIBARCHIVE.xattr.system%2Eposix_acl_access': acl.toString('base64') },
      { 'SCHILY.acl.access': text },
    ],
    [
      'in two forms, of which one has names only',
      {
        'SCHILY.acl.access': 'user::rw-,user:ann:rwx,group::r--,mask::rwx,other::r--',
        'SCHILY.xattr.system.posix_acl_access': acl,
      },
      { 'SCHILY.acl.access': text },
    ],
  ])('makes an ACL of one %s', (_name, of, expected) => {
    const entry = tar([{ name: 'etc/motd', content: 'hi', mode: 0o674 }]).subarray(0, -1024);
    const bytes = Buffer.concat([records('x', { mtime: '1.5', ...of }), entry]);
    expect(recordsOf(filtered(bytes, 512))).toEqual({ mtime: '1.5', ...expected });
  });

  test('leaves an ACL no more rights than the mode of its file, but where libarchive wrote it as a text', () => {
    const limited = text.replace('mask::rwx', 'mask::r--').replace('other::r--', 'other::---');
    const entry = tar([{ name: 'a', content: '', mode: 0o640 }]).subarray(0, -1024);
    const of = (all: Record<string, string | Buffer>) =>
      recordsOf(filtered(Buffer.concat([records('x', all), entry]), 512));
    expect(of({ 'SCHILY.xattr.system.posix_acl_access': acl })).toEqual({ 'SCHILY.acl.access': limited });
    expect(of({ 'SCHILY.acl.access': text })).toEqual({ 'SCHILY.acl.access': text });
  });

  test.each<[string, Record<string, string | Buffer>, string]>([
    [
      'an ACL whose value is none',
      { 'SCHILY.xattr.system.posix_acl_access': Buffer.from('0200000099', 'hex') },
      'system.posix_acl_access',
    ],
    ['an ACL of another system', { 'SCHILY.acl.ace': 'user:1:rwx' }, 'NFSv4 ACL'],
    ['an attribute that holds such an ACL', { 'SCHILY.xattr.system.nfs4_acl': 'x' }, 'system.nfs4_acl'],
    [
      'an ACL with names and no numbers',
      { 'SCHILY.acl.access': 'user::rw-,user:ann:rwx,group::r--,mask::rwx,other::r--' },
      'ann',
    ],
  ])('refuses %s, with the entry and a way out', (_name, of, what) => {
    const { reason, message } = refusal(Buffer.concat([records('x', of), file('etc/motd')]));
    expect(reason).toBe('UnsupportedArchive');
    expect(message).toContain('"etc/motd"');
    expect(message).toContain(what);
    expect(message).toMatch(/; \w/);
  });

  test('leaves out attributes that mean nothing in a container here, and keeps those that do', () => {
    const kept = { 'SCHILY.xattr.user.a': '1', 'SCHILY.xattr.security.capability': 'c' };
    const dropped = Object.fromEntries(
      ['security.selinux', 'security.SMACK64', 'trusted.overlay.opaque', 'com.apple.provenance'].map((name) => [
        `SCHILY.xattr.${name}`,
        'x',
      ]),
    );
    expect(recordsOf(filtered(Buffer.concat([records('x', { ...kept, ...dropped }), file('a')]), 512))).toEqual(kept);
  });

  test('lets records of a global header count for each entry of an archive, and for none of a layer', () => {
    const bytes = Buffer.concat([
      records('g', { uid: '7', comment: 'c' }),
      file('a'),
      records('x', { uid: '8' }),
      file('b'),
    ]);
    const uids = (kind: 'archive' | 'layer') =>
      entriesOf(filtered(bytes, 512, kind)).map(({ records: of }) =>
        of.find(({ key }) => key === 'uid')?.value.toString(),
      );
    expect(uids('archive')).toEqual(['7', '8']);
    expect(uids('layer')).toEqual([undefined, '8']);
  });

  test('takes a hard link without the content that its header has a size of, as old programs write it', () => {
    const link = Buffer.from(tar([{ name: 'h', type: 'hardlink', link: 'a' }]).subarray(0, 512));
    link.write('00000000005\0', 124, 'latin1');
    link.write('        ', 148, 'latin1');
    link.write(
      `${link
        .reduce((sum, byte) => sum + byte, 0)
        .toString(8)
        .padStart(6, '0')}\0 `,
      148,
      'latin1',
    );
    const entries = entriesOf(filtered(Buffer.concat([file('a', '12345'), link, file('b')]), 512));
    expect(entries.map(({ path, size }) => [path, size])).toEqual([
      ['a', 5],
      ['h', 0],
      ['b', 0],
    ]);
  });

  test.each([100, 108, 116, 124, 136])('refuses a header with no number at %d, with the entry', (at) => {
    const header = Buffer.from(file('usr/a'));
    header[at + 1] = 0x41;
    sign(header);
    expect(refusal(header).message).toMatch(/of "usr\/a": its (?:mode|user|group|size|time) is no number/);
  });

  test.each([
    ['a file', file('usr/a', 'x'.repeat(512))],
    ['records', records('x', { comment: 'c'.repeat(400) })],
  ])('refuses a size after a zero byte, which programs read in two ways, of %s', (_of, bytes) => {
    const hidden = Buffer.concat([bytes.subarray(0, 512), file('usr/hidden'), file('usr/b')]);
    hidden.write('\x0000000001000', 124, 'latin1');
    sign(hidden);
    expect(refusal(hidden)).toMatchObject({ reason: 'CorruptArchive' });
    expect(refusal(hidden).message).toContain('is no number');
  });

  test.each([
    ['SCHILY.acl.access', 'user::rw-,user:web:rwx:2147483648,group::r--,mask::rwx,other::r--'],
    ['SCHILY.acl.default', 'user::rw-\ngroup:4294967294:rwx\ngroup::r--\nmask::rwx\nother::r--'],
  ])('refuses an ACL in %s of a number that bsdtar makes another of', (key, text) => {
    const refused = refusal(Buffer.concat([records('x', { [key]: text }), file('usr/a')]));
    expect(refused.reason).toBe('UnsupportedArchive');
    expect(refused.message).toMatch(/^"usr\/a" has an ACL, which names the user or group \d+, above 2147483647; /);
  });

  test('refuses a link without a target', () => {
    const link = tar([{ name: 'h', type: 'hardlink', link: '' }]);
    expect(refusal(link).message).toContain('of "h": it is a link to nothing');
  });

  test('holds no headers without end before an entry', () => {
    const one = records('x', { comment: 'c'.repeat(1_000_000) });
    const many = refusal(Buffer.concat([file('usr/a'), ...Array.from({ length: 5 }, () => one)]));
    expect(many).toMatchObject({ reason: 'UnsupportedArchive' });
    expect(many.message).toMatch(/has a header of 5000\d+ bytes after "usr\/a", and at most 4194304 are read/);
    // Each entry may have one.
    const each = Array.from({ length: 5 }, (_, index) => Buffer.concat([one, file(`usr/${index}`)]));
    expect(entriesOf(filtered(Buffer.concat(each), 100_000))).toHaveLength(5);

    const short = Array.from({ length: 100_001 }, () => ({ key: 'a', value: Buffer.alloc(0) }));
    expect(refusal(writeRecords('x', short)).message).toContain('cannot be read, or more than 100000');
    const half = writeRecords('x', short.slice(0, 50_001));
    expect(refusal(Buffer.concat([half, half])).message).toContain('cannot be read, or more than 100000');

    const empty = writeRecords('x', []);
    const endless = Buffer.concat([file('usr/a'), ...Array.from({ length: 17 }, () => empty), file('usr/b')]);
    expect(refusal(endless).message).toContain('after "usr/a": more than 16 headers come before one entry');
    const most = Buffer.concat([...Array.from({ length: 16 }, () => empty), file('usr/b')]);
    expect(entriesOf(filtered(most, 100_000)).map(({ path }) => path)).toEqual(['usr/b']);
  });

  test('has directories restored again that came twice or late, unless something else has taken their place', () => {
    const directories = (...names: string[]) =>
      names.map((name) => tar([{ name, type: 'directory' }]).subarray(0, 512));
    const filter = filterTar({ kind: 'archive' });
    filter.reader.push(
      Buffer.concat([...directories('a/', 'b/', 'a/', 'b/'), file('b'), file('c/d'), ...directories('c/', 'e/')]),
    );
    expect(filter.repeated().map((it) => entriesOf(it).map(({ path }) => path))).toEqual([['a/', 'c/']]);
  });

  test('takes the size of a pax header, also one beyond eight gigabytes', () => {
    const big = Buffer.concat([records('x', { size: '9000000000' }), file('big')]);
    const reader = new TarReader({ kind: 'archive', entry: ({ head }) => head });
    reader.push(big);
    expect(reader.isWhole).toBe(false);
    expect(entriesOf(big).map(({ size }) => size)).toEqual([9_000_000_000]);
  });
});
