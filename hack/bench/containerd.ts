import { inNode, timeInNode } from './node.ts';

/**
 * A namespace of a node's containerd for a bench alone: the kubelet neither sees nor removes what is in it. Bytes that another
 * namespace has would not be fetched again.
 */
const ctr = 'ctr --namespace monoroot-bench';

/** Pulls and unpacks an image over plain HTTP; milliseconds. */
export const pull = (node: string, reference: string): Promise<number> =>
  timeInNode(node, `${ctr} images pull --plain-http --local --snapshotter overlayfs "$1"`, reference);

/** Removes every image of the bench with its bytes and its unpacked layers; throws when anything is left. */
export async function removeAll(node: string): Promise<void> {
  const left = await inNode(
    node,
    `${ctr} images list --quiet | xargs --no-run-if-empty ${ctr} images remove --sync >/dev/null
     ${ctr} content prune references >/dev/null
     ${ctr} content list --quiet
     ${ctr} snapshots --snapshotter overlayfs list | tail --lines=+2
     ctr namespaces remove monoroot-bench >/dev/null 2>&1 || true`,
  );
  if (left.trim() !== '') throw new Error(`containerd of ${node} still has of the bench: ${left}`);
}

/** Throws when containerd has the bytes already, in any namespace: then a pull would not fetch them. */
export async function mustNotHave(node: string, digests: readonly string[]): Promise<void> {
  const all = await inNode(
    node,
    'for n in $(ctr namespaces list --quiet); do ctr --namespace "$n" content list --quiet; done',
  );
  const known = digests.filter((digest) => all.includes(digest));
  if (known.length > 0) throw new Error(`containerd of ${node} has ${known.join(', ')} already, from elsewhere`);
}

/** Brings an image to the kubelet's containerd, as a pull for a Pod would; over plain HTTP. */
export async function addImage(node: string, reference: string): Promise<void> {
  await inNode(node, 'ctr --namespace k8s.io images pull --plain-http --local "$1" >/dev/null', reference);
}

/** Removes the images with these digests, under every name that the kubelet's containerd has for them. */
export async function removeImages(node: string, digests: readonly string[]): Promise<void> {
  const script = `for digest; do
    ctr --namespace k8s.io images list --quiet "target.digest==$digest" | xargs --no-run-if-empty ctr --namespace k8s.io images remove --sync >/dev/null
  done`;
  await inNode(node, script, ...digests);
}
