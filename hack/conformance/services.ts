// hack/node hack/conformance/services.ts [NAME ...]: services that people host, in images that the cluster itself builds of plain Debian
// packages. Each runs, is asked a question, is upgraded to the next build of the same recipe and is asked again. Prints a table; the
// exit code is 1 when one of them does not. Takes a cluster with Monoroot (KUBECONFIG), the programs of hack/cluster, and mirrors of
// Debian that the cluster reaches: DEBIAN_MIRROR, or the one of this machine. What it makes it removes.
import { execFileSync } from 'node:child_process';
import { createKubectl } from '../lib/kube/kubectl.ts';
import { waitFor } from '../lib/kube/wait.ts';
import { startRegistry } from '../lib/registry/registry.ts';
import type { HostedContainer } from '../../src/api/hostedcontainer.ts';
import { apiVersion, systemNamespace } from '../../src/api/names.ts';
import { hostedContainers, osImages } from '../../src/kube/kinds.ts';
import { pods } from '../../src/kube/resources.ts';
import { findCondition } from '../../src/runtime/conditions.ts';
import { images, mountScript, services } from './service-list.ts';
import type { Image, Service } from './service-list.ts';

const kubectl = createKubectl(process.env['KUBECONFIG'] ?? '');
const namespace = 'monoroot-conformance';
const fieldManager = 'conformance';
const prefix = 'services';

const names = process.argv.slice(2);
const unknown = names.filter((name) => !services.some((it) => it.name === name));
if (unknown.length > 0)
  throw new Error(`There is no service ${unknown.join(', ')}: ${services.map((it) => it.name).join(' ')}`);
const chosen = services.filter(({ name }) => names.length === 0 || names.includes(name));
const wanted = Object.entries<Image>(images).filter(([name]) => chosen.some(({ image }) => image === name));

const began = performance.now();
const say = (text: string) =>
  console.log(`${String(Math.round((performance.now() - began) / 1000)).padStart(4)} s  ${text}`);

/** The mirror that this machine itself uses. */
function mirrorOfMachine(): string {
  const args = ['indextargets', '--format', '$(SITE) $(COMPONENT)', 'Identifier: Packages'];
  const line = execFileSync('apt-get', args, { encoding: 'utf8' })
    .split('\n')
    .find((it) => /debian main$/.test(it));
  const site = line?.split(' ')[0];
  if (site === undefined) throw new Error('apt of this machine knows no mirror of Debian: set DEBIAN_MIRROR');
  return site;
}
const mirror = process.env['DEBIAN_MIRROR'] ?? mirrorOfMachine();

interface Built {
  reference: string;
  digest: string;
}

/** Has the cluster build an image; resolves when nodes may have it. */
async function build(
  name: string,
  version: string,
  from: object,
  image: Partial<Image>,
  repository: string,
): Promise<Built> {
  const os = `${prefix}-${name}`;
  const recipe = {
    from,
    ...(image.packages && { packages: { install: image.packages } }),
    files: image.files ?? [],
    repository,
    plainHTTP: true,
    timeoutSeconds: 900,
  };
  const spec = { os, version, source: { build: recipe }, ...(image.packages && { mountScript }) };
  await kubectl.apply([{ apiVersion, kind: 'OSImage', metadata: { name: `${os}.${version}` }, spec }], fieldManager);
  const built = await waitFor(
    `${os}:${version} is built and published`,
    async () => {
      const object = await kubectl.get(osImages, { name: `${os}.${version}` });
      const published = findCondition(object?.status?.conditions, 'Published');
      const failed = findCondition(object?.status?.conditions, 'Built');
      if (published?.status === 'True') return { done: object };
      if (failed?.status === 'False') return { done: undefined };
      return { waiting: failed?.message ?? 'no status' };
    },
    { seconds: 900, interval: 2 },
  );
  const digest = built?.status?.digest;
  if (digest === undefined) {
    const object = await kubectl.get(osImages, { name: `${os}.${version}` });
    throw new Error(`${os}:${version}: ${findCondition(object?.status?.conditions, 'Built')?.message ?? 'not built'}`);
  }
  say(`${os}:${version} is built: ${digest}`);
  return { reference: `${repository}/production/${os}:${version}`, digest };
}

