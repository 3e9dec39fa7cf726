import { describe, expect, test } from 'vitest';
import { builtImage } from '../../../../test/fixtures/builders.ts';
import { buildCapabilities, recipe, sandboxCapabilities } from '../../../api/buildrun.ts';
import { buildJob, publishJob, recipeConfigMap, stageObjectName } from './build-job.ts';
import type { Container, Job } from '../../../api/kubernetes/objects.ts';

const settings = { namespace: 'system', builderImage: 'builder', scaffolds: { merged: 'merged', split: 'split' } };
const digest = `sha256:${'1'.repeat(64)}`;
const all = {
  from: {
    oci: {
      reference: 'registry.example.com/base',
      digest,
      pullSecretRef: { name: 'base-login' },
      caRef: { name: 'base-ca' },
    },
  },
  pushSecretRef: { name: 'login' },
  caRef: { name: 'authorities' },
  signKeyRef: { name: 'cosign' },
};
function jobs(build: object = {}): { build: Job; publish: Job } {
  const image = builtImage('os:v1', build);
  const { source } = image.spec;
  if (!source.build) throw new Error('It has a build');
  return {
    build: buildJob(image, source.build, settings, 'b'),
    publish: publishJob(image, source.build, settings, 'p', digest),
  };
}
const podOf = (job: Job) => job.spec.template.spec;
const volumesOf = (job: Job) => podOf(job).volumes ?? [];
const containerOf = (job: Job) => podOf(job).containers[0] as Container & { securityContext: { capabilities: object } };
const secretsOf = (job: Job) =>
  Object.fromEntries(
    volumesOf(job).flatMap(({ name, secret }) => {
      const path = containerOf(job).volumeMounts?.find((mount) => mount.name === name)?.mountPath ?? '';
      return secret ? [[path, secret.secretName]] : [];
    }),
  ) as Record<string, string>;

describe('the name of a step', () => {
  const long = { os: 'a'.repeat(30), version: 'b'.repeat(30) };
  test.each<[string, string, string | RegExp]>([
    ['says what is done to what', stageObjectName('build', { os: 'debian-12', version: 'v36' }), 'build-debian-12.v36'],
    [
      'has a hash of the token of another try',
      stageObjectName('build', { os: 'debian-12', version: 'v36' }, 'again'),
      /^build-debian-12\.v36-[0-9a-f]{8}$/,
    ],
    ['is cut when it is too long', stageObjectName('publish', long), /^publish-a{30}\.b{15}-[0-9a-f]{8}$/],
    [
      'is cut before a dot, too',
      stageObjectName('publish', { os: 'a'.repeat(30), version: `${'b'.repeat(14)}.${'c'.repeat(15)}` }),
      /^publish-a{30}\.b{14}-[0-9a-f]{8}$/,
    ],
  ])('%s', (_name, name, expected) => {
    expect(name).toMatch(expected);
    expect(name.length).toBeLessThanOrEqual(63);
  });

  test('of two long ones is not the same', () => {
    expect(stageObjectName('publish', long)).not.toBe(
      stageObjectName('publish', { ...long, version: `${'b'.repeat(29)}c` }),
    );
    expect(stageObjectName('publish', long, '1')).not.toBe(stageObjectName('publish', long, '2'));
  });
});

test('the recipe is what the schema of the builder says, immutable and owned by the image', () => {
  const image = builtImage('os:v1', { packages: { install: ['nginx'] } });
  const { source } = image.spec;
  const map = source.build && recipeConfigMap(image, source.build, settings);
  expect(recipe.parse(JSON.parse(map?.data?.['recipe.json'] ?? ''))).toEqual({
    os: 'os',
    version: 'v1',
    architecture: 'amd64',
    build: source.build,
  });
  expect(map).toMatchObject({ immutable: true, metadata: { namespace: 'system' } });
  expect(map?.metadata.ownerReferences?.[0]).toMatchObject({ kind: 'OSImage', name: 'os.v1', uid: 'uid-os:v1' });
  const other = { ...image, metadata: { ...image.metadata, uid: 'another' } };
  expect(source.build && recipeConfigMap(other, source.build, settings).metadata.name).not.toBe(map?.metadata.name);
});

