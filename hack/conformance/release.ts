// hack/node hack/conformance/release.ts --release DIRECTORY [--helm 3|4] [--namespace NAME]: installs a release from its archive alone, as a
// cluster without the internet would: load-images.sh into a registry of the cluster, helm install by digests, check, a HostedContainer that
// serves; then upgrade, rollback and uninstall, which no container may notice. Prints a line with the time for each step; the exit code is 1 when
// one is not as it should be. Takes the cluster of hack/cluster, whose Monoroot it takes over: run hack/install afterwards.
import { mkdirSync, mkdtempSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { apiVersion } from '../../src/api/names.ts';
import { hostedContainers } from '../../src/kube/kinds.ts';
import { pods } from '../../src/kube/resources.ts';
import { findCondition } from '../../src/runtime/conditions.ts';
import { createKubectl } from '../lib/kube/kubectl.ts';
import { waitFor } from '../lib/kube/wait.ts';
import { readOptions } from '../lib/options.ts';
import { run } from '../lib/process.ts';
import { startRegistry } from '../lib/registry/registry.ts';

const about = {
  name: 'hack/node hack/conformance/release.ts',
  does: 'Installs a release from its archive alone into the cluster of KUBECONFIG, upgrades, rolls back and uninstalls it.',
};
const values = readOptions(about, {
  release: { type: 'string', default: 'dist/release/0.1.0' },
  helm: { type: 'string', default: '4' },
  namespace: { type: 'string', default: 'monoroot-system' },
});
const system = values.namespace;
const kubectl = createKubectl(process.env['KUBECONFIG'] ?? '');
const [namespace, os, fieldManager] = ['monoroot-release', 'release-tiny', 'conformance'];
const work = mkdtempSync(join(tmpdir(), 'monoroot-airgap-'));
const root = join(import.meta.dirname, '../..');

const began = Date.now();
let faults = 0;
const seconds = (since: number) => `${((Date.now() - since) / 1000).toFixed(1)} s`;
const say = (text: string) => console.log(`${seconds(began).padStart(8)}  ${text}`);
function expected(what: string, holds: boolean): void {
  if (!holds) faults++;
  say(`${holds ? 'as it should be' : 'WRONG'}: ${what}`);
}
async function must(program: string, ...args: string[]): Promise<string> {
  say(`$ ${program.replace(`${work}/`, '')} ${args.join(' ').replaceAll(`${work}/`, '')}`);
  const { code, stdout, stderr } = await run(program, args, { timeoutSeconds: 420, env: kubectl.env });
  if (code !== 0) throw new Error(`${program} ended with ${code}: ${stderr.trim().slice(-1500)}${stdout.slice(-1500)}`);
  return stdout.trim();
}
const helm = (...args: string[]) => must(`helm${values.helm}`, ...args, '--namespace', system);

/** The Pod of the container: its uid, and how often its command was started. */
async function podOf(): Promise<string> {
  const pod = await kubectl.get(pods, { name: os, namespace });
  return `${pod?.metadata.uid ?? 'none'} ${pod?.status?.containerStatuses?.[0]?.restartCount ?? 0}`;
}

async function serve(reference: string, digest: string): Promise<void> {
  const object = (kind: string, name: string, spec: object, where?: string) => ({ apiVersion, kind, metadata: { name, ...(where && { namespace: where }) }, spec }); // prettier-ignore
  await kubectl.apply(
    [
      object('OSImage', `${os}.v1`, { os, version: 'v1', source: { oci: { reference, digest, plainHTTP: true } } }),
      object('ImageDistribution', os, { image: `${os}:v1`, activate: { newContainers: true } }),
      object('HostedContainer', os, { image: os, data: { ephemeral: { size: '64Mi' } }, readinessProbe: { tcpSocket: { port: 8080 }, periodSeconds: 1 } }, namespace), // prettier-ignore
    ],
    fieldManager,
  );
  const look = async () => {
    const it = await kubectl.get(hostedContainers, { name: os, namespace });
    const ready = findCondition(it?.status?.conditions, 'Ready');
    return ready?.status === 'True' ? { done: undefined } : { waiting: ready?.message ?? 'no status' };
  };
  await waitFor('the container serves', look, { seconds: 240 });
}

/** Kubelets ask the registry over HTTP. */
const trust = (address: string) => join(process.env['MONOROOT_STATE'] ?? '/var/lib/monoroot-cluster', 'registries', address); // prettier-ignore
let address = '';
try {
  const archive = readdirSync(values.release).find((name) => name.endsWith('-airgap.tar.zst')) ?? '';
  await must('tar', '-xf', join(values.release, archive), '-C', work);
  const release = join(work, archive.replace('.tar.zst', ''));
  const labels = { 'pod-security.kubernetes.io/enforce': 'privileged' };
  for (const name of [namespace, system]) {
    await kubectl.apply([{ apiVersion: 'v1', kind: 'Namespace', metadata: { name, labels } }], fieldManager);
  }
  const registry = await startRegistry(kubectl, { namespace });
  address = registry.nodeAddress;
  mkdirSync(trust(address), { recursive: true });
  writeFileSync(join(trust(address), 'hosts.toml'), `server = "http://${address}"\n`);
  say(await must(join(release, 'load-images.sh'), '--registry', `${address}/monoroot`, '--insecure'));
  const bundle = await must(join(root, 'hack/osimages'), 'tiny', 'release');
  const layout = await must(join(root, 'hack/osimages'), 'oci', bundle);
  const digest = await registry.push(layout, `os/${os}:v1`);

  const chart = join(release, readdirSync(release).find((name) => name.endsWith('.tgz')) ?? '');
  // Helm 4 writes as server-side apply does, and the cluster has objects that others wrote.
  const takes = values.helm === '4' ? ['--take-ownership', '--force-conflicts'] : ['--take-ownership'];
  const settings = ['--set', `imageRegistry=${address}/monoroot`, '--set', 'agent.minFree=1Gi'];
  const installed = Date.now();
  await helm('install', 'monoroot', chart, ...takes, '--wait', '--timeout', '6m', ...settings);
  say(`helm install took ${seconds(installed)}`);
  if (system === 'monoroot-system') await must(join(release, 'plugin/kubectl-monoroot-linux-amd64'), 'check', '--wait', '2m'); // prettier-ignore
  say(`check is content ${seconds(installed)} after helm install began`);
  await serve(`${address}/os/${os}:v1`, digest);
  say(`a HostedContainer serves ${seconds(installed)} after helm install began`);

  const before = await podOf();
  await helm('upgrade', 'monoroot', chart, '--wait', '--timeout', '6m', ...settings, '--set', 'operator.podAnnotations.rolled=yes', '--set', 'agent.podAnnotations.rolled=yes'); // prettier-ignore
  expected('no container restarts by an upgrade', (await podOf()) === before);
  await helm('rollback', 'monoroot', '1', '--wait', '--timeout', '6m');
  expected('no container restarts by a rollback', (await podOf()) === before);
  await helm('uninstall', 'monoroot', '--wait', '--timeout', '3m');
  expected('the container stays when the chart is uninstalled', (await podOf()) === before);
  const kinds = await kubectl.run(['get', 'crd', '-o', 'name']);
  expected('so do the definitions', kinds.includes('hostedcontainers.monoroot.dev'));
  await helm('install', 'monoroot', chart, ...takes, '--wait', '--timeout', '6m', ...settings);
  await serve(`${address}/os/${os}:v1`, digest);
  expected('installed again it finds the container as it was', (await podOf()) === before);
} catch (error) {
  faults++;
  say(error instanceof Error ? error.message : String(error));
} finally {
  await kubectl.try(['-n', namespace, 'delete', 'hostedcontainer', os, '--ignore-not-found', '--timeout=60s']);
  await kubectl.try(['delete', 'imagedistribution', os, '--ignore-not-found', '--timeout=60s']);
  await kubectl.try(['delete', 'osimage', `${os}.v1`, '--ignore-not-found', '--timeout=60s']);
  await run(`helm${values.helm}`, ['uninstall', 'monoroot', '--ignore-not-found', '--namespace', system], { env: kubectl.env }); // prettier-ignore
  await kubectl.try(['delete', 'namespace', namespace, '--ignore-not-found', '--timeout=90s']);
  if (address !== '') rmSync(trust(address), { recursive: true, force: true });
  rmSync(work, { recursive: true, force: true });
}
process.exitCode = faults > 0 ? 1 : 0;
