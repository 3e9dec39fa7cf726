import { randomUUID } from 'node:crypto';
import { systemNamespace, verificationNamespace as usualVerificationNamespace } from '../api/names.ts';
import { createCaches } from '../controllers/caches.ts';
import { hostedContainerController } from '../controllers/hostedcontainer/reconcile.ts';
import { imageDistributionController } from '../controllers/imagedistribution/reconcile.ts';
import { registerFleetMetrics } from '../controllers/metrics/register.ts';
import { nodeStoreController } from '../controllers/nodestore/reconcile.ts';
import { osImageController } from '../controllers/osimage/reconcile.ts';
import { policyPreconditions } from '../controllers/policy-check.ts';
import { createClient } from '../kube/client.ts';
import { createConnection, loadKubeConfig, userAgent } from '../kube/connection.ts';
import { eventSink } from '../kube/events.ts';
import { leasePort } from '../kube/leases.ts';
import { secretReader } from '../kube/secrets.ts';
import { readMountMode } from '../pod/mode.ts';
import { readAdditionalCapabilities } from '../pod/permitted.ts';
import { observeEventLoop } from '../runtime/event-loop.ts';
import { createController } from '../runtime/controller.ts';
import { createEventRecorder } from '../runtime/events.ts';
import { serveHealth } from '../runtime/health.ts';
import { LeaderElector } from '../runtime/leader.ts';
import { runTasks } from '../runtime/lifecycle.ts';
import { createMetrics } from '../runtime/metrics.ts';
import { createPreconditions, readMode } from '../runtime/preconditions.ts';
import { runMain } from './program.ts';
import type { Program } from './program.ts';
import { packageVersion, registerBuildInfo } from './version.ts';

/** The operator: one process that leads, and others that stand by with warm caches. */

/** A reflector recovers by itself from an API server that was away; only a silence longer than any outage means that it hangs. */
const silenceLimitSeconds = 1800;

async function main({ env, logger, signal, required }: Program): Promise<void> {
  const metrics = createMetrics();
  registerBuildInfo(metrics.registry, 'operator');
  observeEventLoop(metrics.registry);
  const namespace = env.POD_NAMESPACE ?? systemNamespace;
  const verificationNamespace = env.VERIFICATION_NAMESPACE ?? usualVerificationNamespace;
  const identity = `${env.POD_NAME ?? 'operator'}_${randomUUID()}`;
  const connection = createConnection({
    config: loadKubeConfig(),
    userAgent: userAgent(packageVersion, 'operator'),
    onAnswer: metrics.onAnswer,
  });
  const unfenced = createClient(connection);
  const elector = new LeaderElector({
    lease: leasePort(unfenced, { namespace, name: 'monoroot-operator' }),
    identity,
    logger,
  });
  const client = createClient(connection, { writeSeconds: () => elector.writeSeconds() });
  const events = createEventRecorder({
    sink: eventSink(client),
    reportingController: 'monoroot.dev/operator',
    reportingInstance: env.POD_NAME ?? identity,
    logger,
  });
  const caches = createCaches(unfenced, logger, metrics, { namespace, verificationNamespace });
  const { images, distributions, containers, stores } = caches;
  const fleet = {
    images: images.store,
    distributions: distributions.store,
    containers: containers.store,
    stores: stores.store,
  };
  registerFleetMetrics(metrics.registry, fleet, () => elector.isLeader());
  const reflectors = Object.values(caches);
  const scaffolds = { merged: required('SCAFFOLD_MERGED'), split: required('SCAFFOLD_SPLIT') };
  const defaultMounts = readMountMode('DEFAULT_MOUNTS', env.DEFAULT_MOUNTS);
  const allowedCapabilities = readAdditionalCapabilities(env.ADDITIONAL_CAPABILITIES);
  const settings = {
    namespace,
    verificationNamespace,
    builderImage: required('BUILDER_IMAGE'),
    scaffolds,
    defaultMounts,
  };

  const readSecret = secretReader(client, namespace);
  const localAddresses = env.GATES_LOCAL_ADDRESSES === 'true';

  const controllers = [
    { ...osImageController({ client, caches, settings, events }), workers: 1 },
    { ...imageDistributionController({ client, caches, gates: { readSecret, localAddresses }, events }), workers: 4 },
    { ...nodeStoreController(client, caches), workers: 1 },
    {
      ...hostedContainerController({
        client,
        caches,
        settings: { scaffolds, allowedCapabilities, defaultMounts },
        events,
      }),
      workers: 8,
    },
  ].map((options) => createController({ ...options, logger, hooks: metrics.controller(options.name) }));

  const mode = readMode('POLICY_CHECK', env.POLICY_CHECK);
  const policies = createPreconditions({
    // A dry run that should be refused is tried by whoever starts, so it needs no leadership.
    preconditions: mode === 'Off' ? [] : policyPreconditions(unfenced, { namespace, verificationNamespace }),
    logger,
    checked: metrics.precondition,
  });

  const health = await serveHealth({
    port: Number(env.HEALTH_PORT ?? 8080),
    registry: metrics.registry,
    livez: reflectors.map((reflector) => ({
      name: `watch-${reflector.name}`,
      check: () =>
        reflector.silentSeconds() > silenceLimitSeconds ? `heard nothing for ${silenceLimitSeconds} s` : undefined,
    })),
    readyz: [
      ...reflectors.map((reflector) => ({
        name: `cache-${reflector.name}`,
        check: () => (reflector.hasSynced() ? undefined : 'not read yet'),
      })),
      { name: 'policies', check: () => (mode === 'Enforce' ? policies.problem() : undefined) },
    ],
  });
  try {
    await runTasks({
      signal,
      logger,
      tasks: [
        ...reflectors.map((reflector) => ({ name: reflector.name, run: (s: AbortSignal) => reflector.run(s) })),
        { name: 'policies', run: (s) => policies.run(s) },
        {
          name: 'leader',
          run: async (s) => {
            // It makes what only the policies keep from doing harm.
            if (mode === 'Enforce') await policies.met(s);
            await elector.run(s, async (leading) => {
              metrics.leading('monoroot-operator', true);
              await runTasks({ signal: leading, logger, tasks: controllers });
              await events.flush();
            });
          },
        },
      ],
    });
  } finally {
    await health.close();
    await connection.close();
  }
}

runMain(main);
