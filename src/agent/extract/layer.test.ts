import { expect, test } from 'vitest';
import { FetchError } from '../failure.ts';
import { parseEntry } from './layer.ts';

const line = (type: string, rest: string, mode = 'rwxr-xr-x ') =>
  `${type}${mode} 0 0      0           0 Jan  1  1970 ${rest}`;

test.each([
  [line('-', 'usr/a b'), 'usr/a b', false],
  [line('d', './usr/'), './usr/', true],
  [line('d', 'usr', 'rwxr-sr-t+'), 'usr', true],
  [line('c', 'dev/null').replace('           0 Jan', '         1,3 Nov'), 'dev/null', false],
  [line('l', 'bin -> usr/bin'), 'bin', false],
  [line('h', 'a link to b'), 'a', false],
  [line('-', 'a -> b'), 'a -> b', false],
  [line('-', ' leading and trailing '), ' leading and trailing ', false],
  [line('-', 'x\\ny'), 'x\ny', false],
  [line('-', 'back\\\\nslash'), 'back\\nslash', false],
  [line('-', 'caf\\351'), 'caf\xe9', false],
])('%s is an entry', (text, path, isDirectory) => expect(parseEntry(text)).toEqual({ path, isDirectory }));

test('a link whose names cannot be told apart is left to the unpacking', () => {
  expect(parseEntry(line('l', 'a -> b -> c'))).toBeUndefined();
});

test('a line that is none is refused', () => {
  expect(() => parseEntry('what is this')).toThrow(FetchError);
});
