import type { Client } from '../kube/client.ts';
import { nodeStores } from '../kube/kinds.ts';
import { ApiError } from '../runtime/errors.ts';
import type { Precondition } from '../runtime/preconditions.ts';

/**
 * What agents rely on: the token of each speaks for its own node only. It tries, as a dry run, to write what it should not. One NodeStore
 * of another node is read for it; with a single node there is nothing to try.
 */
export function ownNodePrecondition(client: Client, nodeName: string): Precondition {
  const others = client.listWatcher(nodeStores, { fieldSelector: `metadata.name!=${nodeName}` });
  const policy = 'monoroot-agent-own-node';
  return {
    name: policy,
    async check(signal) {
      const [other] = (await others.list({ limit: 1, signal })).items;
      if (!other) return undefined;
      try {
        const { name } = other.metadata;
        await client.mergePatch(nodeStores, { name }, { status: {} }, { subresource: 'status', dryRun: true, signal });
      } catch (error) {
        if (error instanceof ApiError && [400, 403, 422].includes(error.code)) return undefined;
        throw error;
      }
      return `The policy ${policy} does not hold, so the token of this agent speaks for all nodes: apply deploy/policies.yaml with its bindings, or set POLICY_CHECK=Off where another policy engine does its work`;
    },
  };
}
