import { writeFileSync } from 'node:fs';
import { afterAll, afterEach, describe, expect, test } from 'vitest';
import type { HostedContainer } from '../../../src/api/hostedcontainer.ts';
import type { ExistingContainers } from '../../../src/api/rollout.ts';
import { foresee } from '../../../src/cli/plan/foresee.ts';
import type { Times } from '../../../src/cli/plan/foresee.ts';
import { readFleet } from '../../../src/cli/plan/subject.ts';
import type { Simulated } from '../../../src/controllers/imagedistribution/forecast/simulate.ts';
import { hostedContainers, imageDistributions } from '../../../src/kube/kinds.ts';
import { Reflector } from '../../../src/runtime/reflector.ts';
import { createDice } from '../../simulation/random.ts';
import { logger } from '../environment.ts';
import { eventually, patience } from '../eventually.ts';
import { objectName, openStage } from './stage.ts';

/**
 * Of these seeds fleets are made; by hand it may be more of them, and a file for the times of each. A `d` behind a seed: some of the fleet are down
 * before the rollout begins; a `w`: it has windows, and takes minutes.
 */
const seeds = (process.env['MONOROOT_FORECAST_SEEDS'] ?? '2,7,13').split(',');
const report = process.env['MONOROOT_FORECAST_REPORT'];

const stage = await openStage();
const { client, namespace, behaviours, createImage, distribute, start, until, good } = stage;
afterEach(() => stage.reset());
afterAll(() => stage.close());

/** What is said of the times: a busy machine is slow, so no upgrade is taken to be quick. */
const wide: Times = { upgrade: { least: 0, typical: 5, most: 60, measured: 0 }, fetchSeconds: undefined };
/** Times in a status are whole seconds, and the operator needs a moment to see a change. */
const [earlierSeconds, laterSeconds] = [2, 20];

interface Fleet {
  os: string;
  names: string[];
  suspended: string[];
  existingContainers: Partial<ExistingContainers>;
  /** How many of those that are moved first fail. */
  failing: number;
  halts: boolean;
  /** Those that crash with what they run before the rollout begins, and of them those that the new version does not help. */
  down: string[];
  hopeless: string[];
}

/** A fleet and the settings of its rollout; the same for the same seed. */
function fleetOf(seed: string): Fleet {
  const dice = createDice(Number.parseInt(seed, 10));
  const os = `f${seed}`;
  const size = dice.between(4, 10);
  const names = Array.from({ length: size }, (_, i) => `${os}-${String(i).padStart(2, '0')}`);
  const count = dice.between(0, 3);
  const failing = dice.chance(0.35) ? Math.max(1, count) : 0;
  const halts = failing > 0 && count > 0 && dice.chance(0.5);
  const fleet: Fleet = {
    os,
    names,
    suspended: names.filter(() => dice.chance(0.15)),
    existingContainers: {
      maxUnavailable: dice.pick([1, 2, 3, '25%', '50%'] as const) ?? 1,
      canary: { count, soakSeconds: dice.between(0, 2) },
      waveSoakSeconds: dice.pick([0, 0, 1, 2]) ?? 0,
      maxFailures: halts ? failing - 1 : failing,
    },
    failing,
    halts,
    down: [],
    hopeless: [],
  };
  if (seed.endsWith('d')) return withDown(fleet, dice);
  return seed.endsWith('w') ? withWindows(fleet) : fleet;
}

/** Who is down is no evidence against a version, so none of the others fails. */
function withDown(fleet: Fleet, dice: ReturnType<typeof createDice>): Fleet {
  const down = fleet.names.filter((name) => !fleet.suspended.includes(name)).slice(-dice.between(1, 2));
  const existingContainers = { ...fleet.existingContainers, maxFailures: 0 };
  return {
    ...fleet,
    existingContainers,
    failing: 0,
    halts: false,
    down,
    hopeless: down.filter(() => dice.chance(0.4)),
  };
}

/** Each second minute there is a window, and the rollout does not fit into one. */
function withWindows(fleet: Fleet): Fleet {
  const windows = [{ schedule: '*/2 * * * *', durationSeconds: 60, timeZone: 'UTC' }];
  const existingContainers = {
    ...fleet.existingContainers,
    windows,
    maxUnavailable: 2,
    waveSoakSeconds: 25,
    maxFailures: 0,
  };
  return { ...fleet, existingContainers, failing: 0, halts: false };
}

const secondsBetween = (from: Date | undefined, to: Date | undefined): number =>
  ((to?.getTime() ?? NaN) - (from?.getTime() ?? NaN)) / 1000;

