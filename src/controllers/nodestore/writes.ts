import type { NodeStore } from '../../api/nodestore.ts';
import type { JsonPatchOperation } from '../../kube/client.ts';
import type { Node, OwnerReference } from '../../api/kubernetes/objects.ts';
import { sameStatus } from '../../runtime/status.ts';
import { currentLabels } from './labels.ts';
import type { NodePlan } from './observed.ts';

/** The writes that make one node as planned, each with what it was decided on. Pure. */

export type NodeWrite =
  | { type: 'PatchLabels'; patch: { metadata: object }; labels: readonly string[] }
  | { type: 'CreateStore'; ownerReferences: OwnerReference[] }
  | { type: 'AdoptStore'; patch: { metadata: object } }
  | { type: 'ReplaceImages'; operations: JsonPatchOperation[] };

/** Whose NodeStore it is. One of a Node that is gone is left to the garbage collector of Kubernetes. */
export type Ownership = 'Own' | 'Former' | 'Nobody';

export function ownershipOf(store: NodeStore, node: Node): Ownership {
  const owners = ownersOf(store).filter(({ kind }) => kind === 'Node');
  if (owners.some(({ uid }) => uid === node.metadata.uid)) return 'Own';
  return owners.length > 0 ? 'Former' : 'Nobody';
}

const ownersOf = ({ metadata }: NodeStore): OwnerReference[] =>
  (metadata as { ownerReferences?: OwnerReference[] }).ownerReferences ?? [];

const referenceTo = ({ metadata: { name, uid = '' } }: Node): OwnerReference => ({
  apiVersion: 'v1',
  kind: 'Node',
  name,
  uid,
});

/**
 * In the order in which they must be made: labels come first, so that no Pod is sent any more to an image that the node is about
 * to drop. `latest` is the Node as it is known now, `store` the NodeStore that the plan was made from.
 */
export function writesFor(plan: NodePlan, latest: Node, store: NodeStore | undefined): NodeWrite[] {
  const ownership = store && ownershipOf(store, latest);
  return [...labelWrites(plan, latest), ...(ownership === 'Former' ? [] : specWrites(plan, store, ownership))];
}

/** Labels are set and removed in the revision that was seen: also those that somebody else has set in our place. */
function labelWrites(plan: NodePlan, latest: Node): NodeWrite[] {
  const current = currentLabels(latest);
  if (sameStatus(current, plan.labels)) return [];
  const gone = Object.keys(current).filter((key) => plan.labels[key] === undefined);
  const labels = { ...plan.labels, ...Object.fromEntries(gone.map((key) => [key, null])) };
  const { uid, resourceVersion } = latest.metadata;
  return [
    { type: 'PatchLabels', patch: { metadata: { uid, resourceVersion, labels } }, labels: Object.keys(plan.labels) },
  ];
}

/**
 * The whole list is replaced, so that no entry of anybody else stays. It depends on the generation and not on the revision: agents
 * write their status all the time.
 */
function specWrites({ node, images }: NodePlan, store: NodeStore | undefined, ownership?: Ownership): NodeWrite[] {
  if (!store) return [{ type: 'CreateStore', ownerReferences: [referenceTo(node)] }];
  const { uid, generation, resourceVersion } = store.metadata;
  const ownerReferences = [...ownersOf(store), referenceTo(node)];
  const adopt: NodeWrite = { type: 'AdoptStore', patch: { metadata: { uid, resourceVersion, ownerReferences } } };
  const operations: JsonPatchOperation[] = [
    { op: 'test', path: '/metadata/uid', value: uid },
    { op: 'test', path: '/metadata/generation', value: generation },
    { op: 'add', path: '/spec', value: { images } },
  ];
  return [
    ...(ownership === 'Nobody' ? [adopt] : []),
    ...(sameStatus(store.spec.images, images) ? [] : [{ type: 'ReplaceImages' as const, operations }]),
  ];
}
