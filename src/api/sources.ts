import { z } from 'zod';
import { cel, digest, sourceSecretReference } from './meta.ts';

/** An archive on a web server. */
export const httpSource = z
  .object({
    url: z
      .string()
      .min(10)
      .max(2048)
      .regex(/^https?:\/\/[^\s/]+\/\S*$/)
      .describe('http(s) URL of the archive.'),
    sha256: z
      .string()
      .regex(/^[0-9a-f]{64}$/)
      .describe('SHA-256 of the archive as it is served, 64 lower-case hex digits.'),
    secretRef: sourceSecretReference
      .optional()
      .describe('Secret with `token` (bearer), or `username` and `password` (basic).'),
    caRef: sourceSecretReference
      .optional()
      .describe('Secret with `ca.crt`: the authorities that may sign the certificate of the server.'),
  })
  .describe(
    'An archive on a web server: tar, plain or compressed with gzip, zstd or xz; a bundle or a bare root file system.',
  );

export type HttpSource = z.output<typeof httpSource>;

const host = '[a-z0-9]([a-z0-9.-]*[a-z0-9])?';
const repository = '(/[a-z0-9]+((\\.|_|__|-+)[a-z0-9]+)*)+';
/** The first part counts as a registry when it has a dot or a port, as with all tools for images. */
const registryAndPath = `^(${host}:[0-9]{1,5}|[a-z0-9][a-z0-9-]*\\.${host}|localhost)${repository}`;
const ociReference = `${registryAndPath}(:[A-Za-z0-9_][A-Za-z0-9_.-]{0,127})?$`;

/** An image in a registry. */
export const ociSource = z
  .object({
    reference: z
      .string()
      .min(3)
      .max(512)
      .meta(
        cel({
          rule: `self.matches('${ociReference.replaceAll('\\', '\\\\')}')`,
          message:
            'reference must be <registry>/<repository>[:tag] without a digest, and the registry must have a dot or a port, such as registry.example.com/os/debian-12:v36',
        }),
      )
      .describe('Registry and repository of the image; a tag is for people, the digest decides.'),
    digest: digest.describe('Digest of the manifest of the image, or of its index.'),
    pullSecretRef: sourceSecretReference
      .optional()
      .describe('Secret with `.dockerconfigjson`, as for a Pod, or with `username` and `password`.'),
    caRef: sourceSecretReference
      .optional()
      .describe('Secret with `ca.crt`: the authorities that may sign the certificate of the registry.'),
    plainHTTP: z.boolean().optional().describe('The registry is asked without TLS.'),
  })
  .describe('An image of any number of layers in an OCI registry.');

export type OciSource = z.output<typeof ociSource>;

/** Registry and the beginning of repositories in it, without a tag. */
export const ociRepository = z
  .string()
  .min(3)
  .max(255)
  .meta(
    cel({
      rule: `self.matches('${registryAndPath.replaceAll('\\', '\\\\')}$')`,
      message:
        'repository must be <registry>/<path> without tag and digest, and the registry must have a dot or a port, such as registry.example.com/os',
    }),
  );
