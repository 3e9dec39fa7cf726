import { execFileSync } from 'node:child_process';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { pino } from 'pino';
import { hostedContainerDefinition } from '../../src/api/hostedcontainer.ts';
import type { HostedContainer, HostedContainerSpec } from '../../src/api/hostedcontainer.ts';
import { apiVersion, labels } from '../../src/api/names.ts';
import { createClient } from '../../src/kube/client.ts';
import type { Client, NewObject } from '../../src/kube/client.ts';
import { createConnection, loadKubeConfig, userAgent } from '../../src/kube/connection.ts';
import { hostedContainers, osImages } from '../../src/kube/kinds.ts';
import { namespaces, nodes, pods } from '../../src/kube/resources.ts';
import type { Pod } from '../../src/api/kubernetes/objects.ts';
import { imageLabel, imageName } from '../../src/api/images.ts';
import { usableImage } from '../../src/pod/usable-image.ts';
import type { KubeObject } from '../../src/runtime/object.ts';
import { Reflector } from '../../src/runtime/reflector.ts';
import { createKubectl } from '../lib/kube/kubectl.ts';
import type { Kubectl } from '../lib/kube/kubectl.ts';

export const namespace = 'monoroot-bench';
const busybox = '/.monoroot/busybox';

/** The cluster of hack/cluster, with watches that see changes within milliseconds. */
export interface Bench {
  client: Client;
  kubectl: Kubectl;
  pods: Watched<Pod>;
  containers: Watched<HostedContainer>;
}

export interface Watched<T extends KubeObject> {
  get(name: string): T | undefined;
  /** When (performance.now()) the object, or its absence, was first seen to be so; it may be so already. */
  when(name: string, what: string, holds: (object: T | undefined) => boolean, seconds?: number): Promise<number>;
}

/** Connects, runs the bench in a namespace of its own, and removes that. */
export async function withCluster(bench: (cluster: Bench) => Promise<void>): Promise<void> {
  const path = execFileSync(join(import.meta.dirname, '..', 'cluster'), ['kubeconfig'], { encoding: 'utf8' }).trim();
  const connection = createConnection({ config: loadKubeConfig({ path }), userAgent: userAgent('dev', 'bench') });
  const client = createClient(connection);
  const stop = new AbortController();
  const logger = pino({ level: 'silent' });
  const privileged = { 'pod-security.kubernetes.io/enforce': 'privileged' };
  try {
    await removeLeftovers(client);
    await client.apply(namespaces, { metadata: { name: namespace, labels: privileged } }, { fieldManager: 'bench' });
    const podWatch = new Reflector({ name: 'pods', source: client.listWatcher(pods, { namespace }), logger });
    const containerWatch = new Reflector({
      name: 'containers',
      source: client.listWatcher(hostedContainers, { namespace }),
      logger,
    });
    const running = [podWatch, containerWatch].map((reflector) => reflector.run(stop.signal));
    await Promise.all([podWatch.synced(stop.signal), containerWatch.synced(stop.signal)]);
    await bench({ client, kubectl: createKubectl(path), pods: watched(podWatch), containers: watched(containerWatch) });
    stop.abort();
    await Promise.all(running);
  } finally {
    stop.abort();
    await client.delete(namespaces, { name: namespace });
    await connection.close();
  }
}

/** Of a bench that was ended in the middle. */
async function removeLeftovers(client: Client): Promise<void> {
  await client.delete(namespaces, { name: namespace });
  for (let tries = 0; (await client.get(namespaces, { name: namespace })) !== undefined; tries++) {
    if (tries > 300) throw new Error(`Namespace ${namespace} of an earlier bench does not go away`);
    await delay(200);
  }
}

function watched<T extends KubeObject>({ store }: Reflector<T>): Watched<T> {
  const get = (name: string) => store.get(`${namespace}/${name}`);
  return {
    get,
    when: (name, what, holds, seconds = 90) =>
      new Promise((resolve, reject) => {
        const timer = setTimeout(() => {
          unsubscribe();
          reject(new Error(`${name} was not ${what} within ${seconds} s: ${JSON.stringify(get(name))}`));
        }, seconds * 1000);
        const look = () => {
          if (!holds(get(name))) return false;
          clearTimeout(timer);
          resolve(performance.now());
          return true;
        };
        // The handler runs for all that is there before it can be taken back.
        let unsubscribe: () => void = () => undefined;
        unsubscribe = store.subscribe(() => {
          setImmediate(() => {
            if (look()) unsubscribe();
          });
        });
        if (look()) unsubscribe();
      }),
  };
}

