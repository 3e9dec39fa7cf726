import { createHash } from 'node:crypto';
import type { HostedContainer } from '../api/hostedcontainer.ts';
import type { Writable } from '../api/kubernetes/podfields.ts';
import { claimNameOf } from './claim.ts';
import { storeDirectory } from '../api/images.ts';
import type { UsableImage } from './usable-image.ts';
import { linkMounts } from './links.ts';
import { isDirect } from './mode.ts';
import { defaultsRoot, linksRoot, mountScriptPath, notFromImage } from './paths.ts';
import type { Volume, VolumeMount } from '../api/kubernetes/objects.ts';

/** Writable in every container: what an image or a container says of them only changes their size. */
const always: readonly Writable[] = [
  { path: '/etc', size: '16Mi' },
  { path: '/var', size: '64Mi' },
  { path: '/tmp', size: '64Mi' },
  { path: '/run', size: '16Mi' },
];

/** Of a volume of an image, which says nothing of how much it takes. */
const volumeSize = '64Mi';
const isIn = (path: string, parents: readonly { path: string }[]) =>
  parents.some((it) => path === it.path || path.startsWith(`${it.path}/`));

/**
 * The memory overlays: those of every container, of the image, of the container, where the last wins; and the volumes of the image that
 * are in none of them. Parents come before children.
 */
export const effectiveWritable = (container: HostedContainer, image: UsableImage): Writable[] =>
  imageWritable(image, container.spec.writable);

/** The same of a container that asks for no more than `more`. */
export function imageWritable(
  image: Pick<UsableImage, 'writable' | 'layout'>,
  more: readonly Writable[] = [],
): Writable[] {
  const byPath = new Map<string, Writable>();
  for (const w of [...always, ...image.writable, ...more]) byPath.set(w.path, w);
  const asked = [...byPath.values()];
  for (const path of image.layout.volumes ?? [])
    if (!isIn(path, asked) && !isIn(path, ours)) byPath.set(path, { path, size: volumeSize });
  return [...byPath.values()].sort((a, b) => (a.path < b.path ? -1 : 1));
}

/** What is the customer's, the runtime's or ours, and /usr, which stays as the image has it. */
const ours = [...notFromImage, 'usr'].map((name) => ({ path: `/${name}` }));
/** Volumes of the image that its containers cannot write to; `launch` says so. */
export const unwritableVolumes = (
  { defaults }: Pick<UsableImage, 'defaults'>,
  writable: readonly Writable[],
): string[] =>
  (defaults.volumes ?? []).filter((path) => !isIn(path, writable) && !isIn(path, [{ path: '/sw' }, { path: '/dev' }]));

interface Mounted {
  volumes: Volume[];
  mounts: VolumeMount[];
}
/** One mount, with its volume unless another mount has that already. */
interface Entry {
  volume?: Volume;
  mount: VolumeMount;
}
type Part = (container: HostedContainer, image: UsableImage, writable: readonly Writable[]) => Entry[];

const entry = (volume: Volume, mount: Omit<VolumeMount, 'name'>): Entry => ({
  volume,
  mount: { name: volume.name, ...mount },
});
/** recursiveReadOnly because a plain readOnly leaves mounts below it writable. */
const readOnly = { readOnly: true, recursiveReadOnly: 'Enabled' };
const rootOf = (image: UsableImage) => `${storeDirectory(image)}/root`;
/** A type makes the Pod wait, rather than start on nothing, where something is missing. */
const inRoot = (image: UsableImage, path: string, type: 'Directory' | 'File') => ({
  path: `${rootOf(image)}/${path}`,
  type,
});

const directories: Part = (_, image, writable) =>
  image.layout.directories
    .filter((name) => !notFromImage.has(name) && !writable.some((w) => w.path === `/${name}`))
    .map((name) =>
      entry(
        { name: volumeName('os', name), hostPath: inRoot(image, name, 'Directory') },
        { mountPath: `/${name}`, ...readOnly },
      ),
    );

const files: Part = (_, image, writable) =>
  (image.layout.files ?? [])
    .filter((name) => !notFromImage.has(name) && !writable.some((w) => w.path === `/${name}`))
    .map((name) =>
      entry(
        { name: volumeName('file', name), hostPath: inRoot(image, name, 'File') },
        { mountPath: `/${name}`, ...readOnly },
      ),
    );

