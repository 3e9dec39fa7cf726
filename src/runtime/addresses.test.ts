import { expect, test } from 'vitest';
import { isLocalAddress, lookupNotLocal, refuseLocalHost } from './addresses.ts';

test.each([
  '127.0.0.1',
  '127.9.9.9',
  '0.0.0.0',
  '169.254.169.254',
  '100.100.100.200',
  '::1',
  '::',
  'fe80::1',
  'fd00:ec2::254',
  '::ffff:127.0.0.1',
  '::ffff:169.254.169.254',
  '64:ff9b::a9fe:a9fe',
])('%s is local', (address) => {
  expect(isLocalAddress(address)).toBe(true);
});

test.each(['10.0.0.1', '192.168.1.1', '8.8.8.8', '2001:db8::1', 'fd00::1', 'example.com', ''])(
  '%s is not',
  (address) => {
    expect(isLocalAddress(address)).toBe(false);
  },
);

test.each([
  'http://127.1/',
  'http://2130706433/',
  'http://0x7f.1/',
  'http://[::1]:80/',
  'http://[::ffff:169.254.169.254]/',
  'http://017700000001/',
])('%s is no way to say it otherwise', (url) => {
  expect(() => refuseLocalHost(new URL(url))).toThrow('loopback or link-local');
});

test.each([true, false])('a name that leads there is refused (all: %s)', async (all) => {
  const answer = await new Promise((resolve) =>
    lookupNotLocal('localhost', { all }, (error) => resolve(error?.message)),
  );
  expect(answer).toContain('localhost is a loopback or link-local address');
});
