import type { HostedContainer } from '../../api/hostedcontainer.ts';
import type { ImageDistribution } from '../../api/imagedistribution.ts';
import { imageName, parseReference } from '../../api/images.ts';
import { annotations } from '../../api/names.ts';
import type { NodeStore, StoredImage } from '../../api/nodestore.ts';
import type { OSImage } from '../../api/osimage.ts';
import type { Condition } from '../../runtime/conditions.ts';
import { findCondition } from '../../runtime/conditions.ts';
import type { MonorootObject, Scene } from '../scene/scene.ts';
import { labelOf, wantedImage } from '../scene/scene.ts';

/** One step from what was asked for to the cause: an object, and what it says. */
export interface Link {
  object: string;
  kind: MonorootObject['kind'];
  name: string;
  namespace?: string | undefined;
  reason: string;
  message: string;
  /** Image that it is about. */
  image?: string | undefined;
  /** When it is tried again, or ends by itself. */
  nextTime?: string | undefined;
  /** It is the evidence for what the link before says; what to do is for that one to say. */
  evidence?: boolean;
}

/** The links from an object to the one cause, which is the last of them. Objects that cannot be seen end it early. */
export function chainOf(object: MonorootObject, scene: Scene): Link[] {
  switch (object.kind) {
    case 'HostedContainer':
      return ofContainer(object as HostedContainer, scene);
    case 'ImageDistribution':
      return ofDistribution(object as ImageDistribution, scene);
    case 'OSImage':
      return ofImage(object as OSImage, scene);
    default:
      return ofNode(object as NodeStore);
  }
}

const linkOf = (
  object: MonorootObject,
  said: Pick<Condition, 'reason' | 'message'>,
  more: Partial<Link> = {},
): Link => ({
  object: labelOf(object),
  kind: object.kind,
  name: object.metadata.name,
  ...(object.metadata.namespace !== undefined && { namespace: object.metadata.namespace }),
  reason: said.reason,
  message: said.message,
  ...more,
});

/** What an object without a word of the operator says. */
const unseen: Pick<Condition, 'reason' | 'message'> = {
  reason: 'NotSeen',
  message: 'The operator has not written a status yet; see that it runs (kubectl monoroot check)',
};

/** The first condition of these that holds something up; else the last that there is. */
function trouble(
  conditions: readonly Condition[] | undefined,
  rules: readonly ((all: Conditions) => Condition | undefined)[],
) {
  const all: Conditions = (type) => findCondition(conditions, type);
  for (const rule of rules) {
    const found = rule(all);
    if (found) return found;
  }
  return undefined;
}
type Conditions = (type: string) => Condition | undefined;
const holds = (type: string, status: Condition['status']) => (all: Conditions) => {
  const found = all(type);
  return found?.status === status ? found : undefined;
};
const is = (type: string) => (all: Conditions) => all(type);

const containerRules = [
  holds('Stalled', 'True'),
  holds('Permitted', 'False'),
  holds('ImageResolved', 'False'),
  holds('Upgraded', 'False'),
  holds('Upgraded', 'Unknown'),
  holds('Ready', 'False'),
  holds('Reconciling', 'True'),
  (all: Conditions) => (all('ImageResolved')?.reason === 'FallbackToDefault' ? all('ImageResolved') : undefined),
  is('Ready'),
  is('Upgraded'),
  is('ImageResolved'),
];

const ledgerReasons = ['Reverted', 'FailedBefore', 'Held', 'Failed'];
const imageReasons = [
  'ImageNotReady',
  'ImageCondemned',
  'WaitingForNode',
  'WaitingForDistribution',
  'FallbackToDefault',
];

function ofContainer(container: HostedContainer, scene: Scene): Link[] {
  const { status } = container;
  const stated = trouble(status?.conditions, containerRules) ?? unseen;
  // It is said where the image is resolved.
  const said =
    stated.reason === 'ImageNotResolved' ? (findCondition(status?.conditions, 'ImageResolved') ?? stated) : stated;
  const image = wantedImage(container, scene);
  const nextTime = said.reason === 'Interrupted' ? interruptionOf(container) : nextOf(container, said.reason);
  const link = linkOf(container, said, { image, nextTime });
  return [link, ...behind(container, said.reason, image, scene)];
}

