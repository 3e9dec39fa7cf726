import { afterAll, beforeAll, expect, onTestFinished, test } from 'vitest';
import { systemNamespace } from '../../src/api/names.ts';
import { nodes } from '../../src/kube/resources.ts';
import { findCondition } from '../../src/runtime/conditions.ts';
import { expectHonest, expectOneAtATime, isReady } from './lib/always.ts';
import { serveFiles } from './lib/files.ts';
import { provide } from './lib/images.ts';
import {
  applyContainer,
  hostedContainers,
  inside,
  page,
  patchContainer,
  pods,
  remove,
  reverted,
  untilContainer,
  upToDate,
} from './lib/objects.ts';
import { longestSilence, pollPage } from './lib/poll.ts';
import { hack, has, killOperators, kubectl, namespace } from './lib/system.ts';
import { makeClaim, removeVolumes } from './lib/volumes.ts';
import { record, sighted, uidsOf } from './lib/watch.ts';

/** What a container goes through when something that it needs is not there for a while. One outage after the other. */

const [good, better, broken, gone] = ['tiny:out1', 'tiny:out2', 'tiny:out-broken', 'tiny:out-gone'] as const;
const containers = ['walk-up', 'walk-back', 'by-hand', 'orphan', 'edited', 'far'];
const podOf = (name: string) => kubectl.get(pods, { name, namespace });
/** A node without the web server and the poller, which must go on; that of the leading operator if that is such a node. */
let far = '';

beforeAll(async () => {
  await serveFiles();
  await provide(good, better, broken, gone);
  const [server] = await kubectl.list(pods, { namespace, labelSelector: 'app=files' });
  const leader = await kubectl.run([
    '-n',
    systemNamespace,
    'get',
    'lease',
    '-o',
    'jsonpath={.items[*].spec.holderIdentity}',
  ]);
  const operators = await kubectl.list(pods, {
    namespace: systemNamespace,
    labelSelector: 'app.kubernetes.io/component=operator',
  });
  const led = operators.find((pod) => leader.includes(pod.metadata.name))?.spec.nodeName;
  const others = (await kubectl.list(nodes))
    .map((node) => node.metadata.name)
    .filter((name) => name !== server?.spec.nodeName);
  far = others.find((name) => name === led) ?? others[0] ?? '';
  await makeClaim('far-data', far);
});
afterAll(async () => {
  await remove({ containers, images: [good, better, broken, gone] });
  await removeVolumes('far-data');
});

const operatorsReady = () =>
  kubectl.run(['-n', systemNamespace, 'rollout', 'status', 'deployment/monoroot-operator', '--timeout=60s']);

test(
  'operators that are killed at every step of an upgrade and of a revert are replaced by such that finish both',
  { timeout: 240_000 },
  async (context) => {
    const names = ['walk-up', 'walk-back'] as const;
    for (const name of names) await applyContainer(name, { image: good });
    for (const name of names) await upToDate(name, good);
    const watched = async (name: string) => ({
      answers: await pollPage(name),
      states: record(context, hostedContainers, { name, namespace }),
      runs: record(context, pods, { name, namespace }),
    });
    const [forth, { answers, states, runs }] = await Promise.all([watched('walk-up'), watched('walk-back')]);
    const first = (await sighted(runs, 'the Pod', () => true)).object.metadata.uid;

    await patchContainer('walk-up', { image: better });
    await patchContainer('walk-back', { image: broken });
    const moments: [string, () => Promise<unknown>][] = [
      ['right after the patch', () => Promise.resolve()],
      [
        'the old Pod terminates',
        () => sighted(runs, 'the end of the old Pod', ({ object }) => object.metadata.deletionTimestamp !== undefined),
      ],
      ['the new Pod is created', () => sighted(runs, 'the new Pod', ({ object }) => object.metadata.uid !== first)],
      [
        'the failure is recorded',
        () => sighted(states, 'the failure', ({ object }) => (object.status?.failedImages?.length ?? 0) > 0, 90),
      ],
      [
        'spec is reverted',
        () =>
          sighted(
            states,
            'the revert',
            ({ object }) => object.spec.image === good && (object.status?.failedImages?.length ?? 0) > 0,
          ),
      ],
    ];
    for (const [, moment] of moments) {
      await moment();
      await killOperators();
    }
    const up = await upToDate('walk-up', better);
    const back = await reverted('walk-back', good);
    expect(up.status?.history?.map((h) => [h.image, h.outcome])).toEqual([
      [better, 'Succeeded'],
      [good, 'Succeeded'],
    ]);
    expect(back.status?.history?.map((h) => [h.image, h.outcome])).toEqual([
      [broken, 'Reverted'],
      [good, 'Succeeded'],
    ]);
    expect(back.status?.failedImages?.[0]).toMatchObject({ image: broken, attempts: 1 });
    expect(uidsOf(forth.runs)).toHaveLength(2);
    expect(uidsOf(runs)).toHaveLength(3);
    for (const each of [forth.runs, runs]) expectOneAtATime(each);
    await expectHonest(forth.states, forth.answers, forth.runs);
    await expectHonest(states, answers, runs);
    expect(await page('walk-back')).toContain(good);
    await operatorsReady();
  },
);

