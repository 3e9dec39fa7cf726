import { afterAll, describe, expect, inject, test } from 'vitest';
import { hostedContainers } from '../../../src/kube/kinds.ts';
import { connect } from '../environment.ts';
import { attemptsOf, expectSays, refusal } from './attempts.ts';
import type { Row } from './attempts.ts';

// Every rule of the CustomResourceDefinition, in the words that a user reads at `kubectl apply`.
const { connection, client } = connect(inject('kubeconfig'));
afterAll(() => connection.close());
// Nothing is stored, so that any namespace that is always there will do.
const { dryRun } = attemptsOf(client, hostedContainers, 'default');
const container = { image: 'os:v1', command: ['/bin/true'] };

describe('HostedContainer', () => {
  const oneOf = 'exactly one of exec, httpGet, tcpSocket and grpc must be set';
  test.each<Row>([
    ['an image with a path', { image: '../os:v1' }, 'spec.image', 'spec.image is <os>:<version> such as debian-12:v1'],
    ['the name of an OSImage', { image: 'debian-12.v1' }, 'spec.image', 'not the name of the OSImage (debian-12.v1)'],
    ['an OCI reference', { image: 'registry.example.com/os/debian-12:v1' }, 'spec.image', 'no OCI reference'],
    [
      'an image with two versions',
      { image: 'os:v1:v2' },
      'spec.image',
      'spec.image is <os>:<version> such as debian-12:v1',
    ],
    [
      'an image with an empty version',
      { image: 'os:' },
      'spec.image',
      'spec.image is <os>:<version> such as debian-12:v1',
    ],
    ['no image', { image: undefined }, 'spec.image', 'Required value'],
    ['an unknown policy', { imagePolicy: 'Whatever' }, 'spec.imagePolicy', 'Unsupported value', 'Strict'],
    ['a command that is no list', { command: '/bin/true' }, 'spec.command', 'must be of type array'],
    ['a relative working directory', { workingDir: 'srv' }, 'spec.workingDir', 'should match'],
    ['a variable with a bad name', { env: [{ name: 'A=B' }] }, 'spec.env[0].name', 'should match'],
    ['a variable twice', { env: [{ name: 'A' }, { name: 'A' }] }, 'spec.env[1]', 'Duplicate value'],
    ['a port of 0', { ports: [{ containerPort: 0 }] }, 'spec.ports[0].containerPort', 'greater than or equal to 1'],
    ['a port twice', { ports: [{ containerPort: 80 }, { containerPort: 80 }] }, 'spec.ports[1]', 'Duplicate value'],
    ['a probe that probes nothing', { readinessProbe: { periodSeconds: 1 } }, 'spec.readinessProbe', oneOf],
    [
      'a probe that probes two things',
      { livenessProbe: { tcpSocket: { port: 1 }, exec: { command: ['x'] } } },
      'spec.livenessProbe',
      oneOf,
    ],
    ['a startup probe that probes nothing', { startupProbe: {} }, 'spec.startupProbe', oneOf],
    ['a user with a space', { user: 'a b' }, 'spec.user', 'should match'],
    ['a user with three parts', { user: '1:2:3' }, 'spec.user', 'should match'],
    ['an unknown environment', { environment: 'prod' }, 'spec.environment', 'Unsupported value', 'production'],
    ['a time zone with a way up', { timeZone: '../etc/shadow' }, 'spec.timeZone', 'should match'],
    ['an absolute time zone', { timeZone: '/etc/shadow' }, 'spec.timeZone', 'should match'],
    [
      'an overlay below /usr',
      { writable: [{ path: '/usr/local', size: '16Mi' }] },
      'spec.writable',
      'path must not be below',
    ],
    ['an overlay over our own files', { writable: [{ path: '/.monoroot', size: '16Mi' }] }, 'spec.writable[0].path'],
    [
      'an overlay that is too big',
      { writable: [{ path: '/var', size: '1Gi' }] },
      'spec.writable[0].size',
      'between 5Mi and 200Mi',
    ],
    [
      'data that is nowhere',
      { data: {} },
      'spec.data',
      'exactly one of claimName, claimTemplate and ephemeral must be set',
    ],
    [
      'data that is in two places',
      { data: { claimName: 'a', ephemeral: { size: '1Gi' } } },
      'spec.data',
      'exactly one of',
    ],
    ['ephemeral data without a size', { data: { ephemeral: {} } }, 'spec.data.ephemeral.size', 'Required value'],
    ['an unknown way to fail', { upgrade: { onFailure: 'Panic' } }, 'spec.upgrade.onFailure', 'Unsupported value'],
    [
      'a deadline of a second',
      { upgrade: { progressDeadlineSeconds: 1 } },
      'spec.upgrade.progressDeadlineSeconds',
      'greater than or equal to 10',
    ],
    [
      'more seconds of readiness than the deadline has',
      { upgrade: { minReadySeconds: 60, progressDeadlineSeconds: 60 } },
      'spec.upgrade',
      'minReadySeconds must be less than progressDeadlineSeconds',
    ],
    [
      'probes that say nothing before the deadline',
      {
        startupProbe: { tcpSocket: { port: 80 }, initialDelaySeconds: 60 },
        readinessProbe: { tcpSocket: { port: 80 }, successThreshold: 7, periodSeconds: 10 },
        upgrade: { progressDeadlineSeconds: 120 },
      },
      'spec',
      'must be greater than the initial delays of startupProbe and readinessProbe',
    ],
    ['no restarts at all', { upgrade: { maxRestarts: 0 } }, 'spec.upgrade.maxRestarts', 'greater than or equal to 1'],
    ...['ALL', 'SYS_ADMIN', 'CAP_SYS_ADMIN', 'SYS_MODULE', 'DAC_READ_SEARCH', 'SYS_PTRACE', 'BPF', 'X'].map(
      (capability): Row => [
        `the capability ${capability}`,
        { podTemplate: { securityContext: { addCapabilities: [capability] } } },
        'spec.podTemplate.securityContext.addCapabilities',
        'addCapabilities may name those that Pod Security baseline allows (AUDIT_WRITE, CHOWN, ',
      ],
    ),
    ...[{ httpGet: { port: 80, host: '169.254.169.254' } }, { tcpSocket: { port: 80, host: '127.0.0.1' } }].map(
      (readinessProbe): Row => [
        `a probe of another host by ${Object.keys(readinessProbe)[0] ?? ''}`,
        { readinessProbe },
        'spec.readinessProbe',
        'a probe must not name a host',
      ],
    ),
    [
      'a capability in small letters',
      { podTemplate: { securityContext: { addCapabilities: ['net_raw'] } } },
      'addCapabilities[0]',
      'should match',
    ],
    [
      'a part of a Pod that is not offered',
      { podTemplate: { hostNetwork: true } },
      'spec.podTemplate.hostNetwork',
      'unknown field',
    ],
    [
      'software that is nowhere',
      { software: [{ name: 'jdk' }] },
      'spec.software[0]',
      'exactly one of image and osImage must be set',
    ],
    [
      'software that is in two places',
      { software: [{ name: 'jdk', image: 'r/jdk', osImage: 'jdk:21' }] },
      'spec.software[0]',
      'exactly one of',
    ],
    [
      'software twice',
      {
        software: [
          { name: 'jdk', image: 'r/a' },
          { name: 'jdk', image: 'r/b' },
        ],
      },
      'spec.software[1]',
      'Duplicate value',
    ],
    [
      'software with a path as a name',
      { software: [{ name: '../x', image: 'r/a' }] },
      'spec.software[0].name',
      'should match',
    ],
    [
      'software that follows a default version',
      { software: [{ name: 'jdk', osImage: 'jdk' }] },
      'spec.software[0].osImage',
      'should match',
    ],
    [
      'services beside a command',
      { services: true, data: { claimName: 'd' } },
      'spec',
      'command and args must not be set',
    ],
    [
      'services without data',
      { command: undefined, services: true },
      'spec',
      'services needs data: the services are in /data/service',
    ],
    [
      'an unknown fate of a claim',
      { data: { claimTemplate: {}, whenDeleted: 'Maybe' } },
      'spec.data.whenDeleted',
      'Unsupported value',
    ],
    [
      'a claim that would never be deleted',
      { data: { claimName: 'd', whenDeleted: 'Delete' } },
      'spec.data',
      'whenDeleted: Delete needs claimTemplate: no other claim is ever deleted',
    ],
    [
      'a livenessProbe that a Pod cannot have',
      { livenessProbe: { tcpSocket: { port: 80 }, successThreshold: 2 } },
      'spec.livenessProbe',
      'successThreshold must be 1 or unset',
    ],
    [
      'a readinessProbe that a Pod cannot have',
      { readinessProbe: { tcpSocket: { port: 80 }, terminationGracePeriodSeconds: 5 } },
      'spec.readinessProbe',
      'terminationGracePeriodSeconds must not be set',
    ],
    ['volumes', { volumes: [] }, 'spec.volumes', 'unknown field'],
  ])('refuses %s', async (_name, bad, ...parts) => {
    expectSays(await refusal(dryRun('web', { ...container, ...bad })), parts);
  });

  test('refuses a name that cannot be a label', async () => {
    const message = await refusal(dryRun('a'.repeat(64), container));
    expectSays(message, ['metadata.name must have at most 63 characters']);
  });

  test('fills in the defaults, also in what is left out as a whole', async () => {
    expect((await dryRun('web', { image: 'os', podTemplate: {} })).spec).toEqual({
      image: 'os',
      imagePolicy: 'FallbackToDefault',
      environment: 'production',
      upgrade: {
        onFailure: 'RevertSpec',
        progressDeadlineSeconds: 300,
        minReadySeconds: 10,
        maxRestarts: 3,
        retryToken: '',
      },
      restartToken: '',
      replicas: 1,
      services: false,
      suspend: false,
      podTemplate: { automountServiceAccountToken: false },
    });
  });

  test('takes everything that a Pod would take', async () => {
    const full = {
      ...container,
      args: ['-x'],
      env: [{ name: 'A', valueFrom: { secretKeyRef: { name: 's', key: 'k', optional: true } } }],
      envFrom: [{ prefix: 'P_', configMapRef: { name: 'c' } }],
      ports: [
        { name: 'http', containerPort: 80, protocol: 'TCP' },
        { containerPort: 80, protocol: 'UDP' },
      ],
      resources: { requests: { cpu: '100m' }, limits: { memory: '1Gi', cpu: 2 } },
      readinessProbe: { httpGet: { path: '/', port: 'http', scheme: 'HTTP' }, periodSeconds: 2 },
      livenessProbe: { exec: { command: ['true'] } },
      startupProbe: { grpc: { port: 80 } },
      user: 'www-data:1000',
      timeZone: 'America/Argentina/Buenos_Aires',
      writable: [{ path: '/var', size: '200Mi' }],
      software: [
        { name: 'jdk', osImage: 'jdk:21' },
        { name: 'jira', image: 'registry/jira:9' },
      ],
      data: { claimTemplate: { resources: { requests: { storage: '1Gi' } } }, whenDeleted: 'Delete' },
      podTemplate: {
        automountServiceAccountToken: false,
        metadata: { labels: { a: 'b' }, annotations: { c: 'd' } },
        affinity: {
          podAntiAffinity: {
            requiredDuringSchedulingIgnoredDuringExecution: [{ topologyKey: 'kubernetes.io/hostname' }],
          },
        },
        topologySpreadConstraints: [{ maxSkew: 1, topologyKey: 'zone', whenUnsatisfiable: 'DoNotSchedule' }],
        securityContext: { addCapabilities: ['NET_RAW'] },
      },
    };
    expect((await dryRun('web', full)).spec).toMatchObject(full);
  });

  test('takes services in place of a command', async () => {
    const data = { ephemeral: { size: '1Gi' } };
    expect((await dryRun('web', { image: 'os', services: true, data })).spec.services).toBe(true);
  });

  test.each(['UTC', 'Etc/GMT+1', 'Europe/Berlin'])('takes the time zone %s', async (timeZone) => {
    expect((await dryRun('web', { ...container, timeZone })).spec.timeZone).toBe(timeZone);
  });
});
