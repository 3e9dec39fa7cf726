import type { ImageDistribution } from '../../api/imagedistribution.ts';
import type { Client } from '../../kube/client.ts';
import { imageDistributions } from '../../kube/kinds.ts';
import { CommandError } from '../command.ts';
import { silentScreen } from '../terminal.ts';
import { changeObject } from '../write/change.ts';

/** Throws an error for users when there is none. */
export async function getDistribution(client: Client, name: string): Promise<ImageDistribution> {
  return (await client.get(imageDistributions, { name })) ?? unknownDistribution(name);
}

/** Throws that there is no such distribution. */
export function unknownDistribution(name: string): never {
  throw new CommandError(`There is no ImageDistribution ${name}; kubectl get imgdist lists them`);
}

/** How a command writes: for real by default. */
export type Writing = Parameters<typeof changeObject>[4];
const really: Writing = { out: silentScreen, err: silentScreen, dryRun: undefined };

/**
 * Changes spec of a distribution as `decide` says of what it is now: a patch, or undefined to leave it alone. When somebody else
 * changes it meanwhile it is read and decided again, so that no field comes back that was just removed. Gives what it was.
 */
export async function changeSpec(
  client: Client,
  name: string,
  decide: (distribution: ImageDistribution) => object | undefined,
  writing: Writing = really,
): Promise<ImageDistribution> {
  const patchOf = (distribution: ImageDistribution) => {
    const spec = decide(distribution);
    return spec && { spec };
  };
  return (await changeObject(client, imageDistributions, { name }, patchOf, writing)).before;
}

/** Throws when no existing containers are moved by it: a patch would begin to move them. */
export function requireRollout({ metadata, spec }: ImageDistribution) {
  const rollout = spec.activate.existingContainers;
  if (rollout) return rollout;
  throw new CommandError(
    `ImageDistribution ${metadata.name} moves no existing containers: spec.activate.existingContainers is not set`,
  );
}
