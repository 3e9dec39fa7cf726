import { afterAll, describe, expect, inject, test } from 'vitest';
import { osImages } from '../../../src/kube/kinds.ts';
import { connect } from '../environment.ts';
import { attemptsOf, expectSays, http, refusal } from './attempts.ts';
import type { Row } from './attempts.ts';

// Every rule of the CustomResourceDefinition, in the words that a user reads at `kubectl apply`.
const { connection, client } = connect(inject('kubeconfig'));
afterAll(() => connection.close());
const { dryRun, create } = attemptsOf(client, osImages);
const oci = { reference: 'registry.example.com/os/debian-12:v36', digest: `sha256:${http.sha256}` };
const osImage = { os: 'os', version: 'v1', source: { http } };

describe('OSImage', () => {
  const nameOf = (spec: { os?: unknown; version?: unknown }) => `${String(spec.os)}.${String(spec.version)}`;
  const writable = (path: string, size = '16Mi') => ({ writable: [{ path, size }] });
  test.each<Row>([
    ['an OS with a bad character', { os: 'a_b' }, 'spec.os', 'should match'],
    ['an OS in capitals', { os: 'OS' }, 'spec.os', 'should match'],
    ['an OS of 31 characters', { os: 'a'.repeat(31) }, 'spec.os', /Too long|should match/],
    ['a version that ends in a dot', { version: 'v1.' }, 'spec.version', 'should match'],
    ['a path in a version', { version: '../x' }, 'spec.version', 'should match'],
    ['an unknown architecture', { architecture: 'mips' }, 'spec.architecture', 'Unsupported value', 'amd64', 'arm64'],
    ['no source', { source: {} }, 'spec.source', 'exactly one source must be set: http, oci or build'],
    ['two sources', { source: { http, oci } }, 'spec.source', 'exactly one source must be set: http, oci or build'],
    ['a source that is forgotten', { source: undefined }, 'spec.source', 'Required value'],
    ['an unknown source', { source: { ftp: {} } }, 'spec.source.ftp', 'unknown field'],
    [
      'a URL of another scheme',
      { source: { http: { ...http, url: 'ftp://example.org/x' } } },
      'spec.source.http.url',
      'should match',
    ],
    [
      'a URL without a host',
      { source: { http: { ...http, url: 'http:///os.tar' } } },
      'spec.source.http.url',
      'should match',
    ],
    [
      'a digest in capitals',
      { source: { http: { ...http, sha256: 'A'.repeat(64) } } },
      'spec.source.http.sha256',
      'should match',
    ],
    [
      'a short digest',
      { source: { http: { ...http, sha256: 'a'.repeat(63) } } },
      'spec.source.http.sha256',
      'should match',
    ],
    [
      'a secret without a name',
      { source: { http: { ...http, secretRef: {} } } },
      'spec.source.http.secretRef.name',
      'Required value',
    ],
    [
      'an image of a registry without a digest',
      { source: { oci: { reference: oci.reference } } },
      'spec.source.oci.digest',
      'Required value',
    ],
    [
      'an image of a registry with another digest',
      { source: { oci: { ...oci, digest: 'sha512:1' } } },
      'spec.source.oci.digest',
      'should match',
    ],
    [
      'a pull secret without a name',
      { source: { oci: { ...oci, pullSecretRef: {} } } },
      'spec.source.oci.pullSecretRef.name',
      'Required value',
    ],
    ...[
      'debian-12',
      'debian:12',
      'os/debian-12',
      'https://registry.example.com/os',
      'registry.example.com/',
      'registry.example.com/OS',
      'registry.example.com/os//x',
      'registry.example.com/os:',
      `registry.example.com/os@sha256:${http.sha256}`,
      'user:word@registry.example.com/os',
      'registry.example.com/os?x=1',
      ' registry.example.com/os',
    ].map((reference): Row => [
      `the reference ${JSON.stringify(reference)}`,
      { source: { oci: { ...oci, reference } } },
      'spec.source.oci.reference',
      'reference must be <registry>/<repository>[:tag]',
      'registry.example.com/os/debian-12:v36',
    ]),
    [
      'an overlay that is too small',
      writable('/etc', '4Mi'),
      'spec.writable[0].size',
      'size must be a quantity between 5Mi and 200Mi',
    ],
    [
      'an overlay that is too big',
      writable('/etc', '201Mi'),
      'spec.writable[0].size',
      'size must be a quantity between 5Mi and 200Mi',
    ],
    ['an overlay without a size', { writable: [{ path: '/etc' }] }, 'spec.writable[0].size', 'Required value'],
    ['an overlay whose size is no quantity', writable('/etc', 'big'), 'spec.writable[0].size'],
    ['an overlay of everything', writable('/'), 'spec.writable[0].path'],
    ['an overlay with a relative path', writable('etc'), 'spec.writable[0].path', 'should match'],
    ['an overlay with a way up', writable('/etc/..'), 'spec.writable[0].path', 'should match'],
    ['an overlay with a slash at the end', writable('/etc/'), 'spec.writable[0].path', 'should match'],
    ['an overlay with a colon', writable('/a:b'), 'spec.writable[0].path', 'should match'],
    ...['/dev', '/proc', '/sys', '/data', '/sw', '/usr', '/usr/lib', '/data/x'].map((path): Row => [
      `an overlay at ${path}`,
      writable(path),
      'spec.writable',
      'path must not be below /dev',
    ]),
    [
      'an overlay twice',
      {
        writable: [
          { path: '/etc', size: '8Mi' },
          { path: '/etc', size: '9Mi' },
        ],
      },
      'spec.writable[1]',
      'Duplicate value',
    ],
    [
      '17 overlays',
      { writable: Array.from({ length: 17 }, (_, i) => ({ path: `/p${i}`, size: '5Mi' })) },
      'spec.writable',
      'Too many',
    ],
    ['a mount script of more than 64 KiB', { mountScript: 'x'.repeat(65537) }, 'spec.mountScript', 'Too long'],
    [
      'a default variable with a bad name',
      { defaults: { env: [{ name: 'A=B' }] } },
      'spec.defaults.env[0].name',
      'should match',
    ],
    [
      'a relative default working directory',
      { defaults: { workingDir: 'srv' } },
      'spec.defaults.workingDir',
      'should match',
    ],
    ...[
      { secretKeyRef: { name: 's', key: 'k' } },
      { configMapKeyRef: { name: 'c', key: 'k' } },
      { secretKeyRef: { name: 's', key: 'k', optional: true } },
      {},
    ].map((valueFrom): Row => [
      `a default variable from ${Object.keys(valueFrom)[0] ?? 'nothing'}`,
      { defaults: { env: [{ name: 'A', valueFrom }] } },
      'spec.defaults.env',
      'env of an image must not name a Secret or ConfigMap',
    ]),
    ['an unknown field', { color: 'blue' }, 'spec.color', 'unknown field'],
  ])('refuses %s', async (_name, bad, ...parts) => {
    const spec = { ...osImage, ...bad };
    expectSays(await refusal(dryRun(nameOf(spec).toLowerCase().replaceAll('_', '-'), spec)), parts);
  });

  test('refuses a name that is not <os>.<version>', async () => {
    expectSays(await refusal(dryRun('os-v1', osImage)), ['metadata.name must be <spec.os>.<spec.version>']);
  });

  test('fills in the defaults', async () => {
    const { spec } = await dryRun('os.v1', osImage);
    expect(spec).toEqual({
      ...osImage,
      architecture: 'amd64',
      writable: [
        { path: '/etc', size: '16Mi' },
        { path: '/var', size: '64Mi' },
        { path: '/tmp', size: '64Mi' },
      ],
    });
  });

  test('takes one with everything', async () => {
    const full = {
      ...osImage,
      architecture: 'arm64',
      source: { http: { ...http, secretRef: { name: 's' }, caRef: { name: 'c' } } },
      mountScript: 'echo A=1 >>"$MONOROOT_ENV"',
      writable: [
        { path: '/etc', size: '5Mi' },
        { path: '/var/lib/app', size: '200Mi' },
      ],
      defaults: { command: ['/bin/app'], args: ['-x'], env: [{ name: 'A', value: '1' }], workingDir: '/srv' },
    };
    expect((await dryRun('os.v1', full)).spec).toEqual(full);
  });

  test.each([
    'registry.example.com/os',
    'registry.example.com:5000/os/debian-12:v36',
    'registry:5000/os',
    'localhost/a/b__c-d.e',
    '10.96.0.7:5000/os:V36_a.b',
    'docker.io/debian:bookworm',
  ])('takes the reference %s', async (reference) => {
    const source = {
      oci: { ...oci, reference, pullSecretRef: { name: 's' }, caRef: { name: 'c' }, plainHTTP: true },
    };
    expect((await dryRun('os.v1', { ...osImage, source })).spec).toMatchObject({ source });
  });

  test.each<[string, object]>([
    ['source', { source: { http: { ...http, sha256: 'b'.repeat(64) } } }],
    ['mountScript', { mountScript: 'true' }],
    ['writable', { writable: [{ path: '/etc', size: '32Mi' }] }],
    ['defaults', { defaults: { command: ['/bin/sh'] } }],
    ['architecture', { architecture: 'arm64' }],
  ])('is immutable once it exists: %s', async (field, patch) => {
    const version = `immutable-${field.toLowerCase()}`;
    const metadata = { name: `os.${version}` };
    await create(metadata.name, { ...osImage, version });
    const change = client.mergePatch(osImages, metadata, { spec: patch });
    expectSays(await refusal(change), ['spec', 'an OSImage is one immutable version: create another version instead']);
    await client.mergePatch(osImages, metadata, { metadata: { labels: { a: 'b' } } });
  });
});
