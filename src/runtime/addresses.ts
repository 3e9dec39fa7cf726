import { lookup } from 'node:dns';
import type { LookupOptions } from 'node:dns';
import { BlockList, isIP } from 'node:net';
import type { LookupFunction } from 'node:net';

/** Addresses that a URL of a user must not lead to: this process itself, and what only this machine or its cloud answers to. */

const local = new BlockList();
for (const [network, bits] of [
  ['0.0.0.0', 8],
  ['127.0.0.0', 8],
  ['169.254.0.0', 16],
  // Metadata servers that are no link-local addresses: Alibaba Cloud, Oracle Cloud.
  ['100.100.100.200', 32],
  ['192.0.0.192', 32],
] as const)
  local.addSubnet(network, bits, 'ipv4');
for (const [network, bits] of [
  ['::', 127],
  ['fe80::', 10],
  // Metadata servers of AWS, and addresses above behind a NAT64.
  ['fd00:ec2::254', 128],
  ['64:ff9b::7f00:0', 104],
  ['64:ff9b::a9fe:0', 112],
] as const)
  local.addSubnet(network, bits, 'ipv6');

/** Loopback, link-local, unspecified, or a metadata server; also as an IPv6 address that stands for an IPv4 one. */
export function isLocalAddress(address: string): boolean {
  const family = isIP(address);
  return family !== 0 && local.check(address, family === 4 ? 'ipv4' : 'ipv6');
}

export class LocalAddressError extends Error {
  constructor(host: string) {
    super(`${host} is a loopback or link-local address, which URLs of users must not lead to`);
    this.name = 'LocalAddressError';
  }
}

/** Throws when the host of the URL is such an address itself: then nothing is looked up. */
export function refuseLocalHost(url: URL): void {
  const host = url.hostname.replace(/^\[|\]$/g, '');
  if (isLocalAddress(host)) throw new LocalAddressError(host);
}

/** A name for this machine itself, whatever is looked up. */
export const isLocalName = (host: string): boolean => /^(.+\.)?localhost\.?$/i.test(host);

/**
 * Looks a name up and gives those of its addresses that `refuse` does not name; there is no answer when none is left. What is
 * connected to is what was looked at, so that a name server which answers otherwise the next time changes nothing.
 */
export function lookupWithout(refuse: (address: string) => boolean): LookupFunction {
  return (host, options, done) => {
    const all: LookupOptions & { all: true } = { ...options, all: true };
    lookup(host, all, (error, addresses) => {
      const allowed = (addresses as typeof addresses | undefined)?.filter(({ address }) => !refuse(address)) ?? [];
      const [first] = allowed;
      if (error) done(error, '');
      else if (addresses.length === 0) done(new Error(`${host} has no address`), '');
      else if (!first) done(new LocalAddressError(host), '');
      else if (options.all) done(null, allowed);
      else done(null, first.address, first.family);
    });
  };
}

/** Looks a name up, but for local addresses. */
export const lookupNotLocal = lookupWithout(isLocalAddress);
