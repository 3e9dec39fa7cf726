import { annotations } from '../../api/names.ts';
import { imageName, parseReference } from '../../api/images.ts';
import type { ExistingContainers } from '../../api/rollout.ts';
import { previousImages } from '../../controllers/default-version.ts';
import { amount } from '../../controllers/imagedistribution/rollout/budget.ts';
import { assumeReady } from '../../controllers/imagedistribution/forecast/assume-ready.ts';
import { selectedNodes, storedImage } from '../../controllers/node-images.ts';
import { placementOf } from '../../pod/placement.ts';
import { isSuspended } from '../../pod/suspended.ts';
import { usableImage } from '../../pod/usable-image.ts';
import { findCondition } from '../../runtime/conditions.ts';
import { mebibytes, printable, span } from '../terminal.ts';
import type { Foreseen } from './foresee.ts';

/** What a person would not guess of a rollout, each rule by itself. */

interface Context extends Foreseen {
  asked: ExistingContainers;
  image: ReturnType<typeof assumeReady>;
  os: string;
  followers: Foreseen['subject']['scene']['containers'];
}
type Rule = (c: Context) => string[];

const such = (names: readonly string[]): string =>
  names.length === 1
    ? (names[0] ?? '')
    : `${names.slice(0, 3).join(', ')}${names.length > 3 ? ` and ${names.length - 3} more` : ''}`;
const nameOf = ({ metadata }: { metadata: { namespace?: string | undefined; name: string } }) =>
  `${metadata.namespace ?? ''}/${metadata.name}`;
const isDown = (it: Context['followers'][number]) => findCondition(it.status?.conditions, 'Ready')?.status !== 'True';

const noOSImage: Rule = ({ subject }) => {
  if (subject.image) {
    const evidence = subject.image.metadata.annotations?.[annotations.condemned];
    return evidence === undefined
      ? []
      : [`OSImage ${subject.image.metadata.name} is condemned: ${printable(evidence)}`];
  }
  return subject.madeUp
    ? []
    : [`There is no OSImage for ${subject.distribution.spec.image} yet; the plan takes it as Ready`];
};

const paused: Rule = (c) => (c.paused ? ['The rollout is paused; the plan is for resuming it now'] : []);

const fetchingPaused: Rule = ({ lacking, subject }) =>
  lacking > 0 && [0, '0%'].includes(subject.distribution.spec.parallelism)
    ? [`spec.parallelism is 0, so ${lacking} nodes never get the image, and no container is moved`]
    : [];

const nobodyFollows: Rule = ({ forecast, subject, os }) => {
  if (forecast.typical.following > 0) return [];
  const fixed = subject.scene.containers.filter(({ spec }) => spec.image.startsWith(`${os}:`)).length;
  return [
    `No container is moved: none follows ${os} and is selected${fixed > 0 ? `; ${fixed} name a version in spec.image` : ''}`,
  ];
};

const windowsStretch: Rule = ({ forecast: { typical }, asked }) => {
  const closed = typical.closed.reduce((sum, { from, to }) => sum + to.getTime() - from.getTime(), 0) / 1000;
  const begun = typical.startTime ?? typical.endTime;
  const total = (typical.endTime.getTime() - begun.getTime()) / 1000;
  const windows = asked.windows ?? [];
  const shortest = Math.min(...windows.map(({ durationSeconds }) => durationSeconds));
  const soak = asked.canary.soakSeconds;
  const waits = typical.closed.length;
  const later = typical.closed.filter(({ from }) => from > begun).length;
  return [
    ...(closed > total / 2 && later > 0
      ? [`It waits ${waits === 1 ? 'once' : `${waits} times`}, for ${span(closed)} in all, until a window opens`]
      : []),
    ...(windows.length > 0 && soak >= shortest
      ? [
          `The soak of the canaries (${span(soak)}) does not end in the window of ${span(shortest)} in which it begins: the others wait for the next one`,
        ]
      : []),
    ...(windows.length > 0 && asked.waveSoakSeconds >= shortest
      ? [
          `Each wave soaks for ${span(asked.waveSoakSeconds)}, and a window is open for ${span(shortest)}: there is one wave in each window`,
        ]
      : []),
  ];
};

const neverEnds: Rule = ({ forecast: { typical } }) =>
  ['RolledOut', 'RolloutHalted'].includes(typical.reason)
    ? []
    : [`It does not end by itself: ${typical.reason}: ${printable(typical.message)}`];

const lessThanOne: Rule = ({ asked, followers }) => {
  const awake = followers.filter((it) => !isSuspended(it)).length;
  const part = typeof asked.maxUnavailable === 'string' ? amount(asked.maxUnavailable, awake, (it) => it) : 1;
  return part < 1 && awake > 0
    ? [`maxUnavailable ${asked.maxUnavailable} of ${awake} containers is less than one: they go one by one`]
    : [];
};

const noCanaries: Rule = ({ asked, forecast: { typical } }) =>
  amount(asked.canary.count, typical.following, Math.ceil) === 0 && typical.following > 1
    ? [`There are no canaries: up to ${typical.maxUnavailable} containers meet the version at once`]
    : [];

