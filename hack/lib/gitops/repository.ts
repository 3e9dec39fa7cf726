import { dump } from 'js-yaml';
import { apiVersion } from '../../../src/api/names.ts';

/** The folder `shops` of a repository: two containers that name a version, and two that follow the default version. */

export const shops = 'gitops-shops';
export type Version = 'v1' | 'v2' | 'v3' | 'v4';
/** `v3` has a service that does not come up. */
export const versions: readonly Version[] = ['v1', 'v2', 'v3', 'v4'];

/** An image in a registry without TLS. */
export interface Pushed {
  reference: string;
  digest: string;
}

const object = (kind: string, name: string, spec: object, namespace?: string) =>
  dump({ apiVersion, kind, metadata: { name, ...(namespace !== undefined && { namespace }) }, spec }, { noRefs: true });

export const namespaceFile = {
  'shops/namespace.yaml': dump({
    apiVersion: 'v1',
    kind: 'Namespace',
    metadata: { name: shops, labels: { 'pod-security.kubernetes.io/enforce': 'privileged' } },
  }),
};

export const image = (os: string, version: Version, { reference, digest }: Pushed): Record<string, string> => {
  const source = { oci: { reference, digest, plainHTTP: true } };
  const spec = { os, version, source, defaults: { command: ['/bin/serve'] } };
  return { [`shops/${os}.${version}.yaml`]: object('OSImage', `${os}.${version}`, spec) };
};

/** It only stores the image. */
export const stored = (os: string, version: Version): Record<string, string> => ({
  [`shops/${os}.${version}-distribution.yaml`]: object('ImageDistribution', `${os}.${version}`, {
    image: `${os}:${version}`,
  }),
});

/** It makes the image the default version, and moves the containers that follow. */
export const fleet = (os: string, version: Version): Record<string, string> => ({
  'shops/fleet.yaml': object('ImageDistribution', os, {
    image: `${os}:${version}`,
    activate: {
      newContainers: true,
      existingContainers: { maxUnavailable: 1, canary: { count: 1, soakSeconds: 5 }, maxFailures: 0 },
    },
  }),
});

export const container = (
  name: string,
  of: string,
  onFailure: 'Hold' | 'RevertSpec',
  more: object = {},
): Record<string, string> => ({
  [`shops/${name}.yaml`]: object(
    'HostedContainer',
    name,
    {
      image: of,
      readinessProbe: { httpGet: { port: 8080 }, periodSeconds: 1 },
      podTemplate: { terminationGracePeriodSeconds: 5 },
      upgrade: { onFailure, minReadySeconds: 2, maxRestarts: 2, progressDeadlineSeconds: 90 },
      ...more,
    },
    shops,
  ),
});
