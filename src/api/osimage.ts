import { z } from 'zod';
import { build } from './build.ts';
import { atomicList, cel, conditions, digest, listMap, osName, osVersion, time, observedGeneration } from './meta.ts';
import { interruption } from './interruption.ts';
import type { KindDefinition, KindObject } from './meta.ts';
import { imageEnv, imageFields, imageVolumes, literalEnv, writableList, writablePath } from './kubernetes/podfields.ts';
import { httpSource, ociSource } from './sources.ts';

/** Where a node fetches an image. */
export const fetchSource = z
  .object({ http: httpSource.optional(), oci: ociSource.optional() })
  .meta(cel({ rule: 'has(self.http) != has(self.oci)', message: 'exactly one source must be set: http or oci' }));
export type FetchSource = z.output<typeof fetchSource>;

const imageSource = z.object({ http: httpSource.optional(), oci: ociSource.optional(), build: build.optional() }).meta(
  cel({
    rule: '[has(self.http), has(self.oci), has(self.build)].filter(x, x).size() == 1',
    message: 'exactly one source must be set: http, oci or build',
  }),
);
export type ImageSource = z.output<typeof imageSource>;

const whatItRuns = 'What containers of this image run unless they say otherwise.';
/** In the words of who maintains the image. */
export const defaults = z.object({ ...imageFields, ...imageVolumes, env: imageEnv.optional() }).describe(whatItRuns);
export type Defaults = z.output<typeof defaults>;
/** The same from an untrusted party: an archive, the configuration of an OCI image, the base of a build, an agent. */
export const literalDefaults = z
  .object({ ...imageFields, ...imageVolumes, env: literalEnv.optional() })
  .describe(whatItRuns);
export type LiteralDefaults = z.output<typeof literalDefaults>;

/** 16 TiB: more than any image has. */
export const largestBytes = 2 ** 44;

/** A part of a hostPath and of a mountPath: no way up, and nothing that those cannot hold. */
const topName = z
  .string()
  .max(255)
  .regex(/^([A-Za-z0-9_-][A-Za-z0-9_.-]*|[.][A-Za-z0-9_-][A-Za-z0-9_.-]*|[.][.][A-Za-z0-9_.-]+)$/);

export const layout = z
  .object({
    kind: z
      .enum(['merged', 'split'])
      .describe('merged: /bin, /sbin and /lib are links into /usr of the same names; split: anything else.'),
    directories: z.array(topName).max(128).meta(atomicList).describe('Top-level directories.'),
    links: z
      .array(
        z.object({
          name: topName.describe('Name of the link.'),
          target: z
            .string()
            .max(1024)
            .regex(/^\.?[A-Za-z0-9_-][A-Za-z0-9_.+@~-]*(\/\.?[A-Za-z0-9_-][A-Za-z0-9_.+@~-]*)*$/)
            .describe('Path from the top of the image, with all links followed.'),
          type: z.enum(['Directory', 'File']).describe('What it leads to.'),
        }),
      )
      .max(128)
      .meta(listMap('name'))
      .optional()
      .describe('Top-level links that the scaffold does not have.'),
    volumes: z
      .array(writablePath)
      .max(16)
      .meta(atomicList)
      .optional()
      .describe('Volumes of the image that become memory overlays: they are directories outside of /usr.'),
    files: z.array(topName).max(128).meta(atomicList).optional().describe('Top-level files.'),
    ignored: z
      .array(z.string().max(255))
      .max(128)
      .meta(atomicList)
      .optional()
      .describe('Top-level entries that containers do not see: devices, links that lead nowhere, odd names.'),
    overlayBytes: z
      .record(z.string(), z.int().min(0).max(largestBytes))
      .optional()
      .describe('Memory that a copy of a top-level directory takes in an overlay, by directory.'),
  })
  .describe('Shape of the root, found when it was stored first.');
export type Layout = z.output<typeof layout>;

const spec = z
  .object({
    os: osName.describe('Name of the operating system, such as debian-12.'),
    version: osVersion.describe('Version of this image, such as v35.'),
    architecture: z
      .enum(['amd64', 'arm64'])
      .default('amd64')
      .describe('Processor of the image: only nodes with this kubernetes.io/arch store it.'),
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
    verification: z
      .object({
        command: z
          .array(z.string().min(1).max(4096))
          .min(1)
          .max(64)
          .meta(atomicList)
          .describe('Command of the test; it passes with exit code 0.'),
        timeoutSeconds: z.int().min(1).max(86400).default(300).describe('Longest time that the command may take.'),
        nodeSelector: z
          .record(z.string(), z.string().max(63))
          .optional()
          .describe('Labels of the nodes of which one tests it; any node when unset.'),
      })
      .optional()
      .describe('Run in a real container of this image on one node before the image may reach any other.'),
  })
  .meta(
    cel({ rule: 'self == oldSelf', message: 'an OSImage is one immutable version: create another version instead' }),
  );

