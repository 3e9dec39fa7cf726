import { describe, expect, test } from 'vitest';
import { container, osImage } from '../../test/fixtures/builders.ts';
import type { HostedContainer, HostedContainerSpec } from '../api/hostedcontainer.ts';
import { fingerprint, podHash } from './fingerprint.ts';
import { usableImage } from './usable-image.ts';
import type { UsableImage } from './usable-image.ts';

const usable = usableImage(osImage('os:v1'));
if (!usable) throw new Error('The image of the fixtures is not Ready');
const image = usable;
const base = container({ image: 'os:v1' });
const with_ = (spec: Partial<HostedContainerSpec>): HostedContainer => ({ ...base, spec: { ...base.spec, ...spec } });
const upgrade = (extra: Partial<HostedContainerSpec['upgrade']>) => ({ upgrade: { ...base.spec.upgrade, ...extra } });

/** A value that differs from the one of `base`, for every field of spec: a new field fails to compile until it has a row. */
const other: { [Field in keyof Required<HostedContainerSpec>]: HostedContainerSpec[Field] } = {
  image: 'os:v2',
  imagePolicy: 'Strict',
  command: ['/other'],
  args: ['-x'],
  workingDir: '/srv',
  env: [{ name: 'A', value: '1' }],
  envFrom: [{ secretRef: { name: 's' } }],
  ports: [{ containerPort: 80, protocol: 'TCP' }],
  resources: { limits: { memory: '1Gi' } },
  readinessProbe: { tcpSocket: { port: 80 } },
  livenessProbe: { tcpSocket: { port: 80 } },
  startupProbe: { tcpSocket: { port: 80 } },
  user: '1000',
  stopSignal: 'SIGQUIT',
  environment: 'staging',
  timeZone: 'Australia/Sydney',
  writable: [{ path: '/opt', size: '5Mi' }],
  data: { claimName: 'data' },
  software: [{ name: 'jdk', osImage: 'jdk:21' }],
  mounts: 'Direct',
  services: true,
  upgrade: { ...base.spec.upgrade, progressDeadlineSeconds: 20 },
  restartToken: '1',
  suspend: true,
  replicas: 0,
  podTemplate: { automountServiceAccountToken: true },
};
const notShaping = new Set(['image', 'imagePolicy', 'upgrade', 'restartToken', 'suspend', 'replicas']);

describe('the fingerprint of an attempt', () => {
  test.each(Object.keys(other) as (keyof HostedContainerSpec)[])('spec.%s', (field) => {
    const changed = with_({ [field]: other[field] });
    expect(fingerprint(changed, image) === fingerprint(base, image)).toBe(notShaping.has(field));
  });

  test('changes with retryToken, and with no other rule of upgrade', () => {
    expect(fingerprint(with_(upgrade({ retryToken: 'x' })), image)).not.toBe(fingerprint(base, image));
    for (const rule of [{ onFailure: 'Hold' as const }, { minReadySeconds: 1 }, { maxRestarts: 9 }]) {
      expect(fingerprint(with_(upgrade(rule)), image)).toBe(fingerprint(base, image));
    }
  });
});

describe('the retry token of a rollout', () => {
  const assigned = (image: string, assignedRetryToken: string) => container({ image }, { assignedRetryToken });

  test('lets a container that follows the default version try again', () => {
    expect(fingerprint(assigned('os', '1'), image)).not.toBe(fingerprint(assigned('os', '2'), image));
    expect(podHash(assigned('os', '1'), image)).toBe(podHash(assigned('os', '2'), image));
  });

  test('changes nothing when it is empty, or when the container names a version', () => {
    expect(fingerprint(assigned('os', ''), image)).toBe(fingerprint(base, image));
    expect(fingerprint(assigned('os:v1', '1'), image)).toBe(fingerprint(base, image));
  });
});

describe('the hash of a Pod', () => {
  test.each(Object.keys(other) as (keyof HostedContainerSpec)[])('spec.%s', (field) => {
    const changed = with_({ [field]: other[field] });
    expect(podHash(changed, image) === podHash(base, image)).toBe(notShaping.has(field) && field !== 'restartToken');
  });

  test('does not change with retryToken: a container that runs well is not restarted by it', () => {
    expect(podHash(with_(upgrade({ retryToken: 'x' })), image)).toBe(podHash(base, image));
  });

  test('changes with the name of the image, even when the bytes are the same', () => {
    const renamed = { ...image, version: 'v2' };
    expect(podHash(base, renamed)).not.toBe(podHash(base, image));
    expect(fingerprint(base, renamed)).toBe(fingerprint(base, image));
  });
});

describe.each([
  ['fingerprint', fingerprint],
  ['hash of the Pod', podHash],
] as const)('the %s', (_name, hash) => {
  test('is sixteen hex digits', () => {
    expect(hash(base, image)).toMatch(/^[0-9a-f]{16}$/);
  });

  test.each<[string, Partial<UsableImage>]>([
    ['the digest', { digest: `sha256:${'1'.repeat(64)}` }],
    ['the defaults', { defaults: { command: ['/x'] } }],
    ['whether there is a mount script', { hasMountScript: true }],
    ['the overlays', { writable: [{ path: '/var', size: '70Mi' }] }],
  ])('changes with the image: %s', (_what, extra) => {
    expect(hash(base, { ...image, ...extra })).not.toBe(hash(base, image));
  });

  test('does not depend on the order in which somebody wrote the fields', () => {
    const reversed = (value: unknown): unknown => {
      if (Array.isArray(value)) return value.map(reversed);
      if (typeof value !== 'object' || value === null) return value;
      return Object.fromEntries(
        Object.entries(value)
          .reverse()
          .map(([k, v]) => [k, reversed(v)]),
      );
    };
    const full = { ...base, spec: { ...other, image: 'os:v1' } as HostedContainerSpec };
    expect(hash({ ...full, spec: reversed(full.spec) as HostedContainerSpec }, reversed(image) as UsableImage)).toBe(
      hash(full, image),
    );
  });

  test('depends on the order of a list', () => {
    expect(hash(with_({ args: ['a', 'b'] }), image)).not.toBe(hash(with_({ args: ['b', 'a'] }), image));
  });

  test('does not depend on names, labels, status or revision of the container', () => {
    const moved = {
      ...base,
      metadata: { ...base.metadata, name: 'x', generation: 9, labels: { a: 'b' } },
      status: { image: 'os:v9' },
    };
    expect(hash(moved, image)).toBe(hash(base, image));
  });

  test('an overlay that only repeats that of the image changes nothing that is rendered', () => {
    const same = with_({ writable: [{ path: '/etc', size: '16Mi' }] });
    expect(hash(same, image)).toBe(hash(base, image));
  });
});

test('a container that uses no newer field keeps its hashes: another value here restarts every container at an update', () => {
  expect([fingerprint(base, image), podHash(base, image)]).toMatchInlineSnapshot(`
    [
      "5524e2a54b96ff9f",
      "9d147757b44bc002",
    ]
  `);
});
