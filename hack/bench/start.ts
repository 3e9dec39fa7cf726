// How long a service takes to its first answer: that of a HostedContainer with either kind of mounts against ordinary Pods with one
// volume (an emptyDir) and with none, whose image is on the node. All run the same service on the same node, have no probes, and are
// started in turn. Usage: hack/bench/start [--runs 20] [--image debian-12:v2]
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
  withCluster,
} from './cluster.ts';
import type { Bench } from './cluster.ts';
import { median, printResult, printSides } from './lib.ts';
import { readOptions } from '../lib/options.ts';

const about = {
  name: 'hack/bench/start',
  does: 'Time to the first answer of a HostedContainer, with both kinds of mounts, against ordinary Pods, on one node.',
};
const options = readOptions(about, { runs: { type: 'string', default: '20' }, image: { type: 'string' } });
const runs = Number(options.runs);

interface Times {
  /** From the request to the first answer, in milliseconds. */
  asked: number;
  /** From the first sight of the Pod to the first answer. */
  pod: number;
}
interface Variant {
  name: string;
  title: string;
  page: string;
  create: () => Promise<unknown>;
  remove: () => Promise<unknown>;
}

await withCluster(async (bench) => {
  const { client } = bench;
  const { images, node } = await chooseImages(client, 1, options.image === undefined ? [] : [options.image]);
  const [image = ''] = images;
  const hosted = (name: string, title: string, spec: object): Variant => ({
    name,
    title,
    page: pageOf(name, image),
    create: () => client.create(hostedContainers, hostedContainer(name, node, { image, ...spec })),
    remove: () => client.delete(hostedContainers, { namespace, name }),
  });
  const ordinary = (name: string, title: string, volume: boolean): Variant => ({
    name,
    title,
    page: pageOf(name),
    create: () => client.create(pods, ordinaryPod(name, node, { volume })),
    remove: () => client.delete(pods, { namespace, name }),
  });
  const variants = [
    hosted('hosted', 'HostedContainer, hostPath', { mounts: 'HostPath' }),
    ...((await hasDirectMounts(client, node))
      ? [hosted('direct', 'HostedContainer, direct', { mounts: 'Direct' })]
      : []),
    ordinary('ordinary', 'ordinary Pod, a volume', true),
    ordinary('bare', 'ordinary Pod, no volume', false),
  ];
  console.log(`From a request to the first answer on ${node}, ${runs} times each in turn: ${image} and ordinary Pods`);
  const answers = await askPods(node);
  const times = new Map(variants.map(({ name }): [string, Times[]] => [name, []]));
  // The first of each warms caches and is not counted.
  for (let i = 0; i <= runs; i++) {
    for (const variant of variants) {
      const took = await start(bench, answers, variant);
      await variant.remove();
      await bench.pods.when(variant.name, 'gone', (pod) => pod === undefined);
      if (i > 0) times.get(variant.name)?.push(took);
    }
  }
  await answers.stop();
  const of = (name: string, which: keyof Times) => (times.get(name) ?? []).map((it) => it[which]);
  printSides('ms', [
    ...variants.map(({ name, title }) => ({ name: `${title}: Pod created -> answers`, values: of(name, 'pod') })),
    ...variants.map(({ name, title }) => ({ name: `${title}: asked for -> answers`, values: of(name, 'asked') })),
  ]);
  const [mine, other, bare] = ['hosted', 'ordinary', 'bare'].map((name) => median(of(name, 'pod'))) as [
    number,
    number,
    number,
  ];
  const direct = of('direct', 'pod');
  printResult({
    bench: 'start',
    ratio: mine / other,
    ours: mine,
    theirs: other,
    unit: 'ms',
    runs,
    ratioFromRequest: median(of('hosted', 'asked')) / median(of('ordinary', 'asked')),
    ratioToNoVolume: mine / bare,
    noVolume: bare,
    ...(direct.length > 0 && {
      directRatio: median(direct) / other,
      direct: median(direct),
      directRatioFromRequest: median(of('direct', 'asked')) / median(of('ordinary', 'asked')),
      directRatioToNoVolume: median(direct) / bare,
    }),
    image,
  });
});

async function start(bench: Bench, answers: Answers, { name, page, create }: Variant): Promise<Times> {
  const began = performance.now();
  const seen = bench.pods.when(name, 'created', (pod) => pod !== undefined);
  const answer = answers.first(began, `${name} started`, (it) => it === page);
  await Promise.all([create(), seen, answer]);
  return { asked: (await answer) - began, pod: (await answer) - (await seen) };
}
