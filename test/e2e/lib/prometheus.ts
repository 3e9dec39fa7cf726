import { spawn } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { load } from 'js-yaml';
import { inject } from 'vitest';
import { waitFor } from '../../../hack/lib/kube/wait.ts';
import { systemNamespace } from '../../../src/api/names.ts';
import { pods } from './objects.ts';
import { kubectl } from './system.ts';
import { freePort } from '../../fixtures/free-port.ts';

const root = join(import.meta.dirname, '../../..');

export interface Prometheus {
  /** The series that an expression gives now: their labels, and values as Prometheus writes them. */
  query: (expr: string) => Promise<{ metric: Record<string, string>; value: [number, string] }[]>;
  /** The same over the time from `since`, in milliseconds since 1970, until now: values that are no numbers are left out. */
  queryRange: (
    expr: string,
    since: number,
  ) => Promise<{ metric: Record<string, string>; values: [number, string][] }[]>;
  /** Labels of the alerts of that name which fire. */
  firing: (alert: string) => Promise<Record<string, string>[]>;
  stop: () => void;
}

/**
 * Starts a Prometheus beside the cluster, with our alerts, which scrapes operators and agents through the API server's proxy, each two seconds: those Pods
 * that there are now, with the labels that the PodMonitor gives (Debian's Prometheus finds no Pods by itself). Resolves when it has scraped something.
 */
export async function startPrometheus(): Promise<Prometheus> {
  const directory = mkdtempSync(join(tmpdir(), 'monoroot-prometheus-'));
  const write = (name: string, text: string) => {
    writeFileSync(join(directory, name), text, { mode: 0o600 });
    return join(directory, name);
  };
  const { server, ...tls } = credentials(write);
  const { spec } = load(readFileSync(join(root, 'deploy/components/monitoring/rules.yaml'), 'utf8')) as {
    spec: object;
  };
  const running = await kubectl.list(pods, {
    namespace: systemNamespace,
    labelSelector: 'app.kubernetes.io/name=monoroot',
  });
  const config = {
    global: { scrape_interval: '2s', scrape_timeout: '2s', evaluation_interval: '2s' },
    rule_files: [write('rules.yaml', JSON.stringify(spec))],
    scrape_configs: [
      {
        job_name: 'monoroot',
        scheme: 'https',
        tls_config: tls,
        static_configs: running.map(({ metadata: { name }, spec: { nodeName } }) => ({
          targets: [new URL(server).host],
          labels: {
            __metrics_path__: `/api/v1/namespaces/${systemNamespace}/pods/${name}:8080/proxy/metrics`,
            pod: name,
            instance: name,
            node: nodeName ?? '',
          },
        })),
      },
    ],
  };
  const address = `127.0.0.1:${await freePort()}`;
  const child = spawn(
    join(root, 'hack/lib/prometheus'),
    [
      'prometheus',
      `--config.file=${write('prometheus.yaml', JSON.stringify(config))}`,
      `--storage.tsdb.path=${join(directory, 'data')}`,
      `--web.listen-address=${address}`,
    ],
    { stdio: ['ignore', 'ignore', 'pipe'] },
  );
  let log = '';
  child.stderr.setEncoding('utf8').on('data', (text: string) => (log = (log + text).slice(-4000)));
  const ask = async (path: string): Promise<unknown> => {
    const response = await fetch(`http://${address}/api/v1/${path}`, { signal: AbortSignal.timeout(10_000) });
    const body = (await response.json()) as { status: string; data: unknown; error?: string };
    if (body.status !== 'success') throw new Error(body.error ?? JSON.stringify(body));
    return body.data;
  };
  const query: Prometheus['query'] = async (expr) =>
    ((await ask(`query?query=${encodeURIComponent(expr)}`)) as { result: Awaited<ReturnType<Prometheus['query']>> })
      .result;
  const queryRange: Prometheus['queryRange'] = async (expr, since) => {
    const [start, end] = [since, Date.now()].map((it) => Math.round(it / 1000));
    const step = Math.max(2, Math.round(((end ?? 0) - (start ?? 0)) / 120));
    const range = `start=${start}&end=${end}&step=${step}`;
    const { result } = (await ask(`query_range?query=${encodeURIComponent(expr)}&${range}`)) as {
      result: Awaited<ReturnType<Prometheus['queryRange']>>;
    };
    return result.map(({ metric, values }) => ({
      metric,
      values: values.filter(([, value]) => Number.isFinite(Number(value))),
    }));
  };
  const firing: Prometheus['firing'] = async (alert) =>
    ((await ask('alerts')) as { alerts: { state: string; labels: Record<string, string> }[] }).alerts
      .filter(({ state, labels }) => state === 'firing' && labels['alertname'] === alert)
      .map(({ labels }) => labels);
  const stop = () => {
    child.once('exit', () => rmSync(directory, { recursive: true, force: true }));
    child.kill();
  };
  await waitFor(
    'Prometheus scrapes the leader and all agents',
    async () => {
      const [leaders, agents, stores] = await Promise.all(
        [
          'sum(leader_election_master_status)',
          'count(monoroot_build_info{component="agent"})',
          'sum(monoroot_nodestores)',
        ].map(query),
      );
      const seen = [leaders, agents, stores].map((it) => it?.[0]?.value[1]);
      return seen[0] === '1' && seen[1] !== undefined && seen[1] === seen[2]
        ? { done: undefined }
        : { waiting: `leaders, agents, NodeStores: ${seen.join(', ')}` };
    },
    { seconds: 90, interval: 1, explain: () => Promise.resolve(log) },
  ).catch((error: unknown) => {
    stop();
    throw error;
  });
  return { query, queryRange, firing, stop };
}

/** The API server of the tests' kubeconfig, and the files of its authority and of the client. */
function credentials(write: (name: string, text: string) => string) {
  const config = load(readFileSync(inject('kubeconfig'), 'utf8')) as {
    clusters: { cluster: { server: string; 'certificate-authority-data': string } }[];
    users: { user: { 'client-certificate-data': string; 'client-key-data': string } }[];
  };
  const [{ cluster } = {}] = config.clusters;
  const [{ user } = {}] = config.users;
  if (!cluster || !user) throw new Error('The kubeconfig of the tests names no cluster or no user');
  const file = (name: string, base64: string) => write(name, Buffer.from(base64, 'base64').toString());
  return {
    server: cluster.server,
    ca_file: file('ca.crt', cluster['certificate-authority-data']),
    cert_file: file('client.crt', user['client-certificate-data']),
    key_file: file('client.key', user['client-key-data']),
  };
}
