import { afterAll, beforeAll, expect, test } from 'vitest';
import type { HostedContainer } from '../../src/api/hostedcontainer.ts';
import { apiVersion, fieldManagers } from '../../src/api/names.ts';
import { nodeStores } from '../../src/kube/kinds.ts';
import { nodes } from '../../src/kube/resources.ts';
import type { Resource } from '../../src/kube/resources.ts';
import type { KubeObject } from '../../src/runtime/object.ts';
import { serveFiles } from './lib/files.ts';
import { provide } from './lib/images.ts';
import {
  hostedContainers,
  imageDistributions,
  osImages,
  pods,
  remove,
  untilContainer,
  upToDate,
} from './lib/objects.ts';
import { longestSilence, pollPage } from './lib/poll.ts';
import { has, kubectl, namespace } from './lib/system.ts';
import { record, sighted, uidsOf } from './lib/watch.ts';
import type { Ending, Sighting } from './lib/watch.ts';

/** Two writers of one spec: a tool that applies what Git says every five seconds, and the operator that reverts. */

const [good, better, broken] = ['tiny:git1', 'tiny:git2', 'tiny:git-broken'] as const;
const tools = {
  'server-side': ['apply', '--server-side', '--force-conflicts', '--field-manager=flux', '-f', '-'],
  'client-side': ['apply', '-f', '-'],
};
const everySeconds = 5;

beforeAll(async () => {
  await serveFiles();
  await provide(good, better, broken);
});
afterAll(() => remove({ containers: Object.keys(tools), images: [good, better, broken] }));

/** Applies what `git` holds now and every few seconds until the test ends; counts the times. */
function reconcile(
  { onTestFinished }: Ending,
  args: readonly string[],
  git: { manifest: object },
): { rounds: number; failures: string[] } {
  const done = { rounds: 0, failures: [] as string[] };
  const round = async () => {
    const { code, stderr } = await kubectl.try(args, { input: JSON.stringify(git.manifest) });
    if (code !== 0) done.failures.push(stderr);
    done.rounds += 1;
  };
  const timer = setInterval(() => void round(), everySeconds * 1000);
  onTestFinished(() => clearInterval(timer));
  void round();
  return done;
}

const manifest = (name: string, image: string) => ({
  apiVersion,
  kind: 'HostedContainer',
  metadata: { name, namespace },
  spec: {
    image,
    readinessProbe: { httpGet: { port: 8080 }, periodSeconds: 1 },
    podTemplate: { terminationGracePeriodSeconds: 5 },
    upgrade: { minReadySeconds: 2, maxRestarts: 2, progressDeadlineSeconds: 90 },
  },
});

/** How often spec.image went from one value to another. */
function writesOfImage(
  seen: readonly Sighting<HostedContainer>[],
  from: string,
  to: string,
): Sighting<HostedContainer>[] {
  return seen.filter(({ object }, i) => object.spec.image === to && seen[i - 1]?.object.spec.image === from);
}

const managersOf = ({ metadata }: KubeObject & { metadata: { managedFields?: { manager: string }[] } }) =>
  metadata.managedFields?.map((f) => f.manager);

test.concurrent.for(Object.entries(tools))(
  'a tool that applies %s does not fight with the operator',
  { timeout: 240_000 },
  async ([name, args], context) => {
    const git = { manifest: manifest(name, good) };
    const tool = reconcile(context, args, git);
    const states = record(context, hostedContainers, { name, namespace });
    const runs = record(context, pods, { name, namespace });
    await upToDate(name, good);
    const answers = await pollPage(name);

    git.manifest = manifest(name, better);
    await upToDate(name, better);
    expect(uidsOf(runs)).toHaveLength(2);

    git.manifest = manifest(name, broken);
    const isBlocked = (c: HostedContainer) =>
      has(c, 'Upgraded', 'False/FailedBefore') &&
      has(c, 'Stalled', 'True/FailedBefore') &&
      has(c, 'Ready', 'True/Running');
    const blocked = await untilContainer(name, 'knows that it failed before', isBlocked, 120);
    expect(blocked.spec.image).toBe(broken);
    expect(blocked.status).toMatchObject({ image: better, lastKnownGoodImage: better });
    expect(blocked.status?.failedImages?.[0]?.attempts).toBe(1);

    // Time itself is the subject here: nothing happens while the tool goes on.
    const before = states.length;
    const { rounds } = tool;
    await expect.poll(() => tool.rounds, { timeout: 60_000 }).toBeGreaterThan(rounds + 3);
    expect(states.slice(before).map(({ object }) => object.metadata.resourceVersion)).toEqual([]);
    const reverts = writesOfImage(states, broken, better);
    expect(reverts).toHaveLength(1);
    expect(reverts.map(({ object }) => managersOf(object))).toEqual([expect.arrayContaining([fieldManagers.revert])]);
    // good, better, broken, and the last known good again.
    expect(uidsOf(runs)).toHaveLength(4);

    git.manifest = manifest(name, better);
    const fixed = await untilContainer(
      name,
      'is in order',
      (c) => c.spec.image === better && has(c, 'Upgraded', 'True/UpToDate') && has(c, 'Stalled', 'False/NotStalled'),
    );
    expect(has(fixed, 'Ready', 'True/Running')).toBe(true);
    // As created, better, broken, reverted, broken again, and fixed.
    expect(fixed.metadata.generation).toBe(6);
    expect(uidsOf(runs)).toHaveLength(4);

    const asked = await answers();
    expect(asked.at(-1)?.page).toContain(better);
    const ready = await sighted(
      runs,
      'the last Pod is Ready',
      ({ object }) =>
        object.metadata.uid === uidsOf(runs)[3] && (object.status?.containerStatuses?.[0]?.ready ?? false),
    );
    expect(longestSilence(asked.filter(({ at }) => at > ready.at + 2000))).toBeLessThan(1);
    expect(tool.failures).toEqual([]);
  },
);

test('nothing is written while nothing changes', async () => {
  for (const name of Object.keys(tools)) await upToDate(name, better);
  const before = await revisions();
  // Time itself is the subject here.
  const end = Date.now() + 60_000;
  await expect.poll(() => Date.now(), { timeout: 70_000, interval: 1000 }).toBeGreaterThan(end);
  expect(await revisions()).toEqual(before);
});

/** The revision of everything that an operator, an agent or a kubelet may write about the settled containers. */
async function revisions(): Promise<Record<string, unknown>> {
  const own = async <T extends KubeObject>(
    resource: Resource<T>,
    where: { namespace?: string },
    holds: (object: T) => boolean,
  ) =>
    (await kubectl.list(resource, where))
      .filter(holds)
      .map((object) => [`${resource.kind} ${object.metadata.name}`, object.metadata.resourceVersion]);
  const isOurImage = ({ metadata }: KubeObject) => metadata.name.startsWith('tiny.git');
  const all = () => true;
  const listed = await Promise.all([
    own(hostedContainers, { namespace }, all),
    own(pods, { namespace }, all),
    own(osImages, {}, isOurImage),
    own(imageDistributions, {}, isOurImage),
    own(nodeStores, {}, all),
  ]);
  // The kubelet's heartbeats are in status.
  const ofNodes = (await kubectl.list(nodes)).map(({ metadata, spec }) => [
    `Node ${metadata.name}`,
    { labels: metadata.labels, annotations: metadata.annotations, spec },
  ]);
  return Object.fromEntries([...listed.flat(), ...ofNodes]) as Record<string, unknown>;
}
