import { z } from 'zod';
import { digest, osName, osVersion } from './meta.ts';
import { imageObjectName } from './images.ts';
import { writablePath } from './kubernetes/podfields.ts';

/**
 * What the node plugin gives a container at each start, when the kubelet mounts nothing of the store (direct mounts). The
 * operator writes it into an annotation of the Pod; the kubelet hands that on as an environment variable of the container, so
 * it is the current one at each start, and the plugin empties it before the container runs.
 */

/** A path in a tree, with all links followed: no way up, and nothing that the options of an overlay would read otherwise. */
const treePath = z
  .string()
  .max(1024)
  .regex(/^\.?[A-Za-z0-9_-][A-Za-z0-9_.+@~-]*(\/\.?[A-Za-z0-9_-][A-Za-z0-9_.+@~-]*)*$/);
const topName = z
  .string()
  .max(255)
  .regex(/^\.?[A-Za-z0-9_-][A-Za-z0-9_.-]*$/);
const stored = { os: osName, version: osVersion, digest };
const text = z.string().max(131_072);

/** As many overlays as the scaffold has directories for. */
export const mostOverlays = 12;

export const mountPlan = z.strictObject({
  ...stored,
  /** Read-only directories and files on top of the tree. */
  directories: z.array(topName).max(128),
  files: z.array(topName).max(128),
  /** Links on top that lead to a directory or file of the tree: the same again, by another name. */
  links: z.array(z.strictObject({ name: topName, target: treePath })).max(128),
  /** Memory overlays, parents first. `from`: the directory of the tree below it, where that is another one. */
  writable: z
    .array(
      z.strictObject({
        path: writablePath,
        bytes: z
          .int()
          .min(1)
          .max(2 ** 40),
        from: treePath.optional(),
      }),
    )
    .max(mostOverlays),
  mountScript: z.boolean(),
  software: z
    .array(z.strictObject({ name: z.string().regex(/^[a-z0-9]([a-z0-9.-]{0,61}[a-z0-9])?$/), ...stored }))
    .max(64),
  /** Program and arguments of the image, for a container without its own. */
  command: z.array(text).max(512),
  args: z.array(text).max(512),
  /** Environment that depends on the image. */
  env: z.array(z.strictObject({ name: z.string().regex(/^[^=\0]{1,1024}$/), value: text })).max(512),
});
export type MountPlan = z.output<typeof mountPlan>;

/** The environment variable in which the kubelet hands the plan on. A container in which it says anything got no mounts. */
export const mountPlanVariable = 'MONOROOT_MOUNTS';

const pinned = /^(?<repository>[^@]+?)(?::[A-Za-z0-9_][A-Za-z0-9_.-]{0,127})?@(?<digest>sha256:[0-9a-f]{64})$/;

/**
 * The scaffold under a name that says which tree goes into it, as `<repository>:<os>.<version>-<12 digits>@sha256:…`: runtimes
 * that see tag and digest go by the digest, so any tag is the same image. Undefined for a scaffold that is not pinned by digest.
 */
export function treeReference(
  scaffold: string,
  tree: { os: string; version: string; digest: string },
): string | undefined {
  const { repository, digest: of } = pinned.exec(scaffold)?.groups ?? {};
  return repository === undefined || of === undefined ? undefined : `${repository}:${treeTag(tree)}@${of}`;
}

/** Both name the same image of the same repository: by the same words, or by one digest under any tags. */
export function sameImage(a: string, b: string): boolean {
  const [one, other] = [pinned.exec(a)?.groups, pinned.exec(b)?.groups];
  return a === b || (one !== undefined && one.repository === other?.repository && one.digest === other?.digest);
}

/** The tag of a reference made by {@link treeReference}; undefined for any other. */
export const tagOf = (reference: string): string | undefined =>
  /:([A-Za-z0-9_][A-Za-z0-9_.-]{0,127})@sha256:[0-9a-f]{64}$/.exec(reference)?.[1];

export const treeTag = (tree: { os: string; version: string; digest: string }): string =>
  `${imageObjectName(tree)}-${tree.digest.slice('sha256:'.length, 'sha256:'.length + 12)}`;
