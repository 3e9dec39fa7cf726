import { fieldManager, kubectl, namespace } from './system.ts';

/** Volumes of the tests, on the disk of a node; on a node of hack/cluster this directory survives a power cut. */
const directory = '/var/lib/kubelet/monoroot-e2e';
const size = { storage: '10Mi' };

/** What a claim asks for that gets the volume of this name. */
export const claimSpec = (name: string) => ({
  accessModes: ['ReadWriteOnce'],
  storageClassName: '',
  volumeName: `${namespace}-${name}`,
  resources: { requests: size },
});

/** Makes a volume that only one node can reach. */
export async function makeVolume(name: string, node: string): Promise<void> {
  const onNode = { key: 'kubernetes.io/hostname', operator: 'In', values: [node] };
  const volume = {
    apiVersion: 'v1',
    kind: 'PersistentVolume',
    metadata: { name: `${namespace}-${name}`, labels: { e2e: namespace } },
    spec: {
      capacity: size,
      accessModes: ['ReadWriteOnce'],
      storageClassName: '',
      persistentVolumeReclaimPolicy: 'Retain',
      hostPath: { path: `${directory}/${namespace}-${name}`, type: 'DirectoryOrCreate' },
      nodeAffinity: { required: { nodeSelectorTerms: [{ matchExpressions: [onNode] }] } },
    },
  };
  await kubectl.apply([volume], fieldManager);
}

/** Makes a claim, with a volume that only one node can reach. */
export async function makeClaim(name: string, node: string): Promise<void> {
  await makeVolume(name, node);
  const claim = {
    apiVersion: 'v1',
    kind: 'PersistentVolumeClaim',
    metadata: { name, namespace },
    spec: claimSpec(name),
  };
  await kubectl.apply([claim], fieldManager);
}

/** Removes the claims and volumes of these names; what is on the disks stays there. */
export async function removeVolumes(...names: string[]): Promise<void> {
  await kubectl.run(['-n', namespace, 'delete', 'pvc', '--ignore-not-found', '--timeout=60s', ...names]);
  await kubectl.run([
    'delete',
    'pv',
    '--ignore-not-found',
    '--timeout=60s',
    ...names.map((name) => `${namespace}-${name}`),
  ]);
}
