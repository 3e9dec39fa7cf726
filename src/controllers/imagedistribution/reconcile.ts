import type { HostedContainer } from '../../api/hostedcontainer.ts';
import type { ImageDistribution } from '../../api/imagedistribution.ts';
import type { OSImage } from '../../api/osimage.ts';
import { imageDistributions } from '../../kube/kinds.ts';
import type { Client } from '../../kube/client.ts';
import { imageName, parseReference } from '../../api/images.ts';
import { watch } from '../../runtime/controller.ts';
import type { ControllerOptions } from '../../runtime/controller.ts';
import { findCondition } from '../../runtime/conditions.ts';
import type { EventRecorder } from '../../runtime/events.ts';
import { actThenWriteStatus, sameStatus } from '../../runtime/status.ts';
import { monotonic } from '../../runtime/time.ts';
import { byOS, imageOf } from '../caches.ts';
import type { Caches } from '../caches.ts';
import { condemnation } from '../images.ts';
import { changedImages, changedLabels, selectionChanged } from '../predicates.ts';
import { RolloutWriter } from './rollout/act.ts';
import { askGates } from './rollout/gates/ask.ts';
import type { GatePorts } from './rollout/gates/gates.ts';
import type { GateAnswer } from './rollout/observed.ts';
import { eventsFor } from './rollout/events.ts';
import { windowProblem, windowState } from './rollout/windows.ts';
import { writeStatus } from '../status.ts';
import { Pace, isNews } from './pace.ts';
import { planImageDistribution, progressMilliseconds } from './plan.ts';
import type { Observed, Plan } from './observed.ts';

const requeueAfterMilliseconds = 60_000;

export interface ImageDistributionDependencies {
  client: Client;
  caches: Caches;
  /** For the gates of rollouts. */
  gates: GatePorts;
  events: EventRecorder;
}

/**
 * Keeps the status of every ImageDistribution true, and with it which version is the default, and moves the containers that
 * follow the default.
 */
export function imageDistributionController({
  client,
  caches,
  gates,
  events,
}: ImageDistributionDependencies): Pick<ControllerOptions, 'name' | 'sources' | 'reconcile'> {
  const all = caches.distributions.store.list.bind(caches.distributions.store);
  /** Those that name one of these OSImages. */
  const naming = (objects: readonly string[]) => {
    const names = new Set(objects);
    const objectOf = ({ spec }: ImageDistribution) => spec.image.replace(':', '.');
    return all().filter((d) => names.has(objectOf(d))).map((d) => d.metadata.name); // prettier-ignore
  };
  const ofOS = (os: string) =>
    all().filter((d) => parseReference(d.spec.image).os === os).map((d) => d.metadata.name); // prettier-ignore
  const moving = ({ spec }: HostedContainer) =>
    all()
      .filter((d) => d.spec.activate.existingContainers && parseReference(d.spec.image).os === spec.image)
      .map((d) => d.metadata.name);
  const writer = new RolloutWriter(client);
  const pace = new Pace(monotonic);

  return {
    name: 'imagedistribution',
    sources: [
      // Which of several gives the default, and which one moves containers, is decided among all of an OS.
      watch(caches.distributions, {
        keys: ({ metadata, spec }) => [metadata.name, ...ofOS(parseReference(spec.image).os)],
        predicate: (old, current) => !sameStatus(old.spec, current.spec) || !sameStatus(roleOf(old), roleOf(current)),
      }),
      watch(caches.distributions),
      watch(caches.images, { keys: (image) => naming([image.metadata.name]) }),
      watch(caches.images, { keys: (image) => ofOS(image.spec.os), predicate: condemnationChanged }),
      watch(caches.stores, { keys: (store, other) => naming(changedImages(store, other)) }),
      watch(caches.nodes, { keys: () => all().map((d) => d.metadata.name), predicate: selectionChanged }),
      watch(caches.nodes, { keys: (node, other) => naming(changedLabels(node, other)) }),
      watch(caches.containers, { keys: moving }),
    ],
    reconcile: async ({ key }, { logger, signal }) => {
      const distribution = caches.distributions.store.get(key);
      if (!distribution) {
        pace.forget(key);
        return {};
      }
      const rest = pace.rest(key);
      if (rest > 0) return { requeueAfterSeconds: rest / 1000 };
      const look = (answers: readonly GateAnswer[]): Plan =>
        pace.look(key, () => planImageDistribution(observe(caches, writer, distribution, answers)));
      let plan = look([]);
      if (plan.rollout && plan.rollout.queries.length > 0) {
        const { queries, counts, rollout } = plan.rollout;
        const { image } = distribution.spec;
        const question = { distribution: key, image, wave: rollout?.wave ?? 0, counts };
        plan = look(await askGates(queries, question, gates, signal));
      }
      const { status, rollout } = plan;
      const isSame = sameStatus(distribution.status, status);
      const pause = isSame || isNews(distribution.status, status) ? 0 : pace.untilWrite(key);
      await actThenWriteStatus({
        observed: distribution.status,
        act: async () => {
          const image = imageOf(caches, distribution.spec.image);
          if (rollout?.condemn !== undefined && image) await writer.condemn(image, rollout.condemn, signal);
          if (rollout?.condemn !== undefined) logger.warn({ evidence: rollout.condemn }, 'Condemned OSImage');
          await writer.assign(rollout?.assign ?? [], signal);
          if (rollout?.assign.length) logger.info({ containers: rollout.assign.length }, 'Assigned image');
        },
        // A halt is reported when its evidence is written: whoever finds no evidence then has lifted it.
        status: (error) =>
          pause > 0 || (error !== undefined && rollout?.condemn !== undefined) ? distribution.status : status,
        write: async (next = {}) => {
          await writeStatus(client, imageDistributions, distribution, next, signal);
          pace.wrote(key);
          for (const event of eventsFor(distribution.status?.rollout, next.rollout)) events.record(distribution, event);
        },
      });
      return { requeueAfterSeconds: requeueAfterSeconds(plan, pause) };
    },
  };
}

