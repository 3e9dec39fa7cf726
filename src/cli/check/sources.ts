import { imageName } from '../../api/images.ts';
import type { StoredImage } from '../../api/nodestore.ts';
import type { Scene } from '../scene/scene.ts';
import type { ClusterFacts } from './facts.ts';
import { failed, ok, seeing, some, warning } from './rule.ts';
import type { Finding, Rule } from './rule.ts';

/** Why an agent cannot have an image that are about the server, the way to it, or the login; others are about the image. */
const ofServers: ReadonlySet<string> = new Set([
  'UnreachableSource',
  'LocalAddress',
  'HTTPStatus',
  'Unauthorized',
  'SecretMissing',
  'CertificateUntrusted',
  'TooManyRedirects',
  'ManifestUnknown',
  'TimedOut',
]);

interface Trouble {
  host: string;
  /** Another image of the same server is there: the server is well, and something is wrong about this one. */
  isServed: boolean;
  reason: string;
  image: string;
  node: string;
}

/** Registries and web servers, as agents see them: from the nodes, with the logins of the Secrets. */
export const sources: Rule = {
  id: 'sources',
  isBefore: false,
  find: (facts) => seeing(facts, ['nodestores'], () => findTrouble(facts)),
};

function findTrouble({ scene }: ClusterFacts): Omit<Finding, 'id'> {
  const hosts = new Set(scene.nodeStores.flatMap(({ spec }) => spec.images.map(({ source }) => hostOf(source))));
  const troubles = Map.groupBy(troublesOf(scene), ({ host, reason }) => `${host}: ${reason}`);
  if (troubles.size > 0) {
    const said = [...troubles].map(([what, all]) => `${what} on ${some(namesOf(all, 'node'))} (${some(namesOf(all, 'image'))})`); // prettier-ignore
    const [first] = [...troubles.values()].flat();
    const isPartial = [...troubles.values()].flat().every(({ isServed }) => isServed);
    return (isPartial ? warning : failed)(
      said.join('; '),
      `kubectl monoroot why ${first?.image ?? ''} tells what the server said`,
    );
  }
  if (hosts.size === 0) return ok('No node has to fetch an image');
  return ok(`No agent has trouble with ${some([...hosts].sort())}, as of its last fetch`);
}

const namesOf = (troubles: readonly Trouble[], key: 'node' | 'image') => [...new Set(troubles.map((it) => it[key]))];

/** An image that is Ready has no trouble; one that is retried has, until it is there. */
function troublesOf({ nodeStores }: Scene): Trouble[] {
  const served = new Set(nodeStores.flatMap(servedTo));
  return nodeStores.flatMap(({ metadata, spec, status }) =>
    (status?.images ?? []).filter(isInTrouble).flatMap((stored) => {
      const wanted = spec.images.find(({ os, version }) => os === stored.os && version === stored.version);
      if (!wanted) return [];
      const host = hostOf(wanted.source);
      const { name: node } = metadata;
      return { host, isServed: served.has(host), reason: stored.reason ?? '', image: imageName(stored), node };
    }),
  );
}

/** Servers of images that the node has. */
function servedTo({ spec, status }: Scene['nodeStores'][number]): string[] {
  const ready = new Set((status?.images ?? []).filter(({ state }) => state === 'Ready').map(imageName));
  return spec.images.filter((it) => ready.has(imageName(it))).map(({ source }) => hostOf(source));
}

const isInTrouble = ({ state, reason = '' }: StoredImage): boolean => state !== 'Ready' && ofServers.has(reason);

interface Source {
  http?: { url: string } | undefined;
  oci?: { reference: string } | undefined;
}

/** `registry.example.com`, also with its port. */
export const hostOf = ({ http, oci }: Source): string =>
  http ? (URL.parse(http.url)?.host ?? http.url) : (oci?.reference.split('/')[0] ?? '');

/** The same servers, asked from this machine. */
export const sourcesFromHere: Rule = {
  id: 'sources-from-here',
  isBefore: false,
  isAsked: ({ fromHere }) => fromHere !== undefined,
  find: ({ fromHere: all = [] }) => {
    const fromHere = all.filter(({ host }) => !isOfCluster(host));
    const silent = fromHere.filter(({ problem }) => problem !== undefined);
    if (silent.length > 0)
      return failed(
        silent.map(({ image, problem }) => `${image}: ${problem ?? ''}`).join('; '),
        'nodes may see another network and have other logins: sources says what they see',
      );
    if (fromHere.length === 0)
      return ok(
        all.length === 0 ? 'There is no source to ask' : 'All sources are Services, which only the cluster knows',
      );
    return ok(
      `${some(fromHere.map(({ host }) => host).filter((it, i, all) => all.indexOf(it) === i))} answer from here`,
    );
  },
};

/** A name that only the DNS of the cluster knows. */
const isOfCluster = (host: string): boolean => /\.svc(\.|:|$)/.test(host);
