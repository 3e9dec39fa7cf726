import { expect, test } from 'vitest';
import { Links } from './links.ts';

const chain = (length: number) => Array.from({ length }, (_, i) => Array.from({ length: i + 1 }, () => 'd').join('/'));

test('deep paths are looked at by what is new in them', () => {
  let looks = 0;
  const links = new Links('layer', () => void (looks += 1));
  for (const path of chain(1000)) {
    expect(links.follow(`${path}/file`)).toBeUndefined();
    links.put(path);
  }
  expect(looks).toBeLessThan(5 * 1000);
});

test('a link that comes later, where a path was that has none, is followed', () => {
  const links = new Links('archive');
  expect(links.follow('a/b/c/file')).toBeUndefined();
  links.put('a/b', '../other');
  expect(links.follow('a/b/c/file')).toBe('other/c/file');
  expect(links.follow('a/bb/c/file')).toBeUndefined();
  expect(links.follow('a/b/c/file')).toBe('other/c/file');
  links.put('a/b');
  expect(links.follow('a/b/c/file')).toBeUndefined();
});

test.each([
  ['a/l/file', 'a/real/file'],
  ['a/l', undefined],
  ['a/up/x/file', 'x/file'],
  ['a/out/file', undefined],
  ['a/round/file', undefined],
  ['a/real/../l/file', undefined],
  ['a/twice/file', 'a/real/file'],
])('%s leads to %s', (path, expected) => {
  const links = new Links('archive');
  const targets = { l: 'real', up: '..', out: '../..', round: 'round', twice: './l' };
  for (const [name, target] of Object.entries(targets)) links.put(`a/${name}`, target);
  expect(links.follow(path)).toBe(expected);
});

test('a link of the layers below is followed until something else comes in its place', () => {
  const links = new Links('layer', (path) => (path === 'lib' ? 'usr/lib' : undefined));
  expect(links.follow('lib/x/file')).toBe('usr/lib/x/file');
  links.put('lib');
  expect(links.follow('lib/x/file')).toBeUndefined();
});
