import type { HostedContainer } from '../../api/hostedcontainer.ts';
import { CommandError, defineCommand } from '../command.ts';
import { changeContainer, containerOptions } from '../write/container.ts';

/** Has a container run what it ran well before. */
export const rollback = defineCommand({
  name: ['rollback'],
  summary: 'Have a container run the version that it ran well before',
  positionals: ['HOSTEDCONTAINER'],
  completes: [['HostedContainer']],
  options: containerOptions,
  description: `Sets spec.image to the last version of status.history that ran well and is not the one that is asked for now. The way back is an upgrade
like any other. For a container that follows the default version, use \`rollout undo\` on its ImageDistribution.`,
  examples: ['kubectl monoroot rollback hctr/shop -n shops --wait'],
  run: (context, { values, positionals: [text = ''] }) =>
    changeContainer(context, text, values, (container) => {
      const image = earlierOf(container);
      return { spec: { image }, did: `${container.spec.image} -> ${image}` };
    }),
});

function earlierOf({ metadata, spec, status }: HostedContainer): string {
  if (!spec.image.includes(':')) {
    throw new CommandError(
      `HostedContainer ${metadata.name} follows the default version of ${spec.image}; go back with kubectl monoroot rollout undo, or name a version with upgrade`,
    );
  }
  const good = (status?.history ?? []).filter(
    ({ outcome, readyTime }) => outcome === 'Succeeded' || readyTime !== undefined,
  );
  const candidates = [
    ...(status?.lastKnownGoodImage === undefined ? [] : [status.lastKnownGoodImage]),
    ...good.map(({ image }) => image),
  ];
  const found = candidates.find((image) => image !== spec.image);
  if (found !== undefined) return found;
  throw new CommandError(`HostedContainer ${metadata.name} has run no other version well; name one with upgrade`);
}
