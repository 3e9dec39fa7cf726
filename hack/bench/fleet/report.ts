import type { Write } from './audit.ts';
import { between, tally } from './audit.ts';
import { availability, isServing, touchedBy } from './availability.ts';
import type { Availability, Outage } from './availability.ts';
import type { Usage } from './operator.ts';
import type { PeerStep } from './peer.ts';
import type { Record } from './record.ts';
import type { Life } from './stages.ts';
import type { Trials } from './trials.ts';
import { wavesOf } from './waves.ts';
import type { Waves } from './waves.ts';
import { median, printResult, printTable } from '../lib.ts';

/** A span of the bench: in time, and as places in the record of Pods. */
export interface Phase {
  name: string;
  from: number;
  to: number;
  first: number;
  last: number;
  usage: Usage;
}

export interface Evidence {
  phases: readonly Phase[];
  /** What kube-controller-manager took for the same; empty when it was not asked. */
  peer: readonly PeerStep[];
  /** Unset when only the start was run. */
  trials: Trials | undefined;
  writes: readonly Write[];
  record: Record;
  names: readonly string[];
  existing: {
    maxUnavailable: number | string;
    canary: { count: number; soakSeconds: number };
    waveSoakSeconds: number;
    maxFailures: number;
  };
  life: Life;
  minReadySeconds: number;
  v1: string;
  v2: string;
  v3: string;
}

/** Prints all figures, and gives what is not as it must be. */
export function report(evidence: Evidence): string[] {
  const { phases, writes, names } = evidence;
  const problems: string[] = [];
  printPhases(phases, names.length);
  printWrites(phases, writes, names.length);
  printPeer(evidence);
  for (const phase of phases.filter(({ name }) => name.startsWith('idle'))) {
    const made = tally(between(writes, 'operator', phase.from, phase.to));
    if (made.length > 0) problems.push(`the operator wrote in phase ${phase.name}: ${made.map(([what, count]) => `${count} × ${what}`).join(', ')}`); // prettier-ignore
  }
  if (evidence.trials) problems.push(...reportTrials(evidence.trials));
  const rollout = phases.find(({ name }) => name === 'roll out v2');
  const halt = phases.find(({ name }) => name === 'halt v3');
  if (rollout && halt) problems.push(...reportRollouts(evidence, rollout, halt));
  return problems;
}

function reportRollouts(evidence: Evidence, rollout: Phase, halt: Phase): string[] {
  const { phases, record, names, existing, v2, v3, writes, life, minReadySeconds } = evidence;
  const budget = budgetOf(existing.maxUnavailable, names.length);
  const spans = [rollout, halt].map((phase) => ({
    phase,
    seen: availability(names, record.changes.slice(0, phase.first), record.changes.slice(phase.first, phase.last)),
  }));
  printAvailability(spans, budget);
  const changes = record.changes.slice(rollout.first, rollout.last);
  const waves = wavesOf(changes, v2, existing.canary.count, budget);
  printWaves(waves, existing.canary.count);
  // A canary that fails is replaced by the next container until too many have failed.
  const mayFall = existing.canary.count + existing.maxFailures;
  const touched = touchedBy(record.changes.slice(halt.first), v3);
  const fallen = new Set(spans[1]?.seen.outages.map(({ name }) => name)).size;
  const serving = names.filter((name) => record.imageServed(name) === v2).length;
  console.log(
    `${fallen} of ${names.length} containers were taken down for ${v3} and ${touched.length} tried it; ` +
      `in the end ${serving} serve on ${v2}`,
  );

  const problems = spans.flatMap(({ phase, seen }) =>
    broken(phase, seen, phase === halt ? Math.min(budget, mayFall) : budget),
  );
  if (fallen > mayFall) problems.push(`${fallen} containers were taken down for ${v3}, allowed are ${mayFall}`);
  // The watch may tell of the one a little later than of the other.
  if (waves.soakSeconds < existing.canary.soakSeconds - 0.5) problems.push(`the soak took ${waves.soakSeconds.toFixed(1)} s only`); // prettier-ignore
  if (touched.length === 0) problems.push(`${v3} was tried by nobody`);
  if (serving < names.length) problems.push(`only ${serving} serve on ${v2} in the end`);
  // Trials after the last phase make Pods of their own.
  const later = record.changes.slice(halt.last, phases.at(-1)?.last).filter((change) => !isServing(change));
  if (later.length > 0) problems.push(`${later.length} changes of Pods came after the halt`);

  const seconds = (rollout.to - rollout.from) / 1000;
  const mean = ({ least, most }: Life['start']) => (least + most) / 2000;
  const perContainer = (phase: Phase, count: number) =>
    between(writes, 'operator', phase.from, phase.to).filter((w) => w.succeeded && !w.isDryRun).length / count;
  const ideal = mean(life.stop) + mean(life.start) + minReadySeconds;
  const most = spans[0]?.seen.mostDown ?? 0;
  printResult({
    bench: 'rollout',
    ratio: most / budget,
    ours: most,
    theirs: budget,
    unit: 'containers down',
    runs: 1,
    containers: names.length,
    rolloutSeconds: seconds,
    canarySeconds: waves.canarySeconds,
    soakSeconds: waves.soakSeconds,
    waves: waves.waveSeconds.length,
    waveSeconds: median(waves.waveSeconds),
    containersPerSecond: waves.containersPerSecond,
    // Stop and start of a Pod here, and minReadySeconds.
    idealWaveSeconds: ideal,
    waveRatio: median(waves.waveSeconds) / ideal,
    writesPerContainer: perContainer(rollout, names.length),
    writesPerRevertedContainer: perContainer(halt, Math.max(1, touched.length)),
    takenDownForBad: fallen,
    triedBad: touched.length,
    mostDownInHalt: spans[1]?.seen.mostDown ?? 0,
    eventLoopP999Milliseconds: Math.max(...evidence.phases.map(({ usage }) => usage.delayMilliseconds)),
    eventLoopLongestMilliseconds: Math.max(...evidence.phases.map(({ usage }) => usage.longestStallMilliseconds)),
    operatorPeakMiB: Math.max(...evidence.phases.map(({ usage }) => usage.peakMiB)),
    operatorCpuSecondsOfRollout: rollout.usage.cpuSeconds,
    ...(evidence.trials && {
      releaseSeconds: evidence.trials.releaseSeconds,
      killSeconds: evidence.trials.killSeconds,
    }),
    ...ratiosToPeer(evidence),
  });
  return problems;
}

