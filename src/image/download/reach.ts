import { readFileSync } from 'node:fs';
import { BlockList, isIP } from 'node:net';
import { networkInterfaces } from 'node:os';
import { LocalAddressError, isLocalAddress, isLocalName } from '../../runtime/addresses.ts';

/** Which servers requests may go to that only this machine, its node or its cloud can reach. */
export interface Reach {
  /** Servers, as `host` or `host:port`, that may be local. One that a source names may lead to the others. */
  localSources: readonly string[];
  /** The server that a source names may be local, whatever it is. */
  namedMayBeLocal?: boolean;
  /** Addresses of the machine: a server that a source names may have one, but no other server may lead there. */
  ownAddresses?: () => readonly string[];
}

/**
 * For requests that a person, or a build that may run any program, could make without us: the server that they name may be anywhere,
 * and still leads to no local address itself.
 */
export const namedByUser: Reach = { localSources: [], namedMayBeLocal: true };

/** Decides about one server: throws when it is a local address itself; gives which addresses its name must not lead to. */
export type Guard = (server: Pick<URL, 'hostname' | 'port' | 'protocol'>) => (address: string) => boolean;

/**
 * The guard of all requests for the sake of one source. What a redirect or the realm of a token leads to was decided by a server, and
 * not by who wrote the source.
 */
export function guardOf(named: URL, { localSources, namedMayBeLocal = false, ownAddresses }: Reach): Guard {
  const listed = new Set(localSources.map((it) => it.toLowerCase()));
  const isListed = (url: Pick<URL, 'hostname' | 'port' | 'protocol'>) =>
    listed.has(url.hostname.toLowerCase()) || listed.has(serverOf(url));
  const mayLeadToLocal = isListed(named);
  const isOwn = own(ownAddresses?.() ?? []);

  return (server) => {
    const isNamed = serverOf(server) === serverOf(named);
    if (isNamed ? namedMayBeLocal || mayLeadToLocal : mayLeadToLocal && isListed(server)) return () => false;
    const refuse = isNamed ? isLocalAddress : (address: string) => isLocalAddress(address) || isOwn(address);
    const host = server.hostname.replace(/^\[|\]$/g, '');
    if (isLocalName(host) || refuse(host)) throw new LocalAddressError(host);
    return refuse;
  };
}

function serverOf({ hostname, port, protocol }: Pick<URL, 'hostname' | 'port' | 'protocol'>): string {
  return `${hostname.toLowerCase()}:${port || (protocol === 'https:' ? '443' : '80')}`;
}

function own(addresses: readonly string[]): (address: string) => boolean {
  const list = new BlockList();
  for (const address of addresses) {
    const family = isIP(address);
    if (family !== 0) list.addAddress(address, family === 4 ? 'ipv4' : 'ipv6');
  }
  return (address) => {
    const family = isIP(address);
    return family !== 0 && list.check(address, family === 4 ? 'ipv4' : 'ipv6');
  };
}

/**
 * The addresses by which this process reaches its own machine: its interfaces, those that the node is known by, and, for a Pod with
 * a network of its own, the gateway, which is the node with most networks of Pods.
 */
export function ownAddresses(hostIPs: readonly string[]): string[] {
  const interfaces = Object.values(networkInterfaces()).flatMap((them) => (them ?? []).map(({ address }) => address));
  const isOnHostNetwork = hostIPs.some((it) => interfaces.includes(it));
  return [...interfaces, ...hostIPs, ...(isOnHostNetwork ? [] : gateways())];
}

/** The IPv4 gateways of this process; none where they cannot be read. */
function gateways(): string[] {
  try {
    return parseGateways(readFileSync('/proc/net/route', 'utf8'));
  } catch {
    return [];
  }
}

/** The gateways in the text of /proc/net/route, whose numbers are in the order of bytes of the machine: little. */
export function parseGateways(text: string): string[] {
  const numbers = text.split('\n').flatMap((line) => /^\S+\s+[0-9A-F]{8}\s+([0-9A-F]{8})\s/.exec(line)?.[1] ?? []);
  return [...new Set(numbers)]
    .filter((it) => it !== '00000000')
    .map((it) => [...Buffer.from(it, 'hex').reverse()].join('.'));
}

/** Reads `LOCAL_SOURCES`: servers as `host` or `host:port` with commas between. Throws an Error that names what is wrong. */
export function readLocalSources(text: string): string[] {
  const sources = text.split(',').flatMap((it) => it.trim() || []);
  const wrong = sources.find((it) => !/^(\[[0-9a-f:.]+\]|[a-z0-9]([a-z0-9.-]*[a-z0-9])?)(:[0-9]{1,5})?$/i.test(it));
  if (wrong !== undefined) {
    throw new Error(`LOCAL_SOURCES has '${wrong}': it must be a host or host:port, such as 127.0.0.1:5000`);
  }
  return sources;
}