test.concurrent('a Pod that is deleted by hand comes again', async (context) => {
  await applyContainer('by-hand', { image: good });
  await upToDate('by-hand', good);
  const runs = record(context, pods, { name: 'by-hand', namespace });
  await kubectl.run(['-n', namespace, 'delete', 'pod', 'by-hand']);
  await untilContainer('by-hand', 'runs again', (c) => uidsOf(runs).length === 2 && has(c, 'Ready', 'True/Running'));
  expect(await page('by-hand')).toContain(good);
  expect((await podOf('by-hand'))?.metadata.uid).toBe(uidsOf(runs)[1]);
});

test.concurrent('an image that is deleted while it is in use goes on being used', async () => {
  await applyContainer('orphan', { image: gone });
  await upToDate('orphan', gone);
  const before = await podOf('orphan');
  await kubectl.run(['delete', 'osimage', 'tiny.out-gone', '--wait=false']);
  await untilContainer('orphan', 'knows that its image is gone', (c) => has(c, 'ImageResolved', 'False/UnknownImage'));
  await kubectl.exec({ name: 'orphan', namespace }, ['kill', '1']);
  const container = await untilContainer(
    'orphan',
    'was restarted',
    (c) => c.status?.restarts === 1 && has(c, 'Ready', 'True/Running'),
  );
  expect(container.status?.image).toBe(gone);
  expect(await page('orphan')).toContain(gone);
  expect((await podOf('orphan'))?.metadata.uid).toBe(before?.metadata.uid);
});

test.concurrent(
  'the last of several edits is what runs, also when they come in the middle of an upgrade',
  async (context) => {
    await applyContainer('edited', { image: good });
    await upToDate('edited', good);
    const runs = record(context, pods, { name: 'edited', namespace });
    await patchContainer('edited', { image: broken });
    await sighted(
      runs,
      'the broken Pod',
      ({ object }) => object.metadata.annotations?.['monoroot.dev/image'] === broken,
    );
    await patchContainer('edited', { image: better });
    await patchContainer('edited', { env: [{ name: 'WORD', value: 'last' }] });
    const container = await upToDate('edited', better);
    expect(await inside('edited', 'echo $WORD')).toBe('last');
    expect(container.status?.history?.map((h) => [h.image, h.outcome])).toEqual([
      [better, 'Succeeded'],
      [broken, 'Superseded'],
      [good, 'Succeeded'],
    ]);
    expect(container.status?.failedImages ?? []).toEqual([]);
    expectOneAtATime(runs);
  },
);

