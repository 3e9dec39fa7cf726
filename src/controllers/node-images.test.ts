import { describe, expect, test } from 'vitest';
import { builtImage, distribution, node, nodeStore, osImage, stored } from '../../test/fixtures/builders.ts';
import { seenAt } from '../../test/fixtures/cached.ts';
import type { ImageDistributionSpec } from '../api/imagedistribution.ts';
import type { NodeStore, StoredImage } from '../api/nodestore.ts';
import type { Node } from '../api/kubernetes/objects.ts';
import { transforms } from './caches.ts';
import { nodeState, selectedNodes } from './node-images.ts';
import type { NodeState } from './node-images.ts';

describe('a distribution selects', () => {
  const taint = (key: string, effect = 'NoSchedule') => ({ taints: [{ key, effect }] });
  test.each<[string, Node, Partial<ImageDistributionSpec>, boolean]>([
    ['every node by default', node('n1'), {}, true],
    [
      'a node whose labels it wants',
      node('n1', [], {}, { pool: 'a' }),
      { selector: { matchLabels: { pool: 'a' } } },
      true,
    ],
    ['no node with other labels', node('n1'), { selector: { matchLabels: { pool: 'a' } } }, false],
    [
      'a node whose labels it wants under the old name of the field',
      node('n1', [], {}, { pool: 'a' }),
      { nodeSelector: { matchLabels: { pool: 'a' } } },
      true,
    ],
    ['no node with other labels then', node('n1'), { nodeSelector: { matchLabels: { pool: 'a' } } }, false],
    ['no node by an empty selector', node('n1', [], {}, { pool: 'a' }), { selector: {} }, false],
    ['no node by an empty selector of the old name', node('n1'), { nodeSelector: { matchLabels: {} } }, false],
    ['a node that has the image, by an empty selector', node('n1', ['os:v1']), { nodeSelector: {} }, true],
    ['no node that has another image, by an empty selector', node('n1', ['os:v2']), { nodeSelector: {} }, false],
    ['no node of another architecture', node('n1', [], {}, { 'kubernetes.io/arch': 'arm64' }), {}, false],
    [
      'no node that has no architecture yet',
      { apiVersion: 'v1', kind: 'Node', metadata: { name: 'n1', labels: {} } },
      {},
      false,
    ],
    ['a node that says that it is Linux', node('n1', [], {}, { 'kubernetes.io/os': 'linux' }), {}, true],
    ...(
      [
        ['Windows', node('n1', [], {}, { 'kubernetes.io/os': 'windows' })],
        ['a virtual kubelet, by its label', node('n1', [], {}, { type: 'virtual-kubelet' })],
        ['a virtual kubelet, by its taint', node('n1', [], taint('virtual-kubelet.io/provider'))],
        ['Fargate', node('n1', [], {}, { 'eks.amazonaws.com/compute-type': 'fargate' })],
      ] as [string, Node][]
    ).map(([name, it]): [string, Node, Partial<ImageDistributionSpec>, boolean] => [
      `never ${name}, whatever is tolerated`,
      it,
      { tolerations: [{ operator: 'Exists' }] },
      false,
    ]),
    ['no node with a taint of its owner', node('n1', [], taint('dedicated')), {}, false],
    [
      'a node whose taint it tolerates',
      node('n1', [], taint('dedicated')),
      { tolerations: [{ key: 'dedicated', operator: 'Exists' }] },
      true,
    ],
    [
      'a cordoned node, which should have the image when it is back',
      node('n1', [], { unschedulable: true, ...taint('node.kubernetes.io/unschedulable') }),
      {},
      true,
    ],
    [
      'a node that is not ready at the moment',
      node('n1', [], taint('node.kubernetes.io/not-ready', 'NoExecute')),
      {},
      true,
    ],
    [
      'no node that is being removed',
      { ...node('n1'), metadata: { ...node('n1').metadata, deletionTimestamp: '2026-01-01T00:00:00Z' } },
      {},
      false,
    ],
  ])('%s', (_name, it, spec, expected) => {
    expect(selectedNodes(distribution('os:v1', spec), osImage('os:v1'), [it])).toEqual(expected ? [it] : []);
  });

  test('nodes of the architecture of the image', () => {
    const arm = node('n1', [], {}, { 'kubernetes.io/arch': 'arm64' });
    const image = osImage('os:v1', { spec: { architecture: 'arm64' } });
    expect(selectedNodes(distribution('os:v1'), image, [arm, node('n2')])).toEqual([arm]);
  });
});

test('a distribution selects no node for an image that is not tested and published yet', () => {
  const verification = { command: ['/test'], timeoutSeconds: 1 };
  const image = osImage('os:v1', { spec: { verification } });
  expect(selectedNodes(distribution('os:v1'), image, [node('n1')])).toEqual([]);
  const passed = { ...image, status: { ...image.status, verification: { node: 'n1', outcome: 'Passed' as const } } };
  expect(selectedNodes(distribution('os:v1'), passed, [node('n1')])).toEqual([node('n1')]);
  expect(selectedNodes(distribution('os:v1'), builtImage('os:v1'), [node('n1')])).toEqual([]);
});

