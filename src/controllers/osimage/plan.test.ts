import { describe, expect, test } from 'vitest';
import { distribution, node, nodeStore, osImage, stored } from '../../../test/fixtures/builders.ts';
import { settings } from '../../../test/fixtures/image-life.ts';
import { asCached } from '../../../test/fixtures/cached.ts';
import type { Defaults, Layout, OSImage, OSImageSpec, OSImageStatus } from '../../api/osimage.ts';
import { findCondition } from '../../runtime/conditions.ts';
import { expectValidStatus, sameStatus } from '../../runtime/status.ts';
import { planOSImage } from './plan.ts';
import type { Observed } from './plan.ts';

const now = new Date('2026-02-03T04:05:06Z');
const layout: Layout = { kind: 'split', directories: ['bin', 'etc', 'usr'] };
const ready = stored('os:v1', 'Ready', { layout, defaults: { command: ['/bundle'] }, hasMountScript: true });

/** An image that no one has looked at yet. */
function fresh(spec: Partial<OSImageSpec> = {}): OSImage {
  const { status: _status, ...image } = osImage('os:v1', { spec });
  return image;
}
function plan(o: Partial<Observed> = {}): OSImageStatus {
  const image = o.image ?? fresh();
  const { status } = planOSImage(
    asCached({
      image,
      distributions: [distribution('os:v1')],
      nodes: [node('n1')],
      stores: [],
      jobs: [],
      pods: [],
      settings,
      now,
      ...o,
    }),
  );
  expectValidStatus({ ...image, status });
  return status;
}
const condition = (status: OSImageStatus, type: string) => {
  const found = findCondition(status.conditions, type);
  return `${found?.status ?? 'absent'}/${found?.reason ?? ''}`;
};

describe('Ready', () => {
  test.each<[string, Partial<Observed>, string, RegExp]>([
    [
      'an image without a distribution says what to create',
      { distributions: [] },
      'False/NotDistributed',
      /create an ImageDistribution with spec\.image os:v1/,
    ],
    [
      'a distribution of another version is none of this one',
      { distributions: [distribution('os:v2')] },
      'False/NotDistributed',
      /create/,
    ],
    ['a distribution that selects no node', { nodes: [] }, 'False/NoNodes', /architecture amd64/],
    [
      'a distribution whose nodes are of another architecture',
      { nodes: [node('n1', [], {}, { 'kubernetes.io/arch': 'arm64' })] },
      'False/NoNodes',
      /architecture amd64/,
    ],
    [
      'nodes that are fetching it',
      { stores: [nodeStore('n1', ['os:v1'], [stored('os:v1', 'Fetching')])] },
      'False/Distributing',
      /1 nodes should have it/,
    ],
    [
      'the first failure, in the words of the agent',
      {
        stores: [
          nodeStore(
            'n1',
            ['os:v1'],
            [stored('os:v1', 'Failed', { reason: 'DigestMismatch', message: 'got sha256:1' })],
          ),
        ],
      },
      'False/DigestMismatch',
      /n1: got sha256:1/,
    ],
    ['one node that has all of it', { stores: [nodeStore('n1', ['os:v1'], [ready])] }, 'True/Stored', /1 nodes/],
    [
      'other bytes under this name do not count',
      { stores: [nodeStore('n1', ['os:v1'], [{ ...ready, digest: `sha256:${'0'.repeat(64)}` }])] },
      'False/Distributing',
      /./,
    ],
    [
      'a node that has it and one that failed',
      { stores: [nodeStore('n1', ['os:v1'], [stored('os:v1', 'Failed')]), nodeStore('n2', ['os:v1'], [ready])] },
      'True/Stored',
      /1 nodes/,
    ],
  ])('%s', (_name, observed, expected, message) => {
    const status = plan(observed);
    expect(condition(status, 'Ready')).toBe(expected);
    expect(findCondition(status.conditions, 'Ready')?.message).toMatch(message);
  });

  test('an image is Accepted and Published from the start', () => {
    const status = plan({ distributions: [] });
    expect(condition(status, 'Accepted')).toBe('True/Valid');
    expect(condition(status, 'Published')).toBe('True/ExternalSource');
  });
});

