import { systemNamespace, verificationNamespace } from '../../../src/api/names.ts';
import { createCaches } from '../../../src/controllers/caches.ts';
import { hostedContainerController } from '../../../src/controllers/hostedcontainer/reconcile.ts';
import { imageDistributionController } from '../../../src/controllers/imagedistribution/reconcile.ts';
import { nodeStoreController } from '../../../src/controllers/nodestore/reconcile.ts';
import { osImageController } from '../../../src/controllers/osimage/reconcile.ts';
import { createClient, isConflict, isNotFound } from '../../../src/kube/client.ts';
import { eventSink } from '../../../src/kube/events.ts';
import { secretReader } from '../../../src/kube/secrets.ts';
import type { Call, Connection } from '../../../src/kube/connection.ts';
import { createController } from '../../../src/runtime/controller.ts';
import { createEventRecorder } from '../../../src/runtime/events.ts';
import { createMetrics } from '../../../src/runtime/metrics.ts';
import { logger } from '../environment.ts';
import { connectAs } from '../manifests.ts';
import { patience } from '../eventually.ts';

/** The operator as src/cmd/operator.ts puts it together, but for the election of a leader. */
export interface RunningOperator {
  /** Asks for a run of everything, though nothing has changed. */
  reconcileAll(): void;
  /** Runs of reconcile so far, and changes that it asked the API server for; trials of Pods are no changes. Refusals are all but lost races. */
  counts(): Promise<{ runs: number; failures: number; writes: number; refusals: number }>;
  /** Ends it between two steps, as a crash would: what it has not done is left to the next one. */
  stop(): Promise<void>;
}

/** The network between the operator and the API server: sends a call, now or later. */
export type Network = (call: Call, send: () => Promise<string>) => Promise<string>;

/**
 * Starts it with the rights that deploy/operator-rbac.yaml gives to its service account. `seenSecondsAgo`: it takes all that it
 * sees for so old.
 */
export async function startOperator(
  kubeconfig: string,
  admin: Connection,
  { seenSecondsAgo = 0, network }: { seenSecondsAgo?: number; network?: Network | undefined } = {},
): Promise<RunningOperator> {
  const metrics = createMetrics();
  let [writes, refusals] = [0, 0];
  const connection = await connectAs(kubeconfig, admin, 'monoroot-operator', { onAnswer: metrics.onAnswer });
  const counted: Connection = {
    ...connection,
    request: (call) => {
      if (call.method !== 'GET' && call.query?.['dryRun'] === undefined) writes += 1;
      const send = () => connection.request(call);
      return (network ? network(call, send) : send()).catch((error: unknown) => {
        if (!isConflict(error) && !isNotFound(error)) refusals += 1;
        throw error;
      });
    },
  };
  const client = createClient(counted);
  const sink = eventSink(client);
  const events = createEventRecorder({ sink, reportingController: 'test', reportingInstance: 'test', logger });
  const namespaces = { namespace: systemNamespace, verificationNamespace };
  const caches = createCaches(client, logger, metrics, namespaces, () => Date.now() - seenSecondsAgo * 1000);
  const digest = `sha256:${'f'.repeat(64)}`;
  const scaffolds = { merged: `localhost/scaffold-merged:1@${digest}`, split: `localhost/scaffold-split:1@${digest}` };
  const settings = { namespace: systemNamespace, verificationNamespace, builderImage: 'localhost/builder', scaffolds };
  const readSecret = secretReader(client, systemNamespace);
  const options = [
    osImageController({ client, caches, settings, events }),
    {
      ...imageDistributionController({ client, caches, gates: { readSecret, localAddresses: true }, events }),
      workers: 4,
    },
    nodeStoreController(client, caches),
    { ...hostedContainerController({ client, caches, settings: { scaffolds }, events }), workers: 8 },
  ];
  let [runs, failures] = [0, 0];
  const controllers = options.map((it) => {
    const hooks = metrics.controller(it.name);
    const reconciled: typeof hooks.reconciled = (outcome, seconds) => {
      runs += 1;
      if (outcome === 'error') failures += 1;
      hooks.reconciled(outcome, seconds);
    };
    // Fast, because tests wait for it.
    const queue = { backoff: { initialMilliseconds: 20, maxMilliseconds: 500 } };
    return createController({ ...it, logger, queue, hooks: { ...hooks, reconciled } });
  });
  const stop = new AbortController();
  const running = Promise.all([
    ...Object.values(caches).map((reflector) => reflector.run(stop.signal)),
    ...controllers.map((controller) => controller.run(stop.signal)),
  ]);
  await Promise.all(Object.values(caches).map((reflector) => reflector.synced(patience())));
  const keys: Record<string, () => string[]> = {
    osimage: () => caches.images.store.list().map((it) => it.metadata.name),
    imagedistribution: () => caches.distributions.store.list().map((it) => it.metadata.name),
    nodestore: () => ['fleet'],
    hostedcontainer: () =>
      caches.containers.store.list().map((it) => `${it.metadata.namespace ?? ''}/${it.metadata.name}`),
  };
  return {
    reconcileAll: () => {
      for (const controller of controllers) for (const key of keys[controller.name]?.() ?? []) controller.enqueue(key);
    },
    counts: () => Promise.resolve({ runs, failures, writes, refusals }),
    stop: async () => {
      stop.abort();
      await running;
      await events.flush();
      await connection.close();
    },
  };
}
