import { expect, test } from 'vitest';
import { nodeStore, osImage, stored } from '../../../test/fixtures/builders.ts';
import type { Pod } from '../../api/kubernetes/objects.ts';
import { chooseAgents } from './agents.ts';
import type { AgentChoice } from './agents.ts';

const agent = (node: string, ready = true): Pod => ({
  apiVersion: 'v1',
  kind: 'Pod',
  metadata: { name: `agent-${node}`, namespace: 'monoroot-system' },
  spec: { nodeName: node, containers: [] },
  status: { conditions: [{ type: 'Ready', status: ready ? 'True' : 'False' }] },
});
const has = (node: string, ...images: string[]) =>
  nodeStore(
    node,
    [],
    images.map((image) => stored(image, 'Ready')),
  );
const images = [osImage('os:1'), osImage('os:2')];
const fleet = (changes: Partial<AgentChoice>): AgentChoice => ({
  osImages: images,
  nodeStores: [],
  pods: [],
  ...changes,
});
const nodesOf = (given: AgentChoice) => {
  const { before, after } = chooseAgents('os:1', 'os:2', given);
  return [before.node, after.node, before.pod];
};

test.each<[string, AgentChoice, string[]]>([
  [
    'a node that has both, even if others come first',
    fleet({
      nodeStores: [has('n1', 'os:1'), has('n2', 'os:2'), has('n3', 'os:1', 'os:2')],
      pods: [agent('n1'), agent('n2'), agent('n3')],
    }),
    ['n3', 'n3', 'agent-n3'],
  ],
  [
    'one node each, when the agent of the node that has both is not ready',
    fleet({
      nodeStores: [has('n1', 'os:1'), has('n2', 'os:2'), has('n3', 'os:1', 'os:2')],
      pods: [agent('n1'), agent('n2'), agent('n3', false)],
    }),
    ['n1', 'n2', 'agent-n1'],
  ],
  [
    'not a node that has other bytes under the name, or not all of them',
    fleet({
      nodeStores: [
        nodeStore('n1', [], [stored('os:1', 'Ready', { digest: `sha256:${'0'.repeat(64)}` }), stored('os:2', 'Ready')]),
        nodeStore('n2', [], [stored('os:1', 'Fetching'), stored('os:2', 'Ready')]),
        has('n3', 'os:1'),
      ],
      pods: [agent('n1'), agent('n2'), agent('n3')],
    }),
    ['n3', 'n1', 'agent-n3'],
  ],
  [
    'images whose OSImage is gone can be compared as long as a node has them',
    fleet({ osImages: [], nodeStores: [has('n1', 'os:1', 'os:2')], pods: [agent('n1')] }),
    ['n1', 'n1', 'agent-n1'],
  ],
])('asks %s', (_case, given, nodes) => {
  expect(nodesOf(given)).toEqual(nodes);
});

test.each<[string, AgentChoice, string]>([
  [
    'the image is unknown',
    fleet({ osImages: [osImage('os:1'), osImage('os:3')], nodeStores: [has('n1', 'os:1')], pods: [agent('n1')] }),
    'There is no OSImage os.2; of os there are os:1, os:3',
  ],
  [
    'no node has it',
    fleet({ nodeStores: [has('n1', 'os:1')], pods: [agent('n1')] }),
    'No node has os:2, and only a node can tell what is in it; distribute it to one (ImageDistribution, spec.image: os:2), then ask again',
  ],
  [
    'all agents that could tell are away',
    fleet({ nodeStores: [has('n1', 'os:1', 'os:2')], pods: [agent('n1', false)] }),
    'os:1 is only on nodes whose agent is not ready: n1',
  ],
])('says so when %s', (_case, given, message) => {
  expect(() => nodesOf(given)).toThrow(message);
});
