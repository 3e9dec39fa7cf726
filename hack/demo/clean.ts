import { imageDistributions, nodeStores, osImages } from '../../src/kube/kinds.ts';
import { namespaces, persistentVolumes } from '../../src/kube/resources.ts';
import type { Resource } from '../../src/kube/resources.ts';
import type { KubeObject } from '../../src/runtime/object.ts';
import { waitFor } from '../lib/kube/wait.ts';
import type { Demo } from './demo.ts';
import { demoNamespace, os, selector } from './objects.ts';

/** Removes what an earlier run has left in the cluster, and waits until the nodes have given up its images too. */
export async function clean(demo: Demo): Promise<void> {
  const { kubectl, screen } = demo;
  const options = ['--ignore-not-found', '--wait=false'];
  await kubectl.run(['delete', 'namespace', demoNamespace, ...options]);
  await kubectl.run(['delete', 'imagedistributions,osimages,persistentvolumes', '-l', selector, ...options]);
  await waitFor('Nothing of an earlier run is left', async () => {
    const left = await remains(demo);
    return left.length === 0 ? { done: undefined } : { waiting: `removing ${left.join(', ')}` };
  }, { seconds: 180, screen }); // prettier-ignore
}

async function remains({ kubectl }: Demo): Promise<string[]> {
  const resources: Resource<KubeObject>[] = [namespaces, imageDistributions, osImages, persistentVolumes];
  const objects = await Promise.all(
    resources.map(async (resource) => {
      const found = await kubectl.list(resource, { labelSelector: selector });
      return found.map(({ metadata }) => `${resource.kind} ${metadata.name}`);
    }),
  );
  const stores = await kubectl.list(nodeStores);
  const stored = stores.flatMap(({ status }) => (status?.images ?? []).filter((image) => image.os === os));
  return [...objects.flat(), ...(stored.length > 0 ? [`images on nodes: ${stored.length}`] : [])];
}
