import type { HostedContainer } from '../../../api/hostedcontainer.ts';
import { parseReference } from '../../../api/images.ts';
import type { ImageDistribution } from '../../../api/imagedistribution.ts';
import { annotations } from '../../../api/names.ts';
import type { OSImage } from '../../../api/osimage.ts';
import type { ExistingContainers } from '../../../api/rollout.ts';
import { usableImage } from '../../../pod/usable-image.ts';
import { sameStatus } from '../../../runtime/status.ts';
import { withSoftware } from '../../hostedcontainer/images.ts';
import { activate } from '../activation.ts';
import { amount, budgetOf } from '../rollout/budget.ts';
import { fleetOf } from '../rollout/fleet.ts';
import type { Assignment, Observed, RolloutPlan, RolloutReason } from '../rollout/observed.ts';
import { planRollout } from '../rollout/plan.ts';
import { windowOf } from '../rollout/windows.ts';
import { bodyOf, inSight } from './bodies.ts';
import type { Body, Lives } from './bodies.ts';
import { arrived, failed, moved, recovered } from './model.ts';

/** What a rollout is simulated with. */
export interface Scenario {
  /** As it is asked for, with the status that it has. */
  distribution: ImageDistribution;
  /** All of the cluster; this one among them or not. */
  distributions: readonly ImageDistribution[];
  containers: readonly HostedContainer[];
  find: (os: string, version: string) => OSImage | undefined;
  /** When all selected nodes have the image; `now` when they have. */
  distributedTime: Date;
  now: Date;
  lives: Lives;
  /** Give up after this number of plans. */
  mostPlans: number;
  /** Which containers the planner sees; a test lets it see all. */
  sight?: typeof inSight;
}

/** Containers that go at one moment. */
export interface Batch {
  time: Date;
  /** 0: the canaries. */
  wave: number;
  image: string;
  containers: string[];
  back: boolean;
}

export interface Simulated {
  /** How it ends; `Unfinished`: the simulation was given up. */
  reason: RolloutReason | 'Unfinished';
  message: string;
  batches: Batch[];
  /** When the first container goes, and when nothing is left that could happen. */
  startTime: Date | undefined;
  endTime: Date;
  completionTime: Date | undefined;
  haltTime: Date | undefined;
  /** Spans in which containers waited for a window. */
  closed: { from: Date; to: Date }[];
  /** `<namespace>/<name>` of those that follow and are selected; how many; the most of them that were unavailable at once, and that may be. */
  names: string[];
  following: number;
  mostUnavailable: number;
  maxUnavailable: number;
}

/** Longer than any window can be away that is not in leap years alone. */
const horizonMilliseconds = 400 * 24 * 3600 * 1000;
/** Gates are asked once in each soak: more often changes nothing when they hold. */
const onceASoak = 604_800;

/**
 * A rollout by the operator's own planner, over a fleet that does what `lives` says, on a clock of its own. All gates hold.
 * Undefined when the distribution moves no containers.
 */
export function simulate(scenario: Scenario): Simulated | undefined {
  const asked = scenario.distribution.spec.activate.existingContainers;
  if (!asked) return undefined;
  const run = begin(scenario, asked);
  for (let plans = 0; plans < scenario.mostPlans; plans++) {
    letHappen(run);
    const plan = planNow(run);
    if (!plan) return undefined;
    if (carryOut(run, plan)) continue;
    if (plan.reason === 'RolledOut') return end(run, plan);
    const next = nextTime(run, plan);
    if (next === undefined || next - scenario.now.getTime() > horizonMilliseconds) return end(run, plan);
    if (plan.reason === 'OutsideWindow') run.closed.push({ from: run.now, to: new Date(next) });
    run.now = new Date(next);
  }
  return end(run, { reason: 'Unfinished', message: `It was given up after ${scenario.mostPlans} plans` });
}

interface Run {
  scenario: Scenario;
  now: Date;
  distribution: ImageDistribution;
  bodies: Body[];
  byName: Map<string, Body>;
  maxUnavailable: number;
  condemned: string | undefined;
  failuresLeft: number;
  batches: Batch[];
  closed: { from: Date; to: Date }[];
  mostUnavailable: number;
}

