import { spawnSync } from 'node:child_process';
import { expect, test } from 'vitest';
import { matching, parseQuery } from './query.ts';
import { compareVersions } from './versions.ts';

const versions = [
  '1.0', '1.0-1', '1.0~rc1', '1.0~rc1-1', '1.0a', '1.0+b1', '1.0-1+deb12u1', '1.0-1+deb12u10', '1.0-1+deb12u2', '1:0.9', '1.00', '1.10', '1.9',
  '2.36-9+deb12u13', '3.0.15-1~deb12u1', '3.0.15-1', '7.88.1-10+deb12u15', '2.4+20151223.gitfa8646d.1-2+b2', '0', '1.0.', '1.0-0',
]; // prettier-ignore
const hasDpkg = spawnSync('dpkg', ['--version']).status === 0;

test.skipIf(!hasDpkg)('all pairs of versions compare as dpkg compares them', () => {
  const pairs = versions.flatMap((a, i) => versions.slice(i + 1).map((b) => [a, b] as const));
  const script = pairs
    .map(([a, b]) => `for o in lt eq gt; do dpkg --compare-versions '${a}' $o '${b}' && echo $o; done`)
    .join('\n');
  const told = spawnSync('sh', ['-c', script], { encoding: 'utf8' }).stdout.trim().split('\n');
  const found = pairs.map(([a, b]) => ['lt', 'eq', 'gt'][Math.sign(compareVersions(a, b)) + 1]);
  expect(pairs.map((pair, i) => [...pair, found[i]])).toEqual(pairs.map((pair, i) => [...pair, told[i]]));
});

test.each([
  ['openssl', ['3.0.1', '3.0.15']],
  ['openssl<3.0.15', ['3.0.1']],
  ['openssl<=3.0.15', ['3.0.1', '3.0.15']],
  ['openssl=3.0.15', ['3.0.15']],
  ['openssl>=3.0.15', ['3.0.15']],
  ['openssl>3.0.15', []],
  ['libssl3', []],
])('%s means %j', (text, means) => {
  const packages = ['3.0.1', '3.0.15'].map((version) => ({ kind: 'package' as const, name: 'openssl', version, architecture: 'amd64' })); // prettier-ignore
  expect(matching(packages, parseQuery(text)).map(({ version }) => version)).toEqual(means);
});

test.each(['', '<3', 'a b', 'openssl<'])('%j is no package', (text) => {
  expect(() => parseQuery(text)).toThrow('is no package');
});
