import { z } from 'zod';
import { atomicList, cel, conditions, digest, osName, osVersion, secretReference } from './meta.ts';
import type { KindDefinition, KindObject } from './meta.ts';
import { commandFields, env, writableList } from './podfields.ts';

const http = z
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
    secretRef: secretReference
      .optional()
      .describe('Secret with `token` (bearer), or `username` and `password` (basic).'),
    caRef: secretReference
      .optional()
      .describe('Secret with `ca.crt`: the authorities that may sign the certificate of the server.'),
  })
  .describe(
    'An archive on a web server: tar, plain or compressed with gzip, zstd or xz; a bundle or a bare root file system.',
  );

export type HttpSource = z.output<typeof http>;

const host = '[a-z0-9]([a-z0-9.-]*[a-z0-9])?';
const repository = '(/[a-z0-9]+((\\.|_|__|-+)[a-z0-9]+)*)+';
/** The first part counts as a registry when it has a dot or a port, as with all tools for images. */
const ociReference = `^(${host}:[0-9]{1,5}|[a-z0-9][a-z0-9-]*\\.${host}|localhost)${repository}(:[A-Za-z0-9_][A-Za-z0-9_.-]{0,127})?$`;

const oci = z
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
    pullSecretRef: secretReference
      .optional()
      .describe('Secret with `.dockerconfigjson`, as for a Pod, or with `username` and `password`.'),
    caRef: secretReference
      .optional()
      .describe('Secret with `ca.crt`: the authorities that may sign the certificate of the registry.'),
    plainHTTP: z.boolean().optional().describe('The registry is asked without TLS.'),
  })
  .describe('An image of any number of layers in an OCI registry.');

export type OciSource = z.output<typeof oci>;

export const imageSource = z
  .object({ http: http.optional(), oci: oci.optional() })
  .meta(cel({ rule: 'has(self.http) != has(self.oci)', message: 'exactly one source must be set: http or oci' }));
export type ImageSource = z.output<typeof imageSource>;

export const defaults = z
  .object({ ...commandFields, env: env.optional() })
  .describe('What containers of this image run unless they say otherwise.');
export type Defaults = z.output<typeof defaults>;

export const layout = z
  .object({
    kind: z.enum(['merged', 'split']).describe('merged: /bin, /sbin and /lib are links into /usr; split: directories.'),
    directories: z.array(z.string().max(255)).max(128).meta(atomicList).describe('Top-level directories.'),
    ignored: z
      .array(z.string().max(255))
      .max(128)
      .meta(atomicList)
      .optional()
      .describe('Top-level entries that containers do not see: files and links that no scaffold has.'),
    overlayBytes: z
      .record(z.string(), z.int().min(0))
      .optional()
      .describe('Memory that a copy of a top-level directory takes in an overlay, by directory.'),
  })
  .describe('Shape of the root, found when it was stored first.');
export type Layout = z.output<typeof layout>;

const spec = z
  .object({
    os: osName.describe('Name of the operating system, such as debian-12.'),
    version: osVersion.describe('Version of this image, such as v35.'),
    architecture: z.enum(['amd64', 'arm64']).default('amd64').describe('Nodes are matched by kubernetes.io/arch.'),
    source: imageSource.describe('Where the bytes come from.'),
    mountScript: z
      .string()
      .max(65536)
      .optional()
      .describe('sh script run as root in each container before its command; replaces the one of the bundle.'),
    writable: writableList
      .default([
        { path: '/etc', size: '16Mi' },
        { path: '/var', size: '64Mi' },
        { path: '/tmp', size: '64Mi' },
      ])
      .describe(
        'Memory overlays, filled from the image at each container start. /etc, /var, /tmp and /run are always overlays.',
      ),
    defaults: defaults.optional(),
  })
  .meta(
    cel({ rule: 'self == oldSelf', message: 'an OSImage is one immutable version: create another version instead' }),
  );

const status = z.object({
  observedGeneration: z.int().min(0).optional(),
  conditions,
  digest: digest.optional().describe('Digest of the archive, or of the manifest or index in the registry.'),
  layout: layout.optional(),
  defaults: defaults
    .optional()
    .describe('Defaults in effect: those of spec, else those of the bundle or the OCI image.'),
  hasMountScript: z.boolean().optional().describe('A mount script is run: that of spec, else that of the bundle.'),
  defaultVersion: z.boolean().optional().describe('This is the default version of its operating system.'),
  nodes: z
    .object({ ready: z.int().min(0), desired: z.int().min(0) })
    .optional()
    .describe('Nodes that wholly have it, and nodes that shall.'),
});

export type OSImageSpec = z.output<typeof spec>;
export type OSImageStatus = z.output<typeof status>;
export type OSImage = KindObject<OSImageSpec, OSImageStatus>;

export const osImageDefinition: KindDefinition = {
  kind: 'OSImage',
  plural: 'osimages',
  singular: 'osimage',
  shortNames: ['osi'],
  scope: 'Cluster',
  description: 'One immutable version of an operating system that containers can share as their root.',
  spec,
  status,
  rules: [
    {
      rule: "self.metadata.name == self.spec.os + '.' + self.spec.version",
      message: 'metadata.name must be <spec.os>.<spec.version>',
    },
  ],
  columns: [
    { name: 'OS', type: 'string', jsonPath: '.spec.os', description: 'Operating system' },
    { name: 'Version', type: 'string', jsonPath: '.spec.version', description: 'Version' },
    {
      name: 'Ready',
      type: 'string',
      jsonPath: '.status.conditions[?(@.type=="Ready")].status',
      description: 'Containers may use it',
    },
    { name: 'Reason', type: 'string', jsonPath: '.status.conditions[?(@.type=="Ready")].reason', description: 'Why' },
    { name: 'Default', type: 'string', jsonPath: '.status.defaultVersion', description: 'Default version of its OS' },
    { name: 'Nodes', type: 'integer', jsonPath: '.status.nodes.ready', description: 'Nodes that have it' },
    { name: 'Desired', type: 'integer', jsonPath: '.status.nodes.desired', description: 'Nodes that shall have it' },
    { name: 'Layout', type: 'string', jsonPath: '.status.layout.kind', description: 'Layout', priority: 1 },
    { name: 'Digest', type: 'string', jsonPath: '.status.digest', description: 'Digest of the bytes', priority: 1 },
    { name: 'Age', type: 'date', jsonPath: '.metadata.creationTimestamp', description: 'Age' },
  ],
};
