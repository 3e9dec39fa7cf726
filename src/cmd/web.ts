import { systemNamespace } from '../api/names.ts';
import { serviceHosts } from '../cli/dashboard/access.ts';
import { bundledAssets } from '../cli/dashboard/assets.ts';
import { followFleet } from '../cli/dashboard/live.ts';
import { serveDashboard } from '../cli/dashboard/server.ts';
import { createClient } from '../kube/client.ts';
import { createConnection, loadKubeConfig, userAgent } from '../kube/connection.ts';
import { serveHealth } from '../runtime/health.ts';
import { runTasks } from '../runtime/lifecycle.ts';
import { createMetrics } from '../runtime/metrics.ts';
import { runMain } from './program.ts';
import type { Program } from './program.ts';
import { packageVersion, registerBuildInfo } from './version.ts';

/** The page in the cluster: what `kubectl monoroot dashboard` serves, with an account that can read the fleet and no Secret. */
async function main({ env, logger, signal }: Program): Promise<void> {
  const metrics = createMetrics();
  registerBuildInfo(metrics.registry, 'web');
  const assets = bundledAssets();
  if (!assets) throw new Error('This program runs from its sources, which have no page; build it: npm run build');
  const connection = createConnection({
    config: loadKubeConfig(),
    userAgent: userAgent(packageVersion, 'web'),
    onAnswer: metrics.onAnswer,
  });
  const { POD_NAMESPACE: namespace = systemNamespace, LISTEN_ADDRESS: host = '127.0.0.1' } = env;
  const { HOSTS: hosts = '', CLUSTER_NAME: cluster = '' } = env;
  const now = () => new Date();
  const live = followFleet({ client: createClient(connection), logger, now });
  const page = await serveDashboard({
    port: Number(env.PORT ?? 9080),
    host,
    access: { hosts: serviceHosts('monoroot-web', namespace, hosts.split(',')) },
    assets,
    live,
    now,
    logger,
    about: { cluster: cluster === '' ? 'This cluster' : cluster, version: packageVersion },
  });
  const health = await serveHealth({
    port: Number(env.HEALTH_PORT ?? 8080),
    registry: metrics.registry,
    livez: [],
    // A page that says that the API server is away is better than none.
    readyz: live.health().map(({ kind }) => ({
      name: `cache-${kind}`,
      check: () => (live.health().find((it) => it.kind === kind)?.state === 'Reading' ? 'not read yet' : undefined),
    })),
  });
  logger.info({ port: page.port, address: host }, 'Serving the page');
  try {
    await runTasks({ signal, logger, graceSeconds: 8, tasks: [{ name: 'watches', run: (s) => live.run(s) }] });
  } finally {
    await Promise.all([page.close(), health.close()]);
    await connection.close();
  }
}

runMain(main);
