import type { HostedContainer } from '../../api/hostedcontainer.ts';
import { labels } from '../../api/names.ts';
import type { Client } from '../../kube/client.ts';
import { hostedContainers } from '../../kube/kinds.ts';
import { pods } from '../../kube/resources.ts';
import { keyOf } from '../../runtime/object.ts';
import { CommandError, defineCommand, exitCodes } from '../command.ts';
import type { Context } from '../command.ts';
import { getDistribution } from '../rollout/change.ts';
import { inWaves, planRestart } from '../rollout/restart.ts';
import { findSystemNamespace, podsOf } from '../system.ts';
import { awaitObject } from '../write/await.ts';
import { changeObject, dryRunNote, dryRunOf, dryRunOption } from '../write/change.ts';

/** Brings a new scaffold to the containers of an OS, in waves. */
export const rolloutRestart = defineCommand({
  name: ['rollout', 'restart'],
  summary: 'Restart containers that have an older scaffold, in waves',
  positionals: ['NAME'],
  completes: [['ImageDistribution']],
  options: {
    all: { type: 'boolean', help: 'also those that have the scaffold of the operator already' },
    timeout: { type: 'string', value: 'TIME', help: 'how long one container may take, by default 10m' },
    ...dryRunOption,
  },
  description: `Restarts the containers of all namespaces that run an image of the OS of the ImageDistribution NAME, and whose Pod has another
scaffold than the operator gives to new ones. One goes alone; the others follow, no more at once than maxUnavailable of its rollouts.
Containers that are not Ready are left alone. When one is not good again, no other is restarted, and the exit code is 1; what is running
runs on. Called again it goes on where it stopped.`,
  examples: [
    'kubectl monoroot rollout restart debian-12 --dry-run=client',
    'kubectl monoroot rollout restart debian-12',
  ],
  async run(context, { values, positionals: [name = ''] }) {
    const { out, err } = context;
    const { client } = context.cluster();
    const dryRun = dryRunOf(values['dry-run']);
    const scaffolds = values.all === true ? undefined : await scaffoldsOf(client);
    const plan = planRestart({
      distribution: await getDistribution(client, name),
      containers: await client.list(hostedContainers),
      running: await imagesOfPods(client),
      scaffolds,
    });
    const many = plan.restart.length;
    out.line(
      `${many} to restart, ${Math.max(0, plan.limit)} at once; ${plan.current} have the scaffold; ${plan.notReady.length} not Ready${dryRunNote(dryRun)}`,
    );
    if (dryRun !== undefined) {
      for (const { metadata } of plan.restart)
        out.line(`hostedcontainer/${metadata.name} -n ${metadata.namespace ?? ''}`);
      return exitCodes.done;
    }
    if (many > 0 && plan.limit < 1) {
      throw new CommandError(
        'As many containers are down as may be: wait until they are Ready, or raise maxUnavailable',
      );
    }
    const { good, bad } = await inWaves(plan.restart, plan.limit, (it) =>
      restart(context, it, values.timeout ?? '10m'),
    );
    out.line(`${good.length} of ${many} restarted`);
    if (bad.length === 0) return exitCodes.done;
    err.line(
      `Stopped: ${bad.map(({ metadata }) => `${metadata.namespace ?? ''}/${metadata.name}`).join(', ')} not good again`,
    );
    return exitCodes.no;
  },
});

async function restart(context: Context, { metadata }: HostedContainer, timeout: string): Promise<boolean> {
  const { client } = context.cluster();
  const name = { name: metadata.name, namespace: metadata.namespace ?? '' };
  const patch = () => ({ spec: { restartToken: context.now().toISOString() } });
  const { before, after } = await changeObject(client, hostedContainers, name, patch, {
    ...context,
    dryRun: undefined,
  });
  const { generation } = after.metadata;
  return (await awaitObject(context, hostedContainers, name, { timeout, generation, before })) === exitCodes.done;
}

/** What the operator gives to new Pods: its settings say so. */
async function scaffoldsOf(client: Client): Promise<string[]> {
  const namespace = await findSystemNamespace(client);
  const operators = await podsOf(client, namespace, 'operator');
  const settings = operators.flatMap(({ spec }) => spec.containers.flatMap(({ env = [] }) => env));
  const found = settings.filter((it) => it.name.startsWith('SCAFFOLD_')).map(({ value = '' }) => value);
  if (found.length > 0) return found;
  throw new CommandError(
    `No Pod of the operator is there to say which scaffold is the new one, as in namespace ${namespace}; --all restarts all`,
  );
}

async function imagesOfPods(client: Client): Promise<Map<string, string>> {
  const found = await client.list(pods, { labelSelector: labels.hostedContainer });
  return new Map(found.map(({ metadata, spec }) => [keyOf(metadata), spec.containers[0]?.image ?? '']));
}
