import type { NodeStore, NodeStoreStatus, PluginStatus } from '../api/nodestore.ts';
import { imageName } from '../api/images.ts';
import type { Plan as PlanOf } from '../runtime/plan.ts';
import { isShort } from '../image/disk/space.ts';
import type { MinFree, Space } from '../image/disk/space.ts';
import { planImages } from './images.ts';
import type { ImageAction, ImagesObserved } from './images.ts';
import type { WaitingLeftover } from './removal/leftovers.ts';
import { nodeStoreStatus, storeSpace } from './status/conditions.ts';
import { planTreeVerification } from './verify/plan.ts';
import type { VerifyAction, VerifyObserved } from './verify/plan.ts';

/** Everything that the plan looks at. */
export interface Observed
  extends
    Pick<ImagesObserved, 'store' | 'failedAttempts' | 'removals' | 'verifications' | 'fetching' | 'maxFetches'>,
    Pick<VerifyObserved, 'verifying' | 'intervals' | 'startTime'> {
  nodeStore: NodeStore;
  /** The status that was written last. */
  before: NodeStoreStatus | undefined;
  space: Space;
  minFree: MinFree;
  /** What all images take on the disk. */
  usedBytes: number;
  /** What agents died of when they deleted it. */
  leftovers: readonly WaitingLeftover[];
  /** The node plugin of direct mounts. */
  plugin: PluginStatus;
  now: Date;
}

/** `cancelRemoval`: the image need not go any more. `announceRemoval`: the status says that it goes; its time of grace begins. */
type RemovalAction = { type: 'cancelRemoval' | 'announceRemoval'; key: string };
type AnyAction = ImageAction | VerifyAction | RemovalAction;
/** One that is `announced` is done only once the status that tells of it is written. */
export type Action = AnyAction & { announced: boolean };

export type Plan = PlanOf<NodeStoreStatus, Action>;

/** The disk is looked at this often, because others fill it too; looking writes nothing. */
const mostSeconds = 60;

/** The whole policy of the agent. */
export function planAgent(o: Observed): Plan {
  const { nodeStore, store, removals, leftovers, now } = o;
  const desired = nodeStore.spec.images;
  const time = now.getTime();
  const images = planImages({ ...o, desired, short: isShort(o.space, o.minFree), now: time });
  const verification = planTreeVerification({ ...o, images: store.images, now: time });
  const needed = new Set(desired.map(imageName));
  const actions: AnyAction[] = [
    ...removalActions(removals, new Set(images.removing)),
    ...images.actions,
    ...(verification.action ? [verification.action] : []),
  ];
  const times = [images.requeueTime, verification.requeueTime, ...leftovers.map(({ retryTime }) => retryTime)].flatMap(
    (it) => it ?? [],
  );
  return {
    actions: actions.map((action) => ({ ...action, announced: !frees(action, needed) })),
    status: nodeStoreStatus({
      generation: nodeStore.metadata.generation,
      before: o.before,
      desired,
      images: images.images,
      store: storeSpace(o.before?.store, o.usedBytes, o.space),
      leftovers,
      plugin: o.plugin,
      now,
    }),
    events: [],
    requeueAfterSeconds: Math.min(mostSeconds, ...times.map((it) => Math.max(0, it - time) / 1000)),
  };
}

function removalActions(removals: Observed['removals'], removing: ReadonlySet<string>): RemovalAction[] {
  return [...removals].flatMap(([key, removal]): RemovalAction[] => {
    if (!removing.has(key)) return [{ type: 'cancelRemoval', key }];
    const isUnannounced = removal.phase === 'Deleting' && removal.removeTime === undefined;
    return isUnannounced ? [{ type: 'announceRemoval', key }] : [];
  });
}

/**
 * What is done although no status can be written, or the store would stay as it is for good: the operator takes the label of an
 * image from the node before it asks for it no longer, so its removal needs no other announcement.
 */
function frees(action: AnyAction, desired: ReadonlySet<string>): boolean {
  switch (action.type) {
    case 'cancelFetch':
    case 'cancelRemoval':
      return true;
    case 'announceRemoval':
      return !desired.has(action.key);
    case 'check':
    case 'remove':
      return !desired.has(imageName(action.image));
    case 'fetch':
    case 'verify':
    case 'cancelVerify':
      return false;
  }
}
