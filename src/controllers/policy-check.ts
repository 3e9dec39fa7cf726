import { storeRoot } from '../api/names.ts';
import type { Client, NewObject } from '../kube/client.ts';
import { ApiError } from '../runtime/errors.ts';
import type { Precondition } from '../runtime/preconditions.ts';
import type { KubeObject } from '../runtime/object.ts';
import type { Resource } from '../kube/resources.ts';
import { configMaps, pods } from '../kube/resources.ts';

/** Two dry runs that differ in one thing: the policy must refuse one and let the other through, whatever engine has it. */
interface Probe {
  policy: string;
  resource: Resource<KubeObject>;
  allowed: NewObject<KubeObject>;
  refused: NewObject<KubeObject>;
  /** What is possible without the policy. */
  harm: string;
}

const podOf = (namespace: string, mount: object, spec: object = {}) => ({
  metadata: { name: 'monoroot-policy-check', namespace },
  spec: {
    containers: [{ name: 'c', image: 'x', volumeMounts: [{ name: 'v', mountPath: '/v', ...mount }] }],
    volumes: [{ name: 'v', hostPath: { path: `${storeRoot}/policy-check/v0/root`, type: 'Directory' } }],
    ...spec,
  },
});

/**
 * What the operator relies on and can try itself: the policies of deploy/policies.yaml hold for what it makes. Nothing is stored.
 * A check rejects when also the harmless half is refused, as by a quota: then nothing can be known.
 */
export function policyPreconditions(
  client: Client,
  { namespace, verificationNamespace }: { namespace: string; verificationNamespace: string },
): Precondition[] {
  const good = podOf(verificationNamespace, { readOnly: true });
  const configMap = (name: string) => ({ metadata: { name, namespace }, data: {} });
  const probes = [
    {
      policy: 'monoroot-store-read-only',
      resource: pods,
      allowed: good,
      refused: podOf(verificationNamespace, { readOnly: false }),
      harm: 'Pods can write to the master store',
    },
    {
      policy: 'monoroot-tenant-pods',
      resource: pods,
      allowed: good,
      refused: podOf(verificationNamespace, { readOnly: true }, { hostPID: true }),
      harm: 'the token of the operator owns the nodes',
    },
    {
      policy: 'monoroot-operator-objects',
      resource: configMaps,
      allowed: configMap('recipe-policy-check'),
      refused: configMap('monoroot-policy-check'),
      harm: 'the token of the operator can change what agents trust',
    },
  ] as unknown as Probe[];
  return probes.map((probe) => ({ name: probe.policy, check: (signal) => tryProbe(client, probe, signal) }));
}

async function tryProbe(client: Client, probe: Probe, signal: AbortSignal): Promise<string | undefined> {
  const { policy, resource, allowed, refused, harm } = probe;
  const options = { dryRun: true, signal };
  await client.create(resource, allowed, options);
  try {
    await client.create(resource, refused, options);
  } catch (error) {
    // Policies and webhooks answer so; anything else, such as a token that has ended, proves nothing.
    if (error instanceof ApiError && [400, 403, 422].includes(error.code)) return undefined;
    throw error;
  }
  return `The policy ${policy} does not hold, so ${harm}: apply deploy/policies.yaml with its bindings, or set POLICY_CHECK=Report where another policy engine does its work`;
}