/** What a reason of a container leads to. */
function behind(container: HostedContainer, reason: string, image: string | undefined, scene: Scene): Link[] {
  if (ledgerReasons.includes(reason)) return ledger(container);
  if (reason === 'NoDefaultVersion') return defaultOf(container, scene);
  if (reason === 'SoftwareNotReady') return softwareOf(container, scene);
  const needed = scene.osImages.find((it) => imageName(it.spec) === image);
  if (!needed || !imageReasons.includes(reason)) return [];
  if (reason === 'ImageCondemned') return condemnation(needed);
  if (!isReady(needed)) return deeper(ofImage(needed, scene));
  return deeper(distributionsOf(needed, scene).flatMap((it) => ofDistribution(it, scene)));
}

function defaultOf({ spec }: HostedContainer, scene: Scene): Link[] {
  const { os } = parseReference(spec.image);
  const gives = scene.distributions.find(
    (it) => parseReference(it.spec.image).os === os && it.spec.activate.newContainers,
  );
  return gives ? deeper(ofDistribution(gives, scene)) : [];
}

function softwareOf({ spec }: HostedContainer, scene: Scene): Link[] {
  const names = (spec.software ?? []).map(({ osImage }) => osImage);
  const missing = scene.osImages.find((it) => names.includes(imageName(it.spec)) && !isReady(it));
  return missing ? deeper(ofImage(missing, scene)) : [];
}

const interruptionOf = ({ status }: HostedContainer) =>
  status?.attempt?.interruption?.retryTime ?? status?.interruption?.retryTime;
const nextOf = ({ status }: HostedContainer, reason: string) =>
  reason === 'WaitingForDistribution' ? status?.firstStartDeadline : undefined;

const isReady = ({ status }: OSImage) => findCondition(status?.conditions, 'Ready')?.status === 'True';

/** Links without a problem explain nothing. */
const wellReasons = ['AllNodes', 'RolledOut', 'NewContainers', 'NotRequested', 'Stored', 'AllStored', 'Settled'];
const deeper = (links: Link[]) => links.filter(({ reason }) => !wellReasons.includes(reason));

/** What the image failed with, as the ledger has it. */
function ledger(container: HostedContainer): Link[] {
  const { spec, status } = container;
  const asked = parseReference(spec.image).version === undefined ? undefined : spec.image;
  const failures = status?.failedImages ?? [];
  const failed = failures.find(({ image }) => image === asked) ?? failures[0];
  if (!failed) return [];
  return [
    linkOf(container, failed, {
      object: `${failed.image} in ${labelOf(container)}`,
      image: failed.image,
      evidence: true,
    }),
  ];
}

function condemnation(image: OSImage): Link[] {
  const evidence = image.metadata.annotations?.[annotations.condemned];
  const said = findCondition(image.status?.conditions, 'Condemned');
  const message = evidence ?? said?.message;
  return message === undefined
    ? []
    : [linkOf(image, { reason: 'Condemned', message }, { image: imageName(image.spec), evidence: true })];
}

const distributionsOf = ({ spec }: OSImage, { distributions }: Scene) =>
  distributions.filter((it) => it.spec.image === imageName(spec));

const distributionRules = [
  holds('RolloutHalted', 'True'),
  holds('Stalled', 'True'),
  holds('Distributed', 'False'),
  holds('RolledOut', 'False'),
  holds('Activated', 'False'),
  holds('Ready', 'False'),
  holds('Reconciling', 'True'),
  is('RolledOut'),
  is('Ready'),
  is('Distributed'),
  is('Activated'),
  is('RolloutHalted'),
];
const nodeReasons = ['NodesFailed', 'InProgress', 'NodesUnreachable', 'NotDistributed', 'WaitingForNodes'];
const ofItsImage = ['ImageNotBuilt', 'ImageNotVerified', 'ImageNotPublished', 'ImageNotReady'];

