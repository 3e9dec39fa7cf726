import type { HostedContainer } from '../../api/hostedcontainer.ts';
import type { ImageDistribution } from '../../api/imagedistribution.ts';
import type { Node } from '../../api/kubernetes/objects.ts';
import type { OSImage } from '../../api/osimage.ts';
import { imageDistributions } from '../../kube/kinds.ts';
import type { Client } from '../../kube/client.ts';
import { parseReference } from '../../api/images.ts';
import { watch } from '../../runtime/controller.ts';
import type { ControllerOptions } from '../../runtime/controller.ts';
import { findCondition } from '../../runtime/conditions.ts';
import type { EventRecorder } from '../../runtime/events.ts';
import { MutationCache } from '../../runtime/mutation-cache.ts';
import { Pace } from '../../runtime/pace.ts';
import { runPlan } from '../../runtime/plan.ts';
import { sameStatus } from '../../runtime/status.ts';
import { monotonic } from '../../runtime/time.ts';
import type { Caches } from '../caches.ts';
import { condemnation } from '../images.ts';
import { maySelect } from '../node-images.ts';
import { changedImages, changedLabels, selectionChanged } from '../predicates.ts';
import { act } from './act.ts';
import { observe } from './observe.ts';
import { RolloutWriter } from './rollout/writer.ts';
import { askGates } from './rollout/gates/ask.ts';
import type { GatePorts } from './rollout/gates/gates.ts';
import type { GateAnswer } from './rollout/observed.ts';
import { writeStatus } from '../status.ts';
import { WritePace } from './pace.ts';
import { planImageDistribution } from './plan.ts';

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
  /** Asked for a node as it was and as it is: who selects it neither way is not concerned. */
  const selecting = (node: Node) => all().filter((d) => maySelect(d, node)).map((d) => d.metadata.name); // prettier-ignore
  const moving = ({ spec }: HostedContainer) =>
    all()
      .filter((d) => d.spec.activate.existingContainers && parseReference(d.spec.image).os === spec.image)
      .map((d) => d.metadata.name);
  const writer = new RolloutWriter(client);
  const pace = new Pace(monotonic);
  const mutations = new MutationCache<ImageDistribution>();
  const writePace = new WritePace(monotonic);

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
      watch(caches.nodes, { keys: selecting, predicate: selectionChanged }),
      watch(caches.nodes, { keys: (node, other) => naming(changedLabels(node, other)) }),
      watch(caches.containers, { keys: moving }),
    ],
    reconcile: async ({ key }, { logger, signal }) => {
      const cached = caches.distributions.store.get(key);
      if (!cached) {
        pace.forget(key);
        mutations.forget(key);
        writePace.forget(key);
        return {};
      }
      const distribution = mutations.get(cached);
      const rest = pace.rest(key);
      if (rest > 0) return { requeueAfterSeconds: rest / 1000, postponed: true };
      const see = (answers: readonly GateAnswer[]) =>
        pace.look(key, () => observe({ caches, writer, writePace, distribution, answers }));
      return runPlan({
        observed: see([]),
        plan: (observed) => pace.look(key, () => planImageDistribution(observed)),
        // Gates take their time: what they answer is held against what is there then.
        answer: async (_before, queries) => see(await askGates(queries, gates, signal)),
        act: (action) => act(writer, action, logger, signal),
        status: distribution.status,
        write: async (status) => {
          mutations.mutated(distribution, await writeStatus(client, imageDistributions, distribution, status, signal));
          writePace.wrote(key, status.rollout !== undefined && status.rollout.completionTime === undefined);
        },
        record: (event) => events.record(distribution, event),
        logger,
        signal,
      });
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