/** When each container is moved to the image, as seen by a watch. */
async function watchMoves(os: string, image: string) {
  const containers = new Reflector({
    name: 'containers',
    logger,
    source: client.listWatcher(hostedContainers, { namespace }),
  });
  const stop = new AbortController();
  const running = containers.run(stop.signal);
  const moves = new Map<string, Date>();
  containers.store.subscribe((key, _old, current) => {
    const { assignedImage, assignedTime } = current?.status ?? {};
    if (current?.spec.image !== os || assignedImage !== image || moves.has(key)) return;
    moves.set(key, new Date(assignedTime ?? NaN));
  });
  await containers.synced(patience());
  return {
    moves,
    stop: async () => {
      stop.abort();
      await running;
    },
  };
}

/** In the order in which they went; those of one moment by their names. */
const ordered = (moves: ReadonlyMap<string, Date>): string[] =>
  [...moves].sort(([a, one], [b, other]) => one.getTime() - other.getTime() || (a < b ? -1 : 1)).map(([name]) => name);

function movesOf({ batches }: Simulated): Map<string, Date> {
  const moves = new Map<string, Date>();
  for (const { time, containers, back } of batches)
    for (const name of containers) if (!back && !moves.has(name)) moves.set(name, time);
  return moves;
}

/** Those of each wave: what goes at one moment where each wave has a soak. */
const wavesOf = (moves: ReadonlyMap<string, Date>): string[][] => {
  const waves = new Map<number, string[]>();
  for (const name of ordered(moves)) {
    const time = moves.get(name)?.getTime() ?? 0;
    waves.set(time, [...(waves.get(time) ?? []), name]);
  }
  return [...waves.values()];
};

async function foreseen(distribution: string, times: Times, failing: number) {
  const { scene, nodes } = await readFleet(client);
  const found = scene.distributions.find(({ metadata }) => metadata.name === distribution);
  if (!found) throw new Error(`There is no ImageDistribution ${distribution}`);
  const image = scene.osImages.find(({ metadata }) => metadata.name === objectName(found.spec.image));
  return foresee({ distribution: found, image, scene, nodes, madeUp: false }, times, failing, 0, new Date());
}

/** All run v1 well, after an upgrade to it that can be measured, and v2 is on all nodes and the default version; nothing has moved. */
async function setUp({ os, names, suspended, existingContainers, down, hopeless }: Fleet): Promise<string> {
  await createImage(`${os}:v0`);
  await distribute(`${os}:v0`, { activate: { newContainers: true } });
  await until(imageDistributions, `${os}.v0`, { Ready: 'True/AllNodes' });
  await Promise.all(names.map((name) => start(name, os)));
  for (const name of names) await good(name, `${os}:v0`);
  await createImage(`${os}:v1`);
  const atOnce = { maxUnavailable: 4, canary: { count: 0, soakSeconds: 0 } };
  await distribute(`${os}:v1`, { activate: { newContainers: true, existingContainers: atOnce as never } });
  await until(imageDistributions, `${os}.v1`, { Ready: 'True/RolledOut' }, 120);
  for (const name of names) await good(name, `${os}:v1`);
  await Promise.all(
    suspended.map((name) => client.mergePatch(hostedContainers, { name, namespace }, { spec: { suspend: true } })),
  );
  for (const name of suspended) await until(hostedContainers, name, { Ready: 'True/Suspended' });
  for (const name of down) behaviours.set(`${name} ${os}:v1`, 'crashes');
  for (const name of hopeless) behaviours.set(`${name} ${os}:v2`, 'crashes');
  for (const name of down) await until(hostedContainers, name, { Ready: 'False/CrashLooping' });
  await createImage(`${os}:v2`);
  const paused = { newContainers: true, existingContainers: { ...existingContainers, paused: true } };
  await distribute(`${os}:v2`, { activate: paused as never });
  await until(imageDistributions, `${os}.v2`, { RolledOut: 'False/Paused', Activated: 'True/NewContainers' });
  return `${os}.v2`;
}

/** A rollout that begins at the end of a window may miss it, so it is foreseen and begun while the window is shut. */
async function untilShut({ existingContainers }: Fleet): Promise<void> {
  if (existingContainers.windows === undefined) return;
  await eventually(() => {
    const second = (Date.now() / 1000) % 120;
    expect(second).toBeGreaterThan(62);
    expect(second).toBeLessThan(105);
  }, 125);
}

async function rollOut(distribution: string, halts: boolean, seconds: number): Promise<Date> {
  const resumed = { spec: { activate: { existingContainers: { paused: false } } } };
  await client.mergePatch(imageDistributions, { name: distribution }, resumed);
  const ended = halts ? { RolloutHalted: 'True/TooManyFailures' } : { RolledOut: 'True/RolledOut' };
  const { status } = await until(imageDistributions, distribution, ended, seconds);
  return new Date(status?.rollout?.completionTime ?? status?.rollout?.haltTime ?? NaN);
}