function ofDistribution(distribution: ImageDistribution, scene: Scene): Link[] {
  const { spec, status } = distribution;
  const said = trouble(status?.conditions, distributionRules) ?? unseen;
  const link = linkOf(distribution, said, { image: spec.image, nextTime: soakEnd(distribution) });
  if (nodeReasons.includes(said.reason)) return [link, ...lacking(spec.image, scene)];
  const image = scene.osImages.find((it) => imageName(it.spec) === spec.image);
  if (image && ofItsImage.includes(said.reason)) return [link, ...deeper(ofImage(image, scene))];
  if (image && said.reason === 'ImageCondemned') return [link, ...condemnation(image)];
  return [link];
}

function soakEnd({ spec, status }: ImageDistribution): string | undefined {
  const [rollout, asked] = [status?.rollout, spec.activate.existingContainers];
  if (rollout?.soakStartTime === undefined || rollout.haltTime !== undefined || !asked) return undefined;
  const seconds = rollout.wave === 0 ? asked.canary.soakSeconds : asked.waveSoakSeconds;
  return new Date(Date.parse(rollout.soakStartTime) + seconds * 1000).toISOString();
}

const imageRules = [
  holds('Accepted', 'False'),
  holds('Condemned', 'True'),
  holds('Built', 'False'),
  holds('Built', 'Unknown'),
  holds('Verified', 'False'),
  holds('Verified', 'Unknown'),
  holds('Published', 'False'),
  holds('Published', 'Unknown'),
  holds('Stalled', 'True'),
  holds('Ready', 'False'),
  holds('Reconciling', 'True'),
  holds('Consistent', 'False'),
  holds('LayoutComplete', 'False'),
  is('Ready'),
  is('Published'),
  is('Verified'),
  is('Built'),
];

function ofImage(image: OSImage, scene: Scene): Link[] {
  const said = trouble(image.status?.conditions, imageRules) ?? unseen;
  const name = imageName(image.spec);
  const link = linkOf(image, said, { image: name });
  if (said.reason === 'Condemned') return condemnation(image);
  if (['NoNodes', 'Distributing'].includes(said.reason)) {
    const [distribution] = distributionsOf(image, scene);
    if (distribution) return [link, ...deeper(ofDistribution(distribution, scene))];
  }
  // What an agent says of it: that agent says more.
  const at = lacking(name, scene).filter(({ reason }) => reason === said.reason || said.reason === 'Fetching');
  return [link, ...at];
}

const nodeRules = [holds('Stalled', 'True'), holds('Ready', 'False'), holds('Reconciling', 'True'), is('Ready')];

function ofNode(store: NodeStore): Link[] {
  const said = trouble(store.status?.conditions, nodeRules) ?? unseen;
  const link = linkOf(store, said);
  if (['AllStored', 'TooManyImages'].includes(said.reason)) return [link];
  const [worst] = (store.status?.images ?? []).filter(({ state }) => state !== 'Ready').sort(bySeverity);
  return [link, ...(worst ? [stateOf(store, worst)] : [])];
}

/** The node that explains best why an image is not on all of them: one that has given up before one that is busy. */
function lacking(image: string, { nodeStores }: Scene): Link[] {
  const entries = nodeStores.flatMap((store) =>
    (store.status?.images ?? [])
      .filter((it) => imageName(it) === image && it.state !== 'Ready')
      .map((entry) => ({ store, entry })),
  );
  const [worst] = entries.sort((a, b) => bySeverity(a.entry, b.entry));
  return worst ? [stateOf(worst.store, worst.entry)] : [];
}

const severity: readonly StoredImage['state'][] = ['Failed', 'Pending', 'Fetching', 'Deleting', 'Ready'];
const bySeverity = (a: StoredImage, b: StoredImage) =>
  severity.indexOf(a.state) - severity.indexOf(b.state) || (b.attempts ?? 0) - (a.attempts ?? 0);

function stateOf(store: NodeStore, entry: StoredImage): Link {
  const said = { reason: entry.reason ?? entry.state, message: entry.message ?? progressOf(entry) };
  const image = imageName(entry);
  return linkOf(store, said, { object: `${image} on ${store.metadata.name}`, image, nextTime: entry.retryTime });
}

function progressOf({ state, downloadedBytes, totalBytes }: StoredImage): string {
  if (state !== 'Fetching' || downloadedBytes === undefined) return `It is ${state}`;
  return `${downloadedBytes} of ${totalBytes ?? 'an unknown number of'} bytes are downloaded`;
}
