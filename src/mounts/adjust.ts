import { storeDirectory } from '../api/images.ts';
import { mostOverlays, mountPlan, mountPlanVariable, tagOf, treeTag } from '../api/mounts.ts';
import type { MountPlan } from '../api/mounts.ts';
import { labels, mountModes } from '../api/names.ts';
import type { Adjustment, Created } from './messages.ts';
import type { Found, Trees } from './tree.ts';

/** Where things are on the node, as the container runtime sees them. */
export interface NodePaths {
  /** Directory of the bundles of containerd's tasks in which one named after the container will be. */
  bundles: string;
}

type Mount = Adjustment['mounts'][number];

const launch = ['/.monoroot/busybox', 'sh', '/.monoroot/launch'];
const imageNameAnnotation = 'io.kubernetes.cri.image-name';
const mainContainer = 'main';
const readOnly = ['rbind', 'rprivate', 'rro'];
/** Empty in the scaffold too: nothing of them is worth a mount. */
const inScaffold: ReadonlySet<string> = new Set(['boot', 'home', 'media', 'mnt', 'opt', 'srv']);

/** Is the container one that gets its mounts from the plugin? */
export const isOurs = ({ pod, container }: Created): boolean =>
  pod.labels[labels.mounts] === mountModes.direct && container.name === mainContainer;

/**
 * What is added to the container: its tree, read-only; memory overlays over the image's own directories; the mount script, the
 * software, and the command and environment of the image. Undefined for a container that is not ours. Throws when anything of
 * it is not there: then the container is not made, and the kubelet tries again.
 */
export function adjust(seen: Created, trees: Trees, node: NodePaths): Adjustment | undefined {
  if (!isOurs(seen)) return undefined;
  const { container } = seen;
  // It becomes part of a path.
  if (!/^[A-Za-z0-9][A-Za-z0-9_.-]{0,254}$/.test(container.id)) throw new Error('The container has no usable id');
  const plan = planOf(container.env);
  const reference = container.annotations[imageNameAnnotation] ?? '';
  if (tagOf(reference) !== treeTag(plan))
    throw new Error(`The image of the container is ${reference}, and its mounts are those of ${treeTag(plan)}`);
  for (const tree of [plan, ...plan.software]) checkTree(tree, trees);
  const overlays = plan.writable.map((writable, index) => overlay(plan, writable, { index, trees, node, container }));
  return {
    mounts: [...shared(plan, trees), ...overlays.flatMap(({ mounts }) => mounts)],
    env: [
      ...plan.env.map(({ name, value }) => ({ key: name, value })),
      { key: 'MONOROOT_OVERLAYS', value: overlays.flatMap(({ owner }) => owner ?? []).join(' ') },
      // NRI 0.12 loses removals of what the container had before.
      { key: mountPlanVariable, value: '' },
    ],
    args: argumentsOf(plan, container.args),
  };
}

function planOf(env: readonly string[]): MountPlan {
  const prefix = `${mountPlanVariable}=`;
  const text = env.find((it) => it.startsWith(prefix))?.slice(prefix.length);
  if (text === undefined) throw new Error(`The container has no ${mountPlanVariable}`);
  const parsed = mountPlan.safeParse(parsedJson(text));
  if (parsed.success) return parsed.data;
  const [issue] = parsed.error.issues;
  throw new Error(`${mountPlanVariable} is no list of mounts: ${issue?.path.join('.') ?? ''}: ${issue?.message ?? ''}`);
}

function parsedJson(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}

function checkTree(tree: { os: string; version: string; digest: string }, trees: Trees): void {
  const name = `${tree.os}:${tree.version}`;
  const stored = trees.digestOf(tree);
  if (stored === undefined) throw new Error(`The store of this node has no ${name}`);
  if (stored !== tree.digest) throw new Error(`The store of this node has ${name} as ${stored}, not as ${tree.digest}`);
}