describe('a node stands with an image as', () => {
  const now = Date.parse('2026-01-01T12:00:00Z');
  const asked = (...images: StoredImage[]) => nodeStore('n1', ['os:v1'], images);
  const retaining = (...images: StoredImage[]) => {
    const { spec, ...store } = asked(...images);
    return { ...store, spec: { images: spec.images.map((image) => ({ ...image, retained: true })) } };
  };
  /** Somebody wrote to it last so many seconds ago. One try may take 900 s, and a pause between two 300 s. */
  const spoke = (seconds: number, ...images: StoredImage[]) => seenAt(asked(...images), now - seconds * 1000);
  /** Its spec changed so many seconds ago; its agent has just spoken. All tries and pauses take 7200 s, and 600 s are spare. */
  const told = (seconds: number, ...images: StoredImage[]) => ({
    ...asked(...images),
    seenTime: now - 1000,
    specSeenTime: now - seconds * 1000,
  });
  test.each<[NodeState, string, NodeStore | undefined]>([
    ['Fetching', 'as long as its tries may take', told(7799, stored('os:v1', 'Fetching'))],
    ['Unreachable', 'when it says so for longer than all its tries may take', told(7801, stored('os:v1', 'Fetching'))],
    ['Ready', 'when its spec changed long ago and has it', told(99999, stored('os:v1', 'Ready'))],
    ['Waiting', 'when it has no store', undefined],
    ['Waiting', 'when its store is not asked for it', nodeStore('n1', ['os:v2'])],
    [
      'Waiting',
      'when it is not asked for it any more, though it still has it',
      nodeStore('n1', [], [stored('os:v1', 'Ready')]),
    ],
    ['Fetching', 'when its agent has not answered yet', asked()],
    ['Fetching', 'while its agent is at work', asked(stored('os:v1', 'Fetching'))],
    ['Fetching', 'while its agent waits', asked(stored('os:v1', 'Pending'))],
    ['Fetching', 'while an earlier copy is being removed', asked(stored('os:v1', 'Deleting'))],
    [
      'Fetching',
      'when what it has are other bytes of that name',
      asked(stored('os:v1', 'Ready', { digest: `sha256:${'0'.repeat(64)}` })),
    ],
    ['Ready', 'when it has all of it', asked(stored('os:v1', 'Ready'))],
    ['Failed', 'when its agent gave up', asked(stored('os:v1', 'Failed'))],
    ['Ready', 'when it has all of it and only retains it', retaining(stored('os:v1', 'Ready'))],
    ['Waiting', 'when it only retains it and is about to give it up', retaining(stored('os:v1', 'Deleting'))],
    [
      'Failed',
      'when its agent gave up and is just trying again',
      asked(stored('os:v1', 'Fetching', { attempts: 6, reason: 'NoSpace' })),
    ],
    ['Fetching', 'when its agent tries for the last time', asked(stored('os:v1', 'Fetching', { attempts: 5 }))],
    ['Fetching', 'when its agent spoke within the longest try', spoke(1199, stored('os:v1', 'Fetching'))],
    ['Unreachable', 'when its agent fell silent', spoke(1201, stored('os:v1', 'Fetching'))],
    ['Unreachable', 'when its agent never answered', spoke(1201)],
    ['Ready', 'when it has it and no one had anything to say since', spoke(9999, stored('os:v1', 'Ready'))],
    ['Failed', 'when it failed and no one had anything to say since', spoke(9999, stored('os:v1', 'Failed'))],
  ])('%s %s', (state, _name, store) => {
    expect(nodeState(node('n1'), store, osImage('os:v1'), now)).toBe(state);
  });

  test.each<[NodeState, string, NodeStore | undefined]>([
    ['Unreachable', 'and it was not told', undefined],
    ['Unreachable', 'and it was asked for it', asked()],
    ['Unreachable', 'and it was fetching', asked(stored('os:v1', 'Fetching'))],
    ['Ready', 'and it has the image', asked(stored('os:v1', 'Ready'))],
    ['Failed', 'and it had failed', asked(stored('os:v1', 'Failed'))],
  ])('%s when it is not ready %s', (state, _name, store) => {
    for (const key of ['node.kubernetes.io/not-ready', 'node.kubernetes.io/unreachable']) {
      const away = node('n1', [], { taints: [{ key, effect: 'NoExecute' }] });
      expect(nodeState(away, store, osImage('os:v1'), now)).toBe(state);
    }
    const cordoned = node('n1', [], { taints: [{ key: 'node.kubernetes.io/unschedulable', effect: 'NoSchedule' }] });
    expect(nodeState(cordoned, store, osImage('os:v1'), now)).not.toBe('Unreachable');
  });
});

test('the cache knows since when a node is asked for what it is asked for, however often its agent speaks', () => {
  let clock = 1000;
  const { stores } = transforms(() => clock);
  const store = (generation: number) => {
    const it = nodeStore('n1', ['os:v1']);
    return { ...it, metadata: { ...it.metadata, generation } };
  };
  const times = [1, 1, 2, 2].map((generation) => {
    clock += 10;
    const { seenTime, specSeenTime: specSeenTime } = stores(store(generation));
    return [seenTime, specSeenTime];
  });
  expect(times).toEqual([
    [1010, 1010],
    [1020, 1010],
    [1030, 1030],
    [1040, 1030],
  ]);
});
