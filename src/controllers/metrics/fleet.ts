import type { HostedContainer } from '../../api/hostedcontainer.ts';
import type { ImageDistribution } from '../../api/imagedistribution.ts';
import type { NodeStore } from '../../api/nodestore.ts';
import type { OSImage } from '../../api/osimage.ts';
import { findCondition } from '../../runtime/conditions.ts';
import type { Condition } from '../../runtime/conditions.ts';
import { amount } from '../imagedistribution/rollout/budget.ts';

/** Metrics of what the operator looks after, computed from its caches when they are asked for. docs/metrics.md is made of this table. */

export interface FleetObjects {
  images: readonly OSImage[];
  distributions: readonly ImageDistribution[];
  containers: readonly HostedContainer[];
  stores: readonly NodeStore[];
}

export interface Sample {
  labels: Record<string, string>;
  value: number;
}

/** A gauge. Its series are as many as there are OS versions, distributions and reasons, never as many as there are containers or nodes. */
export interface Family {
  name: string;
  help: string;
  labels: readonly string[];
  samples: (fleet: FleetObjects) => Sample[];
}

const one = (labels: Record<string, string>, value: number): Sample => ({ labels, value });

/** One sample for each set of labels, with the number of times that it came. */
function count(sets: readonly Record<string, string>[]): Sample[] {
  const counted = new Map<string, Sample>();
  for (const labels of sets) {
    const key = JSON.stringify(labels);
    const sample = counted.get(key) ?? one(labels, 0);
    sample.value++;
    counted.set(key, sample);
  }
  return [...counted.values()];
}

const nameAndVersion = (image: string): { os: string; version: string } => {
  const [os = '', version = ''] = image.split(':');
  return { os, version };
};
const seconds = (time: string): number => Date.parse(time) / 1000;
const conditionOf = (object: { status?: { conditions?: Condition[] | undefined } | undefined }, type: string) =>
  findCondition(object.status?.conditions, type);

function stalled({ images, distributions, containers, stores }: FleetObjects): Sample[] {
  const kinds = { OSImage: images, ImageDistribution: distributions, HostedContainer: containers, NodeStore: stores };
  return count(
    Object.entries(kinds).flatMap(([kind, objects]) =>
      objects.flatMap((object: { status?: { conditions?: Condition[] | undefined } | undefined }) => {
        const condition = conditionOf(object, 'Stalled');
        return condition?.status === 'True' ? [{ kind, reason: condition.reason }] : [];
      }),
    ),
  );
}

/** Updating counts before all else: a container that is down because it moves is where it should be. */
export function stateOf(container: HostedContainer): 'Running' | 'NotReady' | 'Updating' | 'Suspended' {
  const ready = conditionOf(container, 'Ready');
  if (ready?.reason === 'Suspended') return 'Suspended';
  if (container.status?.targetImage !== undefined) return 'Updating';
  return ready?.status === 'True' ? 'Running' : 'NotReady';
}

/** The distributions that move containers, with what their rollout has come to. */
const rollouts = ({ distributions }: FleetObjects) =>
  distributions.flatMap(({ metadata: { name }, spec, status }) => {
    const settings = spec.activate.existingContainers;
    return settings && status?.rollout ? [{ name, settings, status, rollout: status.rollout }] : [];
  });

const soakSeconds = (wave: number, settings: { canary: { soakSeconds: number }; waveSoakSeconds: number }): number =>
  wave === 0 ? settings.canary.soakSeconds : settings.waveSoakSeconds;

/** When a container was last given the image of the rollout; its start when none was. */
function lastProgress(fleet: FleetObjects, image: string, startTime: string): number {
  const times = fleet.containers.flatMap(({ status }) =>
    status?.assignedImage === image && status.assignedTime !== undefined ? [seconds(status.assignedTime)] : [],
  );
  return times.reduce((latest, time) => Math.max(latest, time), seconds(startTime));
}

