import type { HostedContainer } from '../../api/hostedcontainer.ts';
import type { NewObject } from '../../kube/client.ts';
import { hostedContainers } from '../../kube/kinds.ts';
import { events, persistentVolumeClaims } from '../../kube/resources.ts';
import { claimNameOf } from '../../pod/claim.ts';
import { ApiError } from '../../runtime/errors.ts';
import { linesOf } from '../../runtime/lines.ts';
import { findCondition } from '../../runtime/conditions.ts';
import type { ObjectName } from '../../runtime/object.ts';
import type { Context } from '../command.ts';
import { followObject } from '../follow.ts';
import { printable } from '../terminal.ts';
import { textOf } from '../text.ts';
import { outcomeOf } from '../write/outcome.ts';
import type { Outcome } from '../write/outcome.ts';

export interface Result {
  /** `Ended`: neither within the time, or before the user pressed Ctrl-C. */
  outcome: 'Good' | 'Bad' | 'Ended';
  message: string;
  node: string | undefined;
  /** The last lines of its log, as far as they could be read. */
  log: string[];
}

const tailLines = 50;

/**
 * Has a rehearsal run until it is good, has failed or the signal aborts, and deletes it, however that ends. The log is read while
 * it runs, as it goes with its Pod.
 */
export async function runRehearsal(context: Context, object: NewObject<HostedContainer>, limit: AbortSignal) {
  const { client } = context.cluster();
  const name = { name: object.metadata.name, namespace: object.metadata.namespace };
  await client.create(hostedContainers, object);
  try {
    return await watch(context, name, AbortSignal.any([context.signal, limit]));
  } finally {
    // Also after Ctrl-C: this call knows nothing of that.
    await client.delete(hostedContainers, name);
    context.err.line(`hostedcontainer/${name.name} deleted`);
  }
}

async function watch(context: Context, name: ObjectName, signal: AbortSignal): Promise<Result> {
  const { client } = context.cluster();
  let [last, node, log]: [string, string | undefined, string[]] = ['The operator has not seen it yet', undefined, []];
  for await (const container of followObject(client, hostedContainers, name, signal)) {
    if (!container) return { outcome: 'Bad', message: 'Somebody deleted it', node, log };
    node = container.status?.nodeName ?? node;
    const { type: outcome, message } = outcomeOfRehearsal(container);
    last = printable(message);
    context.out.progress(`${name.name}${node === undefined ? '' : ` on ${node}`}: ${last}`);
    const lines = await readLog(context, name, outcome === 'Bad');
    if (lines.length > 0) log = lines;
    if (outcome !== 'Waiting') return { outcome, message: last, node, log };
    const refusal = await refusalOfStorage(context, container);
    if (refusal !== undefined) return { outcome: 'Ended', message: refusal, node, log };
  }
  return { outcome: 'Ended', message: last, node, log };
}

/** No object says whether a driver can clone; the event of the one that was asked does, as long as there is no volume. */
async function refusalOfStorage({ cluster }: Context, container: HostedContainer): Promise<string | undefined> {
  const { client } = cluster();
  const { namespace = '' } = container.metadata;
  const name = claimNameOf(container);
  if (name === undefined || container.spec.data?.claimTemplate === undefined) return undefined;
  const claim = await client.get(persistentVolumeClaims, { name, namespace });
  if (!claim || claim.status?.phase === 'Bound') return undefined;
  const fieldSelector = `regarding.name=${name},reason=ProvisioningFailed`;
  const [event] = await client.list(events, { namespace, fieldSelector }).catch(unlessForbidden);
  return (
    event &&
    `The storage did not clone the data: ${printable(event.note ?? '')}. Leave --clone-data out to rehearse with an empty /data`
  );
}

function unlessForbidden(error: unknown): [] {
  if (error instanceof ApiError && error.code === 403) return [];
  throw error;
}

/** One that has failed with its first version has nothing to go back to: its operator goes on trying, and here that is the end. */
function outcomeOfRehearsal(container: HostedContainer): Outcome {
  const [failure] = container.status?.failedImages ?? [];
  if (failure) return { type: 'Bad', message: `${failure.reason}: ${failure.message}` };
  const ready = findCondition(container.status?.conditions, 'Ready');
  const isGood = container.status?.lastKnownGoodImage === container.spec.image && ready?.status === 'True';
  if (isGood) return { type: 'Good', message: ready.message };
  const told = outcomeOf(container);
  return told.type === 'Good' ? { ...told, type: 'Waiting' } : told;
}

/** The end of the log of its Pod; of the run before, when that failed and the next one has said nothing yet. */
async function readLog(context: Context, name: ObjectName, failed: boolean): Promise<string[]> {
  const now = await readRun(context, name, false);
  return failed && now.length === 0 ? readRun(context, name, true) : now;
}

async function readRun({ cluster }: Context, { namespace = '', name }: ObjectName, previous: boolean) {
  const lines: string[] = [];
  try {
    const body = await cluster().connection.stream({
      method: 'GET',
      path: `/api/v1/namespaces/${namespace}/pods/${name}/log`,
      query: { container: 'main', previous, tailLines },
      signal: AbortSignal.timeout(5000),
    });
    for await (const line of linesOf(textOf(body))) lines.push(line);
  } catch (error) {
    // There is none before it starts, not everybody may read it, and the API server fails when the node does not answer.
    if (!(error instanceof ApiError) && !(error instanceof Error && error.name === 'TimeoutError')) throw error;
  }
  return lines;
}
