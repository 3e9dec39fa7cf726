import { hostedContainers } from '../../kube/kinds.ts';
import type { HostedContainer } from '../../api/hostedcontainer.ts';
import { UsageError, exitCodes } from '../command.ts';
import type { Context, ExitCode } from '../command.ts';
import { parseObjectRef } from '../names.ts';
import { awaitObject, waitOptions } from './await.ts';
import { changeObject, dryRunNote, dryRunOf, dryRunOption } from './change.ts';

/** Options of all commands that change a container. */
export const containerOptions = { ...waitOptions, ...dryRunOption } as const;

interface Values {
  wait?: boolean | undefined;
  timeout?: string | undefined;
  'dry-run'?: string | undefined;
}

/** The name of a HostedContainer, however it is written; throws when another kind is named. */
export function containerNamed(text: string): string {
  const ref = parseObjectRef([text]);
  if (ref && (ref.kind ?? 'HostedContainer') === 'HostedContainer') return ref.name;
  throw new UsageError(`${text} is no HostedContainer: it must be hctr/NAME or a name`);
}

/** Changes a container, says what it did, and waits when that is asked for. */
export async function changeContainer(
  context: Context,
  text: string,
  values: Values,
  decide: (container: HostedContainer) => { spec: object; did: string } | { already: string },
): Promise<ExitCode> {
  const { client, namespace } = context.cluster();
  const name = { name: containerNamed(text), namespace };
  const dryRun = dryRunOf(values['dry-run']);
  let told = '';
  const { before, after } = await changeObject(
    client,
    hostedContainers,
    name,
    (container) => {
      const decided = decide(container);
      told = 'spec' in decided ? decided.did : decided.already;
      return 'spec' in decided ? { spec: decided.spec } : undefined;
    },
    { ...context, dryRun },
  );
  context.out.line(`hostedcontainer/${name.name} ${told}${dryRunNote(dryRun)}`);
  if (values.wait !== true || dryRun !== undefined) return exitCodes.done;
  return awaitObject(context, hostedContainers, name, {
    timeout: values.timeout,
    generation: after.metadata.generation,
    before: before.spec.restartToken === after.spec.restartToken ? undefined : before,
  });
}
