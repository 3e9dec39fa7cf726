import type { Node, Pod } from '../../api/kubernetes/objects.ts';
import { isTrue } from '../../runtime/conditions.ts';
import { labelOf } from '../scene/scene.ts';
import type { MonorootObject } from '../scene/scene.ts';
import { definitionNames, policyNames } from './facts.ts';
import type { ClusterFacts } from './facts.ts';
import { quotas } from './quotas.ts';
import { room } from './room.ts';
import { failed, ok, reading, some, warning } from './rule.ts';
import type { Finding, Rule } from './rule.ts';
import { sources, sourcesFromHere } from './sources.ts';

/** Whether a version such as `v1.37.2` is at least this one. */
export function isAtLeast(version: string, [major, minor]: readonly [number, number]): boolean {
  const [, one = '0', two = '0'] = /(\d+)\.(\d+)/.exec(version) ?? [];
  return Number(one) > major || (Number(one) === major && Number(two) >= minor);
}

/** Nodes whose version is too low. */
const below = (nodes: readonly Node[], versionOf: (node: Node) => string, least: readonly [number, number]) =>
  nodes
    .filter((node) => !isAtLeast(versionOf(node), least))
    .map((node) => `${node.metadata.name} (${versionOf(node)})`);

const infoOf = ({ status }: Node) => status?.nodeInfo;

/** Asks a rule only of nodes whose kubelet has said what it runs on: one that just joined has not. */
const reported = (nodes: ClusterFacts['nodes'], rule: (found: Node[]) => Omit<Finding, 'id'>): Omit<Finding, 'id'> =>
  reading(nodes, (all) => {
    const found = all.filter((node) => (infoOf(node)?.kernelVersion ?? '') !== '');
    return all.length > 0 && found.length === 0
      ? { outcome: 'Skipped', message: 'No node has reported what it runs on', hint: 'ask again when a node is Ready' }
      : rule(found);
  });

