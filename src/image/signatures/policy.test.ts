import { generateKeyPairSync } from 'node:crypto';
import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { FetchError } from '../failure.ts';
import { temporaryDirectory } from '../../../test/fixtures/agent/directory.ts';
import { parsePolicy, ruleFor } from './policy.ts';
import { readRule } from './read-rule.ts';

const { publicKey, privateKey } = generateKeyPairSync('ec', {
  namedCurve: 'P-256',
  publicKeyEncoding: { type: 'spki', format: 'pem' },
  privateKeyEncoding: { type: 'pkcs8', format: 'pem' },
});
const digest = `sha256:${'a'.repeat(64)}`;
const oci = (reference: string) => ({ oci: { reference, digest } });
const http = (url: string) => ({ http: { url, sha256: 'a'.repeat(64) } });
const signed = (...prefixes: string[]) => prefixes.map((prefix) => ({ prefix, keys: [publicKey] }));
const unsigned = (prefix: string) => ({ prefix, unsigned: true });
const policyOf = (...repositories: object[]) => JSON.stringify({ repositories });

describe('the policy of signatures', () => {
  const ours = signed('registry.example.com/os/production');
  const strict = [
    ...signed('*', 'r.example.com'),
    unsigned('r.example.com/os/testing'),
    unsigned('https://f.example.com/a'),
  ];

  test.each<[string, object[], ReturnType<typeof oci> | ReturnType<typeof http>, string | undefined]>([
    ['is for what lies below a prefix', ours, oci('registry.example.com/os/production/debian-12:v36'), ours[0]?.prefix],
    ['is for what a prefix names itself', ours, oci('registry.example.com/os/production'), ours[0]?.prefix],
    ['is for whole parts of a path', ours, oci('registry.example.com/os/production-old/debian-12:v1'), undefined],
    ['is for one registry', ours, oci('registry.example.org/os/production/debian-12'), undefined],
    ['asks nothing of other repositories', ours, oci('registry.example.com/os/testing/debian-12:v36'), undefined],
    ['asks nothing of web servers', ours, http('https://registry.example.com/os/production/a.tar'), undefined],
    [
      'is for a registry whatever way its port is written',
      ours,
      oci('registry.example.com:443/os/production/debian-12:v36'),
      ours[0]?.prefix,
    ],
    ['tells another port from it', ours, oci('registry.example.com:5000/os/production/debian-12'), undefined],
    [
      'takes the longest prefix',
      signed('r.example.com/a/b', 'r.example.com/a/b/c', 'r.example.com'),
      oci('r.example.com/a/b/c/d'),
      'r.example.com/a/b/c',
    ],
    [
      'takes a shorter one where a longer does not fit',
      signed('r.example.com/a/b', 'r.example.com'),
      oci('r.example.com/a/bc'),
      'r.example.com',
    ],
    [
      'takes a prefix with a slash at its end',
      signed('r.example.com/a/'),
      oci('r.example.com/a/b'),
      'r.example.com/a/',
    ],
    ['takes the star when nothing else fits', strict, oci('other.example.com/os:v1'), '*'],
    ['takes the star for web servers, too', strict, http('https://g.example.com/a/b.tar'), '*'],
    ['takes a registry before the star', strict, oci('r.example.com/os/production/a:v1'), 'r.example.com'],
    ['takes an exemption that is longer', strict, oci('r.example.com/os/testing/a:v1'), 'r.example.com/os/testing'],
    ['takes an exemption of a URL', strict, http('https://f.example.com/a/b.tar?x=/y'), 'https://f.example.com/a'],
    ['does not take it for another path', strict, http('https://f.example.com/a/../b.tar'), '*'],
    ...[
      '..%2fb.tar',
      '..%2Fb.tar',
      '..%5cb.tar',
      '..%252fb.tar',
      '%252e%252e/b.tar',
      '..;/b.tar',
      'c/..%2f../b.tar',
    ].map((path): [string, object[], ReturnType<typeof http>, string] => [
      `does not take it for a URL that a server may read as another path, such as ${path}`,
      strict,
      http(`https://f.example.com/a/${path}`),
      '*',
    ]),
    [
      'asks for the signature that any reading of a URL asks for',
      [unsigned('*'), ...signed('https://f.example.com/signed'), unsigned('https://f.example.com/a')],
      http('https://f.example.com/a/..%2fsigned/b.tar'),
      'https://f.example.com/signed',
    ],
    [
      'takes the exemption of such a URL where no rule of its server asks for a signature',
      [...signed('https://g.example.com'), unsigned('https://f.example.com/a')],
      http('https://f.example.com/a/b%2fc.tar'),
      'https://f.example.com/a',
    ],
    ['does not take it for another scheme', strict, http('http://f.example.com/a/b.tar'), '*'],
    ['knows Docker Hub by its names', signed('docker.io/library'), oci('docker.io/debian:12'), 'docker.io/library'],
    ['knows Docker Hub by its address', signed('docker.io'), oci('registry-1.docker.io/library/debian'), 'docker.io'],
    ['may be empty', [], oci('registry.example.com/a/b'), undefined],
    ...['registry.example.com.', 'registry.example.com.:443', 'REGISTRY.example.COM', 'registry.example.com:80'].map(
      (host): [string, object[], ReturnType<typeof oci>, string | undefined] => [
        `knows a registry that is written ${host}`,
        ours,
        oci(`${host}/os/production/debian-12:v36`),
        ours[0]?.prefix,
      ],
    ),
    ...[
      'https://registry.example.com.',
      'https://registry.example.com.:443',
      'https://REGISTRY.Example.com',
      'https://somebody:x@registry.example.com',
      'https://registry%2eexample.com',
      'https://registry\uff0eexample.com',
    ].map((origin): [string, object[], ReturnType<typeof http>, string] => [
      `knows a web server that is written ${origin}`,
      [...signed('*', 'https://registry.example.com/a'), unsigned('https://registry.example.com')],
      http(`${origin}/a/b.tar`),
      'https://registry.example.com/a',
    ]),
    ...['10.0.0.1', '10.1', '167772161', '0xa.0.0.1', '012.0.0.1'].map(
      (host): [string, object[], ReturnType<typeof oci>, string] => [
        `knows an address that is written ${host}`,
        signed('10.0.0.1:5000/os'),
        oci(`${host}:5000/os/debian-12`),
        '10.0.0.1:5000/os',
      ],
    ),
    ...['[::ffff:10.0.0.1]', '[::ffff:a00:1]', '[0:0:0:0:0:FFFF:0a00:0001]'].map(
      (host): [string, object[], ReturnType<typeof http>, string] => [
        `knows an address of IPv4 that is written ${host}`,
        [...signed('*', 'http://10.0.0.1:8080/os')],
        http(`http://${host}:8080/os/a.tar`),
        'http://10.0.0.1:8080/os',
      ],
    ),
    ...['[fd00::1]', '[FD00:0:0:0:0:0:0:1]', '[fd00::0.0.0.1]'].map(
      (host): [string, object[], ReturnType<typeof http>, string] => [
        `knows an address of IPv6 that is written ${host}`,
        [...signed('*'), unsigned('https://[fd00:0::1]:443/os')],
        http(`https://${host}/os/a.tar`),
        'https://[fd00:0::1]:443/os',
      ],
    ),
    ['takes a prefix with a dot at its end', signed('r.example.com./a'), oci('r.example.com/a/b'), 'r.example.com./a'],
    ['tells another address from it', signed('http://10.0.0.1'), http('http://10.0.0.2/a.tar'), undefined],
  ])('%s', (_case, repositories, source, expected) => {
    expect(ruleFor(source, parsePolicy(policyOf(...repositories)))?.prefix).toBe(expected);
  });

  test('has several keys for one prefix, or none for one that is exempt', () => {
    const policy = parsePolicy(policyOf({ prefix: '*', keys: [publicKey, publicKey] }, unsigned('a.example.com')));
    expect(ruleFor(oci('b.example.com/x'), policy)?.keys).toEqual([publicKey, publicKey]);
    expect(ruleFor(oci('a.example.com/x'), policy)?.keys).toEqual([]);
  });

  test.each<[string, string, RegExp]>([
    ['is empty', '', /it is no YAML/],
    ['is no YAML', `repositories: [\n${privateKey}`, /it is no YAML/],
    ['has another shape', 'keys: []', /repositories/],
    ['has an unknown field', policyOf({ ...ours[0], key: 'x' }), /key/],
    ['has neither keys nor an exemption', policyOf({ prefix: '*' }), /either keys or unsigned/],
    ['has both', policyOf({ ...ours[0], unsigned: true }), /either keys or unsigned/],
    ['has no key', policyOf({ prefix: '*', keys: [] }), /keys/],
    ['has unsigned: false', policyOf({ prefix: '*', unsigned: false }), /unsigned/],
    ['has a key that is none', policyOf({ prefix: '*', keys: ['x'] }), /BEGIN PUBLIC KEY/],
    ['has a broken key', policyOf({ prefix: '*', keys: [publicKey.replace(/\n.{9}/, '\n')] }), /no public key/],
    ['has a private key', policyOf({ prefix: '*', keys: [privateKey] }), /is a private key/],
    ['has a tag in a prefix', policyOf(unsigned('r.example.com/a:v1')), /neither tag nor digest/],
    ['has a digest in a prefix', policyOf(unsigned(`r.example.com/a@${digest}`)), /neither tag nor digest/],
    ['has a star within a prefix', policyOf(unsigned('*.example.com')), /neither tag nor digest/],
    [
      'has one prefix twice',
      policyOf(unsigned('a.example.com/b'), ...signed('a.example.com:443/b/')),
      /is there twice/,
    ],
    [
      'has one prefix twice, once with a dot',
      policyOf(unsigned('a.example.com/b'), ...signed('A.example.com./b')),
      /is there twice/,
    ],
    ['has half an address in a prefix', policyOf(unsigned('https://[fd00::1/a')), /neither tag nor digest/],
  ])('is refused when it %s', (_case, text, expected) => {
    expect(() => parsePolicy(text)).toThrow(expected);
    expect(() => parsePolicy(text)).not.toThrow(/[A-Za-z0-9+/]{40}/);
  });
});