/** Seconds until it must be looked at even if nothing changes. `pause`: milliseconds before what has changed is written. */
function requeueAfterSeconds({ status, rollout }: Plan, pause: number): number | undefined {
  const waits = [
    // Progress that was not written yet, and agents that may fall silent.
    ...(status.nodes?.active ? [progressMilliseconds] : []),
    // Agents that were silent and speak of something else again.
    ...(status.nodes?.unreachable ? [requeueAfterMilliseconds] : []),
    ...(pause > 0 ? [pause] : []),
    ...(rollout?.requeueTime ? [Math.max(1, rollout.requeueTime.getTime() - Date.now())] : []),
  ];
  return waits.length > 0 ? Math.min(...waits) / 1000 : undefined;
}

function observe(
  caches: Caches,
  writer: RolloutWriter,
  distribution: ImageDistribution,
  answers: readonly GateAnswer[],
): Observed {
  const now = new Date();
  const { image, activate } = distribution.spec;
  const windows = activate.existingContainers?.windows;
  writer.prune((container) => caches.containers.store.get(container) !== undefined);
  const followers = activate.existingContainers
    ? caches.containers.store.byIndex(byOS, parseReference(image).os).map((it) => writer.newest(it))
    : [];
  const problem = windows?.map(windowProblem).find((it) => it !== undefined);
  return {
    distribution,
    image: imageOf(caches, image),
    find: (os, version) => imageOf(caches, imageName({ os, version })),
    nodes: caches.nodes.store.list(),
    stores: new Map(caches.stores.store.list().map((store) => [store.metadata.name, store])),
    now,
    fleet: {
      distributions: caches.distributions.store.list(),
      containers: followers,
      window: { ...windowState(windows, now), problem },
      answers,
    },
  };
}

/** What others of the OS see of it. */
const roleOf = ({ metadata, status }: ImageDistribution) => [
  metadata.deletionTimestamp,
  status?.activeImage,
  status?.activationTime,
  status?.rollout?.image,
  status?.rollout?.haltTime,
  findCondition(status?.conditions, 'Stalled')?.status,
  findCondition(status?.conditions, 'Distributed')?.reason,
];

const condemnationChanged = (old: OSImage, current: OSImage): boolean => condemnation(old) !== condemnation(current);