const usedUp: Rule = ({ followers, forecast: { typical } }) => {
  const down = followers.filter((it) => isDown(it) && !isSuspended(it) && it.status?.lastKnownGoodImage !== undefined);
  return down.length === 0
    ? []
    : [
        `${down.length} of the ${typical.maxUnavailable} that may be unavailable are down already: ${such(down.map(nameOf))}`,
      ];
};

const neverGood: Rule = ({ followers }) => {
  const fresh = followers.filter((it) => !isSuspended(it) && it.status?.lastKnownGoodImage === undefined);
  return fresh.length === 0
    ? []
    : [
        `${fresh.length} have never run any version well, so the rollout does not move them: ${such(fresh.map(nameOf))}`,
      ];
};

const withoutNode: Rule = ({ followers, subject: { nodes, distribution }, image }) => {
  const usable = usableImage(image);
  if (nodes.length === 0 || !usable) return [];
  const selected = new Set(selectedNodes(distribution, image, nodes).map(({ metadata }) => metadata.name));
  const homeless = followers.filter((it) => !isSuspended(it) && !placementOf(it, usable, nodes, undefined).candidates.some((name) => selected.has(name))); // prettier-ignore
  return homeless.length === 0
    ? []
    : [
        `${homeless.length} have no node that gets the image and may run them: ${such(homeless.map(nameOf))}. See spec.selector of the ImageDistribution and podTemplate of the containers`,
      ];
};

const room: Rule = ({ subject: { nodes, distribution, scene }, image }) => {
  const size = sizeOf(scene.nodeStores, image);
  if (size === undefined) return [];
  const stores = new Map(scene.nodeStores.map((store) => [store.metadata.name, store]));
  const tight = selectedNodes(distribution, image, nodes).flatMap(({ metadata: { name } }) => {
    const store = stores.get(name);
    const free = store?.status?.store?.freeBytes;
    const has = storedImage(store, image)?.state === 'Ready';
    return !has && free !== undefined && free < size ? [`${name} (${mebibytes(free)} free)`] : [];
  });
  return tight.length === 0
    ? []
    : [
        `${tight.length} nodes have less room than the ${mebibytes(size)} of ${imageName(image.spec)}: ${such(tight)}. Their agents delete retained versions first`,
      ];
};

/** Of this image, or of the largest one of its operating system, as nodes have measured it. */
function sizeOf(stores: Foreseen['subject']['scene']['nodeStores'], { spec }: Context['image']): number | undefined {
  const stored = stores.flatMap(({ status }) => status?.images ?? []).filter(({ os }) => os === spec.os);
  const own = stored.filter(({ version }) => version === spec.version);
  const sizes = [own, stored].map((them) => Math.max(0, ...them.map(({ unpackedBytes = 0 }) => unpackedBytes)));
  return sizes.find((size) => size > 0);
}

const notRetained: Rule = ({ subject: { distribution, scene } }) => {
  const used = new Set(scene.containers.flatMap(({ status }) => [status?.image, status?.lastKnownGoodImage]));
  const going = previousImages(distribution).slice(distribution.spec.retainVersions).filter((image) => !used.has(image)); // prettier-ignore
  return going.length === 0
    ? []
    : [
        `retainVersions is ${distribution.spec.retainVersions}: nodes delete ${such(going)}, and a way back there is a download`,
      ];
};

const gates: Rule = ({ asked, subject: { distribution } }) => {
  const failing = (distribution.status?.rollout?.gates ?? []).filter(({ holds }) => !holds).map(({ name }) => name);
  return [
    ...(asked.gates?.length ? [`The plan takes it that ${such(asked.gates.map(({ name }) => name))} holds each time`] : []), // prettier-ignore
    ...(failing.length > 0 ? [`Gate ${such(failing)} does not hold now`] : []),
  ];
};

const unseen: Rule = ({ subject: { scene } }) =>
  scene.unseen.length === 0 ? [] : [`You may not list ${scene.unseen.join(', ')}: the plan does not know them`];

const rules: readonly Rule[] = [
  neverEnds,
  noOSImage,
  paused,
  fetchingPaused,
  nobodyFollows,
  windowsStretch,
  lessThanOne,
  noCanaries,
  usedUp,
  neverGood,
  withoutNode,
  room,
  notRetained,
  gates,
  unseen,
];

/** All that is to be said of a plan, the most important first. */
export function warningsOf(foreseen: Foreseen): string[] {
  const { distribution, image, scene } = foreseen.subject;
  const asked = distribution.spec.activate.existingContainers;
  if (!asked) return [];
  const { os } = parseReference(distribution.spec.image);
  const followed = new Set(foreseen.forecast.names);
  const followers = scene.containers.filter((it) => followed.has(nameOf(it)));
  const context = { ...foreseen, asked, image: assumeReady(distribution, image), os, followers };
  return rules.flatMap((rule) => rule(context));
}
