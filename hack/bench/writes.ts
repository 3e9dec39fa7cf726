import { systemNamespace } from '../../src/api/names.ts';
import type { Client } from '../../src/kube/client.ts';
import { pods } from '../../src/kube/resources.ts';

/**
 * How many writes the operator has made so far, by its own metrics, without the renewals of its Lease (the only PUTs). Those
 * of all replicas together, so that a change of leader does not matter.
 */
export async function operatorWrites(client: Client): Promise<number> {
  const replicas = await client.list(pods, {
    namespace: systemNamespace,
    labelSelector: 'app.kubernetes.io/component=operator',
  });
  const metrics = await Promise.all(replicas.map((pod) => scrape(pod.status?.podIP ?? '')));
  return metrics
    .flatMap((text) => [
      ...text.matchAll(/^rest_client_requests_total\{method="(?:POST|PATCH|DELETE)",code="2.."\} (\d+)/gm),
    ])
    .reduce((sum, match) => sum + Number(match[1]), 0);
}

/** The machine that hack/cluster runs on reaches Pods by their addresses. */
async function scrape(address: string): Promise<string> {
  return (await fetch(`http://${address}:8080/metrics`, { signal: AbortSignal.timeout(5000) })).text();
}
