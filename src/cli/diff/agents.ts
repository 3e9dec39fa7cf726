import type { NodeStore } from '../../api/nodestore.ts';
import type { OSImage } from '../../api/osimage.ts';
import type { Pod } from '../../api/kubernetes/objects.ts';
import { imageName, imageObjectName, parseReference } from '../../api/images.ts';
import { CommandError } from '../command.ts';

/** The agent of a node that has an image. */
export interface Agent {
  node: string;
  pod: string;
}

export interface AgentChoice {
  osImages: readonly OSImage[];
  nodeStores: readonly NodeStore[];
  /** Those of the agents. */
  pods: readonly Pod[];
}

/**
 * Which agents are asked about two images: one and the same when a node has both. Throws an error that names the image that no
 * agent can tell about, and what to do.
 */
export function chooseAgents(before: string, after: string, fleet: AgentChoice): { before: Agent; after: Agent } {
  const [ofBefore, ofAfter] = [holders(before, fleet), holders(after, fleet)];
  const both = ofBefore.find(({ node }) => ofAfter.some((other) => other.node === node));
  const [one, other] = [both ?? ofBefore[0], both ?? ofAfter[0]];
  if (!one) throw nowhere(before, fleet);
  if (!other) throw nowhere(after, fleet);
  return { before: one, after: other };
}

/** Agents that answer, of nodes that have all of the image as it is now. */
function holders(image: string, { osImages, nodeStores, pods }: AgentChoice): Agent[] {
  const digest = osImages.find((it) => imageName(it.spec) === image)?.status?.digest;
  const nodes = nodeStores
    .filter(({ status }) =>
      status?.images?.some(
        (it) => imageName(it) === image && it.state === 'Ready' && (digest === undefined || it.digest === digest),
      ),
    )
    .map(({ metadata }) => metadata.name);
  return pods.flatMap(({ metadata, spec, status }) => {
    const node = spec.nodeName;
    const ready = status?.conditions?.some(({ type, status: value }) => type === 'Ready' && value === 'True');
    return ready && node !== undefined && nodes.includes(node) ? [{ node, pod: metadata.name }] : [];
  });
}

function nowhere(image: string, { osImages, nodeStores }: AgentChoice): CommandError {
  const { os, version = '' } = parseReference(image);
  const has = (stored: { os: string; version: string; state: string }) =>
    imageName(stored) === image && stored.state === 'Ready';
  const silent = nodeStores.filter(({ status }) => status?.images?.some(has)).map(({ metadata }) => metadata.name);
  if (silent.length > 0) {
    return new CommandError(`${image} is only on nodes whose agent is not ready: ${silent.slice(0, 3).join(', ')}`);
  }
  if (osImages.some((it) => imageName(it.spec) === image)) {
    return new CommandError(
      `No node has ${image}, and only a node can tell what is in it; distribute it to one (ImageDistribution, spec.image: ${image}), then ask again`,
    );
  }
  const others = osImages.filter(({ spec }) => spec.os === os).map(({ spec }) => imageName(spec));
  const known = others.length === 0 ? '' : `; of ${os} there are ${others.slice(0, 10).join(', ')}`;
  return new CommandError(`There is no OSImage ${imageObjectName({ os, version })}${known}`);
}
