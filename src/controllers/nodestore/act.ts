import type { Logger } from 'pino';
import { fieldManagers } from '../../api/names.ts';
import type { NodeStore } from '../../api/nodestore.ts';
import type { Node, OwnerReference } from '../../api/kubernetes/objects.ts';
import { isAlreadyExists, isConflict, isNotFound } from '../../runtime/errors.ts';
import type { Client } from '../../kube/client.ts';
import { nodeStores } from '../../kube/kinds.ts';
import type { OnFailure } from '../../runtime/plan.ts';
import { nodes } from '../../kube/resources.ts';
import type { NodePlan } from './observed.ts';
import { writesFor } from './writes.ts';
import type { NodeWrite } from './writes.ts';

/** The object has changed, or has come or gone, since it was looked at: what is to be written then is another question. */
const isLostRace = (error: unknown): boolean => isConflict(error) || isAlreadyExists(error) || isNotFound(error);

/** A heartbeat of a node makes no event, and yet a new revision: then the write is decided again soon. */
const lostRaceSeconds = 1;

/** One node that cannot be written keeps no other from being written. */
export const onFailure = (error: unknown): OnFailure =>
  isLostRace(error) ? { requeueAfterSeconds: lostRaceSeconds } : 'Continue';

interface Maker {
  client: Client;
  logger: Logger;
  signal: AbortSignal;
}

/** Makes one node as planned, in the order of its writes. `latest` is the Node as it is known now. */
export async function writeNode(
  plan: NodePlan,
  latest: Node,
  store: NodeStore | undefined,
  maker: Maker,
): Promise<void> {
  for (const write of writesFor(plan, latest, store)) await make(write, plan, maker);
}

async function make(write: NodeWrite, { node, images }: NodePlan, { client, logger, signal }: Maker): Promise<void> {
  const { name } = node.metadata;
  const operator = { fieldManager: fieldManagers.operator, signal };
  switch (write.type) {
    case 'PatchLabels':
      await client.mergePatch(nodes, { name }, write.patch, { fieldManager: fieldManagers.nodeLabels, signal });
      logger.info({ node: name, labels: write.labels }, 'Labelled node');
      return;
    case 'AdoptStore':
      await client.mergePatch(nodeStores, { name }, write.patch, operator);
      logger.info({ node: name }, 'Made the node the owner of its NodeStore');
      return;
    case 'CreateStore':
      await client.create(nodeStores, { metadata: { name, ...owned(write) }, spec: { images } }, operator);
      break;
    case 'ReplaceImages':
      await client.jsonPatch(nodeStores, { name }, write.operations, operator);
  }
  logger.info({ node: name, images: images.map((i) => `${i.os}:${i.version}`) }, 'Updated NodeStore');
}

/** Owners are no part of the metadata that the runtime knows of. */
const owned = ({ ownerReferences }: { ownerReferences: OwnerReference[] }): object => ({ ownerReferences });
