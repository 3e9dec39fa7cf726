import { expect, test } from 'vitest';
import { osImage, stored } from '../../../../test/fixtures/builders.ts';
import { labels } from '../../../api/names.ts';
import { containerName } from '../../../pod/pod.ts';
import { verificationPod } from './verification-pod.ts';
import type { VerificationPod } from './verification-pod.ts';

const verification = { command: ['/usr/bin/selftest', '--all'], timeoutSeconds: 60 };
const image = osImage('os:v1', { ready: false, spec: { verification } }) as VerificationPod['image'];
const layout = { kind: 'split' as const, directories: ['bin', 'etc', 'usr'] };
const podOf = (extra: object = {}, it = image, other: Partial<VerificationPod> = {}) =>
  verificationPod({
    image: it,
    stored: stored('os:v1', 'Ready', { layout, hasMountScript: true, ...extra }),
    node: 'n1',
    name: 'verify-os.v1-1',
    namespace: 'system',
    scaffolds: { merged: 'scaffold-merged', split: 'scaffold-split' },
    mounts: 'HostPath',
    ...other,
  });

test('it is the Pod of a hosted container: scaffold, launch, overlays, shared directories and mount script', () => {
  const pod = podOf();
  const [main] = pod?.spec.containers ?? [];
  expect(main).toMatchObject({
    name: containerName,
    image: 'scaffold-split',
    command: ['/.monoroot/busybox', 'sh', '/.monoroot/launch'],
    args: verification.command,
    terminationMessagePolicy: 'FallbackToLogsOnError',
    securityContext: { readOnlyRootFilesystem: true, allowPrivilegeEscalation: false, capabilities: { drop: ['ALL'] } },
  });
  const mounts = main?.volumeMounts?.map(({ mountPath, readOnly }) => `${mountPath}${readOnly ? ' ro' : ''}`);
  expect(mounts).toEqual(
    expect.arrayContaining(['/bin ro', '/usr ro', '/.monoroot/defaults/etc ro', '/etc', '/.monoroot/mount.sh ro']),
  );
  expect(pod?.spec.volumes?.filter(({ hostPath }) => hostPath).map(({ hostPath }) => hostPath?.path)).toEqual(
    expect.arrayContaining(['/var/lib/monoroot/store/os/v1/root/usr', '/var/lib/monoroot/store/os/v1/mount.sh']),
  );
});

test('it runs once, on this node only, which must say that it has these bytes, for a limited time', () => {
  const spec = podOf()?.spec;
  expect(spec).toMatchObject({
    restartPolicy: 'Never',
    activeDeadlineSeconds: 150,
    automountServiceAccountToken: false,
  });
  const [term, ...others] = (
    spec?.affinity as {
      nodeAffinity: { requiredDuringSchedulingIgnoredDuringExecution: { nodeSelectorTerms: object[] } };
    }
  ).nodeAffinity.requiredDuringSchedulingIgnoredDuringExecution.nodeSelectorTerms;
  expect(others).toEqual([]);
  expect(term).toEqual({
    matchFields: [{ key: 'metadata.name', operator: 'In', values: ['n1'] }],
    matchExpressions: [
      { key: 'image.monoroot.dev/os.v1', operator: 'In', values: [image.status?.digest?.slice(7, 19)] },
    ],
  });
});

test('it goes with its OSImage, and is the container of nobody', () => {
  const pod = podOf();
  expect(pod?.metadata).toMatchObject({
    name: 'verify-os.v1-1',
    namespace: 'system',
    labels: { [labels.step]: 'verify', [labels.image]: 'os.v1', [labels.managedBy]: 'monoroot' },
    ownerReferences: [{ kind: 'OSImage', name: 'os.v1', uid: 'uid-os:v1', controller: true }],
  });
  expect(pod?.metadata.labels).not.toHaveProperty(labels.hostedContainer);
});

test('the defaults of the image are its environment: those of spec, else those of the bundle', () => {
  const env = (value: string) => ({ env: [{ name: 'FROM', value }] });
  const from = (pod = podOf()) => pod?.spec.containers[0]?.env?.find(({ name }) => name === 'FROM')?.value;
  expect(from(podOf({ defaults: env('bundle') }))).toBe('bundle');
  const own = { ...image, spec: { ...image.spec, defaults: env('spec') } };
  expect(from(podOf({ defaults: env('bundle') }, own))).toBe('spec');
});

test('there is none while the store does not tell what the image looks like', () => {
  expect(podOf({ layout: undefined })).toBeUndefined();
});

test('it has direct mounts where containers will have them, and the others for an image that cannot', () => {
  const pinned = `scaffold@sha256:${'a'.repeat(64)}`;
  const direct = { mounts: 'Direct' as const, scaffolds: { merged: pinned, split: pinned } };
  const pod = podOf({}, image, direct);
  expect(pod?.spec.volumes).toEqual([]);
  expect(pod?.metadata.labels?.['monoroot.dev/mounts']).toBe('Direct');
  expect(pod?.metadata.annotations?.['monoroot.dev/mounts']).toContain('"version":"v1"');
  const odd = {
    layout: { ...layout, directories: ['bin', 'usr', 'srv'], links: [{ name: 'data2', target: 'var/x/y' }] },
  };
  for (const it of [podOf(odd, image, direct), podOf({}, image, { mounts: 'Direct' })])
    expect(it?.metadata.labels?.['monoroot.dev/mounts']).toBeUndefined();
});
