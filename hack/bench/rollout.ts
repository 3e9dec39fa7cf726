// A rollout over thousands of followers on simulated nodes (kwok), with the real operator on a control plane of its own: how
// long it takes, what the operator writes and needs, and whether the API server's record of Pods ever shows more of them down
// than maxUnavailable. Then a version that fails: how many it touches, and that all come back. Fails when a limit is broken.
// Before it, on the same nodes, kube-controller-manager does the same with a Deployment: the peer.
// Usage: hack/bench/rollout [--containers 2000] [--nodes 200] [--max-unavailable 5%] [--canaries 20] [--soak 10] [--ill 10]
//   [--wave-soak 0] [--min-ready 5] [--start-only] [--without-peer] [--profile DIR] [--logs DIR]
import { setTimeout as delay } from 'node:timers/promises';
import { pino } from 'pino';
import { namespaces } from '../../src/kube/resources.ts';
import { imageDistributions } from '../../src/kube/kinds.ts';
import { findCondition } from '../../src/runtime/conditions.ts';
import { runAgents } from './fleet/agents.ts';
import { loggedEvents, readWrites } from './fleet/audit.ts';
import { startFleet } from './fleet/control-plane.ts';
import type { Fleet } from './fleet/control-plane.ts';
import {
  activate,
  breakContainers,
  countGood,
  createContainers,
  createImage,
  createNodes,
  numbered,
  objectName,
} from './fleet/objects.ts';
import { startOperator } from './fleet/operator.ts';
import type { Operator } from './fleet/operator.ts';
import { keepRecord } from './fleet/record.ts';
import type { Record as PodRecord } from './fleet/record.ts';
import { runPeer } from './fleet/peer.ts';
import { changeContainers, handOver } from './fleet/trials.ts';
import type { Trials } from './fleet/trials.ts';
import { report } from './fleet/report.ts';
import type { Phase } from './fleet/report.ts';
import { readOptions } from '../lib/options.ts';

const about = {
  name: 'hack/bench/rollout',
  does: 'A rollout over thousands of containers on simulated nodes: speed, writes, and never more than maxUnavailable down.',
};
const options = readOptions(about, {
  containers: { type: 'string', default: '2000' },
  nodes: { type: 'string', default: '200' },
  'max-unavailable': { type: 'string', default: '5%' },
  canaries: { type: 'string', default: '20' },
  soak: { type: 'string', default: '10' },
  'wave-soak': { type: 'string', default: '0' },
  'min-ready': { type: 'string', default: '5' },
  /** Containers that are down by themselves before the rollout; one in 200 by default. */
  ill: { type: 'string' },
  /** Directory for a CPU profile of the operator. */
  profile: { type: 'string' },
  /** Directory that keeps all logs, the audit log too. */
  logs: { type: 'string' },
  /** Ends after the start of all containers. */
  'start-only': { type: 'boolean', default: false },
  'without-peer': { type: 'boolean', default: false },
});
const containers = Number(options.containers);
const maxUnavailable = /^\d+$/.test(options['max-unavailable'])
  ? Number(options['max-unavailable'])
  : options['max-unavailable'];
const existing = {
  maxUnavailable,
  canary: { count: Number(options.canaries), soakSeconds: Number(options.soak) },
  waveSoakSeconds: Number(options['wave-soak']),
  maxFailures: 1,
};
const ill = Number(options.ill ?? Math.floor(containers / 200));
const minReadySeconds = Number(options['min-ready']);
const [v1, v2, v3] = ['debian-12:v1', 'debian-12:v2', 'debian-12:v3'] as const;
const life = { start: { least: 500, most: 1500 }, stop: { least: 200, most: 800 }, bad: objectName(v3) };
const namespace = 'shop';
const names = numbered('web', containers);
const idleSeconds = 20;
/** For one step, and for all of them. */
const limitSeconds = 600 + containers / 4;
const limitOfAllSeconds = 6 * limitSeconds;

const stop = new AbortController();
const interrupted = Promise.withResolvers<never>();
interrupted.promise.catch(() => undefined);
for (const signal of ['SIGINT', 'SIGTERM'] as const)
  process.once(signal, () => interrupted.reject(new Error(`Ended by ${signal}`)));
const limit = setTimeout(
  () => interrupted.reject(new Error(`Not done within ${limitOfAllSeconds} s`)),
  limitOfAllSeconds * 1000,
);

console.log(`${containers} containers on ${options.nodes} simulated nodes, with the real operator`);
const fleet = await startFleet(life);
const problems = await Promise.race([run(fleet), interrupted.promise, fleet.programs.failed])
  .catch((error: unknown) => [error instanceof Error ? error.message : String(error)])
  .finally(async () => {
    clearTimeout(limit);
    stop.abort();
    await fleet.stop(options.logs);
  });
