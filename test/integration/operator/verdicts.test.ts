import { afterAll, afterEach, beforeAll, describe, expect, onTestFinished, test } from 'vitest';
import { act, onFailure } from '../../../src/controllers/hostedcontainer/act.ts';
import { hostedContainers, imageDistributions } from '../../../src/kube/kinds.ts';
import { defineResource, pods } from '../../../src/kube/resources.ts';
import { findCondition } from '../../../src/runtime/conditions.ts';
import { isConflict } from '../../../src/runtime/errors.ts';
import type { KubeObject } from '../../../src/runtime/object.ts';
import { logger } from '../environment.ts';
import { eventually } from '../eventually.ts';
import { objectName, openStage } from './stage.ts';

const stage = await openStage();
const { client, namespace, behaviour, behaviours, createImage, distribute, ask, until, good, podOf } = stage;
afterEach(() => stage.reset());
afterAll(() => stage.close());

const imageOf = async (name: string) => (await client.get(hostedContainers, { name, namespace }))?.spec.image;
const signal = AbortSignal.timeout(300_000);

describe('a container whose upgrade fails', () => {
  beforeAll(async () => {
    for (const image of ['app:v1', 'app:v2']) {
      await createImage(image);
      await distribute(image);
    }
    for (const image of ['app:v1', 'app:v2'])
      await until(imageDistributions, objectName(image), { Ready: 'True/AllNodes' });
  });

  test('is written back once, against a controller that enforces the failed image at once', async () => {
    await ask('enforced', 'app:v1');
    await good('enforced', 'app:v1');
    behaviours.set('enforced app:v2', 'crashes');
    let reverts = 0;
    const stop = new AbortController();
    const enforcer = (async () => {
      while (!stop.signal.aborted) {
        if ((await imageOf('enforced')) === 'app:v2') continue;
        reverts += 1;
        await ask('enforced', 'app:v2');
      }
    })();
    const held = await until(hostedContainers, 'enforced', { Ready: 'True/Running', Stalled: 'True/FailedBefore' });
    const { runs } = await stage.operator.counts();
    stage.operator.reconcileAll();
    await eventually(async () => expect((await stage.operator.counts()).runs).toBeGreaterThan(runs + 5));
    stop.abort();
    await enforcer;
    // The first time it was the test that asked for v2.
    expect(reverts).toBe(2);
    expect(held.status).toMatchObject({ image: 'app:v1', lastKnownGoodImage: 'app:v1' });
    expect(held.status?.failedImages?.map(({ image, attempts }) => `${image} ${attempts}`)).toEqual(['app:v2 1']);
  });

  test('is brought back although a policy refuses that spec is written back, and says so', async () => {
    await ask('locked', 'app:v1');
    await good('locked', 'app:v1');
    await forbidReverts('locked');
    behaviours.set('locked app:v2', 'starting');
    await ask('locked', 'app:v2');
    const back = { metadata: { name: 'locked', namespace }, spec: { image: 'app:v1' } };
    await eventually(async () => {
      const dryRun = client.apply(hostedContainers, back, { fieldManager: 'probe', force: true, dryRun: true });
      await expect(dryRun).rejects.toThrow('only Flux may write spec');
    });
    behaviours.set('locked app:v2', 'crashes');
    const held = await until(hostedContainers, 'locked', { Ready: 'True/Running', Stalled: 'True/FailedBefore' });
    expect(held.spec.image).toBe('app:v2');
    expect(held.status).toMatchObject({ image: 'app:v1', lastKnownGoodImage: 'app:v1' });
    expect(findCondition(held.status?.conditions, 'Stalled')?.message).toContain('only Flux may write spec');
    const writes = async () => (await stage.operator.counts()).writes;
    const before = await writes();
    const { runs } = await stage.operator.counts();
    stage.operator.reconcileAll();
    await eventually(async () => expect((await stage.operator.counts()).runs).toBeGreaterThan(runs + 5));
    expect(await writes()).toBe(before);
  });

  test('keeps an edit that was made at the moment of the revert', async () => {
    await ask('edited', 'app:v1');
    const seen = await good('edited', 'app:v1');
    await ask('edited', 'app:v1', { args: ['--by-a-person'], restartToken: 'x' });
    const revert = { type: 'RevertSpec' as const, image: 'app:v2' };
    const refused = await act(client, seen, revert, logger, signal).then(
      () => 'It was written',
      (error: unknown) => error,
    );
    expect(isConflict(refused)).toBe(true);
    expect(onFailure(revert, refused)).toBe('Abandon');
    expect(await imageOf('edited')).toBe('app:v1');
  });

  test('whose Pods are evicted for the sake of their node goes back without a verdict, and is tried again', async () => {
    await ask('evicted', 'app:v1');
    await good('evicted', 'app:v1');
    behaviours.set('evicted app:v2', 'evicted');
    await ask('evicted', 'app:v2');
    const paused = await until(hostedContainers, 'evicted', {
      Ready: 'True/Running',
      Upgraded: 'Unknown/Interrupted',
      Reconciling: 'True/Interrupted',
    });
    expect(paused.status).toMatchObject({ image: 'app:v1', targetImage: 'app:v2', lastKnownGoodImage: 'app:v1' });
    expect(paused.status?.failedImages ?? []).toEqual([]);
    expect(paused.status?.attempt?.interruption).toMatchObject({ count: 2, reason: 'Evicted' });
    expect(findCondition(paused.status?.conditions, 'Upgraded')?.message).toContain('low on resource: memory');
    const pod = await podOf('evicted');
    const { runs } = await stage.operator.counts();
    stage.operator.reconcileAll();
    await eventually(async () => expect((await stage.operator.counts()).runs).toBeGreaterThan(runs + 5));
    expect((await podOf('evicted'))?.metadata.uid).toBe(pod?.metadata.uid);
    behaviours.delete('evicted app:v2');
    // Another attempt does not wait for the pauses of this one.
    await ask('evicted', 'app:v2', { args: ['--smaller'] });
    await good('evicted', 'app:v2');
  });
});

