import type { ImageDistribution } from '../../../api/imagedistribution.ts';
import { imageName } from '../../../api/images.ts';
import type { ExistingContainers, RolloutStatus } from '../../../api/rollout.ts';
import { amount, budgetOf } from '../../../controllers/imagedistribution/rollout/budget.ts';
import { evidenceOf, fleetOf } from '../../../controllers/imagedistribution/rollout/fleet.ts';
import type { Followers, Follower } from '../../../controllers/imagedistribution/rollout/fleet.ts';
import { windowState } from '../../../controllers/imagedistribution/rollout/windows.ts';
import { describeProgress, inLines } from '../../rollout/describe.ts';
import type { Scene } from '../../scene/scene.ts';
import type { Model } from '../delta.ts';
import type { Cell, CellState, DistributionLine, RolloutPage } from '../views.ts';
import { byName, shown } from './shown.ts';

/** All distributions, one a line. Their keys are `d/<name>`. */
export function rolloutsModel({ distributions }: Scene, now: Date): Model {
  return Object.fromEntries(
    distributions
      .toSorted((a, b) => byName(a.metadata.name, b.metadata.name))
      .map((it) => [`d/${it.metadata.name}`, lineOf(it, now)]),
  );
}

function lineOf(distribution: ImageDistribution, now: Date): DistributionLine {
  const { metadata, spec, status } = distribution;
  const progress = describeProgress(distribution, now);
  const { ready = 0, desired = 0 } = status?.nodes ?? {};
  return {
    name: metadata.name,
    image: spec.image,
    standing: progress.standing,
    nodes: { ready, desired },
    ...(status?.containers && spec.activate.existingContainers && { containers: status.containers }),
    told: inLines(progress).map(shown),
  };
}

/** One distribution, with each container that it moves as the planner of rollouts sees it. */
export function rolloutModel(scene: Scene, name: string, now: Date): Model {
  const distribution = scene.distributions.find(({ metadata }) => metadata.name === name);
  if (!distribution) return {};
  const { spec, status } = distribution;
  const { standing, nodes: line, told } = lineOf(distribution, now);
  const asked = spec.activate.existingContainers;
  const fleet = asked && fleetOfScene(distribution, scene, asked, now);
  const page: RolloutPage = {
    name,
    image: spec.image,
    standing,
    told,
    ...nodesOf(line, status),
    ...(asked && fleet && { moves: movesOf(asked, fleet, status?.rollout, now) }),
  };
  return { rollout: page, ...(asked && fleet && cellsOf(fleet, asked)) };
}

function nodesOf(line: DistributionLine['nodes'], status: ImageDistribution['status']) {
  const { failed = 0, unreachable = 0 } = status?.nodes ?? {};
  const failedNodes = (status?.failedNodes ?? []).map((it) => ({ ...it, message: shown(it.message) }));
  return { nodes: { ...line, failed, unreachable }, failedNodes };
}

function cellsOf(fleet: Followers, asked: ExistingContainers): Record<string, Cell> {
  const canaries = canariesOf(fleet, asked);
  const cells = fleet.all.map((it): [string, Cell] => [
    `f/${it.name}`,
    { name: it.name, state: it.state, available: it.available, suspended: it.suspended, canary: canaries.has(it) },
  ]);
  return Object.fromEntries(cells);
}

function fleetOfScene(distribution: ImageDistribution, scene: Scene, asked: ExistingContainers, now: Date): Followers {
  const images = new Map(scene.osImages.map((it) => [imageName(it.spec), it]));
  const observed = {
    distribution,
    distributions: scene.distributions,
    containers: scene.containers,
    find: (os: string, version: string) => images.get(imageName({ os, version })),
    distributed: true,
    window: { open: true },
    answers: [],
    now,
  };
  return fleetOf(observed, distribution.status?.rollout, asked.retryToken);
}

/** Those that this rollout moved first. */
function canariesOf({ all }: Followers, { canary }: ExistingContainers): Set<Follower> {
  const timeOf = ({ container }: Follower) => container.status?.assignedTime ?? '';
  const moved = all.filter((it) => it.moved).sort((a, b) => (timeOf(a) < timeOf(b) ? -1 : 1));
  return new Set(moved.slice(0, amount(canary.count, all.length, Math.ceil)));
}

type Moves = NonNullable<RolloutPage['moves']>;

function movesOf(asked: ExistingContainers, fleet: Followers, rollout: RolloutStatus | undefined, now: Date): Moves {
  const budget = budgetOf(fleet, asked.maxUnavailable);
  const { open, changeTime } = windowState(asked.windows, now);
  const wave = rollout?.wave ?? 0;
  const soak = soakOf(asked, rollout);
  const end = rollout?.estimatedCompletionTime;
  return {
    wave,
    ...(rollout && { startTime: rollout.startTime }),
    ...(rollout?.completionTime !== undefined && { completionTime: rollout.completionTime }),
    ...(end !== undefined && rollout?.completionTime === undefined && { estimatedCompletionTime: end }),
    paused: asked.paused,
    budget: { most: budget.most, down: budget.down.map(({ name }) => name) },
    maxFailures: asked.maxFailures,
    failures: evidenceOf(fleet).length,
    ...(soak && { soak }),
    windows: {
      open,
      ...(changeTime && { changeTime: changeTime.toISOString() }),
      schedules: (asked.windows ?? []).map(
        ({ schedule, durationSeconds, timeZone }) =>
          `${schedule}, ${Math.round(durationSeconds / 60)} min, ${timeZone}`,
      ),
    },
    gates: gatesOf(asked, rollout),
    counts: countsOf(fleet),
  };
}

function soakOf({ canary, waveSoakSeconds }: ExistingContainers, rollout: RolloutStatus | undefined): Moves['soak'] {
  if (rollout?.soakStartTime === undefined || rollout.completionTime !== undefined) return undefined;
  const seconds = rollout.wave === 0 ? canary.soakSeconds : waveSoakSeconds;
  const to = new Date(Date.parse(rollout.soakStartTime) + seconds * 1000).toISOString();
  return seconds === 0 ? undefined : { from: rollout.soakStartTime, to };
}

const gatesOf = ({ gates = [] }: ExistingContainers, rollout: RolloutStatus | undefined): Moves['gates'] =>
  gates.map(({ name, failureLimit }) => {
    const answer = rollout?.gates?.find((it) => it.name === name);
    return {
      name,
      limit: failureLimit,
      failures: answer?.failures ?? 0,
      ...(answer && { holds: answer.holds, time: answer.time }),
      ...(answer?.message !== undefined && { message: shown(answer.message) }),
    };
  });

const none: Record<CellState, number> = {
  Waiting: 0,
  Moving: 0,
  Blocked: 0,
  Leaving: 0,
  Updated: 0,
  Reverted: 0,
  Failed: 0,
  New: 0,
};

function countsOf({ all }: Followers): Record<CellState, number> {
  const counts = { ...none };
  for (const { state } of all) counts[state] += 1;
  return counts;
}
