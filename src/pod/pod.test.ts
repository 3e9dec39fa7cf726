import { describe, expect, test } from 'vitest';
import { container, osImage } from '../../test/fixtures/builders.ts';
import type { HostedContainerSpec } from '../api/hostedcontainer.ts';
import type { Defaults } from '../api/osimage.ts';
import { usableImage } from './usable-image.ts';
import type { UsableImage } from './usable-image.ts';
import { buildPod, effectiveCommand } from './pod.ts';
import type { Container, Pod } from '../api/kubernetes/objects.ts';
import { matchesSelector } from '../api/kubernetes/selectors.ts';
import type { LabelSelector } from '../api/kubernetes/podfields.ts';

const scaffolds = { merged: 'registry/scaffold-merged:1', split: 'registry/scaffold-split:1' };
const top = [
  'etc',
  'home',
  'opt',
  'root',
  'run',
  'srv',
  'tmp',
  'usr',
  'var',
  'data',
  'sw',
  'dev',
  'proc',
  'sys',
  'Weird_dir',
  'lost.found',
];
const layouts = {
  merged: { kind: 'merged' as const, directories: top },
  split: { kind: 'split' as const, directories: [...top, 'bin', 'sbin', 'lib', 'lib64'] },
};

function image(extra: Partial<UsableImage> = {}): UsableImage {
  const usable = usableImage(osImage('debian-12:v35'));
  if (!usable) throw new Error('The image of the fixtures is not Ready');
  return { ...usable, ...extra };
}
const build = (spec: Partial<HostedContainerSpec> = {}, extra: Partial<UsableImage> = {}): Pod =>
  buildPod(container({ image: 'debian-12:v35', ...spec }), image(extra), scaffolds);
const main = (pod: Pod): Container => {
  const [only, ...others] = pod.spec.containers;
  if (!only || others.length > 0) throw new Error('There is not exactly one container');
  return only;
};
const envOf = (pod: Pod) => main(pod).env ?? [];
const mountsOf = (pod: Pod) => main(pod).volumeMounts ?? [];
const variables = (pod: Pod) => Object.fromEntries(envOf(pod).map(({ name, value }) => [name, value]));