const spread = (name: string, version: string) => {
  const image = `${prefix}-${name}:${version}`;
  const metadata = { name: `${prefix}-${name}.${version}` };
  return kubectl.apply([{ apiVersion, kind: 'ImageDistribution', metadata, spec: { image } }], fieldManager);
};

function container(service: Service, version: string): object {
  const { name, image, command, user, env, writable, addCapabilities, services: supervised } = service;
  const spec = {
    image: `${prefix}-${image}:${version}`,
    imagePolicy: 'Strict',
    ...(supervised ? { services: true, data: { ephemeral: { size: '64Mi' } } } : { command }),
    ...(user !== undefined && { user }),
    ...(env && { env }),
    ...(writable && { writable }),
    upgrade: { minReadySeconds: 1, progressDeadlineSeconds: 120, maxRestarts: 2 },
    podTemplate: {
      terminationGracePeriodSeconds: 5,
      ...(addCapabilities && { securityContext: { addCapabilities } }),
    },
  };
  return { apiVersion, kind: 'HostedContainer', metadata: { name, namespace }, spec };
}

/** Runs in the client's Pod: sends bytes, and reads until the answer has come. */
const client = `
  const [host, port, send, expect] = process.argv.slice(1);
  const socket = require('node:net').connect(Number(port), host, () => socket.write(Buffer.from(send, 'base64')));
  let answer = '';
  const look = () => { if (answer.length + send.length > 0 && new RegExp(expect).test(answer)) { console.log(answer.slice(0, 200)); process.exit(0); } };
  socket.on('data', (piece) => { answer += piece.toString('latin1'); look(); });
  socket.on('error', (error) => { console.error(error.message); process.exit(1); });
  socket.on('connect', look);
  socket.on('close', () => { console.error('closed after: ' + answer.slice(0, 200)); process.exit(1); });
  setTimeout(() => { console.error('no answer: ' + answer.slice(0, 200)); process.exit(1); }, 5000);
`;

/** Asks until it answers as it should; throws what it said last, and the end of its log. */
async function ask(service: Service, pod: string): Promise<void> {
  const log = async () => (await kubectl.try(['-n', namespace, 'logs', pod, '--tail=8'])).stdout;
  for (const one of service.services ?? [service]) {
    const { ask: question, inside } = one;
    if (question) {
      const { port, send, expect } = question;
      await waitFor(
        `${one.name} answers`,
        async () => {
          const ip = (await kubectl.get(pods, { name: pod, namespace }))?.status?.podIP ?? '';
          const args = ['node', '-e', client, ip, String(port), Buffer.from(send).toString('base64'), expect.source];
          const { code, stderr } = await kubectl.exec({ name: 'client', namespace }, args, { timeoutSeconds: 30 });
          return code === 0 ? { done: true } : { waiting: stderr.trim() };
        },
        { seconds: 60, interval: 1, explain: log },
      );
    }
    if (inside) {
      await waitFor(
        `${one.name} shows that it works`,
        async () => {
          const { stdout, stderr } = await kubectl.exec({ name: pod, namespace }, ['sh', '-c', inside.script]);
          return inside.expect.test(stdout) ? { done: true } : { waiting: (stdout + stderr).trim() };
        },
        { seconds: 80, interval: 1, explain: log },
      );
    }
  }
}

async function runs(service: Service, version: string): Promise<void> {
  const image = `${prefix}-${service.image}:${version}`;
  await kubectl.apply([container(service, version)], fieldManager);
  const stated = ({ status }: HostedContainer) =>
    (status?.conditions ?? []).map((it) => `${it.type}=${it.status}/${it.reason}: ${it.message}`).join('\n');
  await waitFor(
    `${service.name} runs ${image}`,
    async () => {
      const object = await kubectl.get(hostedContainers, { name: service.name, namespace });
      const isReady = findCondition(object?.status?.conditions, 'Ready')?.status === 'True';
      const isDone = isReady && object?.status?.lastKnownGoodImage === image;
      return isDone ? { done: true } : { waiting: object ? stated(object) : 'it is not there' };
    },
    {
      seconds: 180,
      interval: 1,
      explain: async () => (await kubectl.try(['-n', namespace, 'logs', service.name])).stdout,
    },
  );
  await ask(service, service.name);
}

