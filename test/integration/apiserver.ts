import { execFileSync, spawn } from 'node:child_process';
import type { ChildProcess } from 'node:child_process';
import { mkdtempSync, openSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { createConnection, loadKubeConfig } from '../../src/kube/connection.ts';
import { binaryDirectory, missingBinaries } from '../fixtures/binaries.ts';
import { createPki, writeKubeconfig } from './pki.ts';
import { freePort } from '../fixtures/free-port.ts';

/** A real API server over a real etcd, without nodes and controllers. */
export interface TestCluster {
  kubeconfig: string;
  url: string;
  /** For talking to etcd about things that no API server offers, such as compaction. */
  etcdUrl: string;
  /** Kills the API server as a crash would. */
  killApiServer(): Promise<void>;
  /** Starts it again at the same address, and waits until it is ready. */
  startApiServer(): Promise<void>;
  stop(): Promise<void>;
}

export interface TestClusterOptions {
  /** Where everything lives, instead of a new temporary directory; it is removed at the end in any case. */
  directory?: string;
  /** More flags of kube-apiserver. */
  apiServerFlags?: readonly string[];
}

/** Starts etcd and kube-apiserver on free ports of the loopback interface; everything lives in a temporary directory. */
export async function startTestCluster(options: TestClusterOptions = {}): Promise<TestCluster> {
  const binaries = builtBinaries();
  const directory = options.directory ?? mkdtempSync(join(tmpdir(), 'monoroot-test-'));
  const running = new Map<string, ChildProcess>();
  const run = (name: string, args: string[]) => {
    const log = openSync(join(directory, `${name}.log`), 'a');
    const child = spawn(join(binaries, name), args, { stdio: ['ignore', log, log] });
    running.set(name, child);
  };
  const end = async (name: string, signal: NodeJS.Signals) => {
    const child = running.get(name);
    running.delete(name);
    if (!child || child.exitCode !== null) return;
    const ended = new Promise((resolve) => child.once('exit', resolve));
    child.kill(signal);
    await ended;
  };
  const killAll = () => {
    for (const child of running.values()) child.kill('SIGKILL');
  };
  process.once('exit', killAll);

  const [clientPort, peerPort, apiPort] = [await freePort(), await freePort(), await freePort()];
  const etcdUrl = `http://127.0.0.1:${clientPort}`;
  const url = `https://127.0.0.1:${apiPort}`;
  const pki = createPki(directory);
  const kubeconfig = join(directory, 'kubeconfig');
  writeKubeconfig(kubeconfig, url, pki);

  const startApiServer = async () => {
    run('kube-apiserver', [
      `--etcd-servers=${etcdUrl}`,
      '--bind-address=127.0.0.1',
      // It may not be of the loopback interface; no one ever connects to it.
      '--advertise-address=192.0.2.1',
      '--endpoint-reconciler-type=none',
      `--secure-port=${apiPort}`,
      `--cert-dir=${directory}`,
      `--tls-cert-file=${pki['server.crt']}`,
      `--tls-private-key-file=${pki['server.key']}`,
      `--client-ca-file=${pki['ca.crt']}`,
      `--service-account-key-file=${pki['server.crt']}`,
      `--service-account-signing-key-file=${pki['server.key']}`,
      '--service-account-issuer=https://kubernetes.default.svc',
      '--service-cluster-ip-range=10.0.0.0/24',
      '--authorization-mode=Node,RBAC',
      '--allow-privileged=true',
      // Nothing here makes the default service account that this plugin demands of every Pod.
      '--disable-admission-plugins=ServiceAccount',
      ...(options.apiServerFlags ?? []),
    ]);
    await waitUntilReady(kubeconfig, () => running.get('kube-apiserver')?.exitCode ?? null, directory);
  };

  const peerUrl = `http://127.0.0.1:${peerPort}`;
  run('etcd', [
    `--data-dir=${join(directory, 'etcd')}`,
    `--listen-client-urls=${etcdUrl}`,
    `--advertise-client-urls=${etcdUrl}`,
    `--listen-peer-urls=${peerUrl}`,
    `--initial-advertise-peer-urls=${peerUrl}`,
    `--initial-cluster=default=${peerUrl}`,
    '--unsafe-no-fsync',
  ]);
  const stop = async () => {
    await end('kube-apiserver', 'SIGKILL');
    await end('etcd', 'SIGKILL');
    process.off('exit', killAll);
    rmSync(directory, { recursive: true, force: true });
  };
  try {
    await startApiServer();
  } catch (error) {
    await stop();
    throw error;
  }
  return { kubeconfig, url, etcdUrl, startApiServer, killApiServer: () => end('kube-apiserver', 'SIGKILL'), stop };
}

/** Where etcd and kube-apiserver are; builds them when they are in neither place. */
function builtBinaries(): string {
  const complete = () => missingBinaries('etcd', 'kube-apiserver').length === 0;
  if (!complete() && process.env['MONOROOT_TEST_BINARIES'] === undefined) {
    execFileSync(join(import.meta.dirname, '../../hack/cluster'), ['binaries'], { stdio: 'inherit' });
  }
  const directory = binaryDirectory();
  if (!complete()) throw new Error(`There are no etcd and kube-apiserver in ${directory}; run hack/cluster binaries`);
  return directory;
}

async function waitUntilReady(kubeconfig: string, exitCode: () => number | null, directory: string): Promise<void> {
  const connection = createConnection({ config: loadKubeConfig({ path: kubeconfig }), userAgent: 'test-setup' });
  const deadline = performance.now() + 90_000;
  let last: unknown;
  try {
    while (performance.now() < deadline && exitCode() === null) {
      try {
        await connection.request({ method: 'GET', path: '/readyz', timeoutSeconds: 5 });
        return;
      } catch (error) {
        last = error;
        await delay(100);
      }
    }
  } finally {
    await connection.close();
  }
  const log = readFileSync(join(directory, 'kube-apiserver.log'), 'utf8').split('\n').slice(-15).join('\n');
  throw new Error(`kube-apiserver did not become ready: ${String(last)}\n${log}`, { cause: last });
}