/** As the controller rounds: down, but never to nothing. */
export const budgetOf = (value: number | string, total: number): number =>
  typeof value === 'number' ? value : Math.max(1, Math.floor((Number.parseInt(value, 10) * total) / 100));

function broken({ name }: Phase, seen: Availability, most: number): string[] {
  return [
    seen.mostTakenDown > most && `${name}: ${seen.mostTakenDown} were taken down at once, allowed are ${most}`,
    seen.mostDownAtTakeDown > most && `${name}: one more was taken down when ${seen.mostDownAtTakeDown - 1} were down already, allowed are ${most}`, // prettier-ignore
    seen.outages.some(({ to }) => to === undefined) && `${name}: some did not come back`,
  ].filter((problem) => problem !== false);
}

function printPhases(phases: readonly Phase[], containers: number): void {
  console.log();
  const rows = phases.map(({ name, from, to, usage }) => [
    name,
    ((to - from) / 1000).toFixed(1),
    usage.cpuSeconds.toFixed(1),
    ((usage.cpuSeconds / containers) * 1000).toFixed(1),
    usage.peakMiB.toFixed(0),
    usage.longestStallMilliseconds.toFixed(0),
    `≤ ${usage.delayMilliseconds.toFixed(0)}`,
    Object.entries(usage.deepest).filter(([, depth]) => depth > 0).map(([queue, depth]) => `${queue} ${depth}`).join(', '), // prettier-ignore
  ]);
  printTable([
    ['phase', 's', 'operator CPU s', 'ms a container', 'peak MiB', 'longest stall ms', 'p99.9 ms', 'deepest queues'],
    ...rows,
  ]);
}

/** A row a kind of write, a column a phase, divided by the number of containers. */
function printWrites(phases: readonly Phase[], writes: readonly Write[], containers: number): void {
  const shown = phases.map((phase) => new Map(tally(between(writes, 'operator', phase.from, phase.to)).map(([what, count, failed]) => [what, { count, failed }]))); // prettier-ignore
  const kinds = [...new Set(shown.flatMap((counts) => [...counts.keys()]))].sort();
  const cell = (at: { count: number; failed: number } | undefined) =>
    at ? `${(at.count / containers).toFixed(2)}${at.failed > 0 ? ` (${at.failed} refused)` : ''}` : '-';
  console.log('\nWrites of the operator per container, from the audit log of the API server');
  printTable([
    ['', ...phases.map(({ name }) => name)],
    ...kinds.map((kind) => [kind, ...shown.map((counts) => cell(counts.get(kind)))]),
    ['all that was stored', ...phases.map(({ from, to }) => (between(writes, 'operator', from, to).filter((w) => w.succeeded && !w.isDryRun).length / containers).toFixed(2))], // prettier-ignore
  ]);
}

