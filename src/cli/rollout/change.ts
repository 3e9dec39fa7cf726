import type { ImageDistribution } from '../../api/imagedistribution.ts';
import { fieldManagers } from '../../api/names.ts';
import type { Client } from '../../kube/client.ts';
import { imageDistributions } from '../../kube/kinds.ts';
import { isConflict } from '../../runtime/errors.ts';
import { CommandError } from '../command.ts';

const attempts = 5;

/** Throws an error for users when there is none. */
export async function getDistribution(client: Client, name: string): Promise<ImageDistribution> {
  return (await client.get(imageDistributions, { name })) ?? unknownDistribution(name);
}

/** Throws that there is no such distribution. */
export function unknownDistribution(name: string): never {
  throw new CommandError(`There is no ImageDistribution ${name}; kubectl get imgdist lists them`);
}

/**
 * Changes spec of a distribution as `decide` says of what it is now: a patch, or undefined to leave it alone. When somebody else
 * changes it meanwhile it is read and decided again, so that no field comes back that was just removed. Gives what it was.
 */
export async function changeSpec(
  client: Client,
  name: string,
  decide: (distribution: ImageDistribution) => object | undefined,
): Promise<ImageDistribution> {
  for (let attempt = 1; ; attempt++) {
    const distribution = await getDistribution(client, name);
    const spec = decide(distribution);
    if (!spec) return distribution;
    const { resourceVersion } = distribution.metadata;
    try {
      await client.mergePatch(
        imageDistributions,
        { name },
        { metadata: { resourceVersion }, spec },
        { fieldManager: fieldManagers.plugin },
      );
      return distribution;
    } catch (error) {
      if (!isConflict(error) || attempt === attempts) throw error;
    }
  }
}

/** Throws when no existing containers are moved by it: a patch would begin to move them. */
export function requireRollout({ metadata, spec }: ImageDistribution) {
  const rollout = spec.activate.existingContainers;
  if (rollout) return rollout;
  throw new CommandError(
    `ImageDistribution ${metadata.name} moves no existing containers: spec.activate.existingContainers is not set`,
  );
}
