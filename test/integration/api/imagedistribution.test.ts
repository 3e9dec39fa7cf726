import { afterAll, describe, expect, inject, test } from 'vitest';
import { imageDistributions } from '../../../src/kube/kinds.ts';
import { connect } from '../environment.ts';
import { attemptsOf, expectSays, refusal } from './attempts.ts';
import type { Row } from './attempts.ts';

// Every rule of the CustomResourceDefinition, in the words that a user reads at `kubectl apply`.
const { connection, client } = connect(inject('kubeconfig'));
afterAll(() => connection.close());
const { dryRun } = attemptsOf(client, imageDistributions);

const leaveItOut = 'to select everything, leave the selector out';
const emptySelectors: [string, object][] = [
  ['is empty', {}],
  ['has no labels', { matchLabels: {} }],
  ['has empty parts', { matchLabels: {}, matchExpressions: [] }],
];

const gate = { name: 'errors', webhook: { url: 'http://gate/' } };
const moving = (existingContainers: object) => ({ activate: { newContainers: true, existingContainers } });

describe('ImageDistribution', () => {
  test.each<Row>([
    ['an image without a version', { image: 'os' }, 'spec.image', 'it is <os>:<version> such as debian-12:v1'],
    ['an image with a registry', { image: 'registry/os:v1' }, 'spec.image', 'no OCI reference'],
    ['no image', { image: undefined }, 'spec.image', 'Required value'],
    ...([-1, '101%', '-1%', '5', 'all', '05%'] as const).map((parallelism): Row => [
      `a parallelism of ${parallelism}`,
      { parallelism },
      'spec.parallelism',
      'parallelism must be a number of nodes (0 pauses) or a percentage such as 25%',
    ]),
    [
      'a download that may take no time',
      { download: { timeoutSeconds: 1 } },
      'spec.download.timeoutSeconds',
      'should be greater than or equal to 10',
    ],
    [
      'a negative number of tries',
      { download: { backoffLimit: -1 } },
      'spec.download.backoffLimit',
      'greater than or equal to 0',
    ],
    ...(['999', '0', '2T', '-1M', 'fast', '1e6'] as const).map((bytesPerSecond): Row => [
      `${bytesPerSecond} bytes per second`,
      { download: { bytesPerSecond } },
      'spec.download.bytesPerSecond',
    ]),
    [
      'a selector with an unknown operator',
      { selector: { matchExpressions: [{ key: 'a', operator: 'Like' }] } },
      'spec.selector.matchExpressions[0].operator',
      'Unsupported value',
    ],
    ...emptySelectors.flatMap(([name, selector]): Row[] => [
      [`a selector of nodes that ${name}`, { selector }, 'spec.selector', leaveItOut],
      [`a selector of nodes by the old name that ${name}`, { nodeSelector: selector }, 'spec.nodeSelector', leaveItOut],
      [
        `a selector of containers that ${name}`,
        { activate: { newContainers: true, existingContainers: { selector } } },
        'spec.activate.existingContainers.selector',
        leaveItOut,
      ],
    ]),
    ...(['In', 'NotIn'] as const).map((operator): Row => [
      `${operator} without values`,
      { selector: { matchExpressions: [{ key: 'a', operator }] } },
      'spec.selector.matchExpressions[0]',
      'values must be set with In and NotIn',
    ]),
    [
      'Exists with values',
      { selector: { matchExpressions: [{ key: 'a', operator: 'Exists', values: ['b'] }] } },
      'spec.selector.matchExpressions[0]',
      'and only with them',
    ],
    [
      'both names of the selector',
      { selector: { matchLabels: { a: 'b' } }, nodeSelector: { matchLabels: { a: 'b' } } },
      'spec.nodeSelector',
      'set only spec.selector',
    ],
    ['a map of labels for a selector', { selector: { pool: 'shops' } }, 'spec.selector.pool', 'unknown field'],
    [
      'a toleration with an unknown effect',
      { tolerations: [{ effect: 'Never' }] },
      'spec.tolerations[0].effect',
      'Unsupported value',
    ],
    [
      'an activation that is no boolean',
      { activate: { newContainers: 'yes' } },
      'spec.activate.newContainers',
      'boolean',
    ],
    [
      'existing containers without new ones',
      { activate: { existingContainers: {} } },
      'spec.activate',
      'existingContainers needs newContainers: true',
    ],
    [
      'a soak of canaries that is shorter than the interval of a gate',
      moving({ canary: { soakSeconds: 29 }, gates: [gate] }),
      'existingContainers',
      'canary.soakSeconds must not be shorter than intervalSeconds of a gate',
    ],
    [
      'a soak of waves that is shorter than the interval of a gate',
      moving({ waveSoakSeconds: 29, gates: [gate] }),
      'existingContainers',
      'waveSoakSeconds must not be shorter than intervalSeconds of a gate',
    ],
    ...([0, '0%'] as const).map((count): Row => [
      `gates without a soak in which they are asked (${count} canaries)`,
      moving({ canary: { count }, gates: [gate] }),
      'existingContainers',
      'gates are asked during soaks',
    ]),
    ['a negative number of versions', { retainVersions: -1 }, 'spec.retainVersions', 'greater than or equal to 0'],
    ['more versions than are remembered', { retainVersions: 11 }, 'spec.retainVersions', 'less than or equal to 10'],
    ['an unknown field', { activate: { everything: true } }, 'spec.activate.everything', 'unknown field'],
  ])('refuses %s', async (_name, bad, ...parts) => {
    expectSays(await refusal(dryRun('os-v1', { image: 'os:v1', ...bad })), parts);
  });

  test('fills in the defaults', async () => {
    expect((await dryRun('os-v1', { image: 'os:v1' })).spec).toEqual({
      image: 'os:v1',
      parallelism: 10,
      download: { timeoutSeconds: 900, backoffLimit: 5 },
      activate: { newContainers: false },
      retainVersions: 2,
    });
  });

  test.each(['1k', '1000', '50M', '1.5Gi', '1T'])('takes %s bytes per second', async (bytesPerSecond) => {
    const { download } = (await dryRun('os-v1', { image: 'os:v1', download: { bytesPerSecond } })).spec;
    expect(download).toEqual({ timeoutSeconds: 900, backoffLimit: 5, bytesPerSecond });
  });

  test.each([0, 1, 500, '0%', '1%', '25%', '100%'])('takes a parallelism of %s', async (parallelism) => {
    expect((await dryRun('os-v1', { image: 'os:v1', parallelism })).spec.parallelism).toBe(parallelism);
  });

  test.each([
    ['selector', { matchLabels: { pool: 'shops' } }],
    ['selector', { matchExpressions: [{ key: 'pool', operator: 'NotIn', values: ['tests'] }] }],
    ['nodeSelector', { matchLabels: { pool: 'shops' } }],
  ])('takes a %s of %o', async (field, value) => {
    expect((await dryRun('os-v1', { image: 'os:v1', [field]: value })).spec).toMatchObject({ [field]: value });
  });

  test.each([
    { gates: [gate] },
    { canary: { soakSeconds: 30 }, gates: [gate], waveSoakSeconds: 30 },
    { canary: { count: 0 }, gates: [gate], waveSoakSeconds: 30 },
    { canary: { count: '0%', soakSeconds: 0 }, gates: [gate], waveSoakSeconds: 30 },
    { canary: { count: 3, soakSeconds: 0 } },
  ])('takes a rollout of %j', async (existingContainers) => {
    const { activate } = (await dryRun('os-v1', { image: 'os:v1', ...moving(existingContainers) })).spec;
    expect(activate.existingContainers).toMatchObject({ maxUnavailable: '10%' });
  });

  // As of a client without strict validation, such as `kubectl apply --validate=false`.
  test.each(['selector', 'nodeSelector'])('refuses a map of labels that is pruned from %s', async (field) => {
    const { group, version, plural } = imageDistributions;
    const metadata = { name: 'os-v1' };
    const spec = { image: 'os:v1', [field]: { pool: 'shops' } };
    const attempt = connection.request({
      method: 'POST',
      path: `/apis/${group}/${version}/${plural}`,
      query: { fieldValidation: 'Ignore', dryRun: 'All' },
      body: JSON.stringify({ apiVersion: `${group}/${version}`, kind: 'ImageDistribution', metadata, spec }),
    });
    expectSays(await refusal(attempt), [`spec.${field}`, leaveItOut]);
  });
});