function reportTrials({ waiting, releaseSeconds, killSeconds }: Trials): string[] {
  const half = Math.floor(waiting.length / 2);
  const [early, late] = [median(waiting.slice(0, half)), median(waiting.slice(half))];
  console.log(
    `\n50 changes a second: ${early} keys waited in the first half, ${late} in the second, at most ${Math.max(...waiting)}\n` +
      `A new leader acted ${releaseSeconds.toFixed(1)} s after a release, ${killSeconds.toFixed(1)} s after a kill`,
  );
  return [
    late > early + 50 && `the queue grew from ${early} to ${late} keys at 50 changes a second`,
    releaseSeconds > 5 && `a new leader acted ${releaseSeconds.toFixed(1)} s after a release, allowed are 5`,
    killSeconds > 30 && `a new leader acted ${killSeconds.toFixed(1)} s after a kill, allowed are 30`,
  ].filter((problem) => problem !== false);
}

/** Pairs of the same step: ours, and that of the peer. */
const pairs = ({ phases, peer }: Evidence): [ours: Phase, theirs: PeerStep][] =>
  peer.flatMap((step): [Phase, PeerStep][] => {
    const ours = phases.find(({ name }) => name === (step.name === 'start' ? 'start' : 'roll out v2'));
    return ours ? [[ours, step]] : [];
  });

function printPeer(evidence: Evidence): void {
  if (evidence.peer.length === 0) return;
  console.log('\nThe operator beside kube-controller-manager, which started and rolled a Deployment of as many Pods');
  const row = (name: string, ours: number, theirs: number) => [name, ours.toFixed(1), theirs.toFixed(1), (ours / theirs).toFixed(2)]; // prettier-ignore
  const count = evidence.names.length;
  printTable([
    ['', 'operator', 'peer', 'ratio'],
    ...pairs(evidence).flatMap(([ours, theirs]) => [
      row(`${ours.name}: s`, (ours.to - ours.from) / 1000, theirs.seconds),
      row(`${ours.name}: ms of processor time a container`, (ours.usage.cpuSeconds / count) * 1000, (theirs.cpuSeconds / count) * 1000), // prettier-ignore
      row(`${ours.name}: peak MiB`, ours.usage.peakMiB, theirs.peakMiB),
    ]),
  ]);
}

/** Of processor time in both steps, and of peak memory. */
function ratiosToPeer(evidence: Evidence): { [name: string]: number } {
  const found = pairs(evidence);
  if (found.length === 0) return {};
  const sum = (values: number[]) => values.reduce((a, b) => a + b, 0);
  return {
    peerCpuRatio: sum(found.map(([ours]) => ours.usage.cpuSeconds)) / sum(found.map(([, theirs]) => theirs.cpuSeconds)),
    peerMemoryRatio:
      Math.max(...found.map(([ours]) => ours.usage.peakMiB)) / Math.max(...found.map(([, theirs]) => theirs.peakMiB)),
  };
}

function printAvailability(spans: readonly { phase: Phase; seen: Availability }[], budget: number): void {
  console.log(`\nContainers without a Ready Pod, at every revision of the API server's record; allowed are ${budget}`);
  const gap = ({ from, to }: Outage) => ((to ?? NaN) - from) / 1000;
  printTable([
    ['', 'revisions', 'most down', 'by the rollout', 'at a take-down', 'mean', 'outages', 'median s', 'longest s'],
    ...spans.map(({ phase, seen }) => {
      const gaps = seen.outages.filter(({ cause }) => cause === 'TakenDown').map(gap);
      return [
        phase.name,
        ...[seen.revisions, seen.mostDown, seen.mostTakenDown, seen.mostDownAtTakeDown].map(String),
        seen.meanDown.toFixed(1),
        String(gaps.length),
        ...[median(gaps), Math.max(...gaps)].map((s) => s.toFixed(1)),
      ];
    }),
  ]);
}

function printWaves({ canarySeconds, soakSeconds, waveSeconds, containersPerSecond }: Waves, canaries: number): void {
  const shown = waveSeconds.map((seconds) => seconds.toFixed(1)).join(' ');
  console.log(
    `\n${canaries} canaries served after ${canarySeconds.toFixed(1)} s, the others were begun ${soakSeconds.toFixed(1)} s later; ` +
      `${waveSeconds.length} waves in ${shown} s, ${containersPerSecond.toFixed(1)} containers/s`,
  );
}
