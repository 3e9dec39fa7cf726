import { systemNamespace } from '../../src/api/names.ts';
import { nodes, pods } from '../../src/kube/resources.ts';
import type { Node, Pod } from '../../src/api/kubernetes/objects.ts';
import { isTrue } from '../../src/runtime/conditions.ts';
import type { Condition } from '../../src/runtime/conditions.ts';
import { createKubectl } from '../lib/kube/kubectl.ts';
import type { Kubectl } from '../lib/kube/kubectl.ts';
import type { Screen } from '../lib/terminal.ts';
import type { Claims } from './claims.ts';
import { script, show } from './demo.ts';
import type { Demo } from './demo.ts';
import type { Options } from './options.ts';

const workloads = ['deployment/monoroot-operator', 'daemonset/monoroot-agent'];

/** The cluster: made where it is missing, and kept when it runs already. */
export async function startCluster(screen: Screen, options: Options): Promise<Kubectl> {
  await script(screen, 'hack/cluster', ['up', ...(options.cluster === 'own' ? [] : [`--${options.cluster}`])]);
  const kubeconfig = await script(screen, 'hack/cluster', ['kubeconfig'], { answers: true });
  return createKubectl(kubeconfig.trim());
}

/** Monoroot in it. What somebody installed in a cluster of theirs is used as it is. */
export async function install(screen: Screen, kubectl: Kubectl, claims: Claims, options: Options): Promise<Demo> {
  const installed = await kubectl.try(['-n', systemNamespace, 'get', ...workloads]);
  if (options.cluster === 'existing' && installed.code === 0) screen.line('  Monoroot is installed there already');
  else await script(screen, 'hack/install', ['--without-builder']);

  for (const workload of workloads) {
    await kubectl.run(['-n', systemNamespace, 'rollout', 'status', workload, '--timeout=120s']);
  }
  const usable = (await kubectl.list(nodes)).filter(takesPods).map((node) => node.metadata.name);
  const home = usable[0];
  if (home === undefined) throw new Error('No node is Ready and takes Pods: see kubectl get nodes');
  const demo = { screen, claims, kubectl, nodes: usable, home };

  await show(demo, 'get', 'nodes');
  await show(demo, '-n', systemNamespace, 'get', 'pods', '-o', 'wide');
  const running = (await kubectl.list(pods, { namespace: systemNamespace })).filter(isReady);
  const count = (component: string) =>
    running.filter((pod) => pod.metadata.labels?.['app.kubernetes.io/component'] === component).length;
  claims.check('cluster', {
    [`${usable.length} nodes are Ready and take Pods`]: usable.length >= (options.cluster === 'existing' ? 1 : 3),
    'two operators are Ready': count('operator') === 2,
    'an agent is Ready on each of them': count('agent') >= usable.length,
  });
  return demo;
}

const takesPods = (node: Node): boolean =>
  isTrue(node.status?.conditions as Condition[] | undefined, 'Ready') &&
  node.spec?.unschedulable !== true &&
  !node.spec?.taints?.some(({ effect }) => effect !== 'PreferNoSchedule');

export const isReady = (pod: Pod): boolean => isTrue(pod.status?.conditions as Condition[] | undefined, 'Ready');

/** The image of the operator: it has Node and a shell, and whoever installed Monoroot made sure that nodes can get it. */
export function programImage({ kubectl }: Demo): Promise<string> {
  const path = 'jsonpath={.spec.template.spec.containers[0].image}';
  return kubectl.run(['-n', systemNamespace, 'get', 'deployment/monoroot-operator', '-o', path]);
}