describe('the file of the policy', () => {
  const source = oci('registry.example.com/os');
  const read = (file: string) =>
    readRule(file, source).catch((error: unknown) => (error instanceof FetchError ? error.reason : 'other'));

  test('that is not there is none, as long as its ConfigMap is not there', async () => {
    const directory = temporaryDirectory();
    expect(await read('/nonexistent/policy.yaml')).toBeUndefined();
    mkdirSync(join(directory, '..2026_01_01'));
    expect(await read(join(directory, 'policy.yaml'))).toBeUndefined();
    writeFileSync(join(directory, 'policy.yml'), policyOf());
    expect(await read(join(directory, 'policy.yaml'))).toBe('SignaturePolicyInvalid');
  });

  test('is read again each time', async () => {
    const file = join(temporaryDirectory(), 'policy.yaml');
    writeFileSync(file, policyOf(...signed('*')));
    expect(await read(file)).toMatchObject({ prefix: '*' });
    writeFileSync(file, policyOf());
    expect(await read(file)).toBeUndefined();
    writeFileSync(file, 'nonsense');
    expect(await read(file)).toBe('SignaturePolicyInvalid');
  });

  test('that cannot be read lets nothing through', async () => {
    expect(await read(temporaryDirectory())).toBe('SignaturePolicyInvalid');
  });
});

test('a policy whose aliases make a billion values of a few is refused at once', () => {
  const levels = Array.from({ length: 12 }, (_, i) => `l${i + 1}: &l${i + 1} [${Array(10).fill(`*l${i}`).join(', ')}]`);
  expect(() => parsePolicy(['l0: &l0 x', ...levels, 'repositories: *l12'].join('\n'))).toThrow(
    /more than 20000 values/,
  );
});

test('only the first fault of a policy is reported, however many it has', () => {
  const repositories = Array.from({ length: 3_000 }, () => ({ no: 1 }));
  expect(() => parsePolicy(JSON.stringify({ repositories }))).toThrow(/^.{1,500}, and \d+ more$/);
});