function begin(scenario: Scenario, asked: ExistingContainers): Run {
  const { distribution, now, lives } = scenario;
  const run: Run = {
    scenario,
    now,
    distribution,
    bodies: [],
    byName: new Map(),
    maxUnavailable: 0,
    condemned: undefined,
    failuresLeft: lives.failing,
    batches: [],
    closed: [],
    mostUnavailable: 0,
  };
  const fleet = fleetOf(observe(run, scenario.containers), distribution.status?.rollout, asked.retryToken);
  run.maxUnavailable = budgetOf(fleet, asked.maxUnavailable).most;
  run.bodies = fleet.all.map((it) => bodyOf(it, lives, now));
  run.byName = new Map(run.bodies.map((it) => [it.name, it]));
  // A part of the fleet is shown to the planner, so percentages of all of it are numbers by now.
  const existingContainers: ExistingContainers = {
    ...asked,
    maxUnavailable: run.maxUnavailable,
    canary: { ...asked.canary, count: amount(asked.canary.count, fleet.awake.length, Math.ceil) },
    ...(asked.gates && { gates: asked.gates.map((gate) => ({ ...gate, intervalSeconds: onceASoak })) }),
  };
  const { spec } = distribution;
  run.distribution = { ...distribution, spec: { ...spec, activate: { ...spec.activate, existingContainers } } };
  return run;
}

/** What the operator would see now. */
function observe(run: Run, containers: readonly HostedContainer[]): Observed {
  const { scenario, distribution, now } = run;
  const { name } = distribution.metadata;
  return {
    distribution,
    distributions: [distribution, ...scenario.distributions.filter(({ metadata }) => metadata.name !== name)],
    containers,
    find: (os, version) => found(run, os, version),
    distributed: now >= scenario.distributedTime,
    window: windowOf(distribution.spec.activate.existingContainers?.windows, now),
    answers: [],
    now,
  };
}

function found({ scenario, condemned, distribution }: Run, os: string, version: string): OSImage | undefined {
  const image = scenario.find(os, version);
  const isThis = distribution.spec.image === `${os}:${version}`;
  if (!image || !isThis || condemned === undefined) return image;
  const { metadata } = image;
  return {
    ...image,
    metadata: { ...metadata, annotations: { ...metadata.annotations, [annotations.condemned]: condemned } },
  };
}

function planNow(run: Run): RolloutPlan | undefined {
  const { sight = inSight } = run.scenario;
  const o = observe(run, sight(run.bodies, run.distribution, run.maxUnavailable));
  becomeDefault(run, o);
  const seen = { ...o, distribution: run.distribution, distributions: [run.distribution, ...o.distributions.slice(1)] };
  const plan = planRollout(seen);
  if (!plan || plan.queries.length === 0) return plan;
  return planRollout({ ...seen, answers: plan.queries.map(({ name }) => ({ name, holds: true, message: '' })) });
}

/** The version becomes the default once all nodes have it, by the same rule as in the operator. */
function becomeDefault(run: Run, { distributed, find, now, distributions }: Observed): void {
  const { distribution } = run;
  if (!distributed || distribution.status?.activeImage === distribution.spec.image) return;
  const fleet = { distributions, containers: [], window: { open: true }, answers: [] };
  const activation = activate({ distribution, image: undefined, find, nodes: [], stores: new Map(), now, fleet }, true);
  run.distribution = { ...distribution, status: { ...distribution.status, ...activation } };
}

/** Does what was planned; whether anything has changed by it. */
function carryOut(run: Run, plan: RolloutPlan): boolean {
  run.mostUnavailable = Math.max(run.mostUnavailable, plan.counts.unavailable);
  const before = run.distribution.status;
  const isNews = plan.assign.length > 0 || !sameStatus(before?.rollout, plan.rollout);
  if (plan.condemn !== undefined) run.condemned = plan.condemn;
  for (const assignment of plan.assign) move(run, assignment);
  note(run, plan);
  const { rollout: _was, ...status } = before ?? {};
  run.distribution = { ...run.distribution, status: { ...status, ...(plan.rollout && { rollout: plan.rollout }) } };
  return isNews;
}

