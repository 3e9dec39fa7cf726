import { expect, test } from 'vitest';
import { FetchError } from '../failure.ts';
import { detectLayout } from './layout.ts';
import type { TopEntry } from './layout.ts';

const directories = (...names: string[]): TopEntry[] => names.map((name) => ({ name, type: 'directory' }));
const link = (name: string, target: string): TopEntry => ({ name, type: 'link', target });
const file = (name: string): TopEntry => ({ name, type: 'other' });

function reason(top: TopEntry[]): string {
  try {
    return detectLayout(top).kind;
  } catch (error) {
    return error instanceof FetchError ? error.reason : String(error);
  }
}

test('a root whose bin is a link into usr is merged', () => {
  const top = [...directories('etc', 'usr', 'var'), link('bin', 'usr/bin'), link('lib64', '/usr/lib64/')];
  expect(detectLayout(top)).toEqual({ kind: 'merged', directories: ['etc', 'usr', 'var'] });
});

test('a root whose bin is a directory is split', () => {
  expect(detectLayout(directories('bin', 'etc', 'usr'))).toEqual({ kind: 'split', directories: ['bin', 'etc', 'usr'] });
});

test('what the kernel and the runtime fill is no directory of the image', () => {
  const top = directories('bin', 'dev', 'etc', 'proc', 'run', 'sys', 'tmp', 'usr');
  expect(detectLayout(top).directories).toEqual(['bin', 'etc', 'run', 'tmp', 'usr']);
});

test('files and links that no scaffold has are ignored, whatever they lead to', () => {
  const top = [
    ...directories('etc', 'usr'),
    link('bin', 'usr/bin'),
    link('opt', '/'),
    link('lib', '../../etc'),
    file('vmlinuz'),
  ];
  expect(detectLayout(top).ignored).toEqual(['opt', 'lib', 'vmlinuz']);
});

test('a link is ignored in a split root, whose scaffold has none', () => {
  expect(detectLayout([...directories('bin', 'usr'), link('lib', 'usr/lib')]).ignored).toEqual(['lib']);
});

test('a directory whose name could not be mounted is ignored', () => {
  expect(detectLayout(directories('bin', 'usr', 'a:b', 'a b', '.monoroot'))).toEqual({
    kind: 'split',
    directories: ['bin', 'usr'],
    ignored: ['a:b', 'a b', '.monoroot'],
  });
});

test.each([
  ['nothing at all', []],
  ['a single directory around the root', directories('debian')],
  ['links only', [link('usr', '/usr'), link('bin', 'usr/bin'), link('etc', '/etc')]],
  ['a usr without any bin', directories('usr', 'etc')],
  ['a bin that leads elsewhere', [...directories('usr', 'etc'), link('bin', '../../bin')]],
])('%s is no root file system', (_name, top) => expect(reason(top)).toBe('NoRootFileSystem'));

test('more directories than a Pod can mount are refused', () => {
  expect(reason(directories('bin', ...Array.from({ length: 128 }, (_, i) => `d${i}`)))).toBe('TooLarge');
});
