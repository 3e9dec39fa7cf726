import { expect, test } from 'vitest';
import type { Layout } from '../api/osimage.ts';
import { missingParts } from './missing.ts';
import type { Shaped } from './missing.ts';

const directories = ['bin', 'etc', 'usr', 'var'];
function missing(layout: Partial<Layout>, more: Partial<Shaped> = {}): string[] {
  return missingParts({ layout: { kind: 'split', directories, ...layout }, defaults: {}, writable: [], ...more });
}
const link = (name: string, target: string, type: 'Directory' | 'File' = 'Directory') => ({ name, target, type });

test('an image of which containers have all lacks nothing, however it is laid out', () => {
  expect(missing({})).toEqual([]);
  const links = [
    link('lib64', 'usr/lib'),
    link('opt', 'var/opt'),
    link('tmp', 'var/tmp'),
    link('init', 'bin/sh', 'File'),
  ];
  expect(missing({ links, files: ['entrypoint.sh'] })).toEqual([]);
  expect(missing({ directories: ['usr', 'var'], links: [link('etc', 'usr/etc')] })).toEqual([]);
});

test.each<[string, Partial<Layout>, Partial<Shaped>, RegExp]>([
  ['no /etc', { directories: ['bin'] }, {}, /^\/etc begins empty, as the image has none$/],
  [
    'an /etc of another name',
    { links: [link('etc', 'nix/conf')] },
    {},
    /^\/etc \(a link to \/nix\/conf\) begins empty/,
  ],
  [
    'a /var that is a file',
    { links: [link('var', 'usr/x', 'File')] },
    {},
    /^\/var \(a link to \/usr\/x\) begins empty/,
  ],
  [
    'a link to a file in an overlay',
    { links: [link('motd', 'etc/motd', 'File')] },
    {},
    /^\/motd .* is not there, .*: use its real path$/,
  ],
  [
    'names on top that are ignored',
    { ignored: ['vmlinuz', 'a b'] },
    {},
    /^Of the top of the image \/vmlinuz, \/a b is not there: /,
  ],
  [
    'a volume that is no overlay',
    {},
    { defaults: { volumes: ['/usr/share/app', '/srv/x'] } },
    /^Its volume \/usr\/share\/app, \/srv\/x cannot be written to: add it to spec\.writable/,
  ],
])('an image with %s says so', (_name, layout, more, expected) => {
  const found = missing(layout, more);
  expect(found).toHaveLength(1);
  expect(found[0]).toMatch(expected);
});

test('volumes that containers can write to are not missing', () => {
  const volumes = ['/var/lib/db', '/data', '/data/x', '/srv/x', '/opt/y'];
  const writable = [{ path: '/opt', size: '5Mi' }];
  expect(missing({ volumes: ['/srv/x'] }, { defaults: { volumes }, writable })).toEqual([]);
});

test('names beyond the eighth are counted', () => {
  const ignored = Array.from({ length: 128 }, (_, i) => `x${i}`);
  expect(missing({ ignored })[0]).toContain('/x7 and 120 more is not there');
});
