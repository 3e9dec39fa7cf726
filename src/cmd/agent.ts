import { randomUUID } from 'node:crypto';
import { join } from 'node:path';
import { hostRoot, sourcesNamespace } from '../api/names.ts';
import { proxiesOf } from '../image/download/connect.ts';
import { ownAddresses, readLocalSources } from '../image/download/reach.ts';
import { fetchImage } from '../agent/fetch/fetch.ts';
import type { FetchPorts } from '../agent/fetch/fetch.ts';
import { createAgentClient } from '../agent/client.ts';
import { createAgentMetrics, observeNodeStore } from '../agent/metrics.ts';
import { ownNodePrecondition } from '../agent/policy-check.ts';
import { listenForPlugin } from '../agent/node-plugin.ts';
import type { NodePlugin } from '../agent/node-plugin.ts';
import { createAgent } from '../agent/reconcile.ts';
import { DiskReservations } from '../image/disk/reservations.ts';
import { readSettings } from '../agent/settings.ts';
import { withStoreLock } from '../agent/store/lock.ts';
import { entryPath, storePaths } from '../agent/store/paths.ts';
import { checkPlace } from '../agent/store/place.ts';
import type { Place } from '../agent/store/place.ts';
import { prepareStore } from '../agent/store/remove.ts';
import { withScratch } from '../agent/store/scratch.ts';
import { readSpace } from '../image/disk/space.ts';
import { readUsedBytes } from '../agent/store/usage.ts';
import { verifyEntry } from '../agent/store/verify.ts';
import { createClient } from '../kube/client.ts';
import { createConnection, loadKubeConfig, userAgent } from '../kube/connection.ts';
import { nodeStores } from '../kube/kinds.ts';
import { observeEventLoop } from '../runtime/event-loop.ts';
import { createController, watch } from '../runtime/controller.ts';
import { serveHealth } from '../runtime/health.ts';
import { runTasks } from '../runtime/lifecycle.ts';
import { createMetrics } from '../runtime/metrics.ts';
import { monotonic } from '../runtime/time.ts';
import { createPreconditions, readMode } from '../runtime/preconditions.ts';
import { Reflector } from '../runtime/reflector.ts';
import { runMain } from './program.ts';
import type { Program } from './program.ts';
import { packageVersion, registerBuildInfo } from './version.ts';

/** The agent: one process on each node that keeps the store of the node equal to its NodeStore. */

/** A reflector recovers by itself from an API server that was away; only a silence longer than any outage means that it hangs. */
const silenceLimitSeconds = 1800;

