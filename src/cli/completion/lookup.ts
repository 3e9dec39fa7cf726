import { imageName } from '../../api/images.ts';
import { hostedContainers, imageDistributions, nodeStores, osImages } from '../../kube/kinds.ts';
import { namespaces } from '../../kube/resources.ts';
import type { Cluster } from '../cluster.ts';
import { kindNamed, kindWord } from '../names.ts';
import type { Completable, KindName } from '../names.ts';

/**
 * Names for an argument that takes these kinds: alone when it takes one, else `kind/name`, whose first part comes first. None when
 * the API server gives none.
 */
export async function namesOf(
  kinds: readonly Completable[],
  typed: string,
  open: () => Cluster,
): Promise<[string, string][]> {
  const [only, ...others] = kinds;
  if (only !== undefined && others.length === 0) return quietly(() => list(only, open()));
  const slash = typed.indexOf('/');
  if (slash < 0) {
    return kinds.flatMap((kind): [string, string][] => (isKind(kind) ? [[`${kindWord(kind)}/`, '']] : []));
  }
  const kind = kindNamed(typed.slice(0, slash));
  if (kind === undefined || !kinds.includes(kind)) return [];
  const found = await quietly(() => list(kind, open()));
  return found.map(([name, text]) => [typed.slice(0, slash + 1) + name, text]);
}

const isKind = (kind: Completable): kind is KindName => !['Image', 'File', 'Namespace'].includes(kind);

async function quietly(read: () => Promise<[string, string][]>): Promise<[string, string][]> {
  try {
    return await read();
  } catch {
    return [];
  }
}

async function list(kind: Completable, { client, namespace }: Cluster): Promise<[string, string][]> {
  switch (kind) {
    case 'HostedContainer': {
      const found = await client.list(hostedContainers, { namespace });
      return found.map(({ metadata, spec }) => [metadata.name, spec.image]);
    }
    case 'ImageDistribution':
      return (await client.list(imageDistributions)).map(({ metadata, spec }) => [metadata.name, spec.image]);
    case 'OSImage':
      return (await client.list(osImages)).map(({ metadata }) => [metadata.name, '']);
    case 'Image':
      return (await client.list(osImages)).map(({ spec }) => [imageName(spec), '']);
    case 'NodeStore':
      return (await client.list(nodeStores)).map(({ metadata }) => [metadata.name, '']);
    case 'Namespace':
      return (await client.list(namespaces)).map(({ metadata }) => [metadata.name, '']);
    case 'File':
      return [];
  }
}