describe('what is known of the image', () => {
  test('its digest, before any node has it', () => {
    expect(plan().digest).toBe(`sha256:${fresh().spec.source.http?.sha256 ?? ''}`);
  });

  test('layout, defaults and mount script as the nodes report them', () => {
    const status = plan({ stores: [nodeStore('n1', ['os:v1'], [ready])] });
    expect(status).toMatchObject({ layout, defaults: { command: ['/bundle'] }, hasMountScript: true });
  });

  test('a variable that names a Secret counts from no one, and the message says so', () => {
    const env = [
      { name: 'KEY', valueFrom: { secretKeyRef: { name: 'os-signing', key: 'cosign.key' } } },
      { name: 'A', value: '1' },
    ];
    const reported = { ...ready, defaults: { env } as Defaults };
    const literal = { env: [{ name: 'A', value: '1' }] };
    const told = plan({ stores: [nodeStore('n1', ['os:v1'], [reported])] });
    expect([told.defaults, condition(told, 'Accepted')]).toEqual([literal, 'True/Valid']);
    const before = { ...plan(), layout, defaults: { env } };
    expect(plan({ image: { ...fresh(), status: before } }).defaults).toEqual(literal);
    const own = plan({ image: fresh({ defaults: { env } }) });
    expect([own.defaults, condition(own, 'Accepted')]).toEqual([literal, 'False/SecretInDefaults']);
    expect(findCondition(own.conditions, 'Accepted')?.message).toMatch(/variables KEY: set them/);
  });

  test('what was not known then is added when all nodes that have the image say the same', () => {
    const first = plan({ stores: [nodeStore('n1', ['os:v1'], [ready])] });
    const more = { ...ready, layout: { ...layout, overlayBytes: { etc: 1 } } };
    const other = { ...ready, layout: { ...layout, overlayBytes: { etc: 2 } } };
    const later = (...reports: (typeof more)[]) =>
      plan({
        image: { ...fresh(), status: first },
        stores: [
          ...reports.map((it, i) => nodeStore(`n${i + 1}`, ['os:v1'], [it])),
          nodeStore('n9', ['os:v1'], [stored('os:v1', 'Fetching')]),
        ],
      }).layout?.overlayBytes;
    expect([later(more), later(more, other), later(more, ready as typeof more)]).toEqual([
      undefined,
      undefined,
      undefined,
    ]);
    expect(later(more, more)).toEqual({ etc: 1 });
    const alone = plan({ image: { ...fresh(), status: first }, stores: [nodeStore('n1', ['os:v1'], [more])] });
    expect(alone.layout?.overlayBytes).toEqual({ etc: 1 });
  });

  test('facts are of these bytes: others are looked at again', () => {
    const first = plan({ stores: [nodeStore('n1', ['os:v1'], [ready])] });
    expect(first.factsFrom).toMatchObject({ node: 'n1', digest: first.digest });
    const digest = `sha256:${'0'.repeat(64)}`;
    const old = { ...first, factsFrom: { digest }, layout: { ...layout, directories: ['bin', 'evil'] } };
    expect(plan({ image: { ...fresh(), status: old }, stores: [nodeStore('n1', ['os:v1'], [ready])] }).layout).toEqual(
      layout,
    );
  });

  test('facts that an earlier version wrote stay, whoever says something else', () => {
    const { factsFrom: _unknown, ...old } = plan({ stores: [nodeStore('n1', ['os:v1'], [ready])] });
    const lie = { ...ready, defaults: { command: ['/evil'] } };
    const now = plan({ image: { ...fresh(), status: old }, stores: [nodeStore('n1', ['os:v1'], [lie])] });
    expect([now.defaults, condition(now, 'Consistent')]).toEqual([{ command: ['/bundle'] }, 'False/NodesDiffer']);
  });

  test('it is kept when no node has the image any more', () => {
    const before = plan({ stores: [nodeStore('n1', ['os:v1'], [ready])] });
    const status = plan({ image: { ...fresh(), status: before } });
    expect(status).toMatchObject({ layout, defaults: { command: ['/bundle'] }, hasMountScript: true });
    expect(condition(status, 'Ready')).toBe('False/Distributing');
  });

  test('a node that is still fetching tells nothing', () => {
    expect(plan({ stores: [nodeStore('n1', ['os:v1'], [{ ...ready, state: 'Fetching' }])] }).layout).toBeUndefined();
  });

  test('defaults and mount script of spec win over those of the bundle', () => {
    const defaults: Defaults = { command: ['/spec'] };
    const image = fresh({ defaults, mountScript: 'true' });
    const bundle = { ...ready, hasMountScript: false };
    expect(plan({ image, stores: [nodeStore('n1', ['os:v1'], [bundle])] })).toMatchObject({
      defaults,
      hasMountScript: true,
    });
  });
});

