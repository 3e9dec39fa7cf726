import { annotations, labels } from '../../api/names.ts';
import { isRestarting, sincePatch } from '../../api/patched.ts';
import type { PatchRecord } from '../../api/patched.ts';
import { imageName } from '../../api/images.ts';
import type { Node, Pod } from '../../api/kubernetes/objects.ts';
import { hasSameTree } from '../../pod/in-place.ts';
import { nodeHasImage } from '../../pod/placement.ts';
import { buildPod, containerName } from '../../pod/pod.ts';
import { isDirect } from '../../pod/mode.ts';
import { storedImages } from '../../pod/usable-image.ts';
import type { UsableImage } from '../../pod/usable-image.ts';
import { firstHit } from '../../runtime/rules.ts';
import { nodeAnswers } from '../pod-end.ts';
import type { Blocker } from './input.ts';
import { dryRunOfPatch } from './observed.ts';
import type { Action, Observed, Query } from './observed.ts';
import { isReady } from './outcome.ts';
import { checkSpec } from './preflight.ts';
import type { Target } from './target.ts';

/** What was seen, without what the status of a Pod that was patched in place tells of the container before. */
export function withoutEarlier(o: Observed): Observed {
  const { pod } = o;
  if (pod?.metadata.annotations?.[annotations.patched] === undefined) return o;
  return { ...o, pod: sincePatch(pod), stored: pod, isRestarting: isRestarting(pod) };
}

/** What to do for an upgrade in place. */
export interface InPlace {
  action?: Extract<Action, { type: 'PatchPod' }>;
  query?: Query;
  blocker?: Blocker;
  /** The kubelet is still at work on the patch before. */
  waits?: boolean;
}

interface Change {
  o: Observed;
  target: Target;
  image: UsableImage;
  /** The Pod as the API server has it. */
  from: Pod;
  to: Pod;
  node: Node;
}
type Rule = (change: Change) => 'Replace' | InPlace | undefined;

const mainOf = ({ status }: Pod) => status?.containerStatuses?.find(({ name }) => name === containerName);

/** A port, a resource, a variable, or an operator that makes Pods in another way. */
const isOtherwiseDifferent: Rule = ({ from, to }) => {
  const fixed = from.metadata.annotations?.[annotations.fixedHash];
  return fixed === undefined || fixed !== to.metadata.annotations?.[annotations.fixedHash] ? 'Replace' : undefined;
};

/** The kubelet would not restart it: a restart that is asked for, or a list of mounts that differs. */
const wouldNotRestart: Rule = ({ from, to }) => (hasSameTree(from, to) ? 'Replace' : undefined);

/** A second patch that takes the first one back might leave the container as it is, and nothing would tell. */
const isUnderWay: Rule = ({ o, from }) =>
  o.isRestarting && mainOf(from)?.state?.waiting === undefined ? { waits: true } : undefined;

const nodeIsSilent: Rule = ({ o, from }) => (nodeAnswers(from, o.nodes) ? undefined : 'Replace');

const pluginIsAway: Rule = ({ node }) =>
  node.metadata.labels?.[labels.directMounts] === 'true' ? undefined : 'Replace';

/** While what runs serves well, the node that it runs on is waited for; on another node the container would start later, too. */
const nodeLacksImage: Rule = ({ o, target, image, from, node }) => {
  const missing = storedImages(image).filter((it) => !nodeHasImage(node, it));
  if (missing.length === 0) return undefined;
  const { name } = node.metadata;
  const comes = missing.every((it) => o.catalog.nodesGetting(it, [name]).length > 0);
  if (!comes || !target.isAttempt || !isReady(from)) return 'Replace';
  const message = `${missing.map(imageName).join(', ')} is not yet on ${name}, where the container runs. It is upgraded there, in its Pod, when the node has it`;
  return { blocker: { reason: 'WaitingForNode', message, waits: true } };
};

/** The record of a patch names the container that ran; of one that is being started there is none yet. */
const neverStarted: Rule = ({ from }) => (mainOf(from)?.containerID ? undefined : 'Replace');

/**
 * A container that comes and goes may be restarted by the kubelet in the very moment of the patch. For the way back that does not
 * matter; what is judged must be known to be what it is judged for.
 */
const isUnsteady: Rule = ({ target, from }) =>
  (target.isAttempt || target.failedWithoutWayBack) && !mainOf(from)?.state?.running ? 'Replace' : undefined;

/** First hit wins. */
const rules: readonly Rule[] = [
  isOtherwiseDifferent,
  wouldNotRestart,
  nodeIsSilent,
  isUnderWay,
  pluginIsAway,
  nodeLacksImage,
  neverStarted,
  isUnsteady,
];

/**
 * Another image for the Pod that runs: patched in place, where only that differs and its node has the image. Undefined: the Pod
 * must be replaced, which is for the usual preflight to decide. So what the API server has against a patch is no obstacle.
 */
export function upgradeInPlace(o: Observed, target: Target): InPlace | undefined {
  const { image } = target;
  const from = o.stored ?? o.pod;
  const node = o.nodes.find(({ metadata }) => metadata.name === from?.spec.nodeName);
  if (!image || !from || !node || !isDirect(o.container)) return undefined;
  const to = buildPod(o.container, image, o.scaffolds);
  const hit = firstHit(rules, { o, target, image, from, to, node });
  if (hit !== undefined) return hit === 'Replace' ? undefined : hit;
  const stop = checkSpec(o, image);
  if (stop) return stop;
  const patch = { from, to, record: recordOf(from) };
  const dryRun = dryRunOfPatch(o, patch);
  if (!dryRun) return { query: { type: 'DryRunOfPatch', patch } };
  if (dryRun.refusal !== undefined) return undefined;
  const before = from.metadata.annotations?.[annotations.image] ?? 'another image';
  return { action: { type: 'PatchPod', patch, why: `Going from ${before} to ${imageName(image)} in its Pod` } };
}

function recordOf(from: Pod): PatchRecord {
  const main = mainOf(from);
  const { generation } = from.metadata;
  return {
    containerID: main?.containerID ?? '',
    restarts: (main?.restartCount ?? 0) + 1,
    ...(generation !== undefined && { generation: generation + 1 }),
  };
}
