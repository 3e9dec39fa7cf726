import { labels } from '../../../src/api/names.ts';
import { jobs } from '../../../src/kube/resources.ts';
import type { Client } from '../../../src/kube/client.ts';
import { pods } from '../../../src/kube/resources.ts';
import type { Pod } from '../../../src/api/kubernetes/objects.ts';
import type { Job } from '../../../src/api/kubernetes/objects.ts';
import { formatTime } from '../../../src/runtime/time.ts';

/** How a container ends: `message` is what it leaves, or the end of its log. */
export interface End {
  exitCode: number;
  message: string;
  /** Of the Pod, such as DeadlineExceeded. */
  reason?: string;
  conditions?: { type: string; status: string; reason: string }[];
}

/** By the step of the Job and its image how its container ends; undefined while it runs. */
export type JobsBehaviour = (step: string, image: string) => End | undefined;

const readJob = (job: Job) => job.metadata.labels?.[labels.image]?.replace('.', ':') ?? '';

/** Writes what the controller of Jobs writes, for Jobs of one Pod: the Pod, and the conditions in their order. */
export async function jobController(client: Client, behaviour: JobsBehaviour): Promise<void> {
  for (const job of await client.list(jobs)) {
    if (job.metadata.deletionTimestamp !== undefined) continue;
    if ((job.status?.conditions ?? []).some(({ type }) => type === 'Complete' || type === 'Failed')) continue;
    const step = job.metadata.labels?.[labels.step] ?? '';
    await playJob(client, job, behaviour(step, readJob(job)));
  }
}

async function playJob(client: Client, job: Job, end: End | undefined): Promise<void> {
  const now = formatTime(new Date());
  const { name, namespace, uid } = job.metadata;
  const pod = { name: `${name}-x7k2p`, namespace };
  const patch = (status: object) =>
    client.mergePatch(jobs, job.metadata, { metadata: { uid }, status }, { subresource: 'status' });
  const there = await client.get(pods, pod);
  if (there && !there.metadata.ownerReferences?.some((owner) => owner.uid === uid)) {
    // As the garbage collector does with what a deleted Job has left.
    await client.delete(pods, pod, { uid: there.metadata.uid, gracePeriodSeconds: 0 });
    return;
  }
  if (!there) {
    await client.create(pods, podOf(job, pod));
    const started = { startTime: now, active: 1, ready: 0, terminating: 0, uncountedTerminatedPods: {} };
    await patch(started);
    return;
  }
  const container = { name: there.spec.containers[0]?.name ?? '', image: '', imageID: '', restartCount: 0 };
  if (!end) {
    if (there.status?.phase === 'Running') return;
    const running = { ...container, ready: true, state: { running: { startedAt: now } } };
    await setPod(client, pod, { phase: 'Running', startTime: now, containerStatuses: [running] });
    return;
  }
  const terminated = { exitCode: end.exitCode, message: end.message, startedAt: now, finishedAt: now };
  const good = end.exitCode === 0;
  await setPod(client, pod, {
    phase: good ? 'Succeeded' : 'Failed',
    ...(end.reason !== undefined && { reason: end.reason }),
    startTime: now,
    containerStatuses: [{ ...container, ready: false, state: { terminated } }],
  });
  const condition = (type: string) => ({
    type,
    status: 'True',
    reason: good ? 'CompletionsReached' : 'BackoffLimitExceeded',
    message: good ? 'Reached expected number of succeeded pods' : 'Job has reached the specified backoff limit',
    lastProbeTime: now,
    lastTransitionTime: now,
  });
  // The first of the two is written when it is clear how it ends, the second when no Pod is left to wait for.
  const [first, second] = good ? ['SuccessCriteriaMet', 'Complete'] : ['FailureTarget', 'Failed'];
  await patch({ conditions: [condition(first)] });
  await patch({
    conditions: [condition(first), condition(second)],
    active: 0,
    ready: 0,
    ...(good ? { succeeded: 1, completionTime: now } : { failed: 1 }),
  });
}

function podOf(job: Job, name: { name: string; namespace?: string | undefined }): Pod {
  const { template } = job.spec;
  const owner = { apiVersion: 'batch/v1', kind: 'Job', name: job.metadata.name, uid: job.metadata.uid ?? '' };
  const jobLabels = { 'batch.kubernetes.io/job-name': job.metadata.name, 'job-name': job.metadata.name };
  return {
    metadata: {
      ...name,
      labels: { ...template.metadata.labels, ...jobLabels },
      ownerReferences: [{ ...owner, controller: true, blockOwnerDeletion: true }],
    },
    spec: { ...template.spec, nodeName: 'n1' },
  } as unknown as Pod;
}

const setPod = (client: Client, pod: { name: string; namespace?: string | undefined }, status: object) =>
  client.mergePatch(pods, pod, { status }, { subresource: 'status' });

/** What the kubelet makes of a Pod that a real controller has made for a Job; it is bound already. */
export async function runJobPod(client: Client, pod: Pod, end: End | undefined): Promise<void> {
  await runPod(client, pod, pod.spec.containers[0]?.name ?? '', end);
}

/** What the kubelet makes of a Pod that tests an image; it is bound already. */
export async function runTest(client: Client, pod: Pod, end: End | undefined): Promise<void> {
  await runPod(client, pod, 'main', end);
}

async function runPod(client: Client, pod: Pod, name: string, end: End | undefined): Promise<void> {
  // It has ended, and does so once.
  if (pod.status?.phase === 'Succeeded' || pod.status?.phase === 'Failed') return;
  const now = formatTime(new Date());
  const common = { name, image: '', imageID: '', restartCount: 0 };
  if (!end) {
    if (pod.status?.phase === 'Running') return;
    const running = { ...common, ready: true, state: { running: { startedAt: now } } };
    await setPod(client, pod.metadata, { phase: 'Running', startTime: now, containerStatuses: [running] });
    return;
  }
  const terminated = { exitCode: end.exitCode, message: end.message, startedAt: now, finishedAt: now };
  await setPod(client, pod.metadata, {
    phase: end.exitCode === 0 ? 'Succeeded' : 'Failed',
    ...(end.reason !== undefined && { reason: end.reason }),
    ...(end.conditions && { conditions: end.conditions.map((it) => ({ ...it, lastTransitionTime: now })) }),
    startTime: now,
    containerStatuses: [{ ...common, ready: false, state: { terminated } }],
  });
}
