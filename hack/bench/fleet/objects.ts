import type { ExistingContainers } from '../../../src/api/rollout.ts';
import type { Client, NewObject } from '../../../src/kube/client.ts';
import { hostedContainers, imageDistributions, osImages } from '../../../src/kube/kinds.ts';
import { defineResource, nodes, pods } from '../../../src/kube/resources.ts';
import type { KubeObject } from '../../../src/runtime/object.ts';
import { parseReference } from '../../../src/api/images.ts';
import { findCondition } from '../../../src/runtime/conditions.ts';
import { formatTime } from '../../../src/runtime/time.ts';
import { sha256Of } from '../../../test/fixtures/builders.ts';

/** The objects of the bench, as their users write them: what they leave out, the API server fills in. */

type Resource = ReturnType<typeof defineResource<KubeObject>>;
export const objectName = (image: string): string => image.replace(':', '.');

const create = (client: Client, resource: Resource, metadata: KubeObject['metadata'], spec: object) =>
  client.create(resource, { metadata, spec } as NewObject<KubeObject>, { fieldManager: 'bench' });

/** Does it for each, so many at once. */
export async function forEach<T>(items: readonly T[], atOnce: number, act: (item: T) => Promise<unknown>) {
  const rest = items.values();
  const worker = async () => {
    for (const item of rest) await act(item);
  };
  await Promise.all(Array.from({ length: atOnce }, worker));
}

export const createNodes = (client: Client, count: number): Promise<void> =>
  forEach(numbered('node', count), 8, (name) =>
    client.create(nodes, {
      metadata: { name, labels: { 'kubernetes.io/arch': 'amd64', 'kubernetes.io/hostname': name } },
    }),
  );

export async function createImage(client: Client, image: string): Promise<void> {
  const { os, version } = parseReference(image);
  const http = { url: `http://web/${objectName(image)}.tar.zst`, sha256: sha256Of(image) };
  await create(client, osImages, { name: objectName(image) }, { os, version, source: { http } });
}

/** Distributes it to all nodes and makes it the default, of existing containers too when it is said how. */
export async function activate(client: Client, image: string, existing?: Partial<ExistingContainers>): Promise<void> {
  await create(client, imageDistributions, { name: objectName(image) }, {
    image,
    parallelism: '50%',
    activate: { newContainers: true, ...(existing && { existingContainers: existing }) },
  }); // prettier-ignore
}

/** Containers that follow the default version of the OS. */
export const createContainers = (
  client: Client,
  namespace: string,
  names: readonly string[],
  os: string,
  minReadySeconds: number,
): Promise<void> =>
  forEach(names, 16, (name) =>
    create(client, hostedContainers as Resource, { name, namespace }, {
      image: os,
      command: ['/usr/bin/service'],
      upgrade: { minReadySeconds },
    }),
  ); // prettier-ignore

export const numbered = (prefix: string, count: number): string[] =>
  Array.from({ length: count }, (_, i) => `${prefix}-${String(i + 1).padStart(4, '0')}`);

/** How many containers say that this image is their last known good one, and that they are well. */
export async function countGood(client: Client, namespace: string, image: string): Promise<number> {
  const all = await client.list(hostedContainers, { namespace });
  return all.filter(({ metadata, status }) => {
    const isTrue = (type: string) => findCondition(status?.conditions, type)?.status === 'True';
    return (
      status?.observedGeneration === metadata.generation &&
      status?.lastKnownGoodImage === image &&
      status.image === image &&
      isTrue('Ready') &&
      !isTrue('Reconciling')
    );
  }).length;
}

/** Makes their Pods unready, as a service does that has come down by itself and stays so. */
export const breakContainers = (client: Client, namespace: string, names: readonly string[]): Promise<void> =>
  forEach(names, 8, async (name) => {
    const pod = await client.get(pods, { namespace, name });
    const lastTransitionTime = formatTime(new Date());
    const conditions = (pod?.status?.conditions ?? []).map((condition) =>
      condition.type.endsWith('Ready') ? { ...condition, status: 'False', lastTransitionTime } : condition,
    );
    await client.mergePatch(pods, { namespace, name }, { status: { conditions } }, { subresource: 'status' });
  });