describe('a Pod that somebody else deletes', () => {
  const remove = async (name: string) => {
    const pod = await podOf(name);
    if (pod) await client.delete(pods, { name, namespace }, { uid: pod.metadata.uid, gracePeriodSeconds: 0 });
    return pod?.metadata.uid;
  };

  test('comes again at once; when it is deleted whenever it comes, after a pause, which restartToken ends', async () => {
    await ask('fought', 'app:v1');
    await good('fought', 'app:v1');
    const first = await remove('fought');
    const again = await eventually(async () => {
      const pod = await podOf('fought');
      expect(pod?.metadata.uid).toBeDefined();
      expect(pod?.metadata.uid).not.toBe(first);
      return pod;
    });
    expect(again?.metadata.deletionTimestamp).toBeUndefined();
    const made = new Set<string>();
    const fight = new AbortController();
    onTestFinished(() => {
      fight.abort();
    });
    const fighter = (async () => {
      while (!fight.signal.aborted) {
        const uid = await remove('fought').catch(() => undefined);
        if (uid !== undefined) made.add(uid);
      }
    })();
    const paused = await until(hostedContainers, 'fought', {
      Ready: 'False/Interrupted',
      Reconciling: 'True/Interrupted',
      Stalled: 'False/NotStalled',
    });
    const { runs, writes } = await stage.operator.counts();
    for (let more = 1; more <= 5; more++) {
      stage.operator.reconcileAll();
      await eventually(async () => expect((await stage.operator.counts()).runs).toBeGreaterThanOrEqual(runs + more));
    }
    expect((await stage.operator.counts()).writes).toBe(writes);
    fight.abort();
    await fighter;
    expect(findCondition(paused.status?.conditions, 'Ready')?.message).toContain('Deleted: Somebody deleted it');
    expect(paused.status?.failedImages ?? []).toEqual([]);
    // The one that came at once, and the one after it: the third waits ten seconds.
    expect(made.size).toBeLessThanOrEqual(2);
    await ask('fought', 'app:v1', { restartToken: 'now' });
    await good('fought', 'app:v1');
  });
});

describe('kubelets whose clocks are wrong', () => {
  test.each([-600, 600])('by %i s change neither when a version is good nor when it is not', async (skewSeconds) => {
    behaviour.skewSeconds = skewSeconds;
    const name = skewSeconds < 0 ? 'behind' : 'ahead';
    const upgrade = { minReadySeconds: 2, progressDeadlineSeconds: 10, maxRestarts: 3 };
    await ask(name, 'app:v1', { upgrade });
    const first = await good(name, 'app:v1');
    const { startTime = '', readyTime = '' } = first.status?.history?.[0] ?? {};
    // By the clock of the operator, whatever the kubelets say.
    expect(Math.abs(Date.parse(readyTime) - Date.parse(startTime))).toBeLessThan(60_000);
    await ask(name, 'app:v2', { upgrade });
    const second = await good(name, 'app:v2');
    expect(second.status?.failedImages ?? []).toEqual([]);
  });
});

/** As a policy of a cluster in which only a GitOps tool may write specs. */
async function forbidReverts(name: string): Promise<void> {
  const policies = defineResource<KubeObject>({
    group: 'admissionregistration.k8s.io',
    version: 'v1',
    plural: 'validatingadmissionpolicies',
    kind: 'ValidatingAdmissionPolicy',
    namespaced: false,
  });
  const bindings = defineResource<KubeObject>({
    group: 'admissionregistration.k8s.io',
    version: 'v1',
    plural: 'validatingadmissionpolicybindings',
    kind: 'ValidatingAdmissionPolicyBinding',
    namespaced: false,
  });
  const rule = {
    apiGroups: ['monoroot.dev'],
    apiVersions: ['v1alpha1'],
    operations: ['UPDATE'],
    resources: ['hostedcontainers'],
    resourceNames: [name],
  };
  const policy = {
    metadata: { name: 'only-flux' },
    spec: {
      matchConstraints: { resourceRules: [rule] },
      validations: [
        {
          expression: "!(oldObject.spec.image == 'app:v2' && object.spec.image == 'app:v1')",
          message: 'only Flux may write spec',
        },
      ],
    },
  };
  await client.create(policies, policy, { fieldManager: 'test' });
  const binding = { metadata: { name: 'only-flux' }, spec: { policyName: 'only-flux', validationActions: ['Deny'] } };
  await client.create(bindings, binding, { fieldManager: 'test' });
}
