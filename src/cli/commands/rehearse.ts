import { randomBytes } from 'node:crypto';
import type { HostedContainer } from '../../api/hostedcontainer.ts';
import { parseReference } from '../../api/images.ts';
import { quantity } from '../../api/meta.ts';
import { hostedContainers, osImages } from '../../kube/kinds.ts';
import { CommandError, UsageError, defineCommand, exitCodes, reportOutput } from '../command.ts';
import { isStructured, structured } from '../output.ts';
import { cloneOf } from '../rehearse/clone.ts';
import { rehearsalOf } from '../rehearse/rehearsal.ts';
import { runRehearsal } from '../rehearse/run.ts';
import type { Result } from '../rehearse/run.ts';
import { secondsOf } from '../time.ts';
import { printable } from '../terminal.ts';
import type { Screen } from '../terminal.ts';
import { dryRunOf, dryRunOption } from '../write/change.ts';
import { containerNamed } from '../write/container.ts';
import { targetOf } from './upgrade.ts';

/** Tries a version with the settings of a container, before the container is touched. */
export const rehearse = defineCommand({
  name: ['rehearse'],
  summary: 'Try a version with the settings of a container, beside it',
  positionals: ['HOSTEDCONTAINER'],
  completes: [['HostedContainer']],
  options: {
    image: { type: 'string', value: 'IMAGE', help: 'the version to try; that of the container by default' },
    node: { type: 'string', value: 'NAME', help: 'run it on this node; any that has the image by default' },
    'data-size': { type: 'string', value: 'SIZE', help: 'most that its empty /data may hold; 1Gi by default' },
    'clone-data': {
      type: 'boolean',
      help: 'a clone of the PersistentVolumeClaim of the container as /data, where the storage can; it is deleted at the end',
    },
    timeout: { type: 'string', value: 'TIME', help: 'give up after it; 15m by default' },
    'dry-run': { ...dryRunOption['dry-run'], choices: ['none', 'client'], help: 'client: print what would be created' },
    ...reportOutput,
  },
  description: `Creates a HostedContainer for a while: the command, environment, user, mount script, probes and software of this one, on another version and with an
empty /data, or with --clone-data one that begins with what the container has now: a CSI driver makes it, if it can. The operator runs and judges it as it would judge the upgrade. It has no labels, so no Service, budget or rollout finds it. It is
deleted at the end, and on Ctrl-C. What its command does to other systems it does: it has the Secrets and the addresses of the real one.
The exit code is 0 when it runs well, 1 when it failed or came to no end.`,
  examples: [
    'kubectl monoroot rehearse hctr/shop --image v37 -n shops',
    'kubectl monoroot rehearse shop --image debian-12:v37 --node node-2',
  ],
  async run(context, { values, positionals: [text = ''] }) {
    const { client, namespace } = context.cluster();
    const dataSize = values['data-size'] ?? '1Gi';
    if (!quantity.safeParse(dataSize).success) throw new UsageError(`--data-size takes a size, and got ${dataSize}`);
    const seconds = secondsOf('timeout', values.timeout ?? '15m');
    const name = containerNamed(text);
    const container = await client.get(hostedContainers, { name, namespace });
    if (!container) throw new CommandError(`There is no HostedContainer ${name} in namespace ${namespace}`);
    const isClone = values['clone-data'] === true;
    expectData(container, isClone);
    const running = container.status?.image ?? container.spec.image;
    const asked = values.image ?? running;
    const image = targetOf(asked, parseReference(container.spec.image).os, await client.list(osImages));
    const suffix = randomBytes(3).toString('hex');
    const data = isClone ? await cloneOf(client, container) : { ephemeral: { size: dataSize } };
    const object = rehearsalOf(container, { image, node: values.node, data, suffix });
    if (dryRunOf(values['dry-run']) !== undefined) {
      context.out.line(structured('yaml', { apiVersion: container.apiVersion, kind: container.kind, ...object }));
      return exitCodes.done;
    }
    context.err.line(`hostedcontainer/${object.metadata.name} rehearses ${name} on ${image}`);
    const result = await runRehearsal(context, object, AbortSignal.timeout(seconds * 1000));
    if (isStructured(values.output)) context.out.line(structured(values.output, { container: name, image, ...result }));
    else for (const line of render(name, image, result, context.out)) context.out.line(line);
    return result.outcome === 'Good' ? exitCodes.done : exitCodes.no;
  },
});

/** Throws when there would be nothing to run. */
function expectData({ metadata: { name }, spec }: HostedContainer, isClone: boolean): void {
  if (spec.services && !isClone)
    throw new CommandError(
      `HostedContainer ${name} runs the services of its /data, and a rehearsal has an empty one: nothing would run; --clone-data gives it a clone`,
    );
}

function render(name: string, image: string, { outcome, message, node, log }: Result, screen: Screen): string[] {
  const verdict = {
    Good: screen.paint('green', 'runs well'),
    Bad: screen.paint('red', 'failed'),
    Ended: screen.paint('yellow', 'came to no end'),
  }[outcome];
  return [
    `${name} on ${image}${node === undefined ? '' : ` (${node})`}: ${verdict}: ${message}`,
    ...(log.length === 0 ? ['There is no log.'] : ['Log:', ...log.map((line) => `  ${printable(line)}`)]),
  ];
}
