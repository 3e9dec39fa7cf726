import { chmodSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, inject, test } from 'vitest';
import { commands } from '../../src/cli/commands.ts';
import { imageDistributions } from '../../src/kube/kinds.ts';
import { pods, secrets } from '../../src/kube/resources.ts';
import { temporaryDirectory } from '../fixtures/agent/directory.ts';
import { runForTest } from '../fixtures/cli.ts';
import { connect, createNamespace } from './environment.ts';

/**
 * `kubectl monoroot gate test` from the command line to a gate: a real API server and the program that runs beside the operator. Only
 * `kubectl exec`, which needs a kubelet, is a script that starts that program here.
 */

const kubeconfig = inject('kubeconfig');
const { connection, client } = connect(kubeconfig);
const asked: unknown[] = [];
/** It says no to whom it does not know, and whenever a path ends with /no. */
const server = createServer((request, response) => {
  let body = '';
  request.on('data', (piece) => (body += String(piece)));
  request.on('end', () => {
    asked.push(JSON.parse(body));
    const isKnown = request.headers.authorization === 'Bearer s3cret' && request.url !== '/no';
    response.writeHead(isKnown ? 204 : 503).end(isKnown ? '' : `error rate 7 % for ${String(request.headers.authorization)}`); // prettier-ignore
  });
});
let namespace = '';
const name = 'gated';

beforeAll(async () => {
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  namespace = await createNamespace(client);
  const url = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
  const gate = { intervalSeconds: 30, timeoutSeconds: 5, failureLimit: 1, secretRef: { name: 'login' } };
  const gates = [
    { ...gate, name: 'good', webhook: { url: `${url}/` } },
    { ...gate, name: 'bad', webhook: { url: `${url}/no` } },
  ];
  const existingContainers = { canary: { count: 1, soakSeconds: 600 }, gates };
  await client.create(imageDistributions, {
    metadata: { name },
    spec: { image: 'gated:v2', activate: { newContainers: true, existingContainers } },
  } as never);
  const labels = { 'monoroot.dev/gate': 'true' };
  await client.create(secrets, { metadata: { name: 'login', namespace, labels }, data: { token: btoa('s3cret') } });
  const metadata = { name: 'operator-1', namespace };
  const component = { 'app.kubernetes.io/name': 'monoroot', 'app.kubernetes.io/component': 'operator' };
  await client.create(pods, { metadata: { ...metadata, labels: component }, spec: { containers: [{ name: 'operator', image: 'x' }] } }); // prettier-ignore
  await client.mergePatch(pods, metadata, { status: { conditions: [{ type: 'Ready', status: 'True' }] } }, { subresource: 'status' }); // prettier-ignore
});
afterAll(async () => {
  await client.delete(imageDistributions, { name });
  await connection.close();
  await new Promise((resolve) => server.close(resolve));
});

/** What stands in for kubectl: runs what stands behind `--`, with the environment of the operator. */
function kubectl(script: string): string {
  const path = join(temporaryDirectory(), 'kubectl');
  const program = join(import.meta.dirname, '../../src/cmd/gates.ts');
  const start = `POD_NAMESPACE=${namespace} GATES_LOCAL_ADDRESSES=true KUBECONFIG='${kubeconfig}' '${process.execPath}' '${program}' "$@"`;
  writeFileSync(
    path,
    `#!/bin/sh\nwhile [ "$1" != /opt/monoroot/gates.js ]; do shift; done\nshift\nask() { ${start}; }\n${script}\n`,
  );
  chmodSync(path, 0o755);
  return path;
}
const gateTest = (argv: readonly string[], script = 'ask "$@"') =>
  runForTest(['gate', 'test', ...argv, '--system-namespace', namespace, '--kubeconfig', kubeconfig], commands, {
    kubectl: kubectl(script),
  });

describe('gate test', () => {
  test('asks beside the operator, and says what that would make of the answers', async () => {
    const { code, stdout, stderr } = await gateTest([name]);
    expect(stderr).toBe('');
    expect(code).toBe(1);
    expect(stdout).toMatch(/good +yes +goes on in a soak; there is none now +127\.0\.0\.1:\d+ answered 204/);
    expect(stdout).toMatch(/bad +no +waits until it holds .* \(failure 1, and failureLimit is 1\) +.*error rate 7 % for Bearer \*\*\*/); // prettier-ignore
    expect(asked.at(-1)).toMatchObject({ distribution: name, image: 'gated:v2', wave: 0 });
  });

  test('counts the failures of the soak that goes on', async () => {
    const time = '2026-01-01T11:59:00Z';
    const gates = [{ name: 'bad', holds: false, failures: 1, time }];
    const rollout = { image: 'gated:v2', startTime: time, wave: 0, soakStartTime: time, gates };
    await client.mergePatch(imageDistributions, { name }, { status: { rollout } }, { subresource: 'status' });
    const { code, stdout } = await gateTest([name, 'bad', '-o', 'json']);
    expect(code).toBe(1);
    expect(JSON.parse(stdout)).toMatchObject({
      gates: [{ name: 'bad', verdict: 'halts the rollout in this soak (failure 2, and failureLimit is 1)' }],
    });
    // Nothing of it is counted.
    const { status } = (await client.get(imageDistributions, { name })) ?? {};
    expect(status?.rollout?.gates).toEqual(gates);
  });

  test('asks from here where no operator can', async () => {
    const { code, stdout } = await gateTest([name, 'good', '--local'], 'exit 9');
    expect([code, stdout]).toEqual([0, expect.stringMatching(/good +yes/)]);
  });

  test.each([
    ['a gate that there is not', [name, 'ugly'], 'ask "$@"', /has no gate ugly; it has good, bad/],
    ['a distribution that there is not', ['none'], 'ask "$@"', /There is no ImageDistribution none/],
    ['an operator of an earlier version', [name], 'echo "Error: Cannot find module \'/opt/monoroot/gates.js\'" >&2; exit 1', /is too old to test gates/], // prettier-ignore
    ['a kubelet that does not answer', [name], 'echo "dial tcp: refused" >&2; exit 1', /gave no answer: dial tcp: refused; --local asks from this machine/], // prettier-ignore
  ])('says what is wrong with %s', async (_what, argv, script, message) => {
    const { code, stderr } = await gateTest(argv, script);
    expect(code).toBe(2);
    expect(stderr).toMatch(message);
  });
});