function move(run: Run, assignment: Assignment): void {
  const { metadata } = assignment.container;
  const body = run.byName.get(`${metadata.namespace ?? ''}/${metadata.name}`);
  if (!body) return;
  const { lives } = run.scenario;
  body.container = moved(body.container, assignment, run.now);
  body.untouched = false;
  body.done = false;
  body.next = undefined;
  const stays = body.suspended || body.container.status?.lastKnownGoodImage === assignment.image;
  if (stays) return;
  const isOn = assignment.image === run.distribution.spec.image;
  const fails = isOn && (body.ill ? !lives.heals : run.failuresLeft > 0);
  if (isOn && !body.ill && fails) run.failuresLeft -= 1;
  const seconds = fails ? lives.failureSeconds(body.container) : lives.upgradeSeconds(body.container);
  body.next = { time: later(run.now, seconds), what: fails ? 'fails' : 'arrives' };
}

/** What takes no time happens at the next moment: the clock goes on to times that are still to come. */
const later = (now: Date, seconds: number): number => now.getTime() + Math.max(1, seconds * 1000);

function note(run: Run, plan: RolloutPlan): void {
  for (const { container, image, back = false } of plan.assign) {
    const name = `${container.metadata.namespace ?? ''}/${container.metadata.name}`;
    const last = run.batches.at(-1);
    const wave = plan.rollout?.wave ?? 0;
    const isSame = last?.time.getTime() === run.now.getTime() && last.wave === wave && last.image === image && last.back === back; // prettier-ignore
    if (isSame) last.containers.push(name);
    else run.batches.push({ time: run.now, wave, image, containers: [name], back });
  }
}

/** Those whose time has come arrive, fail or come back. */
function letHappen(run: Run): void {
  const { now, scenario, distribution } = run;
  for (const body of run.bodies) {
    const { next } = body;
    if (!next || next.time > now.getTime()) continue;
    body.next = undefined;
    const { os, version = '' } = parseReference(body.container.status?.assignedImage ?? '');
    const object = found(run, os, version);
    const image = object && usableImage(object);
    if (next.what === 'recovers') body.container = recovered(body.container, now);
    else if (!image) continue;
    else if (next.what === 'arrives') body.container = arrived(body.container, image, now);
    else fail(run, body, withSoftware(body.container, scenario, image));
    const { lastKnownGoodImage: good } = body.container.status ?? {};
    body.done = next.what !== 'fails' && good === distribution.spec.image;
    if (next.what !== 'fails') body.ill = false;
  }
}

function fail(run: Run, body: Body, shape: Parameters<typeof failed>[1]): void {
  body.container = failed(body.container, shape, run.now);
  const time = later(run.now, run.scenario.lives.upgradeSeconds(body.container));
  if (!body.ill) body.next = { time, what: 'recovers' };
}

/** When anything happens next; undefined when nothing does by itself. */
function nextTime({ bodies, now, scenario }: Run, plan: RolloutPlan): number | undefined {
  const onTheWay = bodies.flatMap(({ next }) => (next ? [next.time] : []));
  // It looks at them again and again, and only a person can help.
  if (plan.reason === 'ContainersStuck' && onTheWay.length === 0) return undefined;
  const times = [...onTheWay, scenario.distributedTime.getTime(), plan.requeueTime?.getTime() ?? 0];
  const next = Math.min(...times.filter((it) => it > now.getTime()));
  return Number.isFinite(next) ? next : undefined;
}

function end(run: Run, { reason, message }: Pick<Simulated, 'reason' | 'message'>): Simulated {
  const { batches, closed, now, bodies, mostUnavailable, maxUnavailable, distribution } = run;
  const rollout = distribution.status?.rollout;
  const time = (text: string | undefined) => (text === undefined ? undefined : new Date(text));
  return {
    reason,
    message,
    batches,
    startTime: batches[0]?.time,
    endTime: now,
    completionTime: time(rollout?.completionTime),
    haltTime: time(rollout?.haltTime),
    closed,
    names: bodies.map(({ name }) => name),
    following: bodies.length,
    mostUnavailable,
    maxUnavailable,
  };
}
