import { monitorEventLoopDelay } from 'node:perf_hooks';
import type { WantedImage } from '../../api/nodestore.ts';
import { deleteTrashed, moveToTrash, prepareStore } from '../store/remove.ts';
import { readUsedBytes } from '../store/usage.ts';
import { toFetchError } from '../../image/failure.ts';
import { fetchImage } from '../fetch/fetch.ts';
import { entryPath, storePaths } from '../store/paths.ts';
import { withScratch } from '../store/scratch.ts';
import { verifyEntry } from '../store/verify.ts';

/** What an agent goes through with some images: it stores, counts, verifies and removes them. */
export interface LimitsLife {
  root: string;
  images: WantedImage[];
  /** Each time all images are looked at, or read as a whole. */
  verifications: ('look at' | 'read')[];
}

/** What a step took of the process. */
export interface LimitsStep {
  step: string;
  /** What came of it: a reason of a fetch that failed, what a verification found, or what is shared. */
  outcome: string;
  seconds: number;
  /** The longest delay of the event loop; milliseconds. */
  longest: number;
  /** Of all delays from the beginning to the end of the step; milliseconds. */
  p999: number;
}

/** Lives it, with the agent's own code; `tell` is told each step. */
export async function live(
  { root, images, verifications }: LimitsLife,
  tell: (step: LimitsStep) => void,
): Promise<void> {
  const paths = storePaths(root);
  const { signal } = new AbortController();
  let id = 0;
  const uniqueId = () => `id${++id}`;
  const registries = { mirrorsFile: '/nonexistent', warn: () => undefined };
  const signatures = { cosign: 'cosign', policyFile: '/nonexistent/policy.yaml' };
  const readSecret = () => Promise.resolve(undefined);
  const common = { paths, now: () => new Date(), uniqueId, architecture: 'amd64' as const };
  const ports = { ...common, registries, signatures, readSecret };

  // Of a short step alone there are too few for it.
  const all = monitorEventLoopDelay({ resolution: 10 });
  all.enable();

  async function measured(step: string, work: () => Promise<string | undefined>): Promise<void> {
    const delays = monitorEventLoopDelay({ resolution: 10 });
    delays.enable();
    const began = performance.now();
    const outcome = (await work()) ?? 'unchanged';
    const seconds = (performance.now() - began) / 1000;
    delays.disable();
    const milliseconds = (nanoseconds: number) => Math.round(nanoseconds / 1e6);
    const p999 = milliseconds(all.percentile(99.9));
    tell({ step, outcome, seconds, longest: milliseconds(delays.max), p999 });
  }

  await prepareStore(paths);
  for (const image of images) {
    await measured(`store ${image.version}`, async () => {
      try {
        const { files, unpackedBytes, sharedBytes } = await fetchImage(image, ports, signal);
        return `${files} files, ${unpackedBytes} bytes, ${sharedBytes} shared`;
      } catch (error) {
        const { reason, message } = toFetchError(error);
        return `${reason}: ${message}`;
      }
    });
  }
  await measured('count', async () => `${await readUsedBytes(paths, signal)} bytes`);
  for (const what of verifications) {
    for (const image of images) {
      const verify = (scratch: string) => verifyEntry(entryPath(paths, image), what === 'read', scratch, signal);
      await measured(`${what} ${image.version}`, () => withScratch(paths, verify));
    }
  }
  for (const image of images) {
    await measured(`remove ${image.version}`, async () => {
      await deleteTrashed(paths, image, await moveToTrash(paths, image, uniqueId()));
      return 'removed';
    });
  }
}

/** As a program: the life is the first argument, a line of JSON is written for each step. */
if (process.argv[2] !== undefined && import.meta.filename === process.argv[1]) {
  await live(JSON.parse(process.argv[2]) as LimitsLife, (step) => process.stdout.write(`${JSON.stringify(step)}\n`));
}
