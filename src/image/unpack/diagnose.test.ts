import { expect, test } from 'vitest';
import { diagnose, isHarmless, isSummary } from './diagnose.ts';
import type { Ending } from './diagnose.ts';

const ended = (command: string, code: number | null, complaint = ''): Ending => ({
  command,
  code,
  signal: code === null ? 'SIGPIPE' : null,
  complaint,
});

test('programs that end well are no failure', () => {
  expect(diagnose([ended('zstd', 0), ended('bsdtar', 0)])).toBeUndefined();
});

test.each([
  ['a path with ..', [ended('bsdtar', 1, "../evil: Path contains '..': Unknown error -1")], 'UnsafeArchive'],
  ['a link as parent', [ended('bsdtar', 1, 'x/evil: Cannot extract through symlink x/evil: Success')], 'UnsafeArchive'],
  ['a full disk', [ended('zstd', null), ended('bsdtar', 1, "usr/x: Can't write: No space left on device")], 'NoSpace'],
  [
    'a zstd stream that ends',
    [ended('zstd', 1, 'zstd: /*stdin*\\: Read error (39) : premature end')],
    'TruncatedArchive',
  ],
  ['a gzip stream that ends', [ended('gzip', 1, 'gzip: stdin: unexpected end of file')], 'TruncatedArchive'],
  ['an xz stream that ends', [ended('xz', 1, 'xz: (stdin): Unexpected end of input')], 'TruncatedArchive'],
  ['a tar stream that ends', [ended('bsdtar', 1, 'r: Truncated tar archive: Unknown error -1')], 'TruncatedArchive'],
  ['a bad checksum', [ended('gzip', 1, 'gzip: stdin: invalid compressed data--crc error')], 'CorruptArchive'],
  ['a program that was killed', [ended('zstd', null), ended('bsdtar', 0)], 'CorruptArchive'],
  [
    'an attribute for which a file has no room',
    [ended('bsdtar', 1, 'a: Cannot restore extended attributes: user.b: Unknown error -1')],
    'UnsupportedArchive',
  ],
  [
    'an ACL for which a file has no room',
    [ended('bsdtar', 1, 'a: Failed to set acl on fd: access: No space left on device')],
    'UnsupportedArchive',
  ],
  [
    'a name that speaks of a full disk',
    [ended('bsdtar', 1, "a: No space left on device/b: Can't create 'b': File name too long")],
    'CorruptArchive',
  ],
  [
    'a name that speaks of a jail',
    [ended('bsdtar', 1, "jail: x: Can't create 'jail: x': File name too long")],
    'CorruptArchive',
  ],
  [
    'a name that speaks of a program',
    [ended('bsdtar', 1, "spawn zstd ENOENT: Can't create: Is a directory")],
    'CorruptArchive',
  ],
  ['a jail that cannot be had', [ended('bsdtar', 126, 'jail: landlock: Invalid argument')], 'StoreFailed'],
  ['a program that is missing', [ended('zstd', -2, 'spawn zstd ENOENT')], 'StoreFailed'],
])('%s has its own reason', (_name, endings, reason) => expect(diagnose(endings)?.reason).toBe(reason));

test('what one program said explains more than that another was cut off by it', () => {
  const failure = diagnose([ended('zstd', null), ended('bsdtar', 1, 'Damaged tar archive')]);
  expect(failure?.message).toContain('Damaged tar archive');
});

test('a damaged stream is not taken for a short one because it ends where it is damaged', () => {
  const endings = [ended('zstd', 1, 'zstd: /*stdin*\\: Decoding error (36) : Data corruption detected')];
  expect(diagnose([...endings, ended('bsdtar', 1, 'Truncated tar archive')])?.reason).toBe('CorruptArchive');
});

test.each([
  ['usr/a: Cannot restore extended attributes: security.selinux: Unknown error -1', true],
  ['g: Cannot restore extended attributes: trusted.foo: Unknown error -1', true],
  ['g: Cannot restore extended attributes: security.selinux trusted.foo : Unknown error -1', true],
  ['usr/bin/ping: Cannot restore extended attributes: security.capability: Unknown error -1', false],
  ['a: Cannot restore extended attributes: security.selinux security.capability : Unknown error -1', false],
  ["bsdtar: Removing leading '/' from member names", true],
  ["bsdtar: Pathname can't be converted from UTF-8 to current locale.", true],
  ['usr/bin/sh: Can not set owner', false],
])('%s: harmless is %s', (line, harmless) => expect(isHarmless(line)).toBe(harmless));

test.each(['Error exit delayed from previous errors.', 'Retrying...', '(null)'])('%s says nothing', (line) =>
  expect(isSummary(`bsdtar: ${line}`)).toBe(true),
);

test('a path through a link is refused with the true reason, not called an attack', () => {
  const failure = diagnose([ended('bsdtar', 1, 'lib/x/libfoo.so: Cannot extract through symlink lib: Success')]);
  expect(failure?.message).toContain('leads through a link, which is not followed: lib/x/libfoo.so');
  expect(failure?.message).toContain('real path');
  expect(failure?.message).not.toContain('outside');
  const both = ended('bsdtar', 1, 'lib/x: Cannot extract through symlink lib: Success');
  expect(diagnose([{ ...both, last: "../x: Path contains '..'" }])?.message).toContain('outside of its root');
});

test('the message has the first complaint, and a later one tells a reason that has a name', () => {
  const damaged = { ...ended('bsdtar', 1, 'bsdtar: Damaged tar archive'), last: 'bsdtar: Truncated tar archive' };
  expect(diagnose([damaged])).toMatchObject({ reason: 'CorruptArchive' });
  expect(diagnose([damaged])?.message).toContain('Damaged tar archive');
  const full = {
    ...ended('bsdtar', 1, 'usr/a: Can not set owner'),
    last: "usr/b: Can't write: No space left on device",
  };
  expect(diagnose([full])?.reason).toBe('NoSpace');
});