async function main({ env, logger, signal, required }: Program): Promise<void> {
  const nodeName = required('NODE_NAME');
  const { MIN_FREE, MAX_CONCURRENT_FETCHES, MEMORY_LIMIT } = env;
  const settings = readSettings({ MIN_FREE, MAX_CONCURRENT_FETCHES, MEMORY_LIMIT });
  const { maxConcurrentFetches } = settings;
  if (maxConcurrentFetches < Number(MAX_CONCURRENT_FETCHES || maxConcurrentFetches)) {
    const message = 'Limited concurrent fetches to what the memory limit of the container has room for';
    logger.warn({ maxConcurrentFetches, MAX_CONCURRENT_FETCHES, MEMORY_LIMIT }, message);
  }
  const paths = storePaths(env.MONOROOT_ROOT ?? hostRoot);
  const metrics = createMetrics();
  registerBuildInfo(metrics.registry, 'agent');
  observeEventLoop(metrics.registry);
  const agentMetrics = createAgentMetrics(metrics.registry);
  const connection = createConnection({
    config: loadKubeConfig(),
    userAgent: userAgent(packageVersion, 'agent'),
    onAnswer: metrics.onAnswer,
  });
  const client = createClient(connection);
  const reflector = new Reflector({
    name: 'nodestores',
    source: client.listWatcher(nodeStores, { fieldSelector: `metadata.name=${nodeName}` }),
    logger,
    hooks: metrics.reflector('nodestores'),
  });
  observeNodeStore(metrics.registry, () => reflector.store.get(nodeName)?.status);
  const { readSecret, ...calls } = createAgentClient(client, nodeName, env.SOURCES_NAMESPACE ?? sourcesNamespace);
  const common = { paths, now: () => new Date(), uniqueId: () => randomUUID().slice(0, 8) };
  const hostIPs = (env.HOST_IPS ?? '').split(',');
  const reach = {
    localSources: readLocalSources(env.LOCAL_SOURCES ?? ''),
    ownAddresses: () => ownAddresses(hostIPs),
  };
  const http = { proxies: proxiesOf(env), reach };
  const registries = {
    mirrorsFile: env.MIRRORS_FILE ?? '/etc/monoroot/registries.yaml',
    warn: (message: string) => logger.warn(message),
  };
  const signatures = {
    policyFile: env.SIGNATURE_POLICY_FILE ?? '/etc/monoroot-signatures/policy.yaml',
  };
  const { countBytes } = agentMetrics;
  const reservations = new DiskReservations(() => readSpace(paths.staging), settings.minFree);
  const ensure = (bytes: number) => reservations.ensureFree(bytes);
  const sources = { http, registries, signatures, architecture: architecture() };
  // Typed here: what is misspelt in it would be nothing to a call further down.
  const fetchPorts: FetchPorts = {
    ...common,
    ...sources,
    reservations,
    readSecret,
    countBytes,
    seen: new Set<string>(),
  };

  let place: Place | undefined;
  let nodePlugin: NodePlugin | undefined;
  /** With the reason why this agent must end: the next one begins with what is there then. */
  const moved = new AbortController();
  const agent = createAgent({
    ...common,
    checkPlace: async () => {
      if (!place) return;
      await checkPlace(paths, place).catch((error: unknown) => {
        moved.abort(error);
        throw error;
      });
    },
    ...calls,
    settings,
    readNodeStore: () => reflector.store.get(nodeName),
    fetch: (image, fetchSignal, onProgress) => fetchImage(image, fetchPorts, fetchSignal, onProgress),
    verify: (image, content, verifySignal) =>
      withScratch(paths, (scratch) => verifyEntry(entryPath(paths, image), content, scratch, verifySignal, ensure)),
    verifyIntervals: {
      seconds: seconds(env.VERIFY_INTERVAL_SECONDS, 3_600),
      contentSeconds: seconds(env.DEEP_VERIFY_INTERVAL_SECONDS, 86_400),
    },
    usedBytes: (usedSignal) => readUsedBytes(paths, usedSignal, ensure),
    plugin: ({ directMounts, directMountsTime }) => {
      const before = { directMounts, directMountsTime };
      return nodePlugin?.answers(before) ?? before;
    },
    enqueue: () => controller.enqueue(nodeName),
    random: Math.random,
    // For lines from outside of a run, for instance of a fetch in the background.
    logger: logger.child({ controller: 'agent', object: nodeName }),
    hooks: agentMetrics,
  });
  const controller = createController({
    name: 'agent',
    sources: [watch(reflector)],
    reconcile: agent.reconcile,
    logger,
    hooks: metrics.controller('agent'),
  });

  // It only says so: that it stopped would keep no one else from using such a token.
  const preconditions =
    readMode('POLICY_CHECK', env.POLICY_CHECK) === 'Off' ? [] : [ownNodePrecondition(client, nodeName)];
  const policies = createPreconditions({ preconditions, logger, checked: metrics.precondition, recheckSeconds: 3600 });

  let locked = false;
  const work = async (workSignal: AbortSignal) => {
    locked = true;
    place = await prepareStore(paths);
    nodePlugin = await listenForPlugin(join(paths.root, 'run/mounts.sock'), () => controller.enqueue(nodeName), {
      monotonic,
      now: () => new Date(),
    });
    await controller.run(AbortSignal.any([workSignal, moved.signal])).finally(async () => {
      await nodePlugin?.close();
      await agent.stop();
    });
    if (!workSignal.aborted) moved.signal.throwIfAborted();
  };

  const health = await serveHealth({
    port: Number(env.HEALTH_PORT ?? 8080),
    registry: metrics.registry,
    livez: [
      { name: 'watch', check: () => (reflector.silentSeconds() > silenceLimitSeconds ? 'heard nothing' : undefined) },
    ],
    readyz: [
      { name: 'cache', check: () => (reflector.hasSynced() ? undefined : 'not read yet') },
      { name: 'lock', check: () => (locked ? undefined : 'waits for another agent on this node') },
    ],
  });
  try {
    await runTasks({
      signal,
      logger,
      graceSeconds: 15,
      tasks: [
        { name: 'nodestores', run: (s) => reflector.run(s) },
        { name: 'policies', run: (s) => policies.run(s) },
        { name: 'agent', run: (s) => withStoreLock(paths, logger, s, work) },
      ],
    });
  } finally {
    await health.close();
    await connection.close();
  }
}

/** A number of seconds that is given as text; throws on anything else. */
function seconds(text: string | undefined, otherwise: number): number {
  const number = Number(text || otherwise);
  if (!Number.isFinite(number) || number < 0) throw new Error(`${text ?? ''} is no number of seconds`);
  return number;
}

function architecture(): 'amd64' | 'arm64' {
  const known: Partial<Record<string, 'amd64' | 'arm64'>> = { x64: 'amd64', arm64: 'arm64' };
  const found = known[process.arch];
  if (!found) throw new Error(`There are no images for ${process.arch}`);
  return found;
}

runMain(main);
