import { defineCommand } from '../command.ts';
import { changeContainer, containerOptions } from '../write/container.ts';

/** Takes the Pod of a container away and keeps its data. */
export const suspend = defineCommand({
  name: ['suspend'],
  summary: 'Stop a container and keep its data',
  positionals: ['HOSTEDCONTAINER'],
  completes: [['HostedContainer']],
  options: containerOptions,
  description: `Sets spec.suspend: the Pod is removed, the data stays. With --wait the exit code is 0 when the Pod is gone.`,
  examples: ['kubectl monoroot suspend hctr/shop -n shops'],
  run: (context, { values, positionals: [text = ''] }) =>
    changeContainer(context, text, values, ({ spec }) =>
      spec.suspend ? { already: 'is suspended already' } : { spec: { suspend: true }, did: 'suspended' },
    ),
});

/** Starts it again. */
export const resume = defineCommand({
  name: ['resume'],
  summary: 'Start a container that was suspended',
  positionals: ['HOSTEDCONTAINER'],
  completes: [['HostedContainer']],
  options: containerOptions,
  description: `Sets spec.suspend to false, and spec.replicas to 1 where it is 0. For a rollout that is paused there is \`rollout resume\`.`,
  examples: ['kubectl monoroot resume hctr/shop -n shops --wait'],
  run: (context, { values, positionals: [text = ''] }) =>
    changeContainer(context, text, values, ({ spec }) => {
      const change = { ...(spec.suspend && { suspend: false }), ...(spec.replicas === 0 && { replicas: 1 }) };
      return Object.keys(change).length === 0 ? { already: 'is not suspended' } : { spec: change, did: 'resumed' };
    }),
});
