import { setTimeout as delay } from 'node:timers/promises';
import type { Client } from '../../../src/kube/client.ts';
import { defineResource, namespaces, pods } from '../../../src/kube/resources.ts';
import type { KubeObject } from '../../../src/runtime/object.ts';
import { freePort } from '../../../test/fixtures/free-port.ts';
import type { Fleet } from './control-plane.ts';
import { cpuSeconds, residentMiB } from './process-usage.ts';

/** What one step of the peer took. */
export interface PeerStep {
  name: 'start' | 'roll out';
  seconds: number;
  /** Of the controllers' process. */
  cpuSeconds: number;
  peakMiB: number;
}

interface Deployment extends KubeObject {
  status?: {
    observedGeneration?: number;
    updatedReplicas?: number;
    readyReplicas?: number;
    replicas?: number;
    availableReplicas?: number;
  };
}
const deployments = defineResource<Deployment>({
  group: 'apps',
  version: 'v1',
  plural: 'deployments',
  kind: 'Deployment',
  namespaced: true,
});
const at = { namespace: 'peer', name: 'web' };
const manager = { fieldManager: 'bench' };

/**
 * The fair peer: kube-controller-manager, with the controllers of Deployments alone, starts as many Pods on the same nodes and rolls them to
 * another image, with the same `maxUnavailable` and `minReadySeconds`. All of it is gone afterwards.
 */
export async function runPeer(
  fleet: Fleet,
  settings: { containers: number; maxUnavailable: number | string; minReadySeconds: number; limitSeconds: number },
): Promise<PeerStep[]> {
  const { client, programs, kubeconfig } = fleet;
  const child = programs.start('kube-controller-manager', programs.path('kube-controller-manager'), [
    `--kubeconfig=${kubeconfig}`,
    '--leader-elect=false',
    '--bind-address=127.0.0.1',
    `--secure-port=${await freePort()}`,
    '--controllers=deployment-controller,replicaset-controller',
    // By default it makes no more than 20 calls a second, which would be what is measured.
    '--kube-api-qps=1000',
    '--kube-api-burst=1000',
  ]);
  const { pid } = child;
  if (pid === undefined) throw new Error('kube-controller-manager did not start');
  await client.create(namespaces, { metadata: { name: at.namespace } });
  const steps: PeerStep[] = [];
  const step = async (name: PeerStep['name'], image: string) => {
    const [from, since] = [performance.now(), cpuSeconds(pid)];
    let peakMiB = 0;
    await client.apply(deployments, deployment(image, settings), manager);
    const limit = from + settings.limitSeconds * 1000;
    for (let done = false; !done;) {
      await delay(500);
      peakMiB = Math.max(peakMiB, residentMiB(pid));
      done = isDone(await client.get(deployments, at), settings.containers);
      if (!done && performance.now() > limit)
        throw new Error(`The peer did not ${name} within ${settings.limitSeconds} s`);
    }
    const took = { seconds: (performance.now() - from) / 1000, cpuSeconds: cpuSeconds(pid) - since, peakMiB };
    steps.push({ name, ...took });
    console.log(`peer, ${name}: ${took.seconds.toFixed(1)} s, ${took.cpuSeconds.toFixed(1)} s of processor time, ${peakMiB.toFixed(0)} MiB at most`); // prettier-ignore
  };
  await step('start', 'v1');
  await step('roll out', 'v2');
  await remove(client, settings.limitSeconds);
  await programs.end(child);
  return steps;
}

function isDone(found: Deployment | undefined, containers: number): boolean {
  const { observedGeneration, updatedReplicas, availableReplicas, replicas } = found?.status ?? {};
  return (
    observedGeneration === found?.metadata.generation &&
    [updatedReplicas, availableReplicas, replicas].every((count) => count === containers)
  );
}

const deployment = (
  image: string,
  { containers, maxUnavailable, minReadySeconds }: Parameters<typeof runPeer>[1],
): KubeObject & { spec: object } => ({
  apiVersion: 'apps/v1',
  kind: 'Deployment',
  metadata: at,
  spec: {
    replicas: containers,
    minReadySeconds,
    progressDeadlineSeconds: 7200,
    // As with HostedContainers there is never one more than that.
    strategy: { type: 'RollingUpdate', rollingUpdate: { maxUnavailable, maxSurge: 0 } },
    selector: { matchLabels: { app: 'web' } },
    template: {
      metadata: { labels: { app: 'web' } },
      spec: { containers: [{ name: 'main', image: `localhost/web:${image}`, command: ['/usr/bin/service'] }] },
    },
  },
});

/** Ends with no Pod left, so that nothing of it takes part in what is measured next. */
async function remove(client: Client, limitSeconds: number): Promise<void> {
  await client.apply(deployments, { ...deployment('v2', { containers: 0, maxUnavailable: 1, minReadySeconds: 0, limitSeconds }) }, manager); // prettier-ignore
  const limit = performance.now() + limitSeconds * 1000;
  while ((await client.list(pods, { namespace: at.namespace })).length > 0) {
    if (performance.now() > limit) throw new Error(`The Pods of the peer were not gone within ${limitSeconds} s`);
    await delay(1000);
  }
  await client.delete(deployments, at);
}
