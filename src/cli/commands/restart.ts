import { defineCommand } from '../command.ts';
import { changeContainer, containerOptions } from '../write/container.ts';

/** Replaces the Pod of a container. */
export const restart = defineCommand({
  name: ['restart'],
  summary: 'Restart a container: a new Pod of the same version',
  positionals: ['HOSTEDCONTAINER'],
  completes: [['HostedContainer']],
  options: containerOptions,
  description: `Gives spec.restartToken a new value. The Pod is replaced, and /data is kept. It is also how a new scaffold reaches a running container.`,
  examples: ['kubectl monoroot restart hctr/shop -n shops --wait'],
  run: (context, { values, positionals: [text = ''] }) =>
    changeContainer(context, text, values, () => ({
      spec: { restartToken: context.now().toISOString() },
      did: 'restarts',
    })),
});
