// The gap of an upgrade (old Pod told to stop -> new Pod Ready), and the time from "failure seen" (it is in status) to the
// last known good being Ready, both against stop and start of an ordinary Pod. In turn, on one
// node, with the same service and no probes. Also counts what the operator writes. Usage: hack/bench/upgrade [--runs 10]
import { hostedContainers } from '../../src/kube/kinds.ts';
import { pods } from '../../src/kube/resources.ts';
import { chooseImages, hostedContainer, isReady, namespace, ordinaryPod, service, withCluster } from './cluster.ts';
import type { Bench } from './cluster.ts';
import { median, printResult, printSides } from './lib.ts';
import { operatorWrites } from './writes.ts';
import { readOptions } from '../lib/options.ts';

const about = {
  name: 'hack/bench/upgrade',
  does: 'Upgrade gap and time to revert against stop and start of an ordinary Pod, on one node.',
};
const options = readOptions(about, {
  runs: { type: 'string', default: '10' },
  image: { type: 'string', multiple: true, default: [] },
});
const runs = Number(options.runs);
const name = 'hosted';
const at = { namespace, name };
const fieldManager = 'bench';

await withCluster(async (bench) => {
  const { client } = bench;
  const { images, node } = await chooseImages(client, 2, options.image);
  const [first = '', second = ''] = images;
  console.log(`Upgrades between ${first} and ${second} on ${node}, ${runs} times each in turn with an ordinary Pod`);
  const patch = (spec: object) => client.mergePatch(hostedContainers, at, { spec }, { fieldManager });
  const upgrade = { minReadySeconds: 0, maxRestarts: 1 };

  await client.create(
    hostedContainers,
    hostedContainer(name, node, {
      image: first,
      upgrade: { ...hostedContainer(name, node, { image: first }).spec.upgrade, ...upgrade },
    }),
  );
  await good(bench, first);
  await client.create(pods, ordinaryPod('ordinary', node));
  await bench.pods.when('ordinary', 'Ready', isReady);

  const gaps: number[] = [];
  const restarts: { gap: number; start: number }[] = [];
  const upgradeWrites: number[] = [];
  for (let i = 0; i <= runs; i++) {
    const target = i % 2 === 0 ? second : first;
    const writes = await operatorWrites(client);
    const gap = await gapOf(bench, name, () => patch({ image: target }));
    await good(bench, target);
    const restart = await restartOrdinary(bench, node);
    if (i === 0) continue;
    gaps.push(gap);
    restarts.push(restart);
    upgradeWrites.push((await operatorWrites(client)) - writes);
  }

  const last = runs % 2 === 0 ? second : first;
  const bad = last === first ? second : first;
  // Without a probe a container is Ready for the moment before it exits: that must not count as good.
  await patch({ command: service(bad.split(':')[1] ?? ''), upgrade: { minReadySeconds: 5 } });
  await bench.containers.when(
    name,
    'restarted',
    (c) => c?.status?.observedGeneration === c?.metadata.generation && ready(c),
  );
  const reverts: number[] = [];
  const revertWrites: number[] = [];
  for (let i = 0; i < runs; i++) {
    const writes = await operatorWrites(client);
    const before = bench.containers.get(name)?.status?.failedImages?.[0]?.fingerprint;
    const old = bench.pods.get(name)?.metadata.uid;
    await patch({ image: bad, upgrade: { retryToken: `run ${i}` } });
    const seen = await bench.containers.when(
      name,
      'failed',
      (c) => c?.status?.failedImages?.[0] !== undefined && c.status.failedImages[0].fingerprint !== before,
    );
    const back = await bench.pods.when(
      name,
      'back',
      (pod) => pod?.metadata.uid !== old && pod?.metadata.annotations?.['monoroot.dev/image'] === last && isReady(pod),
    );
    reverts.push(back - seen);
    await bench.containers.when(
      name,
      'settled',
      (c) => ready(c) && c?.spec.image === last && condition(c, 'Upgraded')?.reason === 'Reverted',
    );
    revertWrites.push((await operatorWrites(client)) - writes);
    await restartOrdinary(bench, node).then((restart) => restarts.push(restart));
  }
  const stopStart = restarts.map((r) => r.gap);
  const starts = restarts.map((r) => r.start);
  printSides('ms', [
    { name: 'upgrade: old told to stop -> new Ready', values: gaps },
    { name: 'ordinary Pod: told to stop -> Ready again', values: stopStart },
    { name: 'revert: failure in status -> good Ready', values: reverts },
    { name: 'ordinary Pod: created -> Ready', values: starts },
  ]);
  console.log(
    `Writes of the operator: ${median(upgradeWrites)} an upgrade, ${median(revertWrites)} a failed upgrade with its revert (without Lease renewals)`,
  );
  printResult({
    bench: 'upgrade',
    ratio: median(gaps) / median(stopStart),
    ours: median(gaps),
    theirs: median(stopStart),
    unit: 'ms',
    runs,
    // Against stop and start, as a failed Pod must be gone before the next may run; and against a start alone.
    revertRatio: median(reverts) / median(stopStart),
    revertToStartRatio: median(reverts) / median(starts),
    revert: median(reverts),
    start: median(starts),
    writesPerUpgrade: median(upgradeWrites),
    writesPerRevert: median(revertWrites),
  });
});

type Container = Parameters<Parameters<Bench['containers']['when']>[2]>[0];
function condition(container: Container, type: string) {
  return container?.status?.conditions?.find((c) => c.type === type);
}

function ready(container: Container): boolean {
  return condition(container, 'Ready')?.status === 'True';
}

async function good(bench: Bench, image: string): Promise<void> {
  await bench.containers.when(
    name,
    `good on ${image}`,
    (c) => c?.status?.lastKnownGoodImage === image && ready(c) && condition(c, 'Upgraded')?.status === 'True',
  );
}

/** From the moment that the Pod is asked to stop until its successor is Ready. */
async function gapOf(bench: Bench, pod: string, ask: () => Promise<unknown>): Promise<number> {
  const old = bench.pods.get(pod)?.metadata.uid;
  const stopping = bench.pods.when(
    pod,
    'stopping',
    (p) => p?.metadata.uid !== old || p?.metadata.deletionTimestamp !== undefined,
  );
  await ask();
  const began = await stopping;
  return (await bench.pods.when(pod, 'Ready again', (p) => p?.metadata.uid !== old && isReady(p))) - began;
}

async function restartOrdinary({ client, pods: watch }: Bench, node: string): Promise<{ gap: number; start: number }> {
  const pod = 'ordinary';
  const stopping = watch.when(pod, 'stopping', (p) => p?.metadata.deletionTimestamp !== undefined);
  await client.delete(pods, { namespace, name: pod });
  const began = await stopping;
  await watch.when(pod, 'gone', (p) => p === undefined);
  const created = performance.now();
  await client.create(pods, ordinaryPod(pod, node));
  const ready = await watch.when(pod, 'Ready', isReady);
  return { gap: ready - began, start: ready - created };
}
