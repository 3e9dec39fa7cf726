import { z } from 'zod';
import { atomicList, cel, listMap, agentSecretReference, secretReference } from './meta.ts';
import { resources } from './kubernetes/podfields.ts';
import { httpSource, ociRepository, ociSource } from './sources.ts';

/** Recipe of an image. The same recipe and the same packages give the same digest. */

const debootstrap = z
  .object({
    suite: z
      .string()
      .max(63)
      .regex(/^[a-z][a-z0-9-]*$/)
      .describe('Release, such as bookworm or noble.'),
    mirror: z
      .string()
      .max(2048)
      .regex(/^https?:\/\/[^\s/]+\/?\S*$/)
      .describe('URL of the archive of packages.'),
    components: z
      .array(
        z
          .string()
          .max(63)
          .regex(/^[a-z][a-z0-9-]*$/),
      )
      .min(1)
      .max(16)
      .meta(atomicList)
      .default(['main'])
      .describe('Parts of the archive.'),
    keyringRef: secretReference
      .optional()
      .describe('Secret with `keyring.gpg`: keys that sign the archive; those of Debian when unset.'),
  })
  .describe('A small Debian or Ubuntu, made of packages.');

const packageNames = z
  .array(
    z
      .string()
      .max(253)
      .regex(/^[a-z0-9][a-z0-9+.-]*(:[a-z0-9]+)?(=[A-Za-z0-9.+:~-]+)?$/),
  )
  .max(1024)
  .meta(atomicList);

const file = z.object({
  path: z
    .string()
    .max(1024)
    .regex(/^(\/[A-Za-z0-9_@+.-]+)+$/)
    .meta(
      cel({
        rule: "!self.split('/').exists(p, p == '..' || p == '.')",
        message: 'path must not have . or .. in it',
      }),
    )
    .describe('Absolute path in the image.'),
  content: z.string().max(262144).describe('Whole content of the file.'),
  mode: z
    .string()
    .regex(/^[0-7]{4}$/)
    .default('0644')
    .describe('Four octal digits.'),
  owner: z
    .string()
    .max(65)
    .regex(/^[a-z0-9_][a-z0-9_.-]*:[a-z0-9_][a-z0-9_.-]*$/)
    .default('root:root')
    .describe('user:group, by name or number; names are those of the image.'),
});

export const build = z
  .object({
    from: z
      .object({ debootstrap: debootstrap.optional(), oci: ociSource.optional(), http: httpSource.optional() })
      .meta(
        cel({
          rule: '[has(self.debootstrap), has(self.oci), has(self.http)].filter(x, x).size() == 1',
          message: 'exactly one base must be set: debootstrap, oci or http',
        }),
      )
      .describe('Base of the build.'),
    packages: z
      .object({
        install: packageNames.optional().describe('Packages to add, name or name=version.'),
        remove: packageNames.optional().describe('Packages to purge.'),
      })
      .optional()
      .describe("Packages, by the image's own apt, dnf or apk."),
    files: z
      .array(file)
      .max(256)
      .meta({ ...listMap('path'), description: 'Files to write, after the packages.' })
      .optional(),
    run: z
      .array(z.string().min(1).max(32768))
      .max(64)
      .meta(atomicList)
      .optional()
      .describe('sh commands that run as root in the image, one after the other, after packages and files.'),
    sourceDateEpoch: z
      .int()
      .min(0)
      .max(4102444800)
      .default(1704067200)
      .describe('Seconds since 1970; no file of the image is newer, so that builds are reproducible.'),
    repository: ociRepository.describe(
      'Registry and path below which it is pushed: as testing/<os>:<version>, and when it has passed as production/<os>:<version>.',
    ),
    pushSecretRef: secretReference
      .optional()
      .describe('Secret with `.dockerconfigjson`, as for a Pod, or with `username` and `password`, to push with.'),
    pullSecretRef: agentSecretReference
      .optional()
      .describe(
        'Login that nodes pull the build with; when unset, the Secret in monoroot-sources that has the name in pushSecretRef.',
      ),
    caRef: secretReference
      .optional()
      .describe(
        'Secret with `ca.crt`: the authorities that may sign the certificate of the registry. Nodes need it in monoroot-sources, too.',
      ),
    plainHTTP: z.boolean().optional().describe('The registry is asked without TLS.'),
    signKeyRef: secretReference
      .optional()
      .describe(
        'Secret with `cosign.key` and `cosign.password`, as cosign makes it: what is published is signed with it.',
      ),
    timeoutSeconds: z.int().min(10).max(86400).default(3600).describe('Longest time that the build may take.'),
    resources: resources.optional().describe('Resources of the build, as in a Pod.'),
    nodeSelector: z.record(z.string(), z.string().max(63)).optional().describe('Labels of nodes that may build it.'),
  })
  .describe('Built in the cluster by a Job and pushed to a registry.');

export type Build = z.output<typeof build>;
export type DebootstrapBase = z.output<typeof debootstrap>;
