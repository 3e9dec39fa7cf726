// hack/node hack/conformance/dockerfile.ts: images that buildah makes from a Dockerfile, as operating systems: imported by `kubectl monoroot
// image import`, run, upgraded, and reverted. The first is an index in which another variant of the processor comes before the plain
// image. The exit code is 1 when something is not as the Dockerfile says. Takes root, buildah with the base of hack/images, and a cluster
// with Monoroot (KUBECONFIG). What it makes it removes.
import { copyFileSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { homedir, tmpdir } from 'node:os';
import { join } from 'node:path';
import { loadAll } from 'js-yaml';
import { createKubectl } from '../lib/kube/kubectl.ts';
import { waitFor } from '../lib/kube/wait.ts';
import { run } from '../lib/process.ts';
import { startRegistry } from '../lib/registry/registry.ts';
import type { HostedContainer } from '../../src/api/hostedcontainer.ts';
import { apiVersion } from '../../src/api/names.ts';
import { hostedContainers, osImages } from '../../src/kube/kinds.ts';
import { findCondition } from '../../src/runtime/conditions.ts';

const kubectl = createKubectl(process.env['KUBECONFIG'] ?? '');
const [namespace, os, fieldManager] = ['monoroot-dockerfile', 'dockerfile', 'conformance'];
const work = mkdtempSync(join(tmpdir(), 'monoroot-dockerfile-'));
const cache =
  process.env['MONOROOT_CACHE'] ?? join(process.env['XDG_CACHE_HOME'] ?? join(homedir(), '.cache'), 'monoroot');

const serve = `#!/bin/sh
trap 'exit 0' QUIT
echo "$VERSION as $(id -un) in $(pwd) at $TZ with $#: $*" >/srv/uploads/index.html
busybox httpd -f -p 8080 -h /srv/uploads &
while :; do wait; done
`;
const dockerfile = (base: string, version: string, command: string) => `FROM ${base}
COPY busybox /usr/local/bin/busybox
RUN useradd --uid 1234 --home-dir /srv/app web && mkdir -p /srv/app /srv/uploads && chown web /srv/uploads
COPY serve /srv/app/serve
ENV TZ=Europe/Berlin VERSION=${version}
LABEL org.opencontainers.image.title=${os}
VOLUME /srv/uploads
WORKDIR /srv
WORKDIR app
USER web
STOPSIGNAL SIGQUIT
EXPOSE 8080
HEALTHCHECK CMD false
CMD ${command}
`;

async function must(program: string, ...args: string[]): Promise<string> {
  const { code, stdout, stderr } = await run(program, args, { timeoutSeconds: 600, env: kubectl.env });
  if (code !== 0) throw new Error(`${program} ${args.slice(0, 4).join(' ')}: ${stderr.trim().slice(-1500)}`);
  return stdout.trim();
}
const store = ['--root', join(cache, 'buildah/store'), '--runroot', join(cache, 'buildah/run'), '--storage-driver', 'overlay']; // prettier-ignore
const buildah = (...args: string[]) => must('buildah', ...store, ...args);
const made: string[] = [];

/** Builds an image, in the format of Docker unless another one is named, which has no HEALTHCHECK. */
async function build(name: string, text: string, format = 'docker'): Promise<string> {
  const directory = join(work, name);
  mkdirSync(directory);
  copyFileSync('/bin/busybox', join(directory, 'busybox'));
  writeFileSync(join(directory, 'serve'), serve, { mode: 0o755 });
  writeFileSync(join(directory, 'Dockerfile'), text);
  const image = `localhost/${os}-${name}`;
  made.push(image);
  await buildah('bud', '--isolation', 'chroot', '--pull-never', '--layers', '--format', format, '-t', image, directory);
  return image;
}

/** An index with an image of another variant first. */
async function pushIndex(target: string, plain: string, other: string): Promise<void> {
  const list = `localhost/${os}-list`;
  await buildah('manifest', 'create', list);
  await buildah('manifest', 'add', '--arch', 'amd64', '--variant', 'v4', list, `containers-storage:${other}`);
  await buildah('manifest', 'add', list, `containers-storage:${plain}`);
  await buildah('manifest', 'push', '--all', '--rm', '--tls-verify=false', list, `docker://${target}`);
}

async function importImage(reference: string, version: string): Promise<void> {
  const plugin = join(import.meta.dirname, '../bin/kubectl-monoroot');
  const text = await must(plugin, 'image', 'import', reference, '--os', os, '--version', version, '--plain-http');
  await kubectl.apply(loadAll(text) as object[], fieldManager);
}

async function until(image: string, reason: string): Promise<HostedContainer> {
  return waitFor(
    `it is ${reason} on ${image}`,
    async () => {
      const it = await kubectl.get(hostedContainers, { name: os, namespace });
      const of = (type: string) => findCondition(it?.status?.conditions, type);
      const isThere =
        of('Upgraded')?.reason === reason && of('Ready')?.status === 'True' && it?.status?.image === image;
      if (it && isThere) return { done: it };
      return {
        waiting: `${of('Upgraded')?.reason ?? ''}: ${of('Upgraded')?.message ?? ''}; ${of('Ready')?.message ?? ''}`,
      };
    },
    { seconds: 180, explain: async () => (await kubectl.try(['-n', namespace, 'logs', os])).stdout },
  );
}
const container = (version: string) => ({
  apiVersion,
  kind: 'HostedContainer',
  metadata: { name: os, namespace },
  spec: {
    image: `${os}:${version}`,
    imagePolicy: 'Strict',
    readinessProbe: { httpGet: { port: 8080 }, periodSeconds: 1 },
    upgrade: { minReadySeconds: 2, maxRestarts: 2 },
    podTemplate: { terminationGracePeriodSeconds: 30 },
  },
});
const page = async () =>
  (await kubectl.shell({ name: os, namespace }, 'busybox wget -qO- http://127.0.0.1:8080/')).stdout.trim();

const faults: string[] = [];
function compare(what: string, found: unknown, expected: unknown): void {
  const same = JSON.stringify(found) === JSON.stringify(expected);
  if (!same) faults.push(what);
  console.log(
    `${same ? 'as it says' : 'DIFFERS   '}  ${what}: ${JSON.stringify(found)}${same ? '' : `, not ${JSON.stringify(expected)}`}`,
  );
}

try {
  const labels = { 'pod-security.kubernetes.io/enforce': 'privileged' };
  await kubectl.apply([{ apiVersion: 'v1', kind: 'Namespace', metadata: { name: namespace, labels } }], fieldManager);
  const registry = await startRegistry(kubectl, { namespace });
  const [base = ''] = (await buildah('images', '--filter', 'reference=localhost/monoroot-base', '--format', '{{.Name}}:{{.Tag}}')).split('\n'); // prettier-ignore
  if (base === '') throw new Error('There is no base image: run hack/images first');
  const reference = (version: string) => `${registry.nodeAddress}/web/${os}:${version}`;
  const shell = await build('v1', dockerfile(base, 'v1', 'exec /srv/app/serve in a shell'), 'oci');
  const list = await build('v2', dockerfile(base, 'v2', '["/srv/app/serve", "in a list"]'));
  const broken = await build('v3', dockerfile(base, 'v3', '["/bin/false"]'));
  await pushIndex(reference('v1'), shell, broken);
  await buildah('push', '--tls-verify=false', list, `docker://${reference('v2')}`);
  await buildah('push', '--tls-verify=false', broken, `docker://${reference('v3')}`);

  await importImage(reference('v1'), 'v1');
  await kubectl.apply([container('v1')], fieldManager);
  await until(`${os}:v1`, 'UpToDate');
  compare('v1, CMD as a text, of an index with v4 before it', await page(), 'v1 as web in /srv/app at Europe/Berlin with 3: in a shell'); // prettier-ignore
  const status = (await kubectl.get(osImages, { name: `${os}.v1` }))?.status;
  compare('USER, STOPSIGNAL, WORKDIR', [status?.defaults?.user, status?.defaults?.stopSignal, status?.defaults?.workingDir], ['web', 'SIGQUIT', '/srv/app']); // prettier-ignore
  compare('VOLUME is an overlay', status?.layout?.volumes, ['/srv/uploads']);
  compare('nothing of it is missing', findCondition(status?.conditions, 'LayoutComplete')?.status, 'True');

  await importImage(reference('v2'), 'v2');
  await kubectl.apply([container('v2')], fieldManager);
  await until(`${os}:v2`, 'UpToDate');
  compare('v2, CMD as a list, in the format of Docker', await page(), 'v2 as web in /srv/app at Europe/Berlin with 1: in a list'); // prettier-ignore

  await importImage(reference('v3'), 'v3');
  await kubectl.apply([container('v3')], fieldManager);
  const back = await until(`${os}:v2`, 'Reverted');
  compare('v3 fails and v2 runs again', [back.spec.image, (await page()).slice(0, 9)], [`${os}:v2`, 'v2 as web']);
} finally {
  await kubectl.try(['delete', 'namespace', namespace, '--ignore-not-found', '--timeout=90s']);
  await kubectl.try(['delete', 'imagedistribution', os, '--ignore-not-found']);
  await kubectl.try(['delete', 'osimage', '--ignore-not-found', ...['v1', 'v2', 'v3'].map((it) => `${os}.${it}`)]);
  await run('buildah', [...store, 'rmi', '--force', ...made]);
  rmSync(work, { recursive: true, force: true });
}
process.exitCode = faults.length > 0 ? 1 : 0;
