// The whole product from nothing, on real input; see options.ts, or: npm run demo -- --help
import { messageOf } from '../lib/kube/wait.ts';
import { createScreen, duration, table } from '../lib/terminal.ts';
import type { Screen } from '../lib/terminal.ts';
import { createClaims } from './claims.ts';
import type { Claims } from './claims.ts';
import { clean } from './clean.ts';
import { install, startCluster } from './cluster.ts';
import { startContainers } from './containers.ts';
import { script } from './demo.ts';
import type { Demo } from './demo.ts';
import { distribute } from './distribute.ts';
import { halt, rollOut } from './fleet.ts';
import { checkMounts, checkReset } from './inside.ts';
import { demoNamespace } from './objects.ts';
import { parseOptions, usage } from './options.ts';
import type { Options } from './options.ts';
import { insist, revert } from './revert.ts';
import { serve } from './serve.ts';
import { checkShared } from './store.ts';
import { upgrade } from './upgrade.ts';

const now = () => performance.now() / 1000;

async function tell(screen: Screen, claims: Claims, options: Options): Promise<Demo> {
  let number = 0;
  const began = now();
  const chapter = (title: string) => {
    number += 1;
    screen.line();
    screen.line(screen.paint('bold', `${number}. ${title}`) + screen.paint('dim', `  (${duration(now() - began)})`));
  };
  chapter('A cluster (the first time its programs are built, which takes most of the time)');
  const kubectl = await startCluster(screen, options);
  chapter('Monoroot in it');
  const demo = await install(screen, kubectl, claims, options);
  chapter('A clean slate');
  await clean(demo);
  chapter('Three versions of Debian 12: v2 has more packages than v1, v3 a mistake in the configuration of nginx');
  const served = await serve(demo);
  chapter('Distributed to every node');
  await distribute(demo, served);
  chapter('Two containers on v1');
  const before = await startContainers(demo);
  chapter('What they are made of');
  await checkMounts(demo);
  await checkShared(demo, before);
  chapter('A restart');
  await checkReset(demo);
  chapter('An upgrade to v2');
  await upgrade(demo);
  chapter('An upgrade to v3, which fails');
  await revert(demo);
  chapter('A GitOps tool insists on v3');
  await insist(demo);
  chapter('v2 becomes the default version: those that follow it are moved in waves');
  await rollOut(demo);
  chapter('v3 becomes the default version: its canary stops it');
  await halt(demo);
  return demo;
}

async function main(): Promise<number> {
  const options = parseOptions(process.argv.slice(2));
  const screen = createScreen(process.stdout);
  if (options.help) {
    screen.line(usage);
    return 0;
  }
  const began = now();
  const claims = createClaims(screen, now);
  const demo = await tell(screen, claims, options).catch((error: unknown) => {
    screen.line(`\n${screen.paint('red', 'It stopped here.')} ${messageOf(error)}`);
    return undefined;
  });

  const { lines, failed } = claims.summary();
  screen.line(`\n${screen.paint('bold', 'What was shown')}`);
  for (const line of lines) screen.line(`  ${line}`);
  const total = duration(now() - began);
  screen.line(
    failed === 0
      ? `\nAll of it is true. It took ${total}.`
      : `\n${failed} of ${lines.length} could not be shown. It took ${total}.`,
  );
  if (options.down && demo) await remove(screen, demo, options);
  else for (const line of advice) screen.line(line);
  return failed === 0 ? 0 : 1;
}

async function remove(screen: Screen, demo: Demo, options: Options): Promise<void> {
  if (options.cluster === 'existing') await clean(demo);
  await script(screen, 'hack/cluster', ['down']);
}

const inCluster = `kubectl -n ${demoNamespace}`;
const advice = [
  '',
  'Look around',
  '  export KUBECONFIG=$(hack/cluster kubeconfig) PATH=$PATH:${MONOROOT_CACHE:-${XDG_CACHE_HOME:-$HOME/.cache}/monoroot}/bin/current',
  ...table([
    ['  kubectl get monoroot -A', 'everything of Monoroot'],
    [`  ${inCluster} describe hostedcontainer web-1`, 'conditions, history, events'],
    [`  ${inCluster} exec -it web-1 -- bash`, 'inside: try to change something in /usr'],
    [`  ${inCluster} port-forward pod/web-1 8080`, 'then http://localhost:8080'],
  ]),
  'Remove it',
  '  hack/cluster down     (what was built stays in the cache for the next time)',
];

process.exitCode = await main().catch((error: unknown) => {
  process.stderr.write(`${messageOf(error)}\n${usage}`);
  return 2;
});
