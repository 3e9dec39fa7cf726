import type { ImageDistribution } from '../../api/imagedistribution.ts';
import type { Client } from '../../kube/client.ts';
import { imageDistributions } from '../../kube/kinds.ts';
import { followObject } from '../follow.ts';
import { unknownDistribution } from './change.ts';

/** The distribution, asked for as `follow` does: whoever may not do that is reported now. Throws an error for users when there is none. */
export async function readToFollow(client: Client, name: string): Promise<ImageDistribution> {
  const [distribution] = await client.list(imageDistributions, { fieldSelector: `metadata.name=${name}` });
  return distribution ?? unknownDistribution(name);
}

/** A distribution as it is now, and again every second and at each change until the signal aborts; undefined once it is deleted. */
export const follow = (client: Client, name: string, signal: AbortSignal) =>
  followObject(client, imageDistributions, { name }, signal);
