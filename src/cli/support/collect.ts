import { hostedContainers, imageDistributions, nodeStores, osImages } from '../../kube/kinds.ts';
import { events, leases, nodes, pods } from '../../kube/resources.ts';
import { ApiError } from '../../runtime/errors.ts';
import { readFacts } from '../check/facts.ts';
import { check } from '../check/rules.ts';
import type { Cluster } from '../cluster.ts';
import { structured } from '../output.ts';
import { findSystemNamespace } from '../system.ts';
import { redactObject, redactText } from './redact.ts';
import type { TarFile } from './tar.ts';

const tailLines = 5000;

/**
 * Everything that helps to find a fault, without Secrets, ConfigMaps, logs of containers, and what users wrote that may be one. What may not be
 * read is named in `missing.txt`.
 */
export async function collect({ client, connection }: Cluster, now: Date, version: string): Promise<TarFile[]> {
  const missing: string[] = [];
  const files: TarFile[] = [];
  const add = async (name: string, read: () => Promise<unknown>) => {
    try {
      const found = await read();
      files.push({
        name,
        text: typeof found === 'string' ? redactText(found) : structured('yaml', redactObject(found)),
      });
    } catch (error) {
      if (!(error instanceof ApiError)) throw error;
      missing.push(`${name}: ${error.message}`);
    }
  };
  const system = { namespace: await findSystemNamespace(client) };
  await add('version.yaml', async () => ({ plugin: version, time: now.toISOString(), kubernetes: JSON.parse(await connection.request({ method: 'GET', path: '/version' })) as unknown })); // prettier-ignore
  await add('check.yaml', async () => check(await readFacts({ client, connection }), now));
  await add('osimages.yaml', () => client.list(osImages));
  await add('imagedistributions.yaml', () => client.list(imageDistributions));
  await add('nodestores.yaml', () => client.list(nodeStores));
  await add('hostedcontainers.yaml', () => client.list(hostedContainers));
  await add('nodes.yaml', () => client.list(nodes));
  await add('leases.yaml', () => client.list(leases, system));
  await add('pods-of-monoroot.yaml', () => client.list(pods, system));
  await add('pods-of-containers.yaml', () => client.list(pods, { labelSelector: 'monoroot.dev/hosted-container' }));
  await add(
    'events.yaml',
    async () =>
    (await client.list(events)).filter(({ regarding, metadata }) => regarding?.apiVersion?.startsWith('monoroot.dev/') === true || metadata.namespace === system.namespace), // prettier-ignore
  );
  const own = await client.list(pods, { ...system, labelSelector: 'app.kubernetes.io/name=monoroot' }).catch(() => []);
  for (const { metadata } of own) {
    for (const previous of [false, true]) {
      const name = `logs/${metadata.name}${previous ? '.previous' : ''}.log`;
      await add(name, () => client.podLog({ ...system, name: metadata.name }, { tailLines, previous }));
    }
  }
  return [...files, { name: 'missing.txt', text: missing.map((it) => `${it}\n`).join('') }];
}
