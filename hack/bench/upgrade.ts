// How long a service gives no answer in an upgrade, and the time from "failure seen" (it is in status) to the first answer of the
// last known good, of HostedContainers with either kind of mounts, both against stop and start of an ordinary Pod. In turn, on one
// node, with the same service and no probes. Also counts what the operator writes. Usage: hack/bench/upgrade [--runs 10]
import { hostedContainers } from '../../src/kube/kinds.ts';
import { pods } from '../../src/kube/resources.ts';
import { askPods } from './answers.ts';
import type { Answers } from './answers.ts';
import {
  chooseImages,
  hasDirectMounts,
  hostedContainer,
  namespace,
  ordinaryPod,
  pageOf,
  service,
  withCluster,
} from './cluster.ts';
import type { Bench } from './cluster.ts';
import { median, printResult, printSides } from './lib.ts';
import { operatorWrites } from './writes.ts';
import { readOptions } from '../lib/options.ts';

const about = {
  name: 'hack/bench/upgrade',
  does: 'Time without an answer in an upgrade, and to the answer of a revert, against stop and start of an ordinary Pod.',
};
const options = readOptions(about, {
  runs: { type: 'string', default: '10' },
  image: { type: 'string', multiple: true, default: [] },
});
const runs = Number(options.runs);
const fieldManager = 'bench';

interface Scene {
  bench: Bench;
  answers: Answers;
  node: string;
  images: readonly [string, string];
}

/** With a volume, and without. */
type Ordinary = Record<'ordinary' | 'bare', Restart[]>;

/** What a HostedContainer with one kind of mounts took. */
interface Side {
  name: string;
  title: string;
  gaps: number[];
  reverts: number[];
  upgradeWrites: number[];
  revertWrites: number[];
}
const side = (name: string, title: string): Side => ({
  name,
  title,
  gaps: [],
  reverts: [],
  upgradeWrites: [],
  revertWrites: [],
});

type Container = Parameters<Parameters<Bench['containers']['when']>[2]>[0];
const condition = (container: Container, type: string) => container?.status?.conditions?.find((c) => c.type === type);

const isReady = (container: Container): boolean => condition(container, 'Ready')?.status === 'True';

const patch = ({ bench }: Scene, name: string, spec: object) =>
  bench.client.mergePatch(hostedContainers, { namespace, name }, { spec }, { fieldManager });

await withCluster(async (bench) => {
  const { client } = bench;
  const { images, node } = await chooseImages(client, 2, options.image);
  const [first = '', second = ''] = images;
  const scene: Scene = { bench, answers: await askPods(node), node, images: [first, second] };
  const hosted = side('hosted', 'hostPath');
  const direct = (await hasDirectMounts(client, node)) ? side('direct', 'direct') : undefined;
  const sides = direct ? [hosted, direct] : [hosted];
  console.log(`Upgrades between ${first} and ${second} on ${node}, ${runs} times each in turn with ordinary Pods`);
  for (const it of sides) await create(scene, it);
  const ordinary: Ordinary = { ordinary: [], bare: [] };
  await startOrdinary(scene, 'ordinary');
  await startOrdinary(scene, 'bare');

  for (let i = 0; i <= runs; i++) await upgradeAll(scene, sides, ordinary, i);
  const [good, bad] = runs % 2 === 0 ? [second, first] : [first, second];
  for (const it of sides) await expectFailure(scene, it.name, bad);
  for (let i = 0; i < runs; i++) {
    for (const it of sides) {
      const before = await operatorWrites(client);
      it.reverts.push(await revert(scene, it.name, { good, bad, token: `run ${i}` }));
      it.revertWrites.push((await operatorWrites(client)) - before);
    }
    ordinary.ordinary.push(await restartOrdinary(scene, 'ordinary'));
  }
  await scene.answers.stop();
  report(hosted, direct, ordinary);
});

/** One upgrade of each side and one restart of each ordinary Pod; the first of each warms caches and is not counted. */
async function upgradeAll(scene: Scene, sides: readonly Side[], ordinary: Ordinary, i: number): Promise<void> {
  const [first, second] = scene.images;
  const [from, to] = i % 2 === 0 ? [first, second] : [second, first];
  for (const it of sides) {
    const before = await operatorWrites(scene.bench.client);
    const gap = await upgrade(scene, it.name, from, to);
    const writes = (await operatorWrites(scene.bench.client)) - before;
    if (i === 0) continue;
    it.gaps.push(gap);
    it.upgradeWrites.push(writes);
  }
  for (const name of ['ordinary', 'bare'] as const) {
    const restart = await restartOrdinary(scene, name);
    if (i > 0) ordinary[name].push(restart);
  }
}

