import type { HostedContainer } from '../../../src/api/hostedcontainer.ts';
import { apiVersion } from '../../../src/api/names.ts';
import type { OSImageSpec } from '../../../src/api/osimage.ts';
import { hostedContainers, imageDistributions, osImages } from '../../../src/kube/kinds.ts';
import { defineResource, pods } from '../../../src/kube/resources.ts';
import { parseReference } from '../../../src/api/images.ts';
import type { KubeObject } from '../../../src/runtime/object.ts';
import { findCondition } from '../../../src/runtime/conditions.ts';
import type { Archive } from './files.ts';
import { url } from './files.ts';
import { fieldManager, has, kubectl, namespace, until } from './system.ts';

export const services = defineResource<KubeObject & { spec: { clusterIP?: string } }>({
  group: '',
  version: 'v1',
  plural: 'services',
  kind: 'Service',
  namespaced: true,
});

const objectName = (image: string): string => image.replace(':', '.');

/** Creates an OSImage, and an ImageDistribution of it to all nodes. */
export async function distribute(
  image: string,
  archive: Archive,
  http: Partial<OSImageSpec['source']['http'] & object> = {},
  activate = false,
): Promise<void> {
  const { os, version } = parseReference(image);
  const source = { http: { url: url(archive), sha256: archive.sha256, ...http } };
  await kubectl.apply(
    [
      { apiVersion, kind: 'OSImage', metadata: { name: objectName(image) }, spec: { os, version, source } },
      {
        apiVersion,
        kind: 'ImageDistribution',
        metadata: { name: objectName(image) },
        spec: { image, activate: { newContainers: activate }, download: { backoffLimit: 1 } },
      },
    ],
    fieldManager,
  );
}

export const distributed = (image: string, seconds = 60) =>
  until(
    imageDistributions,
    { name: objectName(image) },
    'is on all nodes',
    (d) => has(d, 'Distributed', 'True/AllNodes'),
    seconds,
  );

/** Creates or changes a HostedContainer as a person or a GitOps tool does: server-side apply. */
export async function applyContainer(name: string, spec: object, labels?: Record<string, string>): Promise<void> {
  const quick = { minReadySeconds: 2, maxRestarts: 2, progressDeadlineSeconds: 90 };
  const withDefaults = {
    readinessProbe: { httpGet: { port: 8080 }, periodSeconds: 1 },
    podTemplate: { terminationGracePeriodSeconds: 5 },
    ...spec,
    upgrade: { ...quick, ...(spec as { upgrade?: object }).upgrade },
  };
  await kubectl.apply(
    [
      {
        apiVersion,
        kind: 'HostedContainer',
        metadata: { name, namespace, ...(labels && { labels }) },
        spec: withDefaults,
      },
    ],
    fieldManager,
  );
}

export const untilContainer = (
  name: string,
  description: string,
  holds: (container: HostedContainer) => boolean,
  seconds = 60,
) => until(hostedContainers, { name, namespace }, description, holds, seconds);

/** The container runs what is asked for, for good. */
export const upToDate = (name: string, image: string) =>
  untilContainer(
    name,
    `is good on ${image}`,
    (c) => has(c, 'Upgraded', 'True/UpToDate') && has(c, 'Ready', 'True/Running') && c.status?.image === image,
  );

/** The container is back on an image after a failed upgrade. */
export const reverted = (name: string, image: string, seconds = 120) =>
  untilContainer(
    name,
    `went back to ${image}`,
    (c) => has(c, 'Upgraded', 'False/Reverted') && has(c, 'Ready', 'True/Running') && c.status?.image === image,
    seconds,
  );

/** What the service of the container answers. */
export async function page(name: string): Promise<string> {
  const pod = await kubectl.get(pods, { name, namespace });
  const target = { name: 'deployment/files', namespace };
  const fetchPage = 'fetch(process.argv[1]).then(async (r) => console.log(await r.text()))';
  const url = `http://${pod?.status?.podIP ?? ''}:8080/`;
  const { code, stdout, stderr } = await kubectl.shell(target, 'node -e "$1" "$2"', fetchPage, url);
  if (code !== 0) throw new Error(`No answer from ${name}: ${stderr}`);
  return stdout.trim();
}

/** Removes containers, and images that no test needs any more. */
export async function remove(names: { containers?: string[]; images?: string[] }): Promise<void> {
  const of = (resource: string, list: readonly string[] | undefined, ...where: string[]) =>
    list?.length
      ? kubectl.run([...where, 'delete', resource, '--ignore-not-found', '--timeout=60s', ...list])
      : undefined;
  await of('hostedcontainers', names.containers, '-n', namespace);
  const images = names.images?.map(objectName);
  await of('imagedistributions', images);
  await of('osimages', images);
}

export { hostedContainers, imageDistributions, osImages, pods };

/** Changes fields of a container as somebody at a terminal does. */
export const patchContainer = (name: string, spec: object) =>
  kubectl.run(['-n', namespace, 'patch', 'hctr', name, '--type=merge', '-p', JSON.stringify({ spec })]);

/** What a shell in the container prints; the script may run twice. */
export const inside = async (name: string, script: string): Promise<string> =>
  (await kubectl.shell({ name, namespace }, script)).stdout.trim();

export const messageOf = ({ status }: HostedContainer, type: string): string =>
  findCondition(status?.conditions, type)?.message ?? '';
