import type { WantedImage } from '../../api/nodestore.ts';
import { removeImage } from '../removal/removal.ts';
import { toFetchError } from '../../image/failure.ts';
import { fetchImage } from '../fetch/fetch.ts';
import { entryPath, storePaths } from '../store/paths.ts';
import type { ImageName } from '../../api/images.ts';
import { prepareStore } from '../store/remove.ts';

/** What an agent does in one life, from its start on. */
export interface Life {
  root: string;
  fetch?: WantedImage;
  /** No Pod uses it. */
  remove?: ImageName;
  /** A Pod begins to use it while it is being removed. */
  removeUsed?: ImageName;
}

/** Lives it, with the agent's own code. Gives the reason of a fetch that failed, or `Stored`. */
export async function live({ root, fetch, remove, removeUsed }: Life): Promise<string> {
  const paths = storePaths(root);
  let id = 0;
  const common = { paths, now: () => new Date(), uniqueId: () => `id${++id}` };
  await prepareStore(paths);
  let outcome = 'Stored';
  if (fetch) {
    const registries = { mirrorsFile: '/nonexistent', warn: () => undefined };
    const readSecret = () => Promise.resolve(undefined);
    const signatures = { cosign: 'cosign', policyFile: '/nonexistent/policy.yaml' };
    const ports = { ...common, architecture: 'amd64' as const, registries, signatures, readSecret };
    await fetchImage(fetch, ports, new AbortController().signal).catch((error: unknown) => {
      outcome = toFetchError(error).reason;
    });
  }
  if (remove) await removeImage(remove, { ...common, listPods: () => Promise.resolve([]) });
  if (removeUsed) {
    const path = `${entryPath(paths, removeUsed)}/root/usr`;
    const pod = { metadata: { namespace: 'a', name: 'late' }, spec: { volumes: [{ hostPath: { path } }] } };
    let asked = 0;
    await removeImage(removeUsed, { ...common, listPods: () => Promise.resolve(asked++ === 0 ? [] : [pod]) });
  }
  return outcome;
}

/** As a program: the life is the first argument, what came of it is written to the standard output. */
if (process.argv[2] !== undefined && import.meta.filename === process.argv[1]) {
  process.stdout.write(await live(JSON.parse(process.argv[2]) as Life));
}