/** One service from its first start to an answer after its upgrade; gives what its row says. */
async function check(service: Service): Promise<string> {
  try {
    await runs(service, 'v1');
    say(`${service.name} answers on v1`);
    await runs(service, 'v2');
    say(`${service.name} answers on v2`);
    return 'answers, upgraded, answers';
  } catch (error) {
    const why = error instanceof Error ? error.message : String(error);
    say(`${service.name}: ${why}`);
    return `does not: ${why.split('\n')[0] ?? ''}`;
  } finally {
    await kubectl.try(['-n', namespace, 'delete', 'hctr', service.name, '--ignore-not-found', '--wait=false']);
  }
}

async function prepare(): Promise<string> {
  const labels = { 'pod-security.kubernetes.io/enforce': 'privileged' };
  await kubectl.apply([{ apiVersion: 'v1', kind: 'Namespace', metadata: { name: namespace, labels } }], fieldManager);
  const path = 'jsonpath={.spec.template.spec.containers[0].image}';
  const image = await kubectl.run(['-n', systemNamespace, 'get', 'deployment/monoroot-operator', '-o', path]);
  const wait = ['node', '-e', 'setInterval(() => {}, 1000); process.on("SIGTERM", () => process.exit())'];
  const spec = { containers: [{ name: 'client', image, imagePullPolicy: 'IfNotPresent', command: wait }] };
  await kubectl.apply([{ apiVersion: 'v1', kind: 'Pod', metadata: { name: 'client', namespace }, spec }], fieldManager);
  const registry = await startRegistry(kubectl, { namespace });
  return `${registry.address}/conformance`;
}

async function clean(): Promise<void> {
  await kubectl.try(['delete', 'namespace', namespace, '--ignore-not-found', '--timeout=90s']);
  const objects = [...wanted.flatMap(([name]) => ['v1', 'v2'].map((version) => `${prefix}-${name}.${version}`))];
  const bases = ['bookworm', 'trixie'].map((suite) => `${prefix}-base.${suite}`);
  for (const kind of ['imagedistributions', 'osimages']) {
    await kubectl.try(['delete', kind, '--ignore-not-found', '--timeout=60s', ...objects, ...bases]);
  }
}

const rows = new Map<string, string>();
try {
  const repository = await prepare();
  const suites = [...new Set(wanted.map(([, { suite }]) => suite))];
  const bases = new Map<string, Promise<Built>>();
  for (const suite of suites)
    bases.set(suite, build('base', suite, { debootstrap: { suite, mirror } }, {}, repository));
  await Promise.all(
    wanted.map(async ([name, image]) => {
      const mine = chosen.filter((it) => it.image === name);
      try {
        const base = await bases.get(image.suite);
        const from = { oci: { ...base, plainHTTP: true } };
        await Promise.all(['v1', 'v2'].map((version) => build(name, version, from, image, repository)));
        await Promise.all(['v1', 'v2'].map((version) => spread(name, version)));
      } catch (error) {
        const why = error instanceof Error ? error.message : String(error);
        say(why);
        for (const service of mine) rows.set(service.name, `not built: ${why.split('\n')[0] ?? ''}`);
        return;
      }
      await Promise.all(mine.map(async (service) => rows.set(service.name, await check(service))));
    }),
  );
} finally {
  await clean();
}

console.log(`\n${'service'.padEnd(12)} ${'image'.padEnd(10)} ${'user'.padEnd(10)} result`);
for (const { name, image, user = 'root' } of chosen)
  console.log(`${name.padEnd(12)} ${image.padEnd(10)} ${user.padEnd(10)} ${rows.get(name) ?? 'not tried'}`);
process.exitCode = [...rows.values()].every((row) => row.startsWith('answers')) && rows.size === chosen.length ? 0 : 1;