export const isReady = (pod: Pod | undefined): boolean =>
  pod?.metadata.deletionTimestamp === undefined &&
  (pod?.status?.conditions?.some((c) => c.type === 'Ready' && c.status === 'True') ?? false);

/** The node that was asked for, or else the first. */
export async function chooseNode(client: Client, asked: string | undefined): Promise<string> {
  const names = (await client.list(nodes)).map(({ metadata }) => metadata.name).sort();
  const name = asked ?? names[0];
  if (name === undefined || !names.includes(name))
    throw new Error(`There is no node ${name}: there are ${names.join()}`);
  return name;
}

/** A node, and the images that it has: those that were asked for, or else Debian, or else any that are Ready. */
export async function chooseImages(
  client: Client,
  count: number,
  asked: readonly string[],
): Promise<{ images: string[]; node: string }> {
  const ready = (await client.list(osImages)).map(usableImage).filter((image) => image !== undefined);
  const byOS = Object.values(Object.groupBy(ready, (image) => image.os)).map((of) => (of ?? []).map(imageName).sort());
  const candidates = asked.length > 0 ? [asked] : [...byOS.filter(([name]) => name?.startsWith('debian')), ...byOS];
  const names = candidates.find((of) => of.length >= count)?.slice(0, count);
  const images = names
    ?.map((name) => ready.find((image) => imageName(image) === name))
    .filter((image) => image !== undefined);
  if (!images || images.length < count)
    throw new Error(`The cluster has no ${count} Ready OSImages of one OS: run "npm run demo" first`);
  const labelSelector = images.map(imageLabel).map(({ key, value }) => `${key}=${value}`).join(); // prettier-ignore
  const having = (await client.list(nodes, { labelSelector })).map((node) => node.metadata.name).sort();
  if (having[0] === undefined) throw new Error(`No node has ${images.map(imageName).join(' and ')}`);
  return { images: images.map(imageName), node: having[0] };
}

/** Answers with the name of its Pod and its version until it is asked to stop, and stops at once; exits with 1 instead in these versions of its image. */
export const service = (...failingVersions: string[]): string[] => [
  busybox,
  'sh',
  '-c',
  `case ",${failingVersions.join()}," in *",\${MONOROOT_VERSION:-none},"*) exit 1;; esac; trap "exit 0" TERM
b=${busybox}; $b mkdir -p /tmp/www; echo "$($b hostname) $MONOROOT_VERSION" >/tmp/www/index.html; $b httpd -f -p 8080 -h /tmp/www & wait`,
];

/** The page of a {@link service}. */
export const pageOf = (name: string, image = ''): string => `${name} ${image.split(':')[1] ?? ''}`.trim();

export function hostedContainer(
  name: string,
  node: string,
  spec: Partial<HostedContainerSpec> & { image: string },
): NewObject<HostedContainer> {
  const podTemplate = { nodeSelector: { 'kubernetes.io/hostname': node } };
  const whole = hostedContainerDefinition.spec.parse({
    command: service(),
    podTemplate,
    ...spec,
  }) as HostedContainerSpec;
  return { apiVersion, kind: 'HostedContainer', metadata: { name, namespace }, spec: whole };
}

/** Is there a node plugin, so that containers on the node can have direct mounts? */
export async function hasDirectMounts(client: Client, node: string): Promise<boolean> {
  const has = (await client.get(nodes, { name: node }))?.metadata.labels?.[labels.directMounts] === 'true';
  if (!has) console.log(`${node} has no node plugin: nothing is measured with direct mounts (docs/direct-mounts.md)`);
  return has;
}

/** What the HostedContainer is compared with: an image that is on the node, the same service, and a volume or none. */
export function ordinaryPod(name: string, node: string, { volume = true } = {}): NewObject<Pod> {
  const spec: Pod['spec'] = {
    nodeSelector: { 'kubernetes.io/hostname': node },
    automountServiceAccountToken: false,
    enableServiceLinks: false,
    ...(volume && { volumes: [{ name: 'volume', emptyDir: {} }] }),
    containers: [
      {
        name: 'main',
        image: 'localhost/monoroot-scaffold-merged:dev',
        imagePullPolicy: 'IfNotPresent',
        command: service(),
        ...(volume && { volumeMounts: [{ name: 'volume', mountPath: '/data' }] }),
      },
    ],
  };
  return { metadata: { name, namespace }, spec };
}
