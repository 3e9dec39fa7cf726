import type { ImageDistribution } from '../../api/imagedistribution.ts';
import { defineCommand, exitCodes } from '../command.ts';
import type { Command } from '../command.ts';
import { changeSpec, requireRollout } from '../rollout/change.ts';
import { dryRunNote, dryRunOf, dryRunOption } from '../write/change.ts';

/** Stops a rollout between two containers. */
export const rolloutPause = switchPause(true, {
  name: ['rollout', 'pause'],
  summary: 'Pause a rollout: no more containers are moved',
  description: `Sets spec.activate.existingContainers.paused of the ImageDistribution NAME. Containers that are being moved go on, and
those that fail are reverted all the same. Where spec is kept in Git, change it there too: the tool would set it back.`,
});

/** Lets it go on. */
export const rolloutResume = switchPause(false, {
  name: ['rollout', 'resume'],
  summary: 'Resume a rollout that was paused',
  description: `Clears spec.activate.existingContainers.paused of the ImageDistribution NAME. A rollout that halted needs \`retry\`.`,
});

function switchPause(paused: boolean, texts: Pick<Command, 'name' | 'summary' | 'description'>): Command {
  return defineCommand({
    ...texts,
    positionals: ['NAME'],
    completes: [['ImageDistribution']],
    examples: [`kubectl monoroot ${texts.name.join(' ')} debian-12`],
    options: dryRunOption,
    async run({ out, err, cluster }, { values, positionals: [name = ''] }) {
      const dryRun = dryRunOf(values['dry-run']);
      const decide = (distribution: ImageDistribution) =>
        requireRollout(distribution).paused === paused ? undefined : { activate: { existingContainers: { paused } } };
      const before = await changeSpec(cluster().client, name, decide, { out, err, dryRun });
      const already = requireRollout(before).paused === paused ? 'already ' : '';
      out.line(`imagedistribution/${name} ${already}${paused ? 'paused' : 'resumed'}${dryRunNote(dryRun)}`);
      return exitCodes.done;
    },
  });
}
