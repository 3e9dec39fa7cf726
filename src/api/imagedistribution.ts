import { z } from 'zod';
import { atomicList, cel, conditions, askedImage, fixedImage, quantity, time, observedGeneration } from './meta.ts';
import type { KindDefinition, KindObject } from './meta.ts';
import { intOrString, labelSelector, tolerations } from './kubernetes/podfields.ts';
import { containerCounts, existingContainers, rolloutStatus } from './rollout.ts';

/** Earlier images that are remembered, and can be retained. */
export const previousImagesLimit = 10;

const spec = z.object({
  image: askedImage.describe('<os>:<version> that the nodes store.'),
  selector: labelSelector.optional().describe('Labels of the nodes that store it; all nodes when unset.'),
  nodeSelector: labelSelector
    .optional()
    .describe('Deprecated: the old name of selector. It is read for one release, and refused together with selector.'),
  tolerations: tolerations.optional().describe('Taints that do not keep a node from storing it.'),
  parallelism: intOrString
    .default(10)
    .meta(
      cel({
        rule: "type(self) == int ? self >= 0 : self.matches('^([0-9]|[1-9][0-9]|100)%$')",
        message: 'parallelism must be a number of nodes (0 pauses) or a percentage such as 25%',
      }),
    )
    .describe('Nodes fetching it at once, a number or a percentage of the selected nodes; 0 pauses.'),
  download: z
    .object({
      timeoutSeconds: z.int().min(10).max(86400).default(900).describe('Longest time for one try.'),
      backoffLimit: z
        .int()
        .min(0)
        .max(100)
        .default(5)
        .describe('Tries after the first that are made before a node counts as failed.'),
      bytesPerSecond: quantity
        .meta(
          cel({
            rule: "isQuantity(self) && quantity(self).compareTo(quantity('1k')) >= 0 && quantity(self).compareTo(quantity('1T')) <= 0",
            message: 'bytesPerSecond must be a quantity between 1k and 1T',
          }),
        )
        .optional()
        .describe(
          'Most that one node downloads of it in a second, 1k to 1T, such as 50M; as fast as possible when unset.',
        ),
    })
    .prefault({})
    .describe('How a node fetches it.'),
  activate: z
    .object({
      newContainers: z
        .boolean()
        .default(false)
        .describe('Make it the default version of its OS for new containers, once all selected nodes have it.'),
      existingContainers: existingContainers.optional(),
    })
    .prefault({})
    .meta({
      description: 'What the version becomes the default for.',
      ...cel({
        rule: '!has(self.existingContainers) || self.newContainers',
        message: 'existingContainers needs newContainers: true, as only a default version is rolled out',
      }),
    }),
  retainVersions: z
    .int()
    .min(0)
    .max(previousImagesLimit)
    .default(2)
    .describe('Earlier images of this distribution that a node keeps besides those in use, as long as it has room.'),
});

const status = z.object({
  observedGeneration,
  conditions,
  image: fixedImage
    .optional()
    .describe('Image that it distributes; the earlier one while the OSImage of spec.image does not exist.'),
  previousImages: z
    .array(fixedImage)
    .max(previousImagesLimit)
    .meta(atomicList)
    .optional()
    .describe('Images of the same operating system that it distributed before, newest first.'),
  activeImage: fixedImage
    .optional()
    .describe('Image that it makes the default version, unless another distribution of the OS has a higher version.'),
  previousActiveImage: fixedImage
    .optional()
    .describe('The active image before this one. It is the default version again when the active one is condemned.'),
  activationTime: time.optional().describe('When activeImage became active.'),
  nodes: z
    .object({
      desired: z.int().min(0).describe('Nodes that should have it.'),
      ready: z.int().min(0).describe('Nodes that have the whole image.'),
      active: z.int().min(0).describe('Nodes fetching it now.'),
      failed: z.int().min(0).describe('Nodes that could not get it.'),
      unreachable: z
        .int()
        .min(0)
        .optional()
        .describe('Nodes without it that are not ready, or whose agent is silent; they take no place of others.'),
    })
    .optional()
    .describe('How many nodes have it.'),
  progress: z
    .object({
      downloadedBytes: z.int().min(0).describe('Bytes that have come.'),
      totalBytes: z.int().min(0).optional().describe('Bytes that will come; unset while a server does not say.'),
      time: time.describe('When the nodes were asked; every ten seconds at most.'),
    })
    .optional()
    .describe('Sum over the nodes that are downloading it now.'),
  failedNodes: z
    .array(
      z.object({
        node: z.string().max(253).describe('Name of the node.'),
        reason: z.string().max(128).describe('Why, in one word.'),
        message: z.string().max(1024).describe('What failed, and what to do.'),
      }),
    )
    .max(20)
    .meta(atomicList)
    .optional()
    .describe('Nodes that could not get it, at most 20.'),
  containers: containerCounts.optional(),
  rollout: rolloutStatus.optional(),
});

export type ImageDistributionSpec = z.output<typeof spec>;
export type ImageDistributionStatus = z.output<typeof status>;
export type ImageDistribution = KindObject<ImageDistributionSpec, ImageDistributionStatus>;

const conditionColumn = (type: string, description: string) =>
  ({ name: type, type: 'string', jsonPath: `.status.conditions[?(@.type=="${type}")].status`, description }) as const;

export const imageDistributionDefinition: KindDefinition = {
  kind: 'ImageDistribution',
  plural: 'imagedistributions',
  singular: 'imagedistribution',
  shortNames: ['imgdist'],
  scope: 'Cluster',
  description: 'Where a version of an operating system is stored, and whether it is the default version.',
  spec,
  status,
  rules: [
    {
      rule: '!has(self.spec.selector) || !has(self.spec.nodeSelector)',
      message: 'spec.nodeSelector is the old name of spec.selector: set only spec.selector',
      fieldPath: '.spec.nodeSelector',
      reason: 'FieldValueForbidden',
    },
  ],
  columns: [
    { name: 'Image', type: 'string', jsonPath: '.spec.image', description: 'Image' },
    { name: 'Desired', type: 'integer', jsonPath: '.status.nodes.desired', description: 'Nodes that should have it' },
    {
      name: 'Ready-Nodes',
      type: 'integer',
      jsonPath: '.status.nodes.ready',
      description: 'Nodes that have the whole image',
    },
    { name: 'Active', type: 'integer', jsonPath: '.status.nodes.active', description: 'Nodes fetching it now' },
    { name: 'Failed', type: 'integer', jsonPath: '.status.nodes.failed', description: 'Nodes that could not get it' },
    {
      name: 'Unreachable',
      type: 'integer',
      jsonPath: '.status.nodes.unreachable',
      description: 'Nodes that do not answer',
      priority: 1,
    },
    conditionColumn('Distributed', 'All selected nodes have it'),
    conditionColumn('Activated', 'It is a default version'),
    conditionColumn('RolledOut', 'Existing containers run it'),
    {
      name: 'Updated',
      type: 'integer',
      jsonPath: '.status.containers.updated',
      description: 'Containers that a rollout has moved and that run it well',
    },
    conditionColumn('Ready', 'All that spec asks for is done'),
    { name: 'Reason', type: 'string', jsonPath: '.status.conditions[?(@.type=="Ready")].reason', description: 'Why' },
    {
      name: 'Message',
      type: 'string',
      jsonPath: '.status.conditions[?(@.type=="Ready")].message',
      description: 'Why, and what to do',
      priority: 1,
    },
    { name: 'Age', type: 'date', jsonPath: '.metadata.creationTimestamp', description: 'Age' },
  ],
};
