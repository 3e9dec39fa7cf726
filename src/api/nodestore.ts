import { z } from 'zod';
import { conditions, digest, listMap, osName, osVersion, time, observedGeneration } from './meta.ts';
import type { KindDefinition, KindObject } from './meta.ts';
import { fetchSource, largestBytes, layout, literalDefaults } from './osimage.ts';

const identity = {
  os: osName.describe('Operating system.'),
  version: osVersion.describe('Version of it.'),
  digest: digest.describe('Digest of the archive, or of the manifest or index in the registry.'),
};

const desiredImage = z.object({
  ...identity,
  source: fetchSource.describe('Where the agent fetches it.'),
  mountScript: z.string().max(65536).optional().describe('Replaces the mount script of the bundle.'),
  timeoutSeconds: z.int().min(10).max(86400).default(900).describe('Longest time for one try.'),
  backoffLimit: z.int().min(0).max(100).default(5).describe('Tries after the first before it counts as failed.'),
  bytesPerSecond: z.int().min(1000).max(1e12).optional().describe('Most that is downloaded in a second.'),
  unpackedBytes: z
    .int()
    .min(0)
    .max(largestBytes)
    .optional()
    .describe('Bytes on disk, as at least two nodes that have it reported; only a hint.'),
  retained: z
    .boolean()
    .optional()
    .describe('An earlier version: kept where it is stored, never fetched, and the first to go when room is needed.'),
});

const stored = z.object({
  ...identity,
  state: z
    .enum(['Pending', 'Fetching', 'Ready', 'Failed', 'Deleting'])
    .describe('Ready: the whole verified tree is in the store; anything else: it must not be used.'),
  reason: z
    .string()
    .max(128)
    .regex(/^[A-Z][A-Za-z0-9]*$/)
    .optional()
    .describe('Why it is in this state, in one word.'),
  message: z.string().max(1024).optional().describe('Why, and what to do.'),
  attempts: z.int().min(0).max(1_000_000).optional().describe('Tries that failed since the last success or change.'),
  retryTime: time.optional().describe('When the agent tries again.'),
  downloadedBytes: z.int().min(0).max(largestBytes).optional().describe('Bytes that have come.'),
  totalBytes: z
    .int()
    .min(0)
    .max(largestBytes)
    .optional()
    .describe('Size of the archive or of all layers, where the server tells.'),
  unpackedBytes: z
    .int()
    .min(0)
    .max(largestBytes)
    .optional()
    .describe('Bytes that the tree takes on disk when it is alone.'),
  sharedBytes: z
    .int()
    .min(0)
    .max(largestBytes)
    .optional()
    .describe('Those of them that it had in common with other images when it was published; they take no more space.'),
  layout: layout.optional(),
  defaults: literalDefaults.optional().describe('Defaults of the bundle or the OCI image.'),
  hasMountScript: z.boolean().optional().describe('It has a mount script.'),
  readyTime: time.optional().describe('When it was published in the store.'),
});

/** As many as a NodeStore can hold, wanted or stored. */
export const mostImages = 256;

const spec = z.object({
  images: z
    .array(desiredImage)
    .max(mostImages)
    .default([])
    .meta({
      ...listMap('os', 'version'),
      description: 'Images that the node should store; others are collected when unused.',
    }),
});

const status = z.object({
  observedGeneration,
  conditions,
  images: z
    .array(stored)
    .max(mostImages)
    .optional()
    .meta({ ...listMap('os', 'version'), description: 'Images that are, or are becoming, part of the store.' }),
  counts: z
    .object({
      desired: z.int().min(0).describe('Images that it should hold.'),
      ready: z.int().min(0).describe('Images of those that are whole in the store.'),
      failed: z.int().min(0).describe('Images of those that could not be fetched.'),
    })
    .optional()
    .describe('How many images it should hold, and holds.'),
  store: z
    .object({
      usedBytes: z.int().min(0).describe('Of all images together; what they share counts once.'),
      freeBytes: z.int().min(0).describe('Free on the file system of the store, for anybody.'),
      capacityBytes: z.int().min(0).optional().describe('Of the whole file system.'),
    })
    .optional()
    .describe('The disk; refreshed when an image comes or goes, and when a twentieth of the disk was filled or freed.'),
  directMounts: z
    .boolean()
    .optional()
    .describe('true: the node plugin of this node answers, so that containers here can have direct mounts.'),
  directMountsTime: time
    .optional()
    .describe('Since when it answers, by the clock of the node: a container that was made before had no mounts.'),
});

export type NodeStoreSpec = z.output<typeof spec>;
export type NodeStoreStatus = z.output<typeof status>;
/** What the agent reports of the node plugin; empty when that does not answer. */
export type PluginStatus = Pick<NodeStoreStatus, 'directMounts' | 'directMountsTime'>;
export type DesiredImage = z.output<typeof desiredImage>;
export type StoredImage = z.output<typeof stored>;
export type NodeStore = KindObject<NodeStoreSpec, NodeStoreStatus>;

export const nodeStoreDefinition: KindDefinition = {
  kind: 'NodeStore',
  plural: 'nodestores',
  singular: 'nodestore',
  shortNames: ['nst'],
  scope: 'Cluster',
  description:
    'What the master store of one node should hold (written by the operator) and holds (written by its agent).',
  spec,
  status,
  rules: [],
  columns: [
    { name: 'Desired', type: 'integer', jsonPath: '.status.counts.desired', description: 'Images that it should hold' },
    {
      name: 'Stored',
      type: 'integer',
      jsonPath: '.status.counts.ready',
      description: 'Images of those that are whole in the store',
    },
    { name: 'Failed', type: 'integer', jsonPath: '.status.counts.failed', description: 'Of those, not to be had' },
    {
      name: 'Ready',
      type: 'string',
      jsonPath: '.status.conditions[?(@.type=="Ready")].status',
      description: 'The store holds what it should',
    },
    {
      name: 'Reason',
      type: 'string',
      jsonPath: '.status.conditions[?(@.type=="Ready")].reason',
      description: 'Why',
    },
    {
      name: 'Used',
      type: 'integer',
      jsonPath: '.status.store.usedBytes',
      description: 'Bytes in the store',
      priority: 1,
    },
    { name: 'Free', type: 'integer', jsonPath: '.status.store.freeBytes', description: 'Bytes free', priority: 1 },
    { name: 'Age', type: 'date', jsonPath: '.metadata.creationTimestamp', description: 'Age' },
  ],
};