test('a kubelet and a containerd that restart disturb nobody', async (context) => {
  await applyContainer('far', { image: good, data: { claimName: 'far-data' } });
  const { status } = await upToDate('far', good);
  expect(status?.nodeName).toBe(far);
  const before = await podOf('far');
  const answers = await pollPage('far');
  const states = record(context, hostedContainers, { name: 'far', namespace });
  for (const program of ['kubelet', 'containerd']) {
    const pid = await hack('cluster', 'node', 'exec', far, 'pidof', program);
    await hack('cluster', 'node', 'exec', far, 'kill', '-9', ...pid.trim().split(' '));
    const again = async () => (await hack('cluster', 'node', 'exec', far, 'pidof', program).catch(() => '')) || pid;
    await expect.poll(again, { timeout: 30_000 }).not.toBe(pid);
    await kubectl.run(['wait', `node/${far}`, '--for=condition=Ready', '--timeout=60s']);
  }
  await inside('far', 'touch /tmp/alive');
  const container = await upToDate('far', good);
  expect(container.status?.restarts).toBe(0);
  expect((await podOf('far'))?.metadata.uid).toBe(before?.metadata.uid);
  await expectHonest(states, answers);
  // A new kubelet waits for its first probe before it says Ready: for that moment the Service has no address.
  expect(longestSilence(await answers())).toBeLessThan(10);
});

test(
  'a node that loses its power is reported within a minute, and its container comes back with it: data kept, overlays as new',
  { timeout: 240_000 },
  async () => {
    // Right after a restart of containerd the first exec may be refused.
    const write = () => inside('far', 'echo kept >/data/word && touch /etc/mine && cat /data/word');
    await expect.poll(write, { timeout: 30_000 }).toBe('kept');
    const before = await podOf('far');
    onTestFinished(async () => {
      await hack('cluster', 'node', 'start', far);
    });
    await hack('cluster', 'node', 'stop', far);
    const container = await untilContainer(
      'far',
      'says that its node does not answer',
      (c) => has(c, 'Ready', 'False/NodeUnreachable'),
      60,
    );
    expect(findCondition(container.status?.conditions, 'Ready')?.message).toContain(far);
    await hack('cluster', 'node', 'start', far);
    await untilContainer('far', 'serves again', (c) => has(c, 'Ready', 'True/Running'), 90);
    await expect.poll(() => page('far').catch(String), { timeout: 20_000 }).toContain(good);
    // The kubelet may start the container once more while it finds its way back.
    const look = () => inside('far', 'cat /data/word; ls -d /etc/mine /etc/motd 2>/dev/null').catch(String);
    await expect.poll(look, { timeout: 30_000 }).toBe('kept\n/etc/motd');
    expect((await podOf('far'))?.metadata.uid).toBe(before?.metadata.uid);
  },
);

test(
  'an API server that is away for a minute in the middle of an upgrade only delays it',
  { timeout: 240_000 },
  async (context) => {
    const runs = record(context, pods, { name: 'far', namespace });
    const states = record(context, hostedContainers, { name: 'far', namespace });
    const first = (await sighted(runs, 'the Pod', () => true)).object.metadata.uid;
    await patchContainer('far', { image: better, upgrade: { progressDeadlineSeconds: 200 } });
    await sighted(
      runs,
      'the new Pod',
      ({ object }) => object.metadata.uid !== first && object.spec.nodeName !== undefined,
    );
    onTestFinished(async () => {
      await hack('cluster', 'component', 'start', 'kube-apiserver');
    });
    await hack('cluster', 'component', 'stop', 'kube-apiserver');
    // Time itself is the subject here.
    const end = Date.now() + 60_000;
    await expect.poll(() => Date.now(), { timeout: 70_000, interval: 1000 }).toBeGreaterThan(end);
    await hack('cluster', 'component', 'start', 'kube-apiserver');
    await expect
      .poll(() => kubectl.try(['get', '--raw', '/readyz']).then((r) => r.stdout), { timeout: 60_000 })
      .toBe('ok');
    await sighted(
      states,
      'it is Ready on the new version',
      (state) => isReady(state) && state.object.status?.image === better,
      120,
    );
    expect(await page('far')).toContain(better);
    const container = await untilContainer(
      'far',
      'is good on the new version',
      (c) => c.status?.lastKnownGoodImage === better && has(c, 'Ready', 'True/Running'),
      60,
    );
    expect(container.status?.failedImages ?? []).toEqual([]);
    expect(uidsOf(runs)).toHaveLength(2);
    expectOneAtATime(runs);
    await kubectl.run(['wait', 'nodes', '--all', '--for=condition=Ready', '--timeout=120s']);
  },
);