const lines: string[] = [];
afterAll(() => {
  if (report !== undefined) writeFileSync(report, `${lines.join('\n')}\n`);
});

/** What a user would have read, against what came. */
function note(
  seed: string,
  fleet: Fleet,
  said: Awaited<ReturnType<typeof foreseen>>,
  moves: Map<string, Date>,
  end: Date,
) {
  const { earliest, typical, latest, durations } = said.forecast;
  const real = secondsBetween([...moves.values()].sort((a, b) => a.getTime() - b.getTime())[0], end);
  const took = (it: Simulated) => secondsBetween(it.startTime, it.endTime);
  const isWithin = real >= took(earliest) - earlierSeconds && real <= took(latest) + earlierSeconds;
  const { maxUnavailable, canary, waveSoakSeconds } = fleet.existingContainers;
  lines.push(
    [
      `seed ${seed}`,
      `${fleet.names.length} containers, ${fleet.suspended.length} suspended, ${fleet.failing} fail, ${fleet.down.length} down (${fleet.hopeless.length} stay so)`,
      `maxUnavailable ${String(maxUnavailable)}, canaries ${String(canary?.count)} + ${String(canary?.soakSeconds)} s, waves ${String(waveSoakSeconds)} s${fleet.existingContainers.windows ? ', windows of 60 s' : ''}`,
      `${typical.reason}, ${moves.size} moved`,
      `upgrade ${durations.least}/${durations.typical}/${durations.most} s of ${durations.measured}`,
      `forecast ${took(earliest)}/${took(typical)}/${took(latest)} s, took ${real.toFixed(1)} s${isWithin ? '' : ' OUTSIDE'}`,
    ].join(' | '),
  );
}

describe('a rollout goes as it was foreseen', () => {
  test.each(seeds)('by a fleet of seed %s', { timeout: 900_000 }, async (seed) => {
    const fleet = fleetOf(seed);
    const distribution = await setUp(fleet);
    await untilShut(fleet);
    const { forecast } = await foreseen(distribution, wide, fleet.failing);
    const { typical, earliest, latest } = forecast;
    const order = ordered(movesOf(typical));
    for (const name of order.slice(0, fleet.failing)) {
      behaviours.set(`${name.split('/')[1] ?? ''} ${fleet.os}:v2`, 'crashes');
    }
    const measured = await foreseen(distribution, { upgrade: undefined, fetchSeconds: undefined }, fleet.failing);
    const watched = await watchMoves(fleet.os, `${fleet.os}:v2`);
    const end = await rollOut(distribution, fleet.halts, fleet.existingContainers.windows ? 600 : 120);
    await eventually(() => expect(watched.moves.size).toBeGreaterThanOrEqual(order.length));
    await watched.stop();
    const { moves } = watched;
    if (report !== undefined) note(seed, fleet, measured, moves, end);

    expect(typical.reason).toBe(fleet.halts ? 'RolloutHalted' : 'RolledOut');
    expect(ordered(moves)).toEqual(order);
    const { waveSoakSeconds = 0 } = fleet.existingContainers;
    if (waveSoakSeconds > 0 && fleet.failing === 0 && fleet.down.length === 0)
      expect(wavesOf(moves)).toEqual(wavesOf(movesOf(typical)));

    const began = moves.get(order[0] ?? '');
    for (const [name, time] of moves) {
      const real = secondsBetween(began, time);
      const bound = (it: Simulated) => secondsBetween(it.startTime, movesOf(it).get(name));
      expect(real, `${name} went ${real} s after the first`).toBeGreaterThanOrEqual(bound(earliest) - earlierSeconds);
      expect(real, `${name} went ${real} s after the first`).toBeLessThanOrEqual(bound(latest) + laterSeconds);
    }
    const took = secondsBetween(began, end);
    expect(took).toBeGreaterThanOrEqual(secondsBetween(earliest.startTime, earliest.endTime) - earlierSeconds);
    expect(took).toBeLessThanOrEqual(secondsBetween(latest.startTime, latest.endTime) + laterSeconds);
    const following = (await client.list(hostedContainers, { namespace })).filter(isOf(fleet.os));
    expect(following.filter(({ status }) => status?.lastKnownGoodImage === `${fleet.os}:v2`)).toHaveLength(
      fleet.halts ? 0 : fleet.names.length - fleet.suspended.length - fleet.failing - fleet.hopeless.length,
    );
    for (const { metadata } of following) await client.delete(hostedContainers, metadata);
  });
});

const isOf =
  (os: string) =>
  ({ spec }: HostedContainer): boolean =>
    spec.image === os;
