import type { HostedContainer } from '../api/hostedcontainer.ts';
import { imageName } from '../api/images.ts';
import { mostOverlays, mountPlanVariable, treeReference } from '../api/mounts.ts';
import type { MountPlan } from '../api/mounts.ts';
import { annotations } from '../api/names.ts';
import type { EnvVar } from '../api/kubernetes/objects.ts';
import { parseQuantity } from '../api/kubernetes/quantity.ts';
import { firstHit } from '../runtime/rules.ts';
import { linkMounts } from './links.ts';
import { isDirect } from './mode.ts';
import { notFromImage } from './paths.ts';
import type { UsableImage } from './usable-image.ts';
import { effectiveWritable } from './volumes.ts';

/** Direct mounts: what the node plugin learns of a container, instead of volumes of its Pod. */

type Rule = (container: HostedContainer, image: UsableImage, scaffold: string) => string | undefined;

const isPinned: Rule = (_container, image, scaffold) =>
  treeReference(scaffold, image) === undefined
    ? `the scaffold of the operator is ${scaffold}, which names no digest: set one with @sha256:…`
    : undefined;

/** NRI has no mapping of ids for a mount. */
const hasHostUsers: Rule = ({ spec }) =>
  spec.podTemplate?.hostUsers === false
    ? 'a container with a user namespace of its own (spec.podTemplate.hostUsers: false) cannot have them yet'
    : undefined;

const hasUsualLinks: Rule = (container, image) => {
  const odd = linkMounts(image.layout, effectiveWritable(container, image)).find(
    ({ kind }) => kind === 'Overlay' || kind === 'Links',
  );
  return odd && `/${odd.name} of ${imageName(image)} is a link that takes volumes of the Pod`;
};

const fewOverlays: Rule = (container, image) => {
  const { length } = effectiveWritable(container, image);
  return length > mostOverlays
    ? `it has ${length} writable directories, and a container with direct mounts ${mostOverlays} at most`
    : undefined;
};

const rules: readonly Rule[] = [isPinned, hasHostUsers, hasUsualLinks, fewOverlays];

/** Why a container cannot have direct mounts, as part of a sentence; undefined when it can. */
export const problemOfDirect = (container: HostedContainer, image: UsableImage, scaffold: string): string | undefined =>
  firstHit(rules, container, image, scaffold);

/** The same of a container that has them; undefined also when it has none. */
export function whyNotDirect(container: HostedContainer, image: UsableImage, scaffold: string): string | undefined {
  const why = isDirect(container) ? problemOfDirect(container, image, scaffold) : undefined;
  return why && `Its mounts are Direct, but ${why}. Or set spec.mounts to HostPath`;
}

/** They are of the container and not of its image: other variables of the Pod and its arguments may refer to them. */
const ofContainer: ReadonlySet<string> = new Set(['MONOROOT_NAME', 'MONOROOT_NAMESPACE', 'MONOROOT_ENVIRONMENT', 'TZ']);

/** The environment of the container in two: what the Pod says, and what the plugin adds. A value from elsewhere stays in the Pod. */
export function splitEnvironment(
  { spec }: HostedContainer,
  environment: readonly EnvVar[],
): { ofPod: EnvVar[]; ofPlan: MountPlan['env'] } {
  const own = new Set((spec.env ?? []).map(({ name }) => name));
  const stays = (it: EnvVar) => ofContainer.has(it.name) || own.has(it.name) || it.value === undefined;
  return {
    ofPod: [
      ...environment.filter(stays),
      {
        name: mountPlanVariable,
        valueFrom: { fieldRef: { fieldPath: `metadata.annotations['${annotations.mounts}']` } },
      },
    ],
    ofPlan: environment.filter((it) => !stays(it)).map(({ name, value = '' }) => ({ name, value })),
  };
}

/** What the node plugin mounts, and what it adds to command and environment. */
export function mountPlanOf(container: HostedContainer, image: UsableImage, env: MountPlan['env']): MountPlan {
  const { os, version, digest, layout, defaults } = image;
  const writable = effectiveWritable(container, image);
  const isShared = (name: string) => !notFromImage.has(name) && !writable.some((w) => w.path === `/${name}`);
  const links = linkMounts(layout, writable);
  const { command, args, services } = container.spec;
  const ownCommand = services || Boolean(command?.length);
  return {
    os,
    version,
    digest,
    directories: layout.directories.filter(isShared),
    files: (layout.files ?? []).filter(isShared),
    links: links.flatMap((it) =>
      it.kind === 'Directory' || it.kind === 'File' ? [{ name: it.name, target: it.target }] : [],
    ),
    writable: writable.map(({ path, size }) => {
      const from = links.find((it) => it.kind === 'Defaults' && `/${it.name}` === path);
      const target = layout.links?.find(({ name }) => name === from?.name)?.target;
      return { path, bytes: Math.ceil(parseQuantity(size) ?? 0), ...(target !== undefined && { from: target }) };
    }),
    mountScript: image.hasMountScript,
    software: [...(image.software ?? [])],
    command: ownCommand ? [] : (defaults.command ?? []),
    args: ownCommand || args?.length ? [] : (defaults.args ?? []),
    env: [...env, { name: 'MONOROOT_DIRECT', value: 'true' }],
  };
}
