import process from 'node:process';
import { systemNamespace } from '../api/names.ts';
import { gateQuestions } from '../controllers/imagedistribution/gate-questions.ts';
import { askGates } from '../controllers/imagedistribution/rollout/gates/ask.ts';
import { createClient } from '../kube/client.ts';
import { createConnection, loadKubeConfig, userAgent } from '../kube/connection.ts';
import { imageDistributions } from '../kube/kinds.ts';
import { secretReader } from '../kube/secrets.ts';
import { packageVersion } from './version.ts';

/**
 * `gates DISTRIBUTION [GATE...]`: asks gates of a rollout once, as the operator does beside which it runs: with its rights, its
 * network and its names of servers. `kubectl monoroot gate test` runs it. It prints one JSON array and changes nothing.
 */

try {
  const [, , name = '', ...gates] = process.argv;
  const { env } = process;
  const connection = createConnection({
    config: loadKubeConfig(),
    userAgent: userAgent(packageVersion, 'gates'),
  });
  try {
    const client = createClient(connection);
    const distribution = await client.get(imageDistributions, { name });
    if (!distribution) throw new Error(`There is no ImageDistribution ${name}`);
    const readSecret = secretReader(client, env['POD_NAMESPACE'] ?? systemNamespace);
    const ports = { readSecret, localAddresses: env['GATES_LOCAL_ADDRESSES'] === 'true' };
    const answers = await askGates(gateQuestions(distribution, gates), ports, new AbortController().signal);
    process.stdout.write(`${JSON.stringify(answers)}\n`);
  } finally {
    await connection.close();
  }
} catch (error) {
  process.stderr.write(`${error instanceof Error ? error.message : String(error)}\n`);
  process.exitCode = 1;
}