describe('the Jobs', () => {
  test.each(['build', 'publish'] as const)('%s is tried once, for a limited time, and kept', (stage) => {
    const { spec } = jobs({ timeoutSeconds: 100 })[stage];
    expect(spec).toMatchObject({ backoffLimit: 0, template: { spec: { restartPolicy: 'Never' } } });
    expect(spec).not.toHaveProperty('ttlSecondsAfterFinished');
    // The kubelet ends it first: a Job that ends it deletes the Pod with its log.
    expect(spec.activeDeadlineSeconds).toBeGreaterThan(spec.template.spec.activeDeadlineSeconds ?? Infinity);
  });

  test('the build may take as long as the recipe says', () => {
    expect(podOf(jobs({ timeoutSeconds: 100 }).build).activeDeadlineSeconds).toBe(100);
  });

  test.each(['build', 'publish'] as const)('%s has no privileges and no token', (stage) => {
    const job = jobs()[stage];
    expect(podOf(job)).toMatchObject({
      automountServiceAccountToken: false,
      enableServiceLinks: false,
      securityContext: { seccompProfile: { type: 'RuntimeDefault' } },
    });
    expect(volumesOf(job).filter(({ hostPath }) => hostPath)).toEqual([]);
    expect(containerOf(job).securityContext).toMatchObject({
      privileged: false,
      allowPrivilegeEscalation: false,
      readOnlyRootFilesystem: true,
      capabilities: { drop: ['ALL'] },
    });
  });

  test('the build is root with what a chroot takes, and never SYS_ADMIN; publishing runs without privileges', () => {
    const { build, publish } = jobs();
    expect(podOf(build).securityContext).toMatchObject({ runAsUser: 0 });
    expect(containerOf(build).securityContext.capabilities).toEqual({
      drop: ['ALL'],
      add: [...buildCapabilities],
    });
    expect(buildCapabilities).not.toContain('SYS_ADMIN');
    expect(podOf(publish).securityContext).toMatchObject({ runAsNonRoot: true, runAsUser: 65532, fsGroup: 65532 });
    expect(containerOf(publish).securityContext.capabilities).toEqual({ drop: ['ALL'] });
  });

  test('programs of the tree have a container without Secrets, with what the recipe grants, asked for once', () => {
    const limits = { memory: '1Gi', 'ephemeral-storage': '3Gi' };
    const { build, publish } = jobs({ ...all, resources: { limits } });
    const [sandbox] = podOf(build).initContainers ?? [];
    expect(sandbox).toMatchObject({
      image: 'split',
      restartPolicy: 'Always',
      volumeMounts: [{ name: 'sandbox', readOnly: true }],
      resources: { limits, requests: { memory: '0', 'ephemeral-storage': '0' } },
      securityContext: {
        privileged: false,
        allowPrivilegeEscalation: false,
        capabilities: { drop: ['ALL'], add: [...sandboxCapabilities] },
      },
    });
    for (const right of ['SYS_ADMIN', 'SYS_CHROOT', 'SETPCAP']) expect(sandboxCapabilities).not.toContain(right);
    expect(containerOf(build).volumeMounts).toContainEqual({ name: 'sandbox', mountPath: '/sandbox' });
    expect(podOf(publish).initContainers).toBeUndefined();
  });

  test('each has the Secrets that it needs, of those that the recipe names', () => {
    const { build, publish } = jobs(all);
    const login = { '/secrets/push': 'login', '/secrets/ca': 'authorities' };
    expect(secretsOf(build)).toEqual({ ...login, '/secrets/base': 'base-login', '/secrets/base-ca': 'base-ca' });
    expect(secretsOf(publish)).toEqual({ ...login, '/secrets/sign': 'cosign' });
    expect(secretsOf(jobs().build)).toEqual({});
  });

  test('the keys of a mirror and the login of a web server are mounted, too', () => {
    const debootstrap = { suite: 's', mirror: 'http://m', keyringRef: { name: 'keys' } };
    expect(secretsOf(jobs({ from: { debootstrap } }).build)).toEqual({ '/secrets/keyring': 'keys' });
    const http = { url: 'http://web/x.tar', sha256: '1'.repeat(64), secretRef: { name: 'web' } };
    expect(secretsOf(jobs({ from: { http } }).build)).toEqual({ '/secrets/base': 'web' });
  });

  test('a Secret that is not there keeps no Pod waiting: the builder tells', () => {
    const secrets = volumesOf(jobs(all).build).flatMap(({ secret }) => secret ?? []);
    expect(secrets.every(({ optional }) => optional)).toBe(true);
  });

  test('run on nodes of the architecture of the image that the recipe selects', () => {
    const { build, publish } = jobs({ nodeSelector: { pool: 'builders', 'kubernetes.io/arch': 'other' } });
    for (const job of [build, publish])
      expect(podOf(job).nodeSelector).toEqual({ pool: 'builders', 'kubernetes.io/arch': 'amd64' });
  });

  test('the build has the resources of the recipe, and as much room as its limit of ephemeral storage', () => {
    const resources = { limits: { memory: '2Gi', 'ephemeral-storage': '30Gi' } };
    const { build } = jobs({ resources });
    expect(containerOf(build).resources).toEqual(resources);
    const work = (job: Job) => volumesOf(job).find(({ name }) => name === 'work')?.emptyDir;
    expect(work(build)).toEqual({ sizeLimit: '30Gi' });
    expect(work(jobs().build)).toEqual({ sizeLimit: '20Gi' });
  });

  test('do what their recipe says', () => {
    const { build, publish } = jobs();
    expect([containerOf(build).args, containerOf(publish).args]).toEqual([['build'], ['publish', digest]]);
    expect(containerOf(build).image).toBe('builder');
  });
});
