import { z } from 'zod';
import { build } from './build.ts';
import { digest, osName, osVersion } from './meta.ts';
import { defaults } from './osimage.ts';

/**
 * What the operator tells the Jobs that build and publish an image, and what they answer. The recipe is a file, the Secrets are
 * directories that the kubelet mounts (none where the recipe names none), the answer is the termination message.
 */

export const recipe = z.object({
  os: osName,
  version: osVersion,
  architecture: z.enum(['amd64', 'arm64']),
  mountScript: z.string().max(65536).optional(),
  defaults: defaults.optional(),
  build,
});
export type Recipe = z.output<typeof recipe>;

/** File in the ConfigMap of the Job, and where it is mounted. */
export const recipeFile = 'recipe.json';
export const recipeDirectory = '/recipe';

/** Below it each Secret of the recipe has a directory of this name, with its keys as files. */
export const secretsDirectory = '/secrets';
export const secretNames = {
  /** `build.pushSecretRef`: login of the repository. */
  push: 'push',
  /** `build.caRef`: authorities of the repository. */
  ca: 'ca',
  /** `build.signKeyRef`: `cosign.key` and `cosign.password`. */
  sign: 'sign',
  /** `secretRef` or `pullSecretRef` of the base. */
  base: 'base',
  /** `caRef` of the base. */
  baseCA: 'base-ca',
  /** `build.from.debootstrap.keyringRef`: `keyring.gpg`. */
  keyring: 'keyring',
} as const;

/** Scratch space: the tree, and the layer made of it. */
export const workDirectory = '/work';
export const answerFile = '/dev/termination-log';

/**
 * Capabilities of a build, of those that an unprivileged container may have, with no others in its bounding set: docs/operations.md
 * says what each is for. To publish takes none.
 */
export const buildCapabilities = [
  'CHOWN',
  'DAC_OVERRIDE',
  'FOWNER',
  'FSETID',
  'MKNOD',
  'SETFCAP',
  'SETGID',
  'SETPCAP',
  'SETUID',
  'SYS_CHROOT',
] as const;

/**
 * Programs of the tree run in a container of their own, the root of which is the tree: it has a /proc, and of the build neither Secrets
 * nor processes. Both containers have this directory, which only the builder can write to.
 */
export const sandboxDirectory = '/sandbox';
/** The same in the container of the programs. */
export const sandboxMountPath = '/.monoroot/sandbox';

/** Capabilities of the programs of the tree: those of a build without the ones that change a root; and KILL, to end what they leave. */
export const sandboxCapabilities = [
  'CHOWN',
  'DAC_OVERRIDE',
  'FOWNER',
  'FSETID',
  'KILL',
  'MKNOD',
  'SETFCAP',
  'SETGID',
  'SETUID',
] as const;

/**
 * What that container runs, by the busybox of its image, as its first process: the shell scripts that come through the pipe
 * `request`, one after the other.
 */
export const sandboxScript = `
trap 'exit 0' TERM
until [ -p ${sandboxMountPath}/request ]; do sleep 0.1; done
while :; do
  cat ${sandboxMountPath}/request >/.monoroot/request &
  wait $!
  . /.monoroot/request
done
`.trim();

/** What went wrong, and what to do; at most as much as a termination message holds (4096 bytes). */
const failure = z.object({ reason: z.string().min(1).max(128), message: z.string().max(3500) });

export const buildAnswer = z.union([
  z.object({
    digest: digest.describe('Of the manifest that was pushed to testing/.'),
    bundleBytes: z.int().min(0).describe('Of its layer.'),
    packages: z.int().min(0).describe('How many packages the SBOM names.'),
    sbomDigest: digest.optional().describe('Of the manifest of the SBOM, which refers to that of the image.'),
  }),
  failure,
]);
export type BuildAnswer = z.output<typeof buildAnswer>;

export const publishAnswer = z.union([
  z.object({ reference: z.string().max(512).describe('In production/, without digest.'), signed: z.boolean() }),
  failure,
]);
export type PublishAnswer = z.output<typeof publishAnswer>;
