import { describe, expect, test } from 'vitest';
import { container } from '../../test/fixtures/builders.ts';
import type { HostedContainerSpec } from '../api/hostedcontainer.ts';
import { notPermitted, readAdditionalCapabilities } from './permitted.ts';

const of = (spec: Partial<HostedContainerSpec>, allowed?: string[]) =>
  notPermitted(container({ image: 'os:v1', ...spec }), allowed);
const adds = (...addCapabilities: string[]) => ({
  podTemplate: { automountServiceAccountToken: false, securityContext: { addCapabilities } },
});
const annotated = (key: string) => ({
  podTemplate: { automountServiceAccountToken: false, metadata: { annotations: { [key]: 'unconfined' } } },
});

describe('a container may', () => {
  test.each([
    'AUDIT_WRITE',
    'CHOWN',
    'DAC_OVERRIDE',
    'FOWNER',
    'FSETID',
    'KILL',
    'MKNOD',
    'NET_BIND_SERVICE',
    'SETFCAP',
    'SETGID',
    'SETPCAP',
    'SETUID',
    'SYS_CHROOT',
  ])('have %s, as Pod Security baseline allows', (capability) => {
    expect(of(adds(capability))).toBeUndefined();
  });

  test.each(['IPC_LOCK', 'NET_ADMIN', 'NET_RAW', 'SYS_NICE'])('have %s when the cluster says so', (capability) => {
    expect(of(adds(capability))).toMatch(
      new RegExp(`names ${capability}, .*allow ${capability} in ADDITIONAL_CAPABILITIES`),
    );
    expect(of(adds(capability), ['IPC_LOCK'])).toEqual(capability === 'IPC_LOCK' ? undefined : expect.any(String));
    expect(of(adds(capability), [capability])).toBeUndefined();
  });

  test.each([
    'ALL',
    'DAC_READ_SEARCH',
    'SYS_ADMIN',
    'SYS_MODULE',
    'SYS_PTRACE',
    'SYS_RAWIO',
    'BPF',
    'CAP_CHOWN',
    'SYSLOG',
  ])('never have %s, whatever the cluster says', (capability) => {
    expect(of(adds('CHOWN', capability), ['NET_RAW'])).toMatch(new RegExp(`names ${capability}, .*: remove it$`));
    expect(() => readAdditionalCapabilities(`NET_RAW, ${capability}`)).toThrow(`names ${capability}`);
  });

  test('not take its confinement away by an annotation', () => {
    expect(of(annotated('container.apparmor.security.beta.kubernetes.io/main'))).toMatch(/apparmor.*remove it/);
    expect(of(annotated('seccomp.security.alpha.kubernetes.io/pod'))).toMatch(/seccomp.*remove it/);
    expect(of(annotated('prometheus.io/scrape'))).toBeUndefined();
  });

  test('not have the kubelet ask other hosts', () => {
    expect(of({ readinessProbe: { httpGet: { port: 80, host: '169.254.169.254' } } })).toMatch(
      /^spec.readinessProbe names/,
    );
    expect(of({ livenessProbe: { tcpSocket: { port: 80, host: '127.0.0.1' } } })).toMatch(/^spec.livenessProbe names/);
    expect(of({ startupProbe: { httpGet: { port: 80 } } })).toBeUndefined();
  });
});

test('the setting is a list with commas', () => {
  expect(readAdditionalCapabilities()).toEqual([]);
  expect(readAdditionalCapabilities(' NET_RAW ,IPC_LOCK,')).toEqual(['NET_RAW', 'IPC_LOCK']);
});