for (const problem of problems) console.error(`FAILED: ${problem}`);
process.exit(problems.length > 0 ? 1 : 0);

async function run(fleet: Fleet): Promise<string[]> {
  const { client, clientAs, connection, auditLog } = fleet;
  const logger = pino({ level: 'silent' });
  await client.create(namespaces, { metadata: { name: namespace } });
  await createNodes(client, Number(options.nodes));
  const peer = options['without-peer']
    ? []
    : await runPeer(fleet, { containers, maxUnavailable, minReadySeconds, limitSeconds });
  for (const image of [v1, v2, v3]) await createImage(client, image);
  const record = await keepRecord(clientAs('bench-record'), namespace, stop.signal);
  const agents = runAgents(clientAs('bench-agents'), 1, logger, stop.signal);
  const operator = await startOperator(fleet, { profile: options.profile, signal: stop.signal });
  const story = tell(client, record, operator);
  const phases = await Promise.race([story, record.failed, agents.then(() => Promise.reject(new Error('The agents ended')))]); // prettier-ignore
  await record.verify();
  const trials = options['start-only'] ? undefined : await tryOut(fleet, operator);
  const events = loggedEvents(await connection.request({ method: 'GET', path: '/metrics' }));
  return report({
    phases,
    peer,
    trials,
    writes: await readWrites(auditLog, events),
    record,
    names,
    existing,
    life,
    minReadySeconds,
    v1,
    v2,
    v3,
  });
}

/** All that happens, one phase after the other. */
async function tell(client: Fleet['client'], record: PodRecord, operator: Operator): Promise<Phase[]> {
  const phases: Phase[] = [];
  const phase = async (name: string, act: () => Promise<void>) => {
    operator.reset();
    const [from, first] = [Date.now(), record.changes.length];
    await act();
    const [to, last] = [Date.now(), record.changes.length];
    const usage = operator.usage();
    phases.push({ name, from, to, first, last, usage });
    // The tables come at the end, which a broken run does not reach.
    console.log(`${name}: ${((to - from) / 1000).toFixed(1)} s, ${usage.cpuSeconds.toFixed(1)} s of processor time, ${usage.peakMiB.toFixed(0)} MiB at most`); // prettier-ignore
  };
  const settled = async (image: string) => {
    const all = () => record.serving(image) === containers;
    await record.until(`all ${containers} serve on ${image}`, all, limitSeconds);
    while ((await countGood(client, namespace, image)) < containers) await delay(500);
  };
  const condition = async (image: string, type: string) => {
    const found = await client.get(imageDistributions, { name: objectName(image) });
    return findCondition(found?.status?.conditions, type)?.status;
  };
  const until = async (image: string, type: string) => {
    while ((await condition(image, type)) !== 'True') await delay(200);
  };
  const idle = async (name: string) => {
    // Numbers of containers are reported once a second.
    await delay(3000, undefined, { signal: stop.signal });
    await phase(name, () => delay(idleSeconds * 1000, undefined, { signal: stop.signal }));
  };

  await phase('distribute v1', async () => {
    await activate(client, v1);
    await until(v1, 'Activated');
  });
  await phase('start', async () => {
    await createContainers(client, namespace, names, 'debian-12', minReadySeconds);
    await settled(v1);
  });
  await idle('idle');
  if (options['start-only']) return phases;
  await phase('roll out v2', async () => {
    // Spread over all of them, so that neither the first nor the last of any order are meant.
    const broken = names.filter((_, i) => ill > 0 && i % Math.floor(containers / ill) === 0).slice(0, ill);
    await breakContainers(client, namespace, broken);
    await activate(client, v2, existing);
    await settled(v2);
    await until(v2, 'Ready');
  });
  await idle('idle on v2');
  await phase('halt v3', async () => {
    await activate(client, v3, existing);
    await until(v3, 'RolloutHalted');
    await settled(v2);
  });
  await idle('idle after halt');
  return phases;
}

/** Fifty changes a second, and two changes of the leader. */
async function tryOut(fleet: Fleet, operator: Operator): Promise<Trials> {
  const { client } = fleet;
  const waiting = await changeContainers(client, operator, { namespace, names, perSecond: 50, seconds: 20 });
  const next = (name: string) => startOperator(fleet, { name, profile: undefined, signal: stop.signal });
  const change = { namespace, os: 'debian-12', limitSeconds: 120 };
  const second = await next('operator-2');
  const releaseSeconds = await handOver(client, operator, { ...change, name: 'after-release', how: 'SIGTERM' });
  await next('operator-3');
  const killSeconds = await handOver(client, second, { ...change, name: 'after-kill', how: 'SIGKILL' });
  return { waiting, releaseSeconds, killSeconds };
}
