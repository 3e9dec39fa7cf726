import { afterAll, describe, expect, inject, test } from 'vitest';
import { imageDistributions } from '../../../src/kube/kinds.ts';
import { connect } from '../environment.ts';
import { attemptsOf, expectSays, refusal } from './attempts.ts';
import type { Row } from './attempts.ts';

// Every rule of the CustomResourceDefinition, in the words that a user reads at `kubectl apply`.
const { connection, client } = connect(inject('kubeconfig'));
afterAll(() => connection.close());
const { dryRun } = attemptsOf(client, imageDistributions);

describe('ImageDistribution', () => {
  test.each<Row>([
    ['an image without a version', { image: 'os' }, 'spec.image', 'should match'],
    ['an image with a registry', { image: 'registry/os:v1' }, 'spec.image', 'should match'],
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
      { nodeSelector: { matchExpressions: [{ key: 'a', operator: 'Like' }] } },
      'spec.nodeSelector.matchExpressions[0].operator',
      'Unsupported value',
    ],
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
});
