import { parseQuantity } from '../../api/kubernetes/quantity.ts';

const refusal = /exceeded quota: .*?, requested: (\S+), used: (\S+), limited: (\S+)/;

/**
 * Whether a ResourceQuota would refuse the next Pod also when the present one is gone, which counts against it until then: the
 * quota is exceeded already, or the Pod asks for more than all of it. What the present one takes is taken to be what the next
 * one asks for. False when the words are not understood: then only the removal of the present one tells.
 */
export function isQuotaShut(message: string): boolean {
  const [, requested, used, limited] = refusal.exec(message)?.map(amounts) ?? [];
  if (!requested || !used || !limited) return false;
  return [...limited].some(([resource, limit]) =>
    [requested, used].some((amount) => (amount.get(resource) ?? 0) > limit),
  );
}

/** `pods=1,requests.memory=1Gi`, as the API server writes it; what is no quantity is left out. */
const amounts = (list: string): Map<string, number> =>
  new Map(
    list.split(',').flatMap((entry): [string, number][] => {
      const [, resource = '', quantity = ''] = /^(.*)=([^=]*)$/.exec(entry.trim()) ?? [];
      const amount = quantity === '' ? undefined : parseQuantity(quantity);
      return amount === undefined ? [] : [[resource, amount]];
    }),
  );