export const rules: readonly Rule[] = [
  {
    id: 'kubernetes-version',
    isBefore: true,
    find: ({ kubernetes }) =>
      isAtLeast(kubernetes, [1, 33])
        ? ok(`Kubernetes is ${kubernetes}`)
        : failed(`Kubernetes is ${kubernetes}`, 'Monoroot needs 1.33 or newer'),
  },
  {
    id: 'node-kernels',
    isBefore: true,
    find: ({ nodes }) =>
      reported(nodes, (found) => {
        const old = below(found, (node) => infoOf(node)?.kernelVersion ?? '', [5, 12]);
        return old.length === 0
          ? ok(`All ${found.length} nodes have a kernel of 5.12 or newer`)
          : failed(
              `The kernel is too old on ${some(old)}`,
              'Monoroot needs Linux 5.12 or newer on nodes with containers',
            );
      }),
  },
  {
    id: 'node-runtimes',
    isBefore: true,
    find: ({ nodes }) =>
      reported(nodes, (found) => {
        const runtime = (node: Node) => infoOf(node)?.containerRuntimeVersion ?? '';
        const other = found
          .filter((node) => !runtime(node).startsWith('containerd://'))
          .map(({ metadata }) => metadata.name);
        const old = below(
          found.filter((node) => runtime(node).startsWith('containerd://')),
          runtime,
          [2, 0],
        );
        if (old.length > 0)
          return failed(`containerd is too old on ${some(old)}`, 'Monoroot needs containerd 2.0 or newer');
        if (other.length > 0)
          return warning(`Another runtime than containerd is on ${some(other)}`, 'only containerd was tried');
        return ok(`All ${found.length} nodes have containerd 2.0 or newer`);
      }),
  },
  {
    id: 'definitions',
    isBefore: false,
    find: ({ definitions }) =>
      reading(definitions, (found) => {
        const missing = definitionNames.filter((name) => !found.includes(name));
        return missing.length === 0
          ? ok('All four kinds are defined')
          : failed(`There is no definition of ${some(missing)}`, 'apply crds/ of this version of Monoroot');
      }),
  },
  {
    id: 'policies',
    isBefore: false,
    find: ({ policies }) =>
      reading(policies, ({ there, bound }) => {
        const missing = policyNames.filter((name) => !there.includes(name));
        const unbound = policyNames.filter((name) => there.includes(name) && !bound.includes(name));
        if (missing.length > 0)
          return failed(
            `There is no policy ${some(missing)}`,
            'apply deploy/policies.yaml; containers could write to the store',
          );
        if (unbound.length > 0)
          return failed(`No binding puts ${some(unbound)} into force`, 'apply deploy/policies.yaml');
        return ok(`All ${policyNames.length} admission policies are in force`);
      }),
  },
  {
    id: 'operator',
    isBefore: false,
    find: ({ operators }) =>
      reading(operators, (found) => {
        const ready = found.filter(isReady);
        if (ready.length === 0)
          return failed('No operator is ready', 'kubectl -n monoroot-system describe deployment monoroot-operator');
        if (ready.length === 1)
          return warning('Only one operator is ready: none stands by', 'docs/runbooks/MonorootNoStandby.md');
        return ok(`${ready.length} operators are ready`);
      }),
  },
  {
    id: 'leader',
    isBefore: false,
    find: ({ lease }, now) =>
      reading(lease, (found) => {
        const { holderIdentity, renewTime, leaseDurationSeconds = 15 } = found?.spec ?? {};
        const age = renewTime === undefined ? Infinity : (now.getTime() - Date.parse(renewTime)) / 1000;
        if (!holderIdentity) return failed('No operator leads', 'docs/runbooks/MonorootOperatorAbsent.md');
        if (age > leaseDurationSeconds * 2)
          return failed(
            `The leader ${holderIdentity} has not renewed its lease for ${Math.round(age)} s`,
            'docs/runbooks/MonorootOperatorAbsent.md',
          );
        return ok(`${holderIdentity} leads`);
      }),
  },
  {
    id: 'agents',
    isBefore: false,
    find: ({ agents, nodes }) =>
      reading(agents, (found) => {
        const broken = found.filter((pod) => !isReady(pod)).map((pod) => pod.spec.nodeName ?? pod.metadata.name);
        const served = new Set(found.map((pod) => pod.spec.nodeName));
        const without =
          'found' in nodes
            ? nodes.found.filter(({ metadata }) => !served.has(metadata.name)).map(({ metadata }) => metadata.name)
            : [];
        if (found.length === 0)
          return failed('There is no agent', 'kubectl -n monoroot-system describe daemonset monoroot-agent');
        if (broken.length > 0)
          return failed(`The agent is not ready on ${some(broken)}`, `kubectl monoroot logs node/${broken[0] ?? ''}`);
        if (without.length > 0)
          return warning(
            `There is no agent on ${some(without)}`,
            'tolerations of the DaemonSet, if these nodes should have images',
          );
        return ok(`All ${found.length} agents are ready`);
      }),
  },
  {
    id: 'skew',
    isBefore: false,
    find: ({ agents, operators }) =>
      reading(agents, (found) => {
        const all = [...found, ...('found' in operators ? operators.found : [])];
        const images = [...new Set(all.map(({ spec }) => spec.containers[0]?.image ?? ''))];
        return images.length <= 1
          ? ok('Operator and agents run the same image')
          : warning(
              `Operator and agents run ${images.length} images: ${some(images)}`,
              'an update is under way, or it stopped: kubectl -n monoroot-system rollout status daemonset/monoroot-agent',
            );
      }),
  },
  sources,
  sourcesFromHere,
  room,
  quotas,
  {
    id: 'objects',
    isBefore: false,
    find: ({ scene }) => {
      const all: readonly MonorootObject[] = [
        ...scene.distributions,
        ...scene.osImages,
        ...scene.nodeStores,
        ...scene.containers,
      ];
      const stalled = all.filter(({ status }) => isTrue(status?.conditions, 'Stalled')).map(labelOf);
      const hidden = scene.unseen.length === 0 ? '' : ` (${scene.unseen.join(', ')} may not be listed)`;
      return stalled.length === 0
        ? ok(`No object needs a person${hidden}`)
        : warning(
            `${stalled.length} ${stalled.length === 1 ? 'object needs' : 'objects need'} a person: ${some(stalled)}`,
            'kubectl monoroot status',
          );
    },
  },
];

const isReady = ({ status }: Pod) =>
  status?.conditions?.some(({ type, status: value }) => type === 'Ready' && value === 'True') === true;

/** Every rule asked, in order; before an installation only those that make sense then. */
export const check = (facts: ClusterFacts, now: Date, isBefore = false): Finding[] =>
  rules
    .filter((rule) => (rule.isBefore || !isBefore) && rule.isAsked?.(facts) !== false)
    .map(({ id, find }) => ({ id, ...find(facts, now) }));
