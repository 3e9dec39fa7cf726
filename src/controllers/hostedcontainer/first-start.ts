import type { HostedContainerStatus } from '../../api/hostedcontainer.ts';
import { imageName } from '../../api/images.ts';
import { storedImages } from '../../pod/usable-image.ts';
import type { UsableImage } from '../../pod/usable-image.ts';
import { nodeHasImage } from '../../pod/placement.ts';
import type { Placement } from '../../pod/placement.ts';
import { isSuspended } from '../../pod/suspended.ts';
import { formatTime } from '../../runtime/time.ts';
import type { Blocker } from './input.ts';
import type { Observed } from './observed.ts';

/**
 * A Pod stays on its node, so a new fleet that starts as soon as the first node has the image would stay on that node. A first
 * start therefore waits, for this long at most, while a distribution is bringing the image to more nodes (ADR 21).
 */
export const firstStartWaitSeconds = 60;

/** It has never had a Pod on a node: nothing serves that a wait would keep down, and it has no data there. */
export const isFirstStart = ({ pod, container }: Observed): boolean =>
  !pod && container.status?.nodeName === undefined && container.status?.lastKnownGoodImage === undefined;

const latestDeadline = ({ now }: Observed): string =>
  formatTime(new Date(now.getTime() + firstStartWaitSeconds * 1000));

/** The deadline that was written down. A leader whose clock was ahead may have: it is never later than for one that waits now. */
function knownDeadline(o: Observed): string | undefined {
  const known = o.container.status?.firstStartDeadline;
  const latest = latestDeadline(o);
  return known !== undefined && Date.parse(known) > Date.parse(latest) ? latest : known;
}

/** Why a first start waits although a node has the image; undefined when it does not. */
export function waitingForDistribution(
  o: Observed,
  image: UsableImage,
  placement: Placement,
): { blocker: Blocker } | undefined {
  if (!isFirstStart(o)) return undefined;
  const deadline = knownDeadline(o) ?? latestDeadline(o);
  if (o.now.getTime() >= Date.parse(deadline) || !moreNodesCome(o, image, placement)) return undefined;
  // No node is named, and none counted: the text is the same until the wait ends, and costs one write.
  const needs = storedImages(image).map(imageName).join(', ');
  const message = `A node has what the container needs (${needs}), and more nodes where it can run are getting it. The container starts when they have it, at ${deadline} at the latest, so that new containers do not all run on the first node`;
  return { blocker: { reason: 'WaitingForDistribution', message, firstStartDeadline: deadline } };
}

/** A node that could run the container lacks something, and is getting all that it lacks. */
function moreNodesCome(o: Observed, image: UsableImage, { candidates, withImage }: Placement): boolean {
  const has = new Set(withImage);
  const byName = new Map(o.nodes.map((node) => [node.metadata.name, node]));
  const without = candidates.filter((name) => !has.has(name));
  const coming = storedImages(image).reduce((nodes, stored) => {
    const getting = new Set(o.catalog.nodesGetting(stored, nodes));
    return nodes.filter((name) => {
      const node = byName.get(name);
      return getting.has(name) || (node !== undefined && nodeHasImage(node, stored));
    });
  }, without);
  return coming.length > 0;
}

/** The deadline counts until there is a Pod, whatever else keeps it from being made: one container waits once. */
export function keptDeadline(
  o: Observed,
  blocker: Blocker | undefined,
): Pick<HostedContainerStatus, 'firstStartDeadline'> {
  if (!isFirstStart(o) || isSuspended(o.container)) return {};
  const deadline = knownDeadline(o) ?? blocker?.firstStartDeadline;
  return deadline === undefined ? {} : { firstStartDeadline: deadline };
}

/** When to look again: nothing tells a container that a node has failed to get the image. */
export const requeueSeconds = ({ firstStartDeadline }: Blocker, now: Date): number =>
  firstStartDeadline === undefined
    ? 30
    : Math.max(1, Math.min(10, (Date.parse(firstStartDeadline) - now.getTime()) / 1000));
