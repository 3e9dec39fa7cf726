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
