import { kinds } from '../../api/kinds.ts';
import { group } from '../../api/names.ts';
import { defineResource, leases, nodes } from '../../kube/resources.ts';
import type { Node, Pod } from '../../api/kubernetes/objects.ts';
import type { Lease } from '../../kube/types.ts';
import { ApiError } from '../../runtime/errors.ts';
import type { Cluster } from '../cluster.ts';
import type { Scene } from '../scene/scene.ts';
import { readScene } from '../scene/scene.ts';
import { findSystemNamespace, podsOf } from '../system.ts';
import type { KubeObject } from '../../runtime/object.ts';

/** Policies that must be in the cluster, each with a binding of the same name. */
export const policyNames = [
  'monoroot-agent-own-node',
  'monoroot-store-read-only',
  'monoroot-direct-mounts',
  'monoroot-store-no-volumes',
  'monoroot-verification-no-secrets',
  'monoroot-sources-no-keys',
  'monoroot-tenant-pods',
  'monoroot-operator-fields',
  'monoroot-operator-objects',
  'monoroot-operator-pods',
] as const;

/** What the user may not read is `denied`. */
export type Answer<T> = { denied: string } | { found: T };

export interface ResourceQuota extends KubeObject {
  spec?: { hard?: Record<string, string>; scopes?: string[]; scopeSelector?: object };
  status?: { hard?: Record<string, string>; used?: Record<string, string> };
}
export interface LimitRange extends KubeObject {
  spec: {
    limits: {
      type: string;
      default?: Record<string, string>;
      defaultRequest?: Record<string, string>;
      max?: Record<string, string>;
    }[];
  };
}

/** What the server of an image says to this machine. */
export interface Reached {
  image: string;
  host: string;
  /** Undefined when it has the image. */
  problem?: string;
}

export interface ClusterFacts {
  kubernetes: string;
  nodes: Answer<Node[]>;
  /** Names of our definitions that are there. */
  definitions: Answer<string[]>;
  /** Names of policies that are there, and of those that are bound. */
  policies: Answer<{ there: string[]; bound: string[] }>;
  operators: Answer<Pod[]>;
  agents: Answer<Pod[]>;
  lease: Answer<Lease | undefined>;
  /** Of all namespaces. */
  quotas: Answer<ResourceQuota[]>;
  limitRanges: Answer<LimitRange[]>;
  /** What servers of images say to this machine, where the user wants to know. */
  fromHere?: Reached[];
  scene: Scene;
}

/** Reads all that a check looks at. A refusal is a fact, too; no answer is an error. */
export async function readFacts({ client, connection }: Pick<Cluster, 'client' | 'connection'>): Promise<ClusterFacts> {
  const raw = async (path: string) => JSON.parse(await connection.request({ method: 'GET', path })) as unknown;
  const named = async (path: string): Promise<string[]> => {
    const { items } = (await raw(path)) as { items: { metadata: { name: string } }[] };
    return items.map(({ metadata }) => metadata.name);
  };
  const admission = '/apis/admissionregistration.k8s.io/v1';
  const system = await findSystemNamespace(client);
  const part = (component: 'operator' | 'agent') => podsOf(client, system, component);
  const [version, allNodes, definitions, policies, operators, agents, lease, resourceQuotas, ranges, scene] =
    await Promise.all([
      raw('/version') as Promise<{ gitVersion: string }>,
      answer(client.list(nodes)),
      answer(named('/apis/apiextensions.k8s.io/v1/customresourcedefinitions')),
      answer(
        Promise.all([
          named(`${admission}/validatingadmissionpolicies`),
          raw(`${admission}/validatingadmissionpolicybindings`),
        ]).then(([there, bindings]) => ({ there, bound: boundBy(bindings) })),
      ),
      answer(part('operator')),
      answer(part('agent')),
      answer(client.get(leases, { namespace: system, name: 'monoroot-operator' })),
      answer(client.list(quotas)),
      answer(client.list(limitRanges)),
      withoutDefinitions(() => readScene(client, undefined)),
    ]);
  const parts = { operators, agents, lease, quotas: resourceQuotas, limitRanges: ranges };
  return { kubernetes: version.gitVersion, nodes: allNodes, definitions, policies, ...parts, scene };
}

const core = { group: '', version: 'v1', namespaced: true };
const quotas = defineResource<ResourceQuota>({ ...core, plural: 'resourcequotas', kind: 'ResourceQuota' });
const limitRanges = defineResource<LimitRange>({ ...core, plural: 'limitranges', kind: 'LimitRange' });

const boundBy = (bindings: unknown): string[] =>
  (bindings as { items: { spec: { policyName: string } }[] }).items.map(({ spec }) => spec.policyName);

async function answer<T>(asked: Promise<T>): Promise<Answer<T>> {
  try {
    return { found: await asked };
  } catch (error) {
    if (error instanceof ApiError && (error.code === 403 || error.code === 404)) return { denied: error.message };
    throw error;
  }
}

/** Before the installation there are no kinds to list. */
async function withoutDefinitions(read: () => Promise<Scene>): Promise<Scene> {
  try {
    return await read();
  } catch (error) {
    if (!(error instanceof ApiError) || error.code !== 404) throw error;
    return { osImages: [], distributions: [], nodeStores: [], containers: [], unseen: [] };
  }
}

/** Names of the definitions that Monoroot needs. */
export const definitionNames = kinds.map(({ plural }) => `${plural}.${group}`);