const status = z.object({
  observedGeneration,
  conditions,
  digest: digest.optional().describe('Digest of the archive, or of the manifest or index in the registry.'),
  layout: layout.optional(),
  defaults: defaults
    .optional()
    .describe('Defaults in effect: those of spec, else those of the bundle or the OCI image.'),
  hasMountScript: z.boolean().optional().describe('A mount script is run: that of spec, else that of the bundle.'),
  factsFrom: z
    .object({
      node: z
        .string()
        .max(253)
        .optional()
        .describe('Node that verified it first; unset when an earlier version wrote it.'),
      digest: digest.describe('Bytes that the facts are about.'),
      time: time.optional().describe('When they were written down.'),
    })
    .optional()
    .describe('Whose report layout, defaults and hasMountScript are. They are not changed again for this digest.'),
  defaultVersion: z.boolean().optional().describe('This is the default version of its operating system.'),
  nodes: z
    .object({
      ready: z.int().min(0).describe('Nodes that have the whole image.'),
      desired: z.int().min(0).describe('Nodes that should have it.'),
    })
    .optional()
    .describe('How many nodes have it, and should.'),
  retryToken: z.string().max(253).optional().describe('Value of the annotation monoroot.dev/retry that was acted on.'),
  build: z
    .object({
      job: z.string().max(63).describe('Job in the namespace of the operator that builds it.'),
      startTime: time.describe('When the Job was made.'),
      completionTime: time.optional().describe('When the Job ended.'),
      digest: digest.optional().describe('Digest of the manifest that was pushed.'),
      bundleBytes: z.int().min(0).optional().describe('Size of the bundle.'),
      packages: z.int().min(0).optional().describe('How many packages the list names.'),
      sbomDigest: digest.optional().describe('Digest of the manifest of the package list (SPDX), beside the image.'),
      reason: z.string().max(128).optional().describe('Why it failed.'),
      message: z.string().max(4096).optional().describe('What failed, with the last lines of the log.'),
      interruption: interruption.optional().describe('Jobs that somebody deleted before they could answer.'),
    })
    .optional()
    .describe('The build in the cluster.'),
  verification: z
    .object({
      node: z.string().max(253).describe('Node that tests it.'),
      pod: z.string().max(253).optional().describe('Pod in the namespace monoroot-verification that runs the command.'),
      startTime: time.optional().describe('When the command was started there.'),
      completionTime: time.optional().describe('When the command ended.'),
      outcome: z.enum(['Passed', 'Failed']).optional().describe('Unset while it is tested.'),
      reason: z.string().max(128).optional().describe('Why it failed.'),
      message: z.string().max(4096).optional().describe('Why it failed, with the last lines of its output.'),
      interruption: interruption.optional(),
    })
    .optional()
    .describe('The test before it may reach other nodes.'),
  publication: z
    .object({
      job: z.string().max(63).describe('Job in the namespace of the operator that publishes it.'),
      startTime: time.describe('When the Job was made.'),
      completionTime: time.optional().describe('When the Job ended.'),
      reference: z.string().max(512).optional().describe('Where it was published.'),
      signed: z.boolean().optional().describe('It was signed there.'),
      reason: z.string().max(128).optional().describe('Why it failed.'),
      message: z.string().max(4096).optional().describe('What failed, with the last lines of the log.'),
      interruption: interruption.optional().describe('Jobs that somebody deleted before they could answer.'),
    })
    .optional()
    .describe('The copy to the production repository, by digest.'),
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
    {
      name: 'Condemned',
      type: 'string',
      jsonPath: '.status.conditions[?(@.type=="Condemned")].status',
      description: 'True: only containers that have run it well may start on it',
    },
    { name: 'Default', type: 'string', jsonPath: '.status.defaultVersion', description: 'Default version of its OS' },
    { name: 'Nodes', type: 'integer', jsonPath: '.status.nodes.ready', description: 'Nodes that have it' },
    { name: 'Desired', type: 'integer', jsonPath: '.status.nodes.desired', description: 'Nodes that should have it' },
    { name: 'Layout', type: 'string', jsonPath: '.status.layout.kind', description: 'Layout', priority: 1 },
    { name: 'Digest', type: 'string', jsonPath: '.status.digest', description: 'Digest of the bytes', priority: 1 },
    { name: 'Age', type: 'date', jsonPath: '.metadata.creationTimestamp', description: 'Age' },
  ],
};