/** Everything of the store that containers share. */
function shared(plan: MountPlan, trees: Trees): Mount[] {
  const entry = storeDirectory(plan);
  const bind = (kind: Found['kind'], path: string, destination: string): Mount[] => {
    const found = trees.look(plan, path);
    if (found.kind !== kind) throw new Error(`/${path} of ${plan.os}:${plan.version} is no ${kind.toLowerCase()}`);
    const isNothing = found.empty && path === `root${destination}` && inScaffold.has(destination.slice(1));
    return isNothing ? [] : [{ source: `${entry}/${path}`, destination, type: 'bind', options: readOnly }];
  };
  const linked = ({ name, target }: MountPlan['links'][number]): Mount[] => {
    const { kind } = trees.look(plan, `root/${target}`);
    return bind(kind === 'File' ? 'File' : 'Directory', `root/${target}`, `/${name}`);
  };
  return [
    ...plan.directories.flatMap((name) => bind('Directory', `root/${name}`, `/${name}`)),
    ...plan.files.flatMap((name) => bind('File', `root/${name}`, `/${name}`)),
    ...plan.links.flatMap(linked),
    ...(plan.mountScript ? bind('File', 'mount.sh', '/.monoroot/mount.sh') : []),
    ...plan.software.map(({ name, ...tree }) => ({
      source: `${storeDirectory(tree)}/root`,
      destination: `/sw/${name}`,
      type: 'bind',
      options: readOnly,
    })),
  ];
}

interface Around {
  index: number;
  trees: Trees;
  node: NodePaths;
  container: Created['container'];
}

/**
 * A writable directory. The runtime sorts mounts by depth, then by name: the memory of an overlay is at /.rw-N, before
 * everything else on top, and the runtime copies the two empty directories of the scaffold there into it.
 */
function overlay(
  plan: MountPlan,
  { path, bytes, from }: MountPlan['writable'][number],
  { index, trees, node, container }: Around,
): { mounts: Mount[]; owner?: string } {
  const lower = `root/${from ?? path.slice(1)}`;
  const found = trees.look(plan, lower);
  const isTop = path === '/tmp' || path === '/var/tmp';
  if (found.kind !== 'Directory' || found.empty) {
    const { uid, gid, mode } = found.kind === 'Directory' ? found : { uid: 0, gid: 0, mode: 0o755 };
    const options = [...memory(bytes), `mode=${octal(isTop ? 0o1777 : mode)}`, `uid=${uid}`, `gid=${gid}`];
    return { mounts: [{ source: 'tmpfs', destination: path, type: 'tmpfs', options }] };
  }
  if (index >= mostOverlays) throw new Error(`The container has more than ${mostOverlays} writable directories`);
  const source = `${storeDirectory(plan)}/${lower}`;
  // A path of the image: the options of an overlay would read a colon or a comma as their own.
  if (!/^[A-Za-z0-9_.+@~/-]+$/.test(source)) throw new Error(`${source} cannot be below an overlay`);
  const memoryAt = `/.rw-${index}`;
  const upper = `${node.bundles}/${container.id}/rootfs${memoryAt}`;
  const isUsual = found.uid === 0 && found.gid === 0 && found.mode === 0o755;
  return {
    mounts: [
      { source: 'tmpfs', destination: memoryAt, type: 'tmpfs', options: [...memory(bytes), 'mode=0700', 'tmpcopyup'] },
      {
        source: 'overlay',
        destination: path,
        type: 'overlay',
        options: [`lowerdir=${source}`, `upperdir=${upper}/upper`, `workdir=${upper}/work`],
      },
    ],
    ...(!isUsual && { owner: `${path}=${found.uid}:${found.gid}:${octal(found.mode)}` }),
  };
}

const memory = (bytes: number): string[] => ['rw', 'nosuid', 'nodev', `size=${bytes}`];
const octal = (mode: number): string => mode.toString(8).padStart(4, '0');

/** The container's own arguments replace those of the image; its own command both. */
function argumentsOf({ command, args }: MountPlan, given: readonly string[]): string[] {
  if (launch.some((part, i) => given[i] !== part)) throw new Error('The container does not start with launch');
  const own = given.slice(launch.length);
  return [...launch, ...command, ...(own.length > 0 ? own : args)];
}
