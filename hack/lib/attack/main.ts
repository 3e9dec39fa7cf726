import process from 'node:process';
import { sourcesNamespace, systemNamespace, verificationNamespace } from '../../../src/api/names.ts';
import { createClient } from '../../../src/kube/client.ts';
import type { Client } from '../../../src/kube/client.ts';
import { createConnection, loadKubeConfig } from '../../../src/kube/connection.ts';
import type { Connection } from '../../../src/kube/connection.ts';
import { nodes, pods } from '../../../src/kube/resources.ts';
import { readOptions } from '../options.ts';
import { attacksOn, tryAttack } from './attacks.ts';
import type { Attacker } from './attacks.ts';

/** Prints a line for each attack; exits with 1 when one was not answered as it should be. */
const about = {
  name: 'hack/attack',
  does: 'Tries what the admission policies of Monoroot must refuse, against the cluster of KUBECONFIG. Everything is a dry run: nothing is stored.',
};
const values = readOptions(about, {
  namespace: { type: 'string', default: 'default' },
  'system-namespace': { type: 'string', default: systemNamespace },
});
const { namespace } = values;
const system = values['system-namespace'];
const userAgent = 'monoroot-attack';
const admin = createConnection({ config: loadKubeConfig(), userAgent });
const connections: Connection[] = [admin];

/** With a token of ten minutes of a service account of Monoroot. */
async function clientOf(by: Attacker): Promise<Client> {
  if (by === 'admin') return createClient(admin);
  const answer = await admin.request({
    method: 'POST',
    path: `/api/v1/namespaces/${system}/serviceaccounts/${by}/token`,
    body: JSON.stringify({
      kind: 'TokenRequest',
      apiVersion: 'authentication.k8s.io/v1',
      spec: { expirationSeconds: 600 },
    }),
  });
  const { status } = JSON.parse(answer) as { status: { token: string } };
  const config = loadKubeConfig();
  config.users = config.users.map(({ name }) => ({ name, token: status.token }));
  const connection = createConnection({ config, userAgent });
  connections.push(connection);
  return createClient(connection);
}

const clients = new Map<Attacker, Client>();
let failures = 0;
try {
  const [node] = await createClient(admin).list(nodes);
  if (!node) throw new Error('The cluster has no node');
  const [pod] = await createClient(admin).list(pods, { namespace: 'kube-system' });
  const attacks = attacksOn({
    namespace,
    system,
    verification: verificationNamespace,
    sources: sourcesNamespace,
    node: node.metadata.name,
    ...(pod && { pod: { namespace: 'kube-system', name: pod.metadata.name } }),
  });
  for (const attack of attacks) {
    const client = clients.get(attack.by) ?? (await clientOf(attack.by));
    clients.set(attack.by, client);
    const problem = await tryAttack(attack, client);
    if (problem !== undefined) failures += 1;
    const how =
      problem ?? (attack.refusedBy === undefined ? 'allowed, as it should be' : `refused by ${attack.refusedBy}`);
    process.stdout.write(`${problem === undefined ? 'ok  ' : 'FAIL'} ${attack.name}: ${how}\n`);
  }
  process.stdout.write(`${attacks.length} attempts, ${failures} not answered as they should be; nothing was stored\n`);
} finally {
  await Promise.all(connections.map((it) => it.close()));
}
process.exitCode = failures === 0 ? 0 : 1;