function report(hosted: Side, direct: Side | undefined, ordinary: Ordinary): void {
  const sides = direct ? [hosted, direct] : [hosted];
  const stopStart = ordinary.ordinary.map(({ gap }) => gap);
  const bare = ordinary.bare.map(({ gap }) => gap);
  const starts = ordinary.ordinary.map(({ start }) => start);
  printSides('ms', [
    ...sides.map(({ title, gaps }) => ({ name: `upgrade, ${title}: without an answer`, values: gaps })),
    { name: 'ordinary Pod, a volume, stop + start: without an answer', values: stopStart },
    { name: 'ordinary Pod, no volume, stop + start: without an answer', values: bare },
    ...sides.map(({ title, reverts }) => ({
      name: `revert, ${title}: failure in status -> good answers`,
      values: reverts,
    })),
    { name: 'ordinary Pod, a volume: created -> answers', values: starts },
  ]);
  for (const { title, upgradeWrites, revertWrites } of sides)
    console.log(
      `Writes of the operator, ${title}: ${median(upgradeWrites)} an upgrade, ${median(revertWrites)} a failed upgrade with its revert (without Lease renewals)`,
    );
  const theirs = median(stopStart);
  printResult({
    bench: 'upgrade',
    ratio: median(hosted.gaps) / theirs,
    ours: median(hosted.gaps),
    theirs,
    unit: 'ms',
    runs,
    // Against stop and start, as a failed Pod must be gone before the next may run; and against a start alone.
    revertRatio: median(hosted.reverts) / theirs,
    revertToStartRatio: median(hosted.reverts) / median(starts),
    revert: median(hosted.reverts),
    start: median(starts),
    noVolume: median(bare),
    writesPerUpgrade: median(hosted.upgradeWrites),
    writesPerRevert: median(hosted.revertWrites),
    ...(direct && {
      directRatio: median(direct.gaps) / theirs,
      direct: median(direct.gaps),
      directRevertRatio: median(direct.reverts) / theirs,
      directRevert: median(direct.reverts),
      directWritesPerUpgrade: median(direct.upgradeWrites),
      directWritesPerRevert: median(direct.revertWrites),
    }),
  });
}

async function create({ bench, node, images }: Scene, { name }: Side): Promise<void> {
  const [image] = images;
  const mounts = name === 'direct' ? 'Direct' : 'HostPath';
  const asked = hostedContainer(name, node, { image, mounts });
  const spec = { ...asked.spec, upgrade: { ...asked.spec.upgrade, minReadySeconds: 0, maxRestarts: 1 } };
  await bench.client.create(hostedContainers, { ...asked, spec });
  await isGood(bench, name, image);
}

/** From the last answer of the one version to the first of the other. */
async function upgrade(scene: Scene, name: string, from: string, to: string): Promise<number> {
  const { bench, answers } = scene;
  const began = performance.now();
  const answer = answers.first(began, `${name} on ${to}`, (page) => page === pageOf(name, to));
  await patch(scene, name, { image: to });
  const gap = (await answer) - answers.last(await answer, (page) => page === pageOf(name, from));
  await isGood(bench, name, to);
  return gap;
}

/** From now on the service exits on the bad image, and it takes a while until a container counts as good. */
async function expectFailure(scene: Scene, name: string, bad: string): Promise<void> {
  // Without a probe a container is Ready for the moment before it exits: that must not count as good.
  await patch(scene, name, { command: service(bad.split(':')[1] ?? ''), upgrade: { minReadySeconds: 5 } });
  await scene.bench.containers.when(
    name,
    'restarted',
    (c) => c?.status?.observedGeneration === c?.metadata.generation && isReady(c),
  );
}

/** From the failure in status to the first answer of the last known good. */
async function revert(
  scene: Scene,
  name: string,
  { good, bad, token }: { good: string; bad: string; token: string },
): Promise<number> {
  const { bench, answers } = scene;
  const before = bench.containers.get(name)?.status?.failedImages?.[0]?.fingerprint;
  await patch(scene, name, { image: bad, upgrade: { retryToken: token } });
  const seen = await bench.containers.when(
    name,
    'failed',
    (c) => c?.status?.failedImages?.[0] !== undefined && c.status.failedImages[0].fingerprint !== before,
  );
  const back = await answers.first(seen, `${name} back on ${good}`, (page) => page === pageOf(name, good));
  await bench.containers.when(
    name,
    'settled',
    (c) => isReady(c) && c?.spec.image === good && condition(c, 'Upgraded')?.reason === 'Reverted',
  );
  return back - seen;
}

async function isGood(bench: Bench, name: string, image: string): Promise<void> {
  await bench.containers.when(
    name,
    `good on ${image}`,
    (c) => c?.status?.lastKnownGoodImage === image && isReady(c) && condition(c, 'Upgraded')?.status === 'True',
  );
}

interface Restart {
  /** From the last answer of the Pod to the first of its successor. */
  gap: number;
  /** From the request for that to the same. */
  start: number;
}

/** Creates the Pod; when that was asked for, and when it answered. */
async function startOrdinary({ bench, answers, node }: Scene, name: 'ordinary' | 'bare') {
  const created = performance.now();
  const answer = answers.first(created, `${name} started`, (page) => page === pageOf(name));
  await bench.client.create(pods, ordinaryPod(name, node, { volume: name === 'ordinary' }));
  return { created, answered: await answer };
}

async function restartOrdinary(scene: Scene, name: 'ordinary' | 'bare'): Promise<Restart> {
  const { bench, answers } = scene;
  await bench.client.delete(pods, { namespace, name });
  await bench.pods.when(name, 'gone', (pod) => pod === undefined);
  const { created, answered } = await startOrdinary(scene, name);
  return { gap: answered - answers.last(created, (page) => page === pageOf(name)), start: answered - created };
}
