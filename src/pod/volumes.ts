import { createHash } from 'node:crypto';
import type { HostedContainer } from '../api/hostedcontainer.ts';
import type { Writable } from '../api/podfields.ts';
import { claimNameOf } from './claim.ts';
import { storeDirectory } from './image.ts';
import type { UsableImage } from './image.ts';
import type { Volume, VolumeMount } from './types.ts';

/** Where the image's own content of the writable paths is mounted, for `launch` to copy from. */
export const defaultsRoot = '/.monoroot/defaults';
export const mountScriptPath = '/.monoroot/mount.sh';

/** Top-level directories that the runtime, an overlay or the customer's data stands on, whatever the image has there. */
const notFromImage = new Set(['dev', 'proc', 'sys', 'run', 'tmp', 'etc', 'var', 'data', 'sw']);
/** Writable in every container: what an image or a container says of them only changes their size. */
const always: readonly Writable[] = [
  { path: '/etc', size: '16Mi' },
  { path: '/var', size: '64Mi' },
  { path: '/tmp', size: '64Mi' },
  { path: '/run', size: '16Mi' },
];

/** The memory overlays: those of every container, of the image and of the container, the latter wins; parents before children. */
export function effectiveWritable(container: HostedContainer, image: UsableImage): Writable[] {
  const byPath = new Map<string, Writable>();
  for (const w of [...always, ...image.writable, ...(container.spec.writable ?? [])]) byPath.set(w.path, w);
  return [...byPath.values()].sort((a, b) => (a.path < b.path ? -1 : 1));
}

interface Mounted {
  volumes: Volume[];
  mounts: VolumeMount[];
}

/** Every volume of the Pod with its mount. */
export function volumesOf(container: HostedContainer, image: UsableImage): Mounted {
  const writable = effectiveWritable(container, image);
  const root = `${storeDirectory(image)}/root`;
  // A type of Directory makes the Pod wait, rather than start on nothing, where a directory is missing. recursiveReadOnly
  // because a plain readOnly leaves mounts below it writable.
  const shared = (directory: string) => ({ path: `${root}/${directory}`, type: 'Directory' });
  const readOnly = { readOnly: true, recursiveReadOnly: 'Enabled' };

  const out: Mounted = { volumes: [], mounts: [] };
  const add = (volume: Volume, mount: Omit<VolumeMount, 'name'>) => {
    out.volumes.push(volume);
    out.mounts.push({ name: volume.name, ...mount });
  };

  const overlaid = new Set(writable.map((w) => w.path));
  const fromImage = image.layout.directories.filter((d) => !notFromImage.has(d) && !overlaid.has(`/${d}`));
  for (const d of fromImage)
    add({ name: volumeName('os', d), hostPath: shared(d) }, { mountPath: `/${d}`, ...readOnly });

  const withDefaults = new Set(
    writable.map((w) => w.path.split('/')[1] ?? '').filter((d) => image.layout.directories.includes(d)),
  );
  for (const d of withDefaults)
    add({ name: volumeName('defaults', d), hostPath: shared(d) }, { mountPath: `${defaultsRoot}/${d}`, ...readOnly });

  for (const w of writable)
    add(
      { name: volumeName('overlay', w.path.slice(1)), emptyDir: { medium: 'Memory', sizeLimit: w.size } },
      { mountPath: w.path },
    );

  if (image.hasMountScript)
    add(
      { name: 'mount-script', hostPath: { path: `${storeDirectory(image)}/mount.sh`, type: 'File' } },
      { mountPath: mountScriptPath, ...readOnly },
    );

  for (const { name, ...stored } of image.software ?? [])
    add(
      { name: volumeName('sw', name), hostPath: { path: `${storeDirectory(stored)}/root`, type: 'Directory' } },
      { mountPath: `/sw/${name}`, ...readOnly },
    );
  for (const { name, image: reference } of container.spec.software ?? [])
    if (reference !== undefined)
      add(
        { name: volumeName('sw', name), image: { reference, pullPolicy: 'IfNotPresent' } },
        { mountPath: `/sw/${name}`, readOnly: true },
      );

  const data = container.spec.data;
  const claimName = claimNameOf(container);
  if (claimName !== undefined) add({ name: 'data', persistentVolumeClaim: { claimName } }, { mountPath: '/data' });
  if (data?.ephemeral) add({ name: 'data', emptyDir: { sizeLimit: data.ephemeral.size } }, { mountPath: '/data' });
  return out;
}

/**
 * A volume name that shows the path. Names must be DNS labels and paths need not be: what does not fit is written as a
 * hash, so that two paths do not share a name.
 */
function volumeName(prefix: string, path: string): string {
  const plain = /^[a-z0-9]+(\/[a-z0-9]+)*$/.test(path) && path.length <= 40;
  return `${prefix}-${plain ? path.replaceAll('/', '-') : `x${createHash('sha256').update(path).digest('hex').slice(0, 16)}`}`;
}
