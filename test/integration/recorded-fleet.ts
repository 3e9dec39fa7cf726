import { readFileSync, readdirSync } from 'node:fs';
import { join } from 'node:path';
import { load } from 'js-yaml';
import type { Client } from '../../src/kube/client.ts';
import { hostedContainers, imageDistributions, nodeStores, osImages } from '../../src/kube/kinds.ts';
import { namespaces } from '../../src/kube/resources.ts';
import type { Resource } from '../../src/kube/resources.ts';
import type { KubeObject } from '../../src/runtime/object.ts';
import type { Scene } from '../../src/cli/scene/scene.ts';
import { eventually } from './eventually.ts';
import { crds, waitUntilEstablished } from './setup.ts';
import type { Crd } from './setup.ts';

/** At once; more only wait in the API server. */
const workers = 16;

/**
 * Puts a fleet into an API server of its own, whose kinds have no status subresource: so that one write stores an object with all that it says.
 */
export async function record(client: Client, fleet: Omit<Scene, 'unseen'>): Promise<void> {
  const directory = join(import.meta.dirname, '../../crds');
  for (const file of readdirSync(directory).filter((name) => name.startsWith('monoroot.dev_'))) {
    const crd = load(readFileSync(join(directory, file), 'utf8')) as Crd & {
      spec: { versions: { subresources?: object }[] };
    };
    for (const version of crd.spec.versions) delete version.subresources;
    await client.create(crds, crd);
    await waitUntilEstablished(client, crd.metadata.name);
  }
  // An API server that has just got a kind asks to be asked again.
  for (const kind of [osImages, imageDistributions, nodeStores, hostedContainers])
    await eventually(() => client.list<KubeObject>(kind));
  for (const name of new Set(fleet.containers.map(({ metadata }) => metadata.namespace ?? '')))
    await client.create(namespaces, { metadata: { name } });
  await createAll(client, osImages, fleet.osImages);
  await createAll(client, imageDistributions, fleet.distributions);
  await createAll(client, nodeStores, fleet.nodeStores);
  await createAll(client, hostedContainers, fleet.containers);
}

async function createAll<T extends KubeObject>(
  client: Client,
  resource: Resource<T>,
  objects: readonly T[],
): Promise<void> {
  const left = objects.values();
  const work = async () => {
    for (const object of left) {
      const { uid: _uid, resourceVersion: _resourceVersion, ...metadata } = object.metadata;
      await client.create(resource, { ...object, metadata });
    }
  };
  await Promise.all(Array.from({ length: workers }, work));
}
