import { z } from 'zod';
import { digest, fixedImage } from './meta.ts';

/**
 * What /opt/monoroot/inspect.js in the image of the agent tells `kubectl monoroot` about one stored image: lines of JSON, all
 * together compressed with gzip. A head, then packages, then files in the order of the manifest, then an end, without which
 * some of it was lost.
 */
const head = z.object({
  kind: z.literal('image'),
  image: fixedImage,
  digest,
  /** Files have digests of what is in them; for the first minutes after publishing they have none. */
  contents: z.boolean(),
  /** Directories where package managers keep their records: they differ whenever a package does. */
  records: z.array(z.string()),
  /** What could not be read, in sentences. */
  notes: z.array(z.string()),
});
export type InspectionHead = z.output<typeof head>;

const packageLine = z.object({
  kind: z.literal('package'),
  name: z.string(),
  version: z.string(),
  architecture: z.string(),
});
export type InspectedPackage = z.output<typeof packageLine>;

const fileLine = z.object({
  kind: z.literal('file'),
  /** In the root, such as `/etc/passwd`; without a slash in front it is beside the root, such as `mount.sh`. */
  path: z.string(),
  type: z.enum(['file', 'dir', 'link', 'char', 'block', 'fifo', 'socket']),
  mode: z.string(),
  uid: z.int(),
  gid: z.int(),
  size: z.int().optional(),
  target: z.string().optional(),
  device: z.string().optional(),
  sha256: z.string().optional(),
  /** Seconds since 1970. */
  time: z.string(),
  /** Extended attributes, ACLs and file capabilities, as `name=0x…`. */
  attributes: z.array(z.string()).optional(),
  /** Name of the package that it belongs to. */
  package: z.string().optional(),
});
export type InspectedFile = z.output<typeof fileLine>;

const end = z.object({ kind: z.literal('end') });

export const inspectionLine = z.discriminatedUnion('kind', [head, packageLine, fileLine, end]);
export type InspectionLine = z.output<typeof inspectionLine>;

export interface InstalledPackage {
  name: string;
  version: string;
  architecture: string;
}
