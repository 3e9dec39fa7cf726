import { parseReference } from '../../api/images.ts';
import { storedImages } from '../../pod/usable-image.ts';
import type { UsableImage } from '../../pod/usable-image.ts';
import { nodeHasImage, placementOf } from '../../pod/placement.ts';
import type { Placement } from '../../pod/placement.ts';
import { buildPod } from '../../pod/pod.ts';
import type { PersistentVolumeClaim } from '../../api/kubernetes/objects.ts';
import type { Node, Pod } from '../../api/kubernetes/objects.ts';
import { whyNotDirect } from '../../pod/direct.ts';
import { isDirect, withMounts } from '../../pod/mode.ts';
import { invalidity } from '../../pod/validate.ts';
import { claimNameOf } from '../../pod/claim.ts';
import type { Blocker } from './input.ts';
import { dryRunOf } from './observed.ts';
import type { ImageDigest, Query, Observed, DryRun } from './observed.ts';
import { lookUp } from './images.ts';
import { waitingForDistribution } from './first-start.ts';
import { isQuotaShut } from './quota.ts';
import { firstHit } from '../../runtime/rules.ts';

/** The next Pod may be made, with a claim for its data where there is none yet, or what blocks it, or what must be asked first. */
export type PreflightResult =
  { pod: Pod; claim?: PersistentVolumeClaim | undefined } | { blocker: Blocker } | { query: Query };

/**
 * Everything that must hold before the Pod that runs now is touched, cheapest first: the specification makes sense for this
 * image, the software and the data are there, a node that can run the container has all images, and the API server
 * takes the Pod.
 */
export function preflight(o: Observed, image: UsableImage): PreflightResult {
  const stop = firstHit(checks, o, image);
  if (stop) return stop;
  const pod = buildPod(o.container, image, o.scaffolds, o.now.getTime().toString(36));
  const dryRun = dryRunOf(o, pod);
  if (!dryRun) return { query: { type: 'DryRun', pod } };
  return isRefused(o, dryRun)
    ? blocked('PodForbidden', `The API server refuses the Pod: ${dryRun.refusal ?? ''}${insteadOfDefault(o)}`)
    : { pod, claim: o.data?.toCreate };
}

/** Where direct mounts are the default and cannot be had, that is mostly why a Pod is refused. */
const insteadOfDefault = ({ whyHostPath }: Observed): string =>
  whyHostPath === undefined
    ? ''
    : `. Its mounts are HostPath and not Direct, the default of this cluster: ${whyHostPath}`;

type Check = (o: Observed, image: UsableImage) => { blocker: Blocker } | { query: Query } | undefined;

const blocked = (reason: Blocker['reason'], message: string, waits?: boolean): { blocker: Blocker } => ({
  blocker: { reason, message, ...(waits !== undefined && { waits }) },
});

const invalidSpec: Check = ({ container, allowedCapabilities, scaffolds }, image) => {
  const problem =
    invalidity(container, image, allowedCapabilities) ?? whyNotDirect(container, image, scaffolds[image.layout.kind]);
  return problem === undefined ? undefined : blocked('InvalidSpec', problem);
};

const softwareNotReady: Check = ({ container, catalog }) => {
  for (const { osImage } of container.spec.software ?? []) {
    if (osImage === undefined) continue;
    const { os, version = '' } = parseReference(osImage);
    const found = lookUp(catalog, os, version, 'spec.software');
    if (!('digest' in found)) return blocked('SoftwareNotReady', found.message, found.waits ?? false);
  }
  return undefined;
};

const dataUnavailable: Check = ({ container, data }) => {
  const claimName = claimNameOf(container);
  if (claimName !== undefined && !data) return { query: { type: 'DataLocation', claimName } };
  return data?.problem === undefined ? undefined : blocked('DataUnavailable', data.problem);
};

const noNodeWithImage: Check = (o, image) => {
  const placement = placementOf(o.container, image, o.nodes, o.data?.affinity);
  if (placement.withImage.length > 0) return waitingForDistribution(o, image, placement);
  return blocked('WaitingForNode', noNodeText(o, image, placement), nodeComes(o, image, placement));
};

/** A node that can run the container is to get all images that it needs, or one that has gone away for a while would fit. */
function nodeComes(o: Observed, image: UsableImage, { candidates }: Placement): boolean {
  if (candidates.length === 0)
    return placementOf(o.container, image, o.nodes.map(withoutPassing), o.data?.affinity).candidates.length > 0;
  const has = (name: string, stored: ImageDigest) =>
    o.nodes.some((node) => node.metadata.name === name && nodeHasImage(node, stored));
  return candidates.some((name) =>
    storedImages(image).every((stored) => has(name, stored) || o.catalog.comesTo(stored, [name])),
  );
}

/** The node as it is when it answers, and takes Pods again. */
function withoutPassing(node: Node): Node {
  const taints = (node.spec?.taints ?? []).filter(({ key }) => !key.startsWith('node.kubernetes.io/'));
  return { ...node, spec: { taints } };
}

/** First hit wins. */
const specChecks: readonly Check[] = [invalidSpec, softwareNotReady];
const checks: readonly Check[] = [...specChecks, dataUnavailable, noNodeWithImage];

/** What of the preflight concerns a Pod that gets another image in place, too: it has its node and its data. */
export const checkSpec: (...of: Parameters<Check>) => { blocker?: Blocker; query?: Query } | undefined = (o, image) =>
  firstHit(specChecks, o, image);

/** Would the API server refuse it? The running Pod still counts against a quota that the next one needs: mostly only its removal tells. */
export const isRefused = ({ pod }: Observed, { refusal }: DryRun): boolean =>
  refusal !== undefined && !(pod !== undefined && /exceeded quota/.test(refusal) && !isQuotaShut(refusal));

function noNodeText(o: Observed, image: UsableImage, { candidates, missing }: Placement): string {
  const bound = o.data?.affinity ? ` that can reach the data (claim ${claimNameOf(o.container) ?? ''})` : '';
  const fits = () =>
    placementOf(withMounts(o.container, 'HostPath'), image, o.nodes, o.data?.affinity).candidates.length > 0;
  if (candidates.length === 0 && isDirect(o.container) && fits()) {
    return `No node${bound} that could run the container has a node plugin that answers, and its mounts are Direct: install deploy/components/direct-mounts, look at the Pods of monoroot-mounts, or set spec.mounts to HostPath`;
  }
  if (candidates.length === 0) {
    return `No node can run the container: none${bound} fits its node selector, affinity, tolerations and architecture ${image.architecture}`;
  }
  const lacks = missing.map(({ image: name, nodes }) => `${name} is not on ${firstNames(nodes)}`).join('; ');
  return `No node${bound} where the container can run has all that it needs: ${lacks}. Distribute it there, or wait until it is`;
}

const firstNames = (nodes: readonly string[]): string =>
  nodes.slice(0, 3).join(', ') + (nodes.length > 3 ? ` and ${nodes.length - 3} more` : '');
