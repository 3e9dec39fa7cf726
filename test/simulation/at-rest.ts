import type { HostedContainer } from '../../src/api/hostedcontainer.ts';
import { annotations } from '../../src/api/names.ts';
import type { OSImage } from '../../src/api/osimage.ts';
import { imageDistributions, nodeStores, osImages } from '../../src/kube/kinds.ts';
import type { Condition } from '../../src/runtime/conditions.ts';
import { keyOf } from '../../src/runtime/object.ts';
import type { SimulatedApi } from './api.ts';
import type { SimulatedCluster } from './cluster.ts';

/** What must be true of each container when people and faults have been away for hours. */

interface Facts {
  api: SimulatedApi;
  cluster: SimulatedCluster;
  container: HostedContainer;
  isReady: boolean;
  /** What people last wrote to spec.image. */
  asked: string | undefined;
}
/** What is wrong; undefined when nothing is. */
type Rule = (facts: Facts) => string | undefined;

const digestOf = ({ spec }: OSImage): string => `sha256:${spec.source.http?.sha256 ?? ''}`;
const conditionOf = ({ status }: HostedContainer, type: string): Condition | undefined =>
  status?.conditions?.find((it) => it.type === type);
const isTrue = (container: HostedContainer, type: string): boolean => conditionOf(container, type)?.status === 'True';
const hasTrue = (object: { status?: { conditions?: readonly Condition[] | undefined } }, type: string): boolean =>
  object.status?.conditions?.some((it) => it.type === type && it.status === 'True') ?? false;

const readyTellsOfPod: Rule = ({ container, isReady }) =>
  isTrue(container, 'Ready') === isReady
    ? undefined
    : `its Pod is ${isReady ? '' : 'not '}ready, and Ready says otherwise`;

const goesOrStands: Rule = ({ container }) =>
  isTrue(container, 'Reconciling') && isTrue(container, 'Stalled') ? 'it is both Reconciling and Stalled' : undefined;

const isSettled: Rule = ({ container, isReady }) =>
  isReady && isTrue(container, 'Upgraded') && isTrue(container, 'Reconciling')
    ? 'it is where it should be, and Reconciling'
    : undefined;

const lastKnownGoodServes: Rule = ({ api, cluster, container, isReady }) => {
  const { lastKnownGoodDigest } = container.status ?? {};
  if (isReady || lastKnownGoodDigest === undefined || cluster.fateOf('', lastKnownGoodDigest) !== 'good')
    return undefined;
  const usable = api.all(osImages).find((image) => digestOf(image) === lastKnownGoodDigest && hasTrue(image, 'Ready'));
  return usable && `it does not run, though its last known good ${usable.metadata.name} would`;
};

const runsWhatIsAsked: Rule = ({ api, cluster, container, isReady }) => {
  const { spec, status, metadata } = container;
  const asked = spec.image.includes(':') ? spec.image : movedTo(api, container);
  const image = api.all(osImages).find((it) => `${it.spec.os}:${it.spec.version}` === asked);
  if (!image || !isUsable(api, image) || cluster.fateOf(keyOf(metadata), digestOf(image)) !== 'good') return undefined;
  // The ledger goes by bytes: a name that came back with others may have failed with the earlier ones.
  if (status?.failedImages?.some((it) => it.digest === digestOf(image))) return undefined;
  return isReady && status?.image === asked ? undefined : `it should run ${asked ?? ''} by now`;
};

const peopleWin: Rule = ({ container: { spec, status }, isReady, asked }) => {
  if (!isReady || asked === undefined || spec.image === asked) return undefined;
  const failed = status?.failedImages?.some((it) => it.image === asked);
  return failed ? undefined : `people asked for ${asked}, which never failed, and spec.image is ${spec.image}`;
};

const rules: readonly Rule[] = [
  readyTellsOfPod,
  goesOrStands,
  isSettled,
  lastKnownGoodServes,
  runsWhatIsAsked,
  peopleWin,
];

/** Everything that is wrong with a container. */
export function faultsAtRest(facts: Facts): string[] {
  const { container, cluster, isReady } = facts;
  const key = keyOf(container.metadata);
  if (container.spec.suspend) return isReady ? [`${key} is suspended and runs`] : [];
  // What no image can help says nothing about the operator.
  const told = cluster.broken.has(key) ? [readyTellsOfPod(facts)] : rules.map((rule) => rule(facts));
  const conditions = (container.status?.conditions ?? []).map(
    (it) => `${it.type}=${it.status}/${it.reason}: ${it.message}`,
  );
  return told.flatMap((it) => (it === undefined ? [] : [`${key}: ${it} (${conditions.join(' | ')})`]));
}

function isUsable(api: SimulatedApi, image: OSImage): boolean {
  const isStored = api
    .all(nodeStores)
    .some(({ status }) => status?.images?.some((it) => it.digest === digestOf(image) && it.state === 'Ready'));
  return hasTrue(image, 'Ready') && image.metadata.annotations?.[annotations.condemned] === undefined && isStored;
}

/** Where the only distribution of the OS has moved its followers, when it is done. */
function movedTo(api: SimulatedApi, { metadata }: HostedContainer): string | undefined {
  const [only, ...others] = api.all(imageDistributions);
  if (!only || others.length > 0 || metadata.labels?.['app'] !== 'web') return undefined;
  const isDone = hasTrue(only, 'Activated') && !hasTrue(only, 'RolloutHalted');
  return isDone && only.spec.activate.existingContainers ? only.spec.image : undefined;
}
