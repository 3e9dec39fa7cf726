import type { LeasePort, LeaseRecord, StoredLease } from '../runtime/leader.ts';
import type { Client } from './client.ts';
import { leases } from './resources.ts';
import type { Lease } from './types.ts';

/** The Lease of this name as the lease of a leader election. The client must be one whose writes are not fenced. */
export function leasePort(client: Client, at: { namespace: string; name: string }): LeasePort {
  const body = (spec: LeaseRecord, resourceVersion?: string) => ({
    metadata: { ...at, ...(resourceVersion !== undefined && { resourceVersion }) },
    spec: { ...spec, acquireTime: microTime(spec.acquireTime), renewTime: microTime(spec.renewTime) },
  });
  return {
    get: async (signal) => {
      const lease = await client.get(leases, at, { signal });
      return lease && stored(lease);
    },
    create: async (record, signal) => stored(await client.create(leases, body(record), { signal })),
    update: async (record, version, signal) => stored(await client.update(leases, body(record, version), { signal })),
  };
}

function stored({ metadata, spec }: Lease): StoredLease {
  return {
    resourceVersion: metadata.resourceVersion ?? '',
    record: {
      holderIdentity: spec?.holderIdentity ?? '',
      leaseDurationSeconds: spec?.leaseDurationSeconds ?? 0,
      acquireTime: spec?.acquireTime ?? '',
      renewTime: spec?.renewTime ?? '',
      leaseTransitions: spec?.leaseTransitions ?? 0,
    },
  };
}

/** `meta/v1.MicroTime`, which has six digits after the point and no other number of them. */
export function microTime(time: string): string {
  return time.replace(/\.(\d{3})Z$/, '.$1000Z');
}
