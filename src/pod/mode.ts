import type { HostedContainer } from '../api/hostedcontainer.ts';
import { mountModes } from '../api/names.ts';

/** How a container gets the directories of its image. */
export type MountMode = 'HostPath' | 'Direct';

/** What the container asks for, else what was chosen for it. */
export const isDirect = ({ spec, status }: Pick<HostedContainer, 'spec' | 'status'>): boolean =>
  (spec.mounts ?? status?.mounts) === mountModes.direct;

/** The same container with these mounts. */
export const withMounts = (container: HostedContainer, mounts: MountMode): HostedContainer => ({
  ...container,
  spec: { ...container.spec, mounts },
});

/** The setting of the operator; throws when it is neither. */
export function readMountMode(name: string, value = 'HostPath'): MountMode {
  if (value === 'HostPath' || value === 'Direct') return value;
  throw new Error(`${name} is ${value}: set HostPath or Direct`);
}
