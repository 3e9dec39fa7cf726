import { expect, test } from 'vitest';
import { container, osImage } from '../../test/fixtures/builders.ts';
import type { HostedContainerSpec } from '../api/hostedcontainer.ts';
import { usableImage } from './usable-image.ts';
import type { UsableImage } from './usable-image.ts';
import { invalidity } from './validate.ts';

/** The overlays of the image of the fixtures: /etc 16Mi, /run 16Mi, /tmp 64Mi, /var 64Mi. */
const overlays = 160;

function check(spec: Partial<HostedContainerSpec>, extra: Partial<UsableImage> = {}): string | undefined {
  const image = usableImage(osImage('os:v1'));
  if (!image) throw new Error('The image of the fixtures is not Ready');
  return invalidity(container({ image: 'os:v1', ...spec }), { ...image, ...extra });
}
const memory = (limit: string | number) => ({ resources: { limits: { memory: limit } } });

test.each<[string, string | undefined]>([
  ['a command of its own', check({})],
  ['the command of the image', check({ command: [] }, { defaults: { command: ['/bin/x'] } })],
  ['no memory limit', check({ resources: { limits: { cpu: '1' } } })],
  ['a memory limit above the overlays', check(memory(`${overlays + 1}Mi`))],
  ['a memory limit in bytes', check(memory((overlays + 1) * 2 ** 20))],
  ['a memory limit that is no quantity is for the API server to refuse', check(memory('much'))],
  [
    'overlays made smaller than the limit',
    check({
      ...memory('100Mi'),
      writable: [
        { path: '/var', size: '5Mi' },
        { path: '/tmp', size: '5Mi' },
      ],
    }),
  ],
])('is fine: %s', (_name, message) => {
  expect(message).toBeUndefined();
});

test('arguments without any command are a mistake that names what to do', () => {
  const message = check({ command: [] }, { defaults: {} });
  expect(message).toBe('spec.command is empty and os:v1 has no default command: set spec.command');
});

test.each([`${overlays}Mi`, '64Mi', '1k'])('a memory limit of %s cannot hold the overlays', (limit) => {
  expect(check(memory(limit))).toBe(
    `spec.resources.limits.memory is ${limit}, but the memory overlays may take 160Mi ` +
      '(/etc 16Mi, /run 16Mi, /tmp 64Mi, /var 64Mi): raise the limit or lower spec.writable',
  );
});

test('overlays of the container count too', () => {
  expect(check({ ...memory('200Mi'), writable: [{ path: '/opt', size: '60Mi' }] })).toContain('/opt 60Mi');
});

test('defaults that do not fit into their overlay are refused with the numbers', () => {
  const layout = {
    kind: 'merged' as const,
    directories: ['etc', 'usr', 'var'],
    overlayBytes: { etc: 2 ** 20, usr: 2 ** 30, var: 100 * 2 ** 20 },
  };
  expect(check({}, { layout })).toBe(
    'The defaults of /var in os:v1 take 100.0Mi, and its overlay has 64Mi: set a larger size for /var in spec.writable',
  );
  const large = { ...layout, overlayBytes: { var: 300 * 2 ** 20 } };
  expect(check({ writable: [{ path: '/var', size: '200Mi' }] }, { layout: large })).toBe(
    'The defaults of /var in os:v1 take 300.0Mi, and its overlay has 200Mi: an overlay has 200Mi at most: keep large files of /var out ' +
      'of the image, in /data or in a directory that is no overlay (/usr, /opt), or give a directory in /var an overlay of its own',
  );
  expect(check({ writable: [{ path: '/var', size: '120Mi' }] }, { layout })).toBeUndefined();
  const parted = [{ path: '/var/lib', size: '100Mi' }];
  expect(check({ writable: parted }, { layout })).toBeUndefined();
});
