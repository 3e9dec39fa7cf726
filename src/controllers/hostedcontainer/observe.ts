import type { HostedContainer } from '../../api/hostedcontainer.ts';
import type { Client } from '../../kube/client.ts';
import { persistentVolumeClaims, persistentVolumes, pods } from '../../kube/resources.ts';
import { claimFromTemplate, templateClaimName } from '../../pod/claim.ts';
import { patchOperations } from '../../pod/in-place.ts';
import type { PodPatch } from '../../pod/in-place.ts';
import { containerName } from '../../pod/pod.ts';
import type { Pod } from '../../api/kubernetes/objects.ts';
import { ApiError, isAlreadyExists, isRefusal } from '../../runtime/errors.ts';
import type { Caches } from '../caches.ts';
import { catalogOf } from './cached-images.ts';
import { withDryRun, withDryRunOfPatch } from './observed.ts';
import type { DataLocation, LogTail, Query, Observed, PodSettings } from './observed.ts';

const logLines = 20;
const logBytes = 4096;

/** All reads that every plan needs; from caches, but for a Pod that the cache does not know. */
export async function observe(
  client: Client,
  caches: Caches,
  settings: PodSettings,
  container: HostedContainer,
  signal: AbortSignal,
): Promise<Observed> {
  const { namespace = '', name } = container.metadata;
  const now = new Date();
  const cached = caches.pods.store.get(`${namespace}/${name}`);
  // Before a Pod is made, the API server itself is asked: the cache may lag, and it knows no Pods of others.
  const pod = cached ?? (await client.get(pods, { namespace, name }, { signal }));
  return {
    container,
    ...settings,
    pod,
    directMountsTime: caches.stores.store.get(pod?.spec.nodeName ?? '')?.status?.directMountsTime,
    claim: caches.claims.store.get(`${namespace}/${templateClaimName(container)}`),
    nodes: caches.nodes.store.list(),
    catalog: catalogOf(caches, now),
    now,
  };
}

/** What was observed, with the answers to the queries of a plan. */
export async function answer(
  client: Client,
  observed: Observed,
  queries: readonly Query[],
  signal: AbortSignal,
): Promise<Observed> {
  let known = observed;
  for (const query of queries) known = await answerOne(client, known, query, signal);
  return known;
}

async function answerOne(client: Client, observed: Observed, query: Query, signal: AbortSignal): Promise<Observed> {
  const { namespace = '', name } = observed.container.metadata;
  switch (query.type) {
    case 'DataLocation':
      return { ...observed, data: await locateData(client, observed.container, query.claimName, signal) };
    case 'DryRun':
      return withDryRun(observed, query.pod, await dryRunPod(client, query.pod, signal));
    case 'DryRunOfPatch':
      return withDryRunOfPatch(observed, query.patch, await dryRunPatch(client, query.patch, signal));
    case 'LogTail':
      return { ...observed, logTail: await logTail(client, { namespace, name }, query.previous, signal) };
  }
}

async function locateData(
  client: Client,
  container: HostedContainer,
  name: string,
  signal: AbortSignal,
): Promise<DataLocation> {
  const { namespace = '' } = container.metadata;
  const claim = await client.get(persistentVolumeClaims, { namespace, name }, { signal });
  const toCreate = claimFromTemplate(container);
  if (!claim && toCreate) {
    const refusal = await refusalOf(() => client.create(persistentVolumeClaims, toCreate, { dryRun: true, signal }));
    return refusal === undefined ? { toCreate } : { problem: `spec.data.claimTemplate was refused: ${refusal}` };
  }
  if (!claim) return { problem: `PersistentVolumeClaim ${name} does not exist: create it, or change spec.data` };
  if (claim.metadata.deletionTimestamp !== undefined)
    return { problem: `PersistentVolumeClaim ${name} is being deleted` };
  if (claim.status?.phase === 'Lost') return { problem: `PersistentVolumeClaim ${name} has lost its volume` };
  const volumeName = claim.spec?.volumeName;
  const volume = volumeName ? await client.get(persistentVolumes, { name: volumeName }, { signal }) : undefined;
  return { affinity: volume?.spec?.nodeAffinity?.required };
}

/**
 * Lets the API server check the Pod, with all of admission, without making it. It has its own name, for policies may look at
 * that; that another Pod has the name is found out last, after nothing else was against it.
 */
async function dryRunPod(client: Client, pod: Pod, signal: AbortSignal): Promise<{ refusal?: string }> {
  try {
    const refusal = await refusalOf(() => client.create(pods, pod, { dryRun: true, signal }));
    return refusal === undefined ? {} : { refusal };
  } catch (error) {
    if (isAlreadyExists(error)) return {};
    throw error;
  }
}

/** The same for a Pod that gets another image in place. */
async function dryRunPatch(client: Client, patch: PodPatch, signal: AbortSignal): Promise<{ refusal?: string }> {
  const { name, namespace = '' } = patch.from.metadata;
  const operations = patchOperations(patch, { asSeen: false });
  const refusal = await refusalOf(() =>
    client.jsonPatch(pods, { name, namespace }, operations, { dryRun: true, signal }),
  );
  return refusal === undefined ? {} : { refusal };
}

/** What the API server said against it; undefined when it would take it. */
async function refusalOf(create: () => Promise<unknown>): Promise<string | undefined> {
  try {
    await create();
    return undefined;
  } catch (error) {
    if (error instanceof ApiError && [400, 403, 422].includes(error.code)) return error.message;
    throw error;
  }
}

/** The end of the log of the run that failed. A revert does not wait for it, but whether the node answers is part of the outcome. */
async function logTail(
  client: Client,
  pod: { namespace: string; name: string },
  previous: boolean,
  signal: AbortSignal,
): Promise<LogTail> {
  const read = (before: boolean) =>
    client.podLog(pod, {
      container: containerName,
      tailLines: logLines,
      limitBytes: logBytes,
      previous: before,
      timeoutSeconds: 5,
      signal,
    });
  let nodeAnswers = false;
  for (const before of previous ? [false, true] : [false]) {
    const text = await read(before).catch((error: unknown) => {
      // The kubelet, or the API server for it, found fault with the question: there was an answer.
      nodeAnswers ||= isRefusal(error);
      return undefined;
    });
    nodeAnswers ||= text !== undefined;
    if (text?.trim()) return { text, nodeAnswers };
  }
  return { text: '', nodeAnswers };
}
