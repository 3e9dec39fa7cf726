import { execFileSync } from 'node:child_process';
import { cpSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createClient } from '../../../src/kube/client.ts';
import type { Client } from '../../../src/kube/client.ts';
import { createConnection, loadKubeConfig } from '../../../src/kube/connection.ts';
import type { Connection } from '../../../src/kube/connection.ts';
import { binaryDirectory, missingBinaries } from '../../../test/fixtures/binaries.ts';
import { freePort } from '../../../test/fixtures/free-port.ts';
import { startTestCluster } from '../../../test/integration/apiserver.ts';
import { applyManifests, configAs } from '../../../test/integration/manifests.ts';
import { installCrds } from '../../../test/integration/setup.ts';
import { auditPolicy } from './audit.ts';
import { createPrograms } from './programs.ts';
import type { Programs } from './programs.ts';
import { kwokConfiguration } from './stages.ts';
import type { Life } from './stages.ts';

/** An API server of its own with an audit log, a scheduler, and kwok in place of kubelets; nothing of it outlives the bench. */
export interface Fleet {
  /** Where everything is; gone after `stop`. */
  directory: string;
  kubeconfig: string;
  auditLog: string;
  client: Client;
  connection: Connection;
  programs: Programs;
  /** A client whose calls the audit log tells from others by this name. */
  clientAs: (userAgent: string) => Client;
  /** Path of a kubeconfig with a token of this service account. */
  kubeconfigOf(serviceAccount: string): Promise<string>;
  /** Ends everything; the logs are copied to a directory if one is given. */
  stop(logs?: string): Promise<void>;
}

export async function startFleet(life: Life): Promise<Fleet> {
  ensurePrograms();
  const directory = mkdtempSync(join(tmpdir(), 'monoroot-fleet-'));
  const at = (name: string) => join(directory, name);
  const remove = () => rmSync(directory, { recursive: true, force: true, maxRetries: 20, retryDelay: 50 });
  process.once('exit', remove);
  writeFileSync(at('audit-policy.json'), JSON.stringify(auditPolicy));
  writeFileSync(at('kwok.yaml'), kwokConfiguration(life));
  const auditLog = at('audit.log');
  const cluster = await startTestCluster({
    directory,
    apiServerFlags: [
      `--audit-policy-file=${at('audit-policy.json')}`,
      `--audit-log-path=${auditLog}`,
      // In MB. By default the file is rotated at 100, and what was in it is counted no more.
      '--audit-log-maxsize=1000000',
      // Nothing here takes the taint off that this plugin gives to every new node.
      '--disable-admission-plugins=TaintNodesByCondition',
    ],
  });
  const { kubeconfig } = cluster;
  const programs = createPrograms(directory);
  const connections: Connection[] = [];
  const connect = (userAgent: string) => {
    const connection = createConnection({ config: loadKubeConfig({ path: kubeconfig }), userAgent });
    connections.push(connection);
    return connection;
  };
  const connection = connect('bench');
  const client = createClient(connection);
  const stop = async (logs?: string) => {
    await programs.stop();
    if (logs !== undefined) {
      const isLog = (path: string) => path === directory || path.endsWith('.log');
      cpSync(directory, logs, { recursive: true, filter: isLog });
    }
    await Promise.all(connections.map((it) => it.close()));
    await cluster.stop();
    remove();
    process.off('exit', remove);
  };
  try {
    await installCrds(kubeconfig, join(import.meta.dirname, '../../../crds'));
    await applyManifests(client, 'operator-rbac.yaml', 'policies.yaml');
    programs.start('kube-scheduler', programs.path('kube-scheduler'), [
      `--kubeconfig=${kubeconfig}`,
      '--leader-elect=false',
      '--bind-address=127.0.0.1',
      `--secure-port=${await freePort()}`,
      // By default it binds no more than 50 Pods a second, which would be what is measured.
      '--kube-api-qps=1000',
      '--kube-api-burst=1000',
    ]);
    programs.start('kwok', programs.path('kwok'), [
      `--kubeconfig=${kubeconfig}`,
      `--config=${at('kwok.yaml')}`,
      '--manage-all-nodes=true',
      '--cidr=10.64.0.0/10',
    ]);
  } catch (error) {
    await stop();
    throw error;
  }
  return {
    directory,
    kubeconfig,
    auditLog,
    client,
    connection,
    programs,
    clientAs: (userAgent) => createClient(connect(userAgent)),
    kubeconfigOf: (serviceAccount) => kubeconfigWithToken(kubeconfig, connection, serviceAccount, at(serviceAccount)),
    stop,
  };
}

/** Builds what is missing, unless the programs come from elsewhere. */
function ensurePrograms(): void {
  const missing = () => missingBinaries('etcd', 'kube-apiserver', 'kube-scheduler', 'kube-controller-manager', 'kwok');
  if (missing().length > 0 && process.env['MONOROOT_TEST_BINARIES'] === undefined) {
    const cluster = join(import.meta.dirname, '../../cluster');
    execFileSync(cluster, ['binaries', 'etcd', 'kubernetes', 'kwok'], { stdio: 'inherit' });
  }
  if (missing().length > 0) throw new Error(`There is no ${missing().join(', ')} in ${binaryDirectory()}`);
}

/** Writes a copy of the kubeconfig with a token of the service account, good for half a day. */
async function kubeconfigWithToken(
  kubeconfig: string,
  admin: Connection,
  serviceAccount: string,
  path: string,
): Promise<string> {
  const config = await configAs(kubeconfig, admin, serviceAccount, { expirationSeconds: 43_200 });
  writeFileSync(path, config.exportConfig(), { mode: 0o600 });
  return path;
}