describe('LayoutComplete', () => {
  const told = (layout: Layout, defaults: Defaults = {}) =>
    plan({ stores: [nodeStore('n1', ['os:v1'], [stored('os:v1', 'Ready', { layout, defaults })])] });

  test('is absent until a node has told the layout', () => {
    expect(condition(plan(), 'LayoutComplete')).toBe('absent/');
  });

  test('is True when containers have all of the image', () => {
    const status = told(layout, { volumes: ['/var/lib/db'] });
    expect(condition(status, 'LayoutComplete')).toBe('True/AllMounted');
  });

  test('names what containers lack, and stops no one from using the image', () => {
    const status = told({ ...layout, directories: ['bin', 'usr'] }, { volumes: ['/usr/share/app'] });
    expect(condition(status, 'LayoutComplete')).toBe('False/PartsMissing');
    expect(findCondition(status.conditions, 'LayoutComplete')?.message).toMatch(
      /^\/etc begins empty, as the image has none\. Its volume \/usr\/share\/app cannot be written to: /,
    );
    expect([condition(status, 'Ready'), condition(status, 'Stalled')]).toEqual(['True/Stored', 'False/Settled']);
  });
});

test('LayoutComplete says before any container starts that an overlay is too small for the image', () => {
  const overlayBytes = { etc: 2 ** 20, var: 90 * 2 ** 20 };
  const of = (writable?: OSImageSpec['writable']) =>
    plan({
      image: fresh(writable && { writable }),
      stores: [nodeStore('n1', ['os:v1'], [stored('os:v1', 'Ready', { layout: { ...layout, overlayBytes } })])],
    });
  expect(condition(of(), 'LayoutComplete')).toBe('False/OverlayTooSmall');
  expect(findCondition(of().conditions, 'LayoutComplete')?.message).toBe(
    'Containers that do not set spec.writable cannot start. The defaults of /var in os:v1 take 90.0Mi, and its overlay has 64Mi: set a larger size for /var in spec.writable',
  );
  expect(condition(of([{ path: '/var', size: '128Mi' }]), 'LayoutComplete')).toBe('True/AllMounted');
});

describe('counts', () => {
  const nodes = [node('n1', [], {}, { pool: 'a' }), node('n2', [], {}, { pool: 'a' }), node('n3')];

  test('two distributions of an image that select the same node count it once', () => {
    const distributions = [distribution('os:v1', { selector: { matchLabels: { pool: 'a' } } }), distribution('os:v1')];
    expect(plan({ nodes, distributions }).nodes).toEqual({ ready: 0, desired: 3 });
  });

  test('a distribution that is being deleted desires nothing', () => {
    const gone = distribution('os:v1');
    gone.metadata.deletionTimestamp = '2026-01-01T00:00:00Z';
    expect(plan({ nodes, distributions: [gone] }).nodes).toEqual({ ready: 0, desired: 0 });
  });

  test('nodes that have it count, also beyond those that should', () => {
    const stores = ['n1', 'n2', 'n3'].map((name) => nodeStore(name, ['os:v1'], [ready]));
    const distributions = [distribution('os:v1', { selector: { matchLabels: { pool: 'a' } } })];
    expect(plan({ nodes, distributions, stores }).nodes).toEqual({ ready: 3, desired: 2 });
  });
});

test('it says whether it is the default version of its OS', () => {
  const active = distribution(
    'os:v1',
    { activate: { newContainers: true } },
    { activeImage: 'os:v1', activationTime: '2026-01-01T00:00:00Z' },
  );
  expect(plan({ distributions: [active] }).defaultVersion).toBe(true);
  expect(plan().defaultVersion).toBe(false);
});

test('planning again changes nothing, and the time of a condition moves only with its status', () => {
  const stores = [nodeStore('n1', ['os:v1'], [ready])];
  const first = plan({ stores });
  const later = new Date('2026-02-03T05:00:00Z');
  const second = plan({ stores, image: { ...fresh(), status: first }, now: later });
  expect(sameStatus(first, second)).toBe(true);
  const third = plan({ image: { ...fresh(), status: second }, now: later });
  expect(findCondition(third.conditions, 'Ready')?.lastTransitionTime).toBe('2026-02-03T05:00:00Z');
  expect(findCondition(third.conditions, 'Accepted')?.lastTransitionTime).toBe('2026-02-03T04:05:06Z');
});

test('it is condemned as long as the annotation says so, and stays Ready for those who run it well', () => {
  const image = fresh();
  const condemned = { ...image.metadata, annotations: { 'monoroot.dev/condemned': 'it ate data' } };
  const stores = [nodeStore('n1', ['os:v1'], [ready])];
  const { conditions } = plan({ stores, image: { ...image, metadata: condemned } });
  expect(findCondition(conditions, 'Condemned')).toMatchObject({
    status: 'True',
    message: expect.stringMatching(/^it ate data\. .*remove the annotation monoroot.dev\/condemned$/) as string,
  });
  expect(findCondition(conditions, 'Ready')?.status).toBe('True');
  expect(findCondition(plan({ stores }).conditions, 'Condemned')?.status).toBe('False');
});
