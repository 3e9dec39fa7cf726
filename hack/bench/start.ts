// How long a Pod takes from its creation to Ready: that of a HostedContainer against an ordinary Pod with one volume (an
// emptyDir) whose image is on the node. Both run the same service on the same node, have no probes, and are started in turn.
// Times are those at which a watch saw the Pod and its condition. Usage: hack/bench/start [--runs 20] [--image debian-12:v2]
import { hostedContainers } from '../../src/kube/kinds.ts';
import { pods } from '../../src/kube/resources.ts';
import { chooseImages, hostedContainer, isReady, namespace, ordinaryPod, withCluster } from './cluster.ts';
import type { Bench } from './cluster.ts';
import { median, printResult, printSides } from './lib.ts';
import { readOptions } from '../lib/options.ts';

const about = {
  name: 'hack/bench/start',
  does: 'Start time of the Pod of a HostedContainer against an ordinary Pod with one volume, on one node.',
};
const options = readOptions(about, { runs: { type: 'string', default: '20' }, image: { type: 'string' } });
const runs = Number(options.runs);

interface Times {
  /** From the request to Ready, in milliseconds. */
  asked: number;
  /** From the first sight of the Pod to Ready. */
  pod: number;
}

await withCluster(async (bench) => {
  const { client } = bench;
  const { images, node } = await chooseImages(client, 1, options.image === undefined ? [] : [options.image]);
  const [image = ''] = images;
  console.log(
    `Start of a Pod on ${node}, ${runs} times each in turn: HostedContainer on ${image}, ordinary Pod with an emptyDir`,
  );
  const ours: Times[] = [];
  const theirs: Times[] = [];
  // The first of each warms caches and is not counted.
  for (let i = 0; i <= runs; i++) {
    const hosted = await start(bench, 'hosted', () =>
      client.create(hostedContainers, hostedContainer('hosted', node, { image })),
    );
    await stop(bench, 'hosted', () => client.delete(hostedContainers, { namespace, name: 'hosted' }));
    const ordinary = await start(bench, 'ordinary', () => client.create(pods, ordinaryPod('ordinary', node)));
    await stop(bench, 'ordinary', () => client.delete(pods, { namespace, name: 'ordinary' }));
    if (i === 0) continue;
    ours.push(hosted);
    theirs.push(ordinary);
  }
  const of = (side: readonly Times[], which: keyof Times) => side.map((times) => times[which]);
  printSides('ms', [
    { name: 'HostedContainer: Pod created -> Ready', values: of(ours, 'pod') },
    { name: 'ordinary Pod:    Pod created -> Ready', values: of(theirs, 'pod') },
    { name: 'HostedContainer: asked for -> Ready', values: of(ours, 'asked') },
    { name: 'ordinary Pod:    asked for -> Ready', values: of(theirs, 'asked') },
  ]);
  const [mine, other] = [median(of(ours, 'pod')), median(of(theirs, 'pod'))];
  const ratioFromRequest = median(of(ours, 'asked')) / median(of(theirs, 'asked'));
  printResult({
    bench: 'start',
    ratio: mine / other,
    ours: mine,
    theirs: other,
    unit: 'ms',
    runs,
    ratioFromRequest,
    image,
  });
});

async function start(bench: Bench, name: string, ask: () => Promise<unknown>): Promise<Times> {
  const began = performance.now();
  const seen = bench.pods.when(name, 'created', (pod) => pod !== undefined);
  const ready = bench.pods.when(name, 'Ready', isReady);
  await Promise.all([ask(), seen, ready]);
  return { asked: (await ready) - began, pod: (await ready) - (await seen) };
}

async function stop(bench: Bench, name: string, ask: () => Promise<unknown>): Promise<void> {
  await ask();
  await bench.pods.when(name, 'gone', (pod) => pod === undefined);
}
