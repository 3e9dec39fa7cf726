import type { Resource } from '../../kube/resources.ts';
import type { ObjectName } from '../../runtime/object.ts';
import { CommandError, exitCodes } from '../command.ts';
import type { Context, ExitCode } from '../command.ts';
import { followObject } from '../follow.ts';
import type { MonorootObject } from '../scene/scene.ts';
import { printable } from '../terminal.ts';
import { secondsOf } from '../time.ts';
import { outcomeOf } from './outcome.ts';

export const waitOptions = {
  wait: { type: 'boolean', help: 'wait until it is good (exit code 0) or has failed (1)' },
  timeout: { type: 'string', value: 'TIME', help: 'with --wait: give up after it, such as 10m; never by default' },
} as const;

/** Waits until what spec asks for is done or has failed; `generation` is that of the change that is waited for, and `before` as in {@link outcomeOf}. */
export async function awaitObject<T extends MonorootObject>(
  context: Context,
  resource: Resource<T>,
  name: ObjectName,
  {
    timeout,
    generation,
    before,
  }: { timeout?: string | undefined; generation?: number | undefined; before?: T | undefined },
): Promise<ExitCode> {
  const { out, err, signal } = context;
  const limit = timeout === undefined ? [] : [AbortSignal.timeout(secondsOf('timeout', timeout) * 1000)];
  const label = `${resource.kind.toLowerCase()}/${name.name}`;
  let last = 'nothing is known of it yet';
  const { client } = context.cluster();
  for await (const object of followObject(client, resource, name, AbortSignal.any([signal, ...limit]))) {
    if (!object) throw new CommandError(`There is no ${resource.kind} ${name.name}, or it was deleted`);
    const { type, message } = outcomeOf(object, generation, before);
    last = printable(message);
    if (type === 'Good') out.line(`${label} ${out.paint('green', 'is good')}: ${last}`);
    else if (type === 'Bad') out.line(`${label} ${out.paint('red', 'failed')}: ${last}`);
    else out.progress(`${label}: ${last}`);
    if (type !== 'Waiting') return type === 'Good' ? exitCodes.done : exitCodes.no;
  }
  err.line(signal.aborted ? 'Interrupted' : `Not done within ${timeout ?? ''}: ${last}`);
  return exitCodes.no;
}