describe.each(['merged', 'split'] as const)('the Pod of a container on a %s image', (kind) => {
  const pod = build({}, { layout: layouts[kind] });
  const { spec } = pod;
  const volumes = spec.volumes ?? [];

  test('runs the scaffold of that layout', () => {
    expect(main(pod).image).toBe(scaffolds[kind]);
    expect(main(pod).imagePullPolicy).toBe('IfNotPresent');
  });

  test('has one container and no init container, which would cost every start', () => {
    expect(spec.containers).toHaveLength(1);
    expect(JSON.stringify(pod)).not.toMatch(/initContainers|ephemeralContainers/);
  });

  test('never uses subPath, for which the kubelet would make directories in the master store', () => {
    expect(JSON.stringify(pod)).not.toContain('subPath');
  });

  test('shares nothing with the host but the image', () => {
    expect(JSON.stringify(pod)).not.toMatch(/hostNetwork|hostPID|hostIPC|"privileged":true|mountPropagation/);
    for (const { hostPath } of volumes) {
      if (hostPath)
        expect(hostPath.path).toMatch(/^\/var\/lib\/monoroot\/store\/debian-12\/v35\/root\/[A-Za-z0-9_.]+$/);
    }
  });

  test('mounts every host path read-only, also what is mounted below it, and waits rather than make a directory', () => {
    const shared = volumes.filter((v) => v.hostPath);
    expect(shared.length).toBeGreaterThan(5);
    for (const volume of shared) {
      expect(volume.hostPath?.type).toBe('Directory');
      const mounts = mountsOf(pod).filter((m) => m.name === volume.name);
      expect(mounts).toHaveLength(1);
      expect(mounts[0]).toMatchObject({ readOnly: true, recursiveReadOnly: 'Enabled' });
    }
  });

  test('mounts each top-level directory of the image but those of the runtime, of overlays and of data', () => {
    const direct = mountsOf(pod).filter((m) => m.readOnly && !m.mountPath.startsWith('/.monoroot/'));
    const links = kind === 'split' ? ['/bin', '/lib', '/lib64', '/sbin'] : [];
    expect(direct.map((m) => m.mountPath).sort()).toEqual(
      ['/Weird_dir', '/home', '/lost.found', '/opt', '/root', '/srv', '/usr', ...links].sort(),
    );
    for (const { name, mountPath } of direct) {
      expect(volumes.find((v) => v.name === name)?.hostPath?.path.endsWith(`/root${mountPath}`)).toBe(true);
    }
  });

  test('has unique volume names that are DNS labels, a mount for each volume, and no path twice', () => {
    const names = volumes.map((v) => v.name);
    expect(new Set(names).size).toBe(names.length);
    for (const name of names) expect(name).toMatch(/^[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?$/);
    expect(
      mountsOf(pod)
        .map((m) => m.name)
        .sort(),
    ).toEqual([...names].sort());
    const paths = mountsOf(pod).map((m) => m.mountPath);
    expect(new Set(paths).size).toBe(paths.length);
  });

  test('starts through launch, as root with few capabilities, on a read-only root', () => {
    expect(main(pod).command).toEqual(['/.monoroot/busybox', 'sh', '/.monoroot/launch']);
    expect(main(pod).securityContext).toEqual({
      runAsUser: 0,
      runAsGroup: 0,
      privileged: false,
      allowPrivilegeEscalation: false,
      readOnlyRootFilesystem: true,
      seccompProfile: { type: 'RuntimeDefault' },
      capabilities: {
        drop: ['ALL'],
        add: ['CHOWN', 'DAC_OVERRIDE', 'FOWNER', 'FSETID', 'KILL', 'NET_BIND_SERVICE', 'SETFCAP', 'SETGID', 'SETUID'],
      },
    });
  });

  test('has no service account token and no environment of services', () => {
    expect(spec).toMatchObject({
      automountServiceAccountToken: false,
      enableServiceLinks: false,
      restartPolicy: 'Always',
    });
  });
});

test('the Pod has the name of its container, belongs to it, and says what it runs', () => {
  const { metadata } = build();
  expect(metadata).toMatchObject({ name: 'web', namespace: 'shop' });
  expect(metadata.ownerReferences).toEqual([
    {
      apiVersion: 'monoroot.dev/v1alpha1',
      kind: 'HostedContainer',
      name: 'web',
      uid: 'uid-web',
      controller: true,
      blockOwnerDeletion: true,
    },
  ]);
  expect(metadata.labels).toEqual({
    'monoroot.dev/hosted-container': 'web',
    'monoroot.dev/image': 'debian-12.v35',
    'app.kubernetes.io/managed-by': 'monoroot',
  });
  expect(metadata.annotations).toEqual({
    'cluster-autoscaler.kubernetes.io/safe-to-evict-local-volumes':
      'os-home,os-opt,os-root,os-usr,defaults-etc,defaults-run,defaults-tmp,defaults-var',
    'monoroot.dev/image': 'debian-12:v35',
    'monoroot.dev/digest': image().digest,
    'monoroot.dev/fingerprint': expect.stringMatching(/^[0-9a-f]{16}$/) as string,
    'monoroot.dev/pod-hash': expect.stringMatching(/^[0-9a-f]{16}$/) as string,
  });
});

test('the same input gives the same Pod, and no member is undefined', () => {
  expect(build()).toStrictEqual(build());
  expect(JSON.parse(JSON.stringify(build()))).toStrictEqual(build());
});

describe('podTemplate', () => {
  test('is handed on as it is', () => {
    const handedOn = {
      nodeSelector: { disk: 'fast' },
      tolerations: [{ key: 'k', operator: 'Exists' as const }],
      topologySpreadConstraints: [{ maxSkew: 1 }],
      serviceAccountName: 'web',
      imagePullSecrets: [{ name: 'pull' }],
      priorityClassName: 'high',
      runtimeClassName: 'kata',
      hostUsers: false,
      terminationGracePeriodSeconds: 7,
    };
    const pod = build({ podTemplate: { ...handedOn, automountServiceAccountToken: true } });
    expect(pod.spec).toMatchObject({ ...handedOn, automountServiceAccountToken: true });
  });

  test('spreads containers over nodes unless it says how, or that they are not', () => {
    const { labels } = build().metadata;
    const [usual] = build().spec.topologySpreadConstraints ?? [];
    expect(usual).toMatchObject({ topologyKey: 'kubernetes.io/hostname', whenUnsatisfiable: 'ScheduleAnyway' });
    const { labelSelector } = usual as { labelSelector: LabelSelector };
    expect(matchesSelector(labels, labelSelector)).toBe(true);
    expect(matchesSelector({ app: 'other' }, labelSelector)).toBe(false);
    const none = { automountServiceAccountToken: false, topologySpreadConstraints: [] };
    expect(build({ podTemplate: none }).spec.topologySpreadConstraints).toEqual([]);
  });

  test('adds labels and annotations, but none of ours can be taken over', () => {
    const metadata = {
      labels: { team: 'shop', 'monoroot.dev/hosted-container': 'other', 'app.kubernetes.io/managed-by': 'me' },
      annotations: { note: 'x', 'monoroot.dev/pod-hash': 'forged' },
    };
    const pod = build({ podTemplate: { automountServiceAccountToken: false, metadata } });
    expect(pod.metadata.labels).toMatchObject({
      team: 'shop',
      'monoroot.dev/hosted-container': 'web',
      'app.kubernetes.io/managed-by': 'monoroot',
    });
    expect(pod.metadata.annotations).toMatchObject({
      note: 'x',
      'monoroot.dev/pod-hash': build({ podTemplate: { automountServiceAccountToken: false, metadata } }).metadata
        .annotations?.['monoroot.dev/pod-hash'],
    });
    expect(pod.metadata.annotations?.['monoroot.dev/pod-hash']).not.toBe('forged');
  });

  test('leaves no trace of its own shape in the Pod', () => {
    const pod = build({
      podTemplate: {
        automountServiceAccountToken: false,
        metadata: {},
        securityContext: { addCapabilities: ['NET_RAW'] },
      },
    });
    expect(pod.spec).not.toHaveProperty('metadata');
    expect(pod.spec).not.toHaveProperty('securityContext');
  });

  test('adds capabilities, each once', () => {
    const pod = build({
      podTemplate: { automountServiceAccountToken: false, securityContext: { addCapabilities: ['NET_RAW', 'CHOWN'] } },
    });
    const { capabilities } = main(pod).securityContext as { capabilities: { add: string[] } };
    expect(capabilities.add).toContain('NET_RAW');
    expect(capabilities.add.filter((c) => c === 'CHOWN')).toHaveLength(1);
  });
});

describe('the container', () => {
  test('has what a Pod offers under the same names', () => {
    const asked: Partial<HostedContainerSpec> = {
      envFrom: [{ secretRef: { name: 's' } }],
      ports: [{ containerPort: 80, protocol: 'TCP' }],
      resources: { limits: { memory: '1Gi' } },
      readinessProbe: { tcpSocket: { port: 80 } },
      livenessProbe: { tcpSocket: { port: 81 } },
      startupProbe: { tcpSocket: { port: 82 } },
    };
    expect(main(build(asked))).toMatchObject(asked);
  });

  test('tells launch everything that it needs', () => {
    const pod = build({
      user: 'nobody',
      environment: 'staging',
      timeZone: 'Australia/Sydney',
      workingDir: '/srv',
      writable: [{ path: '/opt/cache', size: '5Mi' }],
    });
    expect(variables(pod)).toEqual({
      MONOROOT_NAME: 'web',
      MONOROOT_NAMESPACE: 'shop',
      MONOROOT_OS: 'debian-12',
      MONOROOT_VERSION: 'v35',
      MONOROOT_ENVIRONMENT: 'staging',
      MONOROOT_WRITABLE: '/etc:/opt/cache:/run:/tmp:/var',
      MONOROOT_DEFAULTS: '/.monoroot/defaults',
      MONOROOT_USER: 'nobody',
      MONOROOT_WORKDIR: '/srv',
      TZ: 'Australia/Sydney',
      MONOROOT_TIME_ZONE: 'Australia/Sydney',
    });
  });

  test('does not set what is not asked for', () => {
    const names = Object.keys(variables(build()));
    expect(names).not.toContain('TZ');
    expect(names).not.toContain('MONOROOT_TIME_ZONE');
    expect(names).not.toContain('MONOROOT_USER');
    expect(names).not.toContain('MONOROOT_WORKDIR');
  });

  test('starts in the working directory of the image unless it has its own', () => {
    const defaults: Defaults = { workingDir: '/app' };
    expect(variables(build({}, { defaults }))['MONOROOT_WORKDIR']).toBe('/app');
    expect(variables(build({ workingDir: '/mine' }, { defaults }))['MONOROOT_WORKDIR']).toBe('/mine');
  });

  test('has the environment of the image, then its own, then ours: the later one wins, and keeps the earlier place', () => {
    const defaults: Defaults = {
      env: [
        { name: 'A', value: 'image' },
        { name: 'B', value: 'image' },
        { name: 'MONOROOT_OS', value: 'forged' },
      ],
    };
    const pod = build(
      {
        env: [
          { name: 'B', value: 'mine' },
          { name: 'C', value: '$(B)' },
          { name: 'MONOROOT_NAME', value: 'forged' },
        ],
      },
      { defaults },
    );
    expect(
      envOf(pod)
        .slice(0, 5)
        .map(({ name, value }) => `${name}=${value ?? ''}`),
    ).toEqual(['A=image', 'B=mine', 'MONOROOT_OS=debian-12', 'C=$(B)', 'MONOROOT_NAME=web']);
    const names = envOf(pod).map((e) => e.name);
    expect(new Set(names).size).toBe(names.length);
  });
});

test.each<[string, Pick<HostedContainerSpec, 'command' | 'args'>, Defaults, string[]]>([
  ['its own command and arguments', { command: ['/a'], args: ['b'] }, { command: ['/c'], args: ['d'] }, ['/a', 'b']],
  ['its own command, which drops the default arguments', { command: ['/a'] }, { command: ['/c'], args: ['d'] }, ['/a']],
  ['its own arguments for the default command', { args: ['b'] }, { command: ['/c'], args: ['d'] }, ['/c', 'b']],
  [
    'the defaults when its own lists are empty, as in a Pod',
    { command: [], args: [] },
    { command: ['/c'], args: ['d'] },
    ['/c', 'd'],
  ],
  ['the defaults of the image', {}, { command: ['/c'], args: ['d'] }, ['/c', 'd']],
  ['nothing when no one says what', {}, {}, []],
])('a container runs %s', (_name, asked, defaults, expected) => {
  const { command: _fixture, ...bare } = container({ image: 'debian-12:v35' }).spec;
  const object = { ...container({ image: 'debian-12:v35' }), spec: { ...bare, ...asked } };
  expect(effectiveCommand(object, image({ defaults }))).toEqual(expected);
  expect(main(buildPod(object, image({ defaults }), scaffolds)).args).toEqual(expected);
});

test.each([
  ['those of the image', {}, { user: 'nginx', stopSignal: 'SIGQUIT' }, 'nginx', 'QUIT'],
  ['its own first', { user: '0', stopSignal: 'SIGINT' }, { user: 'nginx', stopSignal: 'SIGQUIT' }, '0', 'INT'],
  ['SIGTERM needs no one to pass it on', { stopSignal: 'SIGTERM' }, { stopSignal: 'SIGQUIT' }, undefined, undefined],
  ['services are stopped by their supervisor', { services: true }, { stopSignal: 'SIGQUIT' }, undefined, undefined],
])('user and stop signal: %s', (_name, spec, defaults, user, signal) => {
  const object = container({ image: 'debian-12:v35', command: [], data: { claimName: 'x' }, ...spec });
  const env = envOf(buildPod(object, image({ defaults }), scaffolds));
  const valueOf = (name: string) => env.find((it) => it.name === name)?.value;
  expect([valueOf('MONOROOT_USER'), valueOf('MONOROOT_STOP_SIGNAL')]).toEqual([user, signal]);
});

test('volumes of the image that are in no overlay are named for launch', () => {
  const defaults = { volumes: ['/var/lib/db', '/usr/share/app', '/data'] };
  const env = envOf(buildPod(container({ image: 'debian-12:v35' }), image({ defaults }), scaffolds));
  expect(env.find(({ name }) => name === 'MONOROOT_VOLUMES')?.value).toBe('/usr/share/app:/data');
});