const defaults: Part = (_, image, writable) => {
  const tops = new Set(writable.map((w) => w.path.split('/')[1] ?? ''));
  return [...tops]
    .filter((name) => image.layout.directories.includes(name))
    .map((name) =>
      entry(
        { name: volumeName('defaults', name), hostPath: inRoot(image, name, 'Directory') },
        { mountPath: `${defaultsRoot}/${name}`, ...readOnly },
      ),
    );
};

const overlays: Part = (_container, _image, writable) =>
  writable.map(({ path, size }) =>
    entry({ name: overlayName(path), emptyDir: { medium: 'Memory', sizeLimit: size } }, { mountPath: path }),
  );

const links: Part = (_, image, writable) => {
  const entries = linkMounts(image.layout, writable).flatMap((link): Entry[] => {
    const mountPath = `/${link.name}`;
    switch (link.kind) {
      case 'Directory':
      case 'File': {
        const hostPath = inRoot(image, link.target, link.kind);
        return [entry({ name: volumeName('link', link.name), hostPath }, { mountPath, ...readOnly })];
      }
      case 'Overlay': {
        const { overlay, subPath } = link;
        return [{ mount: { name: overlayName(overlay), mountPath, ...(subPath !== undefined && { subPath }) } }];
      }
      case 'Links':
        return [{ mount: { name: 'links', mountPath, subPath: link.name, readOnly: true } }];
      case 'Defaults':
      case 'None':
        return [];
    }
  });
  const ofLinks = { name: 'links', emptyDir: { medium: 'Memory', sizeLimit: '5Mi' } };
  const needed = entries.some(({ mount }) => mount.name === ofLinks.name);
  return [...(needed ? [entry(ofLinks, { mountPath: linksRoot })] : []), ...entries];
};

const mountScript: Part = (_, image) => {
  const hostPath = { path: `${storeDirectory(image)}/mount.sh`, type: 'File' };
  return image.hasMountScript
    ? [entry({ name: 'mount-script', hostPath }, { mountPath: mountScriptPath, ...readOnly })]
    : [];
};

const storedSoftware: Part = (_, image) =>
  (image.software ?? []).map(({ name, ...stored }) =>
    entry(
      { name: volumeName('sw', name), hostPath: { path: `${storeDirectory(stored)}/root`, type: 'Directory' } },
      { mountPath: `/sw/${name}`, ...readOnly },
    ),
  );

const pulledSoftware: Part = ({ spec }) =>
  (spec.software ?? []).flatMap(({ name, image: reference }) =>
    reference === undefined
      ? []
      : [
          entry(
            { name: volumeName('sw', name), image: { reference, pullPolicy: 'IfNotPresent' } },
            { mountPath: `/sw/${name}`, readOnly: true },
          ),
        ],
  );

const data: Part = (container) => {
  const { ephemeral } = container.spec.data ?? {};
  const claimName = claimNameOf(container);
  if (claimName !== undefined)
    return [entry({ name: 'data', persistentVolumeClaim: { claimName } }, { mountPath: '/data' })];
  return ephemeral ? [entry({ name: 'data', emptyDir: { sizeLimit: ephemeral.size } }, { mountPath: '/data' })] : [];
};

const parts: readonly Part[] = [
  directories,
  files,
  defaults,
  overlays,
  links,
  mountScript,
  storedSoftware,
  pulledSoftware,
  data,
];

/** With direct mounts the node plugin mounts all that is of the store, and the memory. */
const partsOfPod: readonly Part[] = [pulledSoftware, data];

/** Every volume of the Pod with its mounts. */
export function volumesOf(container: HostedContainer, image: UsableImage): Mounted {
  const writable = effectiveWritable(container, image);
  const entries = (isDirect(container) ? partsOfPod : parts).flatMap((part) => part(container, image, writable));
  return {
    volumes: entries.flatMap(({ volume }) => (volume ? [volume] : [])),
    mounts: entries.map(({ mount }) => mount),
  };
}

const overlayName = (path: string) => volumeName('overlay', path.slice(1));

/**
 * A volume name that shows the path. Names must be DNS labels and paths need not be: what does not fit is written as a
 * hash, so that two paths do not share a name.
 */
function volumeName(prefix: string, path: string): string {
  const plain = /^[a-z0-9]+(\/[a-z0-9]+)*$/.test(path) && path.length <= 40;
  return `${prefix}-${plain ? path.replaceAll('/', '-') : `x${createHash('sha256').update(path).digest('hex').slice(0, 16)}`}`;
}
