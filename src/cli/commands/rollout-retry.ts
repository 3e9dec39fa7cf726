import type { ImageDistribution } from '../../api/imagedistribution.ts';
import { annotations } from '../../api/names.ts';
import type { Client } from '../../kube/client.ts';
import { osImages } from '../../kube/kinds.ts';
import { imageObjectName, parseReference } from '../../api/images.ts';
import { isTrue } from '../../runtime/conditions.ts';
import { CommandError, defineCommand, exitCodes } from '../command.ts';
import { printable } from '../terminal.ts';
import { changeSpec, getDistribution, requireRollout } from '../rollout/change.ts';
import type { Writing } from '../rollout/change.ts';
import { changeObject, dryRunNote, dryRunOf, dryRunOption } from '../write/change.ts';

/** Lets a rollout that halted try again what failed. */
export const rolloutRetry = defineCommand({
  name: ['rollout', 'retry'],
  summary: 'Try again what failed, after its cause was fixed',
  positionals: ['NAME'],
  completes: [['ImageDistribution']],
  options: {
    lift: { type: 'boolean', help: 'also lift the condemnation of the image, whose evidence is shown' },
    ...dryRunOption,
  },
  description: `Gives spec.activate.existingContainers.retryToken of the ImageDistribution NAME a new value: a halted rollout goes on, and
containers that were reverted are moved again. An image that a halt has condemned is tried nowhere until it is lifted.`,
  examples: ['kubectl monoroot rollout retry debian-12', 'kubectl monoroot rollout retry debian-12 --lift'],
  async run({ out, err, cluster, now }, { values, positionals: [name = ''] }) {
    const { client } = cluster();
    const dryRun = dryRunOf(values['dry-run']);
    const distribution = await getDistribution(client, name);
    requireRollout(distribution);
    const condemned = await evidence(client, distribution.spec.image);
    if (condemned === undefined) requireFailure(distribution);
    else {
      out.line(`${distribution.spec.image} is condemned: ${printable(condemned)}`);
      if (values.lift !== true) {
        throw new CommandError(
          `${distribution.spec.image} stays condemned, so a retry would move nothing; add --lift when the cause is fixed`,
        );
      }
      await lift(client, distribution.spec.image, { out, err, dryRun });
      out.line(`osimage/${objectName(distribution.spec.image)} lifted${dryRunNote(dryRun)}`);
    }
    const retryToken = now().toISOString();
    const decide = (current: ImageDistribution) => {
      requireRollout(current);
      return { activate: { existingContainers: { retryToken } } };
    };
    await changeSpec(client, name, decide, { out, err, dryRun });
    out.line(`imagedistribution/${name} retries ${distribution.spec.image}${dryRunNote(dryRun)}`);
    return exitCodes.done;
  },
});

const objectName = (image: string) => {
  const { os, version = '' } = parseReference(image);
  return imageObjectName({ os, version });
};

async function evidence(client: Client, image: string): Promise<string | undefined> {
  const object = await client.get(osImages, { name: objectName(image) });
  return object?.metadata.annotations?.[annotations.condemned];
}

async function lift(client: Client, image: string, writing: Writing): Promise<void> {
  const patch = { metadata: { annotations: { [annotations.condemned]: null } } };
  await changeObject(client, osImages, { name: objectName(image) }, () => patch, writing);
}

function requireFailure({ metadata, status }: ImageDistribution): void {
  const halted = isTrue(status?.conditions, 'RolloutHalted') || status?.rollout?.haltTime !== undefined;
  if (halted || (status?.containers?.reverted ?? 0) > 0) return;
  throw new CommandError(
    `The rollout of ${metadata.name} has not halted, and no container was reverted: nothing to retry`,
  );
}