export const families: readonly Family[] = [
  {
    name: 'monoroot_objects_stalled',
    help: 'Objects that wait for a person (Stalled=True), by kind and reason',
    labels: ['kind', 'reason'],
    samples: stalled,
  },
  {
    name: 'monoroot_containers',
    help: 'HostedContainers by the version that they run, and state: Running, NotReady, Updating or Suspended',
    labels: ['os', 'version', 'state'],
    samples: ({ containers }) =>
      count(containers.map((it) => ({ ...nameAndVersion(it.status?.image ?? it.spec.image), state: stateOf(it) }))),
  },
  {
    name: 'monoroot_rollout_state',
    help: '1 for the state that a rollout to existing containers is in: the reason of the condition RolledOut',
    labels: ['distribution', 'state'],
    samples: (fleet) =>
      fleet.distributions.flatMap((it) => {
        const state = it.spec.activate.existingContainers && conditionOf(it, 'RolledOut')?.reason;
        return state === undefined ? [] : [one({ distribution: it.metadata.name, state }, 1)];
      }),
  },
  {
    name: 'monoroot_rollout_containers',
    help: 'Containers that follow the default version, by state: following counts all of them',
    labels: ['distribution', 'state'],
    samples: ({ distributions }) =>
      distributions.flatMap(({ metadata, status }) =>
        Object.entries(status?.containers ?? {}).map(([state, value]) =>
          one({ distribution: metadata.name, state }, value),
        ),
      ),
  },
  {
    name: 'monoroot_rollout_unavailable_limit',
    help: 'Most containers that a rollout lets be unavailable at once (maxUnavailable)',
    labels: ['distribution'],
    samples: (fleet) =>
      rollouts(fleet).map(({ name, settings, status }) =>
        one(
          { distribution: name },
          Math.max(1, amount(settings.maxUnavailable, status.containers?.following ?? 0, Math.floor)),
        ),
      ),
  },
  {
    name: 'monoroot_rollout_wave',
    help: 'Wave of a rollout: 0 is the canaries',
    labels: ['distribution'],
    samples: (fleet) => rollouts(fleet).map(({ name, rollout }) => one({ distribution: name }, rollout.wave)),
  },
  {
    name: 'monoroot_rollout_soak_end_timestamp_seconds',
    help: 'When the soak of the wave that runs now ends, in seconds since 1970',
    labels: ['distribution'],
    samples: (fleet) =>
      rollouts(fleet).flatMap(({ name, rollout, settings }) =>
        rollout.soakStartTime === undefined
          ? []
          : [one({ distribution: name }, seconds(rollout.soakStartTime) + soakSeconds(rollout.wave, settings))],
      ),
  },
  {
    name: 'monoroot_rollout_last_progress_timestamp_seconds',
    help: 'When a rollout last moved a container, in seconds since 1970',
    labels: ['distribution'],
    samples: (fleet) =>
      rollouts(fleet).map(({ name, rollout }) =>
        one({ distribution: name }, lastProgress(fleet, rollout.image, rollout.startTime)),
      ),
  },
  {
    name: 'monoroot_rollout_estimated_completion_timestamp_seconds',
    help: 'Expected end of a rollout in progress, in seconds since 1970',
    labels: ['distribution', 'image'],
    samples: (fleet) =>
      rollouts(fleet).flatMap(({ name, rollout: { estimatedCompletionTime: end, image } }) =>
        end === undefined ? [] : [one({ distribution: name, image }, seconds(end))],
      ),
  },
  {
    name: 'monoroot_rollout_gate_holds',
    help: '1 when the last answer of a gate held, else 0',
    labels: ['distribution', 'gate'],
    samples: (fleet) =>
      rollouts(fleet).flatMap(({ name, rollout }) =>
        (rollout.gates ?? []).map((gate) => one({ distribution: name, gate: gate.name }, gate.holds ? 1 : 0)),
      ),
  },
  {
    name: 'monoroot_image_nodes',
    help: 'Nodes of a distribution by state of its image: desired, ready, active (fetching), failed, unreachable',
    labels: ['distribution', 'state'],
    samples: ({ distributions }) =>
      distributions.flatMap(({ metadata, status }) =>
        Object.entries(status?.nodes ?? {}).flatMap(([state, value]) =>
          value === undefined ? [] : [one({ distribution: metadata.name, state }, value)],
        ),
      ),
  },
  {
    name: 'monoroot_image_condemned',
    help: '1 for each version that is condemned',
    labels: ['os', 'version'],
    samples: ({ images }) =>
      images
        .filter((it) => conditionOf(it, 'Condemned')?.status === 'True')
        .map(({ spec: { os, version } }) => one({ os, version }, 1)),
  },
  {
    name: 'monoroot_images',
    help: 'OSImages by the reason of their condition Ready',
    labels: ['os', 'reason'],
    samples: ({ images }) =>
      count(images.map((it) => ({ os: it.spec.os, reason: conditionOf(it, 'Ready')?.reason ?? 'Unknown' }))),
  },
  {
    name: 'monoroot_nodestores',
    help: 'NodeStores by the status of their condition Ready',
    labels: ['ready'],
    samples: ({ stores }) => count(stores.map((it) => ({ ready: conditionOf(it, 'Ready')?.status ?? 'Unknown' }))),
  },
];
