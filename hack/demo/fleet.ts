import type { HostedContainer } from '../../src/api/hostedcontainer.ts';
import type { ImageDistribution } from '../../src/api/imagedistribution.ts';
import { hostedContainers, imageDistributions, osImages } from '../../src/kube/kinds.ts';
import { findCondition, isTrue } from '../../src/runtime/conditions.ts';
import { conditionRows, explain } from '../lib/kube/explain.ts';
import { waitFor } from '../lib/kube/wait.ts';
import { table } from '../lib/terminal.ts';
import { show, showLines } from './demo.ts';
import type { Demo } from './demo.ts';
import { demoNamespace, distribution, follower, followers, followersLabel, os } from './objects.ts';

/** At most so many followers may be down at once. */
const maxUnavailable = 2;
const canaries = 1;

/** The version becomes the default, for new containers and, in waves, for those that follow it. */
const activation = (version: string) =>
  distribution(version, {
    newContainers: true,
    existingContainers: {
      selector: { matchLabels: followersLabel },
      canary: { count: canaries, soakSeconds: 5 },
      maxUnavailable,
      maxFailures: 0,
    },
  });

const runs = (version: string) => (container: HostedContainer) =>
  container.status?.lastKnownGoodImage === `${os}:${version}` &&
  container.status.image === `${os}:${version}` &&
  isTrue(container.status.conditions, 'Ready');

const list = ({ kubectl }: Demo) =>
  kubectl.list(hostedContainers, {
    namespace: demoNamespace,
    labelSelector: Object.entries(followersLabel).map(([key, value]) => `${key}=${value}`).join(), // prettier-ignore
  });

/** Followers of the default version go to v2 in waves; v3 is stopped by its canary. */
export async function rollOut(demo: Demo): Promise<void> {
  await demo.kubectl.apply(followers.map(follower), 'demo');
  await everybodyOn(demo, 'v1');
  await activate(demo, 'v2');
  const most = await everybodyOn(demo, 'v2');
  const done = await distributionOf(demo, 'v2', 'is done', (d) => isTrue(d.status?.conditions, 'Ready'));
  showLines(demo, table(conditionRows(done)));
  demo.claims.check('rolled', {
    [`all ${followers.length} followers run ${os}:v2, and no spec was touched`]: (await list(demo)).every(
      (container) => runs('v2')(container) && container.spec.image === os,
    ),
    [`at most ${maxUnavailable} were seen down at once (${most})`]: most <= maxUnavailable,
  });
}

/** A version that does not start costs its canary a restart, and no one else anything. */
export async function halt(demo: Demo): Promise<void> {
  const { kubectl, claims } = demo;
  const restarts = new Map((await list(demo)).map((c) => [c.metadata.name, c.status?.podIP]));
  await activate(demo, 'v3');
  const halted = await distributionOf(demo, 'v3', 'is halted', (d) => isTrue(d.status?.conditions, 'RolloutHalted'));
  showLines(demo, table(conditionRows(halted)));
  await everybodyOn(demo, 'v2');
  const after = await list(demo);
  const touched = after.filter((c) => restarts.get(c.metadata.name) !== c.status?.podIP);
  const condemned = await waitFor(
    `${os}:v3 is condemned`,
    async () => {
      const image = await kubectl.get(osImages, { name: `${os}.v3` });
      return image && isTrue(image.status?.conditions, 'Condemned') ? { done: image } : { waiting: 'not yet' };
    },
    { seconds: 60, screen: demo.screen },
  );
  const first = await kubectl.get(osImages, { name: `${os}.v2` });
  claims.check('halted', {
    'the condition RolloutHalted has the log of the canary':
      findCondition(halted.status?.conditions, 'RolloutHalted')?.message.includes('unknown directive') === true,
    [`${canaries} of ${followers.length} followers was touched, and is back on v2`]:
      touched.length === canaries && after.every(runs('v2')),
    [`OSImage ${os}.v3 is condemned: no other container goes to it`]: isTrue(condemned.status?.conditions, 'Condemned'),
    [`${os}:v2 is the default version again`]: first?.status?.defaultVersion === true,
  });
}

async function activate(demo: Demo, version: string): Promise<void> {
  const { screen, kubectl } = demo;
  screen.line(
    `  ${screen.paint('cyan', `$ kubectl apply -f ${os}.yaml   # image: ${os}:${version}, canary ${canaries}, maxUnavailable ${maxUnavailable}`)}`,
  );
  await kubectl.apply([activation(version)], 'demo');
}

/** Waits until all followers are good on the version; resolves to the most that were seen down at once. */
async function everybodyOn(demo: Demo, version: string): Promise<number> {
  let most = 0;
  await waitFor(
    `${followers.length} followers run ${os}:${version}`,
    async () => {
      const seen = await list(demo);
      const good = seen.filter(runs(version)).length;
      most = Math.max(most, seen.filter((c) => !isTrue(c.status?.conditions, 'Ready')).length);
      return good === followers.length ? { done: undefined } : { waiting: `${good} of ${followers.length}` };
    },
    {
      seconds: 300,
      screen: demo.screen,
      explain: () => explain(demo.kubectl, imageDistributions, { name: os }),
    },
  );
  await show(demo, '-n', demoNamespace, 'get', 'hostedcontainers', '-l', 'demo=follower');
  return most;
}

const distributionOf = (
  { kubectl, screen }: Demo,
  version: string,
  what: string,
  is: (d: ImageDistribution) => boolean,
) => {
  const name = os;
  return waitFor(
    `The rollout of ${os}:${version} ${what}`,
    async () => {
      const seen = await kubectl.get(imageDistributions, { name });
      return seen?.status?.observedGeneration === seen?.metadata.generation && seen && is(seen)
        ? { done: seen }
        : { waiting: findCondition(seen?.status?.conditions, 'Ready')?.message ?? 'not looked at yet' };
    },
    { seconds: 300, screen, explain: () => explain(kubectl, imageDistributions, { name }) },
  );
};
