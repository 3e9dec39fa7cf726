import { afterAll, beforeAll, expect, onTestFinished, test } from 'vitest';
import { imageLabelPrefix, runningLabelPrefix, storeRoot, systemNamespace } from '../../src/api/names.ts';
import { nodeStores } from '../../src/kube/kinds.ts';
import { nodes } from '../../src/kube/resources.ts';
import { serveFiles } from './lib/files.ts';
import { provide } from './lib/images.ts';
import { applyContainer, page, pods, remove, upToDate } from './lib/objects.ts';
import { hack, kubectl, namespace, until } from './lib/system.ts';

/** A kubelet that starts again looks at the required labels of the Pods on its node, and ends those that miss one. */

const image = 'tiny:restarted';
const label = `${imageLabelPrefix}tiny.restarted`;
const gone = 'e2e.monoroot.dev/gone';
const survivor = { name: 'survivor', namespace };
const victim = { name: 'victim', namespace };

beforeAll(async () => {
  await serveFiles();
  await provide(image);
});
afterAll(async () => {
  await kubectl.run(['-n', namespace, 'delete', 'pod', 'victim', '--ignore-not-found', '--wait=false']);
  await remove({ containers: ['survivor'], images: [image] });
});

const onNode = (node: string, ...command: string[]) => hack('cluster', 'node', 'exec', node, ...command);
const labelsOf = async (node: string) => (await kubectl.get(nodes, { name: node }))?.metadata.labels ?? {};
const runningLabels = async (node: string) =>
  Object.keys(await labelsOf(node)).filter((key) => key.startsWith(runningLabelPrefix));

/** A Pod of somebody else's that requires a label which its node then loses: it shows what such a kubelet does. */
async function startVictim(node: string, scaffold: string): Promise<void> {
  await kubectl.run(['label', 'node', node, `${gone}=no`]);
  onTestFinished(() => kubectl.run(['label', 'node', node, `${gone}-`]).then(() => undefined));
  await kubectl.apply([plainPod(victim.name, scaffold, node, gone)], 'e2e');
  await until(pods, victim, 'runs', ({ status }) => status?.phase === 'Running');
  await kubectl.run(['label', 'node', node, `${gone}-`]);
}

/** Changes a file of the stored tree, and lets an agent look: the image is no longer Ready there, and its label goes. */
async function spoil(node: string): Promise<void> {
  await onNode(node, 'sh', '-c', `echo changed >>${storeRoot}/tiny/restarted/root/etc/motd`);
  const labelSelector = 'app.kubernetes.io/component=agent';
  const agents = await kubectl.list(pods, { namespace: systemNamespace, labelSelector });
  const agent = agents.find(({ spec }) => spec.nodeName === node)?.metadata.name ?? '';
  await kubectl.run(['-n', systemNamespace, 'delete', 'pod', agent, '--wait=false']);
  await expect.poll(async () => (await labelsOf(node))[label], { timeout: 120_000 }).toBeUndefined();
}

async function restartKubelet(node: string): Promise<void> {
  const pid = (await onNode(node, 'pidof', 'kubelet')).trim();
  await onNode(node, 'kill', '-9', ...pid.split(' '));
}

test(
  'a container survives that the label of its image goes, and that its kubelet starts again',
  { timeout: 300_000 },
  async () => {
    await applyContainer(survivor.name, { image });
    const node = (await upToDate(survivor.name, image)).status?.nodeName ?? '';
    const before = await kubectl.get(pods, survivor);
    await startVictim(node, before?.spec.containers[0]?.image ?? '');
    await spoil(node);
    await restartKubelet(node);

    const ended = await until(pods, victim, 'is ended', ({ status }) => status?.phase === 'Failed', 120);
    expect(ended.status?.reason).toBe('NodeAffinity');
    const after = await kubectl.get(pods, survivor);
    expect(after).toMatchObject({ metadata: { uid: before?.metadata.uid }, status: { phase: 'Running' } });
    expect(after?.status?.containerStatuses?.[0]?.restartCount).toBe(0);
    expect(await page(survivor.name)).toContain(image);

    // Only this Pod is let stay. When it is gone the tree is fetched again, and no label is left behind.
    expect(await runningLabels(node)).toHaveLength(1);
    await remove({ containers: [survivor.name] });
    const isBack = ({ version, state }: { version: string; state: string }) =>
      version === 'restarted' && state === 'Ready';
    await until(nodeStores, { name: node }, 'has it again', ({ status }) => status?.images?.some(isBack) ?? false, 120);
    await expect.poll(() => runningLabels(node), { timeout: 20_000 }).toEqual([]);
  },
);

/** A Pod that requires a label of its node. */
const plainPod = (name: string, image: string, node: string, label: string) => ({
  apiVersion: 'v1',
  kind: 'Pod',
  metadata: { name, namespace },
  spec: {
    terminationGracePeriodSeconds: 1,
    affinity: {
      nodeAffinity: {
        requiredDuringSchedulingIgnoredDuringExecution: {
          nodeSelectorTerms: [
            {
              matchExpressions: [
                { key: 'kubernetes.io/hostname', operator: 'In', values: [node] },
                { key: label, operator: 'In', values: ['no'] },
              ],
            },
          ],
        },
      },
    },
    containers: [{ name: 'main', image, imagePullPolicy: 'Never', command: ['/.monoroot/busybox', 'sleep', '3600'] }],
  },
});
